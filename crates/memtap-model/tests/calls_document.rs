//! Test that generates `docs/calls.md` from the call table and compares it with the committed file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use memtap_model::{CALLS, CallRow, SizeRule};

fn document() -> String {
    let mut text = "# The memory calls that memtap follows\n\n\
        A test generates this page from `crates/memtap-model/src/call.rs`.\n\n\
        | column | meaning |\n| --- | --- |\n\
        | size | What `memory_size` and the requested bytes contain |\n\
        | asks | The call asks for memory: its size counts as requested |\n\
        | moves | The call can change the virtual size |\n\
        | x86-64, i386 | The system call numbers |\n\n\
        | call | what it does | size | asks | moves | x86-64 | i386 |\n| --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for row in CALLS {
        let numbers: Vec<String> = row.numbers_i386.iter().map(u16::to_string).collect();
        let yes = |fact: bool| if fact { "yes" } else { "" };
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} | {} |",
            row.name,
            row.about,
            size(row),
            yes(row.asks),
            yes(row.moves),
            row.number_x86_64,
            numbers.join(", ")
        )
        .expect("a string takes everything");
    }
    text
}

fn size(row: &CallRow) -> &'static str {
    match row.size {
        SizeRule::None => "",
        SizeRule::Second => "second argument",
        SizeRule::Third => "third argument",
        SizeRule::Break => "distance from the previous break",
        SizeRule::Delta => "change of the virtual size",
        SizeRule::Answer => "return value",
    }
}

#[test]
fn the_document_matches_the_call_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let made = target.join("calls.md");
    std::fs::write(&made, document()).expect("target can be written");
    let committed = std::fs::read_to_string(root.join("docs/calls.md")).unwrap_or_default();
    assert!(
        committed == document(),
        "docs/calls.md differs from the call table. Run: cp {} docs/calls.md",
        made.display()
    );
}
