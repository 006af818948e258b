//! `docs/openapi.json` is generated from the code. This test generates it again and compares.

use std::path::Path;

#[test]
fn the_committed_document_matches_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == memtap_server::document(),
        "docs/openapi.json is not what the code gives; run: cargo xtask openapi"
    );
}

/// Two types with the same name would silently share one description.
#[test]
fn no_two_described_types_have_one_name() {
    let mut names = Vec::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![crates.join("memtap-api/src"), crates.join("memtap-server/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                names.extend(described_types(&std::fs::read_to_string(path).unwrap_or_default()));
            }
        }
    }
    assert!(names.len() > 40, "the types are not found any more: {names:?}");
    names.sort();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).collect();
    assert!(twice.is_empty(), "more than one type is named {twice:?}");
}

/// Types that a source file describes by `derive(ToSchema)` or by hand.
fn described_types(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut derived = false;
    for line in source.lines().map(str::trim) {
        derived |= line.contains("derive(") && line.contains("ToSchema");
        let mut words =
            line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        if derived && words.any(|word| word == "struct" || word == "enum") {
            names.extend(words.next().map(str::to_owned));
            derived = false;
        } else if let Some(by_hand) = line.strip_prefix("impl ToSchema for ") {
            names.extend(by_hand.split(' ').next().map(str::to_owned));
        }
    }
    names
}
