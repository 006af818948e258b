//! Examples in the documentation: blocks marked `sh` run as printed, and the programs of
//! docs/concepts.md produce the figures on that page.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const MIB: u64 = 1 << 20;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Pages for users.
fn pages() -> Vec<PathBuf> {
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    pages.extend(["README.md", "README.es.md"].map(|name| root().join(name)));
    pages.sort();
    pages
}

/// Blocks of a page between "```sh" and "```".
fn runnable_blocks(page: &str) -> Vec<String> {
    let after_each_mark = page.split("\n```sh\n").skip(1);
    after_each_mark.map(|text| text.split("\n```").next().unwrap_or_default().to_owned()).collect()
}

/// Shell in the project's directory that finds the built `memtap` first and stops at the first
/// failure.
fn shell(block: &str) -> Command {
    let programs = Path::new(env!("CARGO_BIN_EXE_memtap")).parent().unwrap().to_path_buf();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&others))).unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", block]).current_dir(root()).env("PATH", path).env("LC_ALL", "C");
    shell
}

#[test]
fn blocks_marked_as_shell_run_as_printed() {
    let mut count = 0;
    for page in pages() {
        for block in runnable_blocks(&std::fs::read_to_string(&page).unwrap()) {
            let output = shell(&block).output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}:\n{block}\n{}\n{errors}", page.display(), output.status);
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} blocks are marked as runnable");
}

/// Report of `memtap run` on a program of docs/examples/, traced without privileges.
fn run_example(name: &str) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let (program, report) = (directory.path().join(name), directory.path().join("run.json"));
    let source = root().join(format!("docs/examples/{name}.c"));
    let compiled =
        Command::new("cc").args(["-O1", "-Wall", "-Werror", "-o"]).arg(&program).arg(source).status();
    assert!(compiled.unwrap().success(), "{name}.c does not compile");
    let mut memtap = Command::new(env!("CARGO_BIN_EXE_memtap"));
    memtap.args(["run", "--source", "ptrace", "-o"]).arg(&report).arg("--").arg(&program);
    assert!(memtap.output().unwrap().status.success(), "{name} failed");
    serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap()
}

/// Asserts that a figure is `expected`, apart from what every program needs at its start.
fn assert_about(report: &Value, field: &str, expected: u64) {
    let actual = report[field].as_u64().unwrap();
    assert!((expected..expected + 8 * MIB).contains(&actual), "{field} is {actual}, not about {expected}");
}

#[test]
fn the_programs_of_the_concepts_page_show_its_figures() {
    let reserved = run_example("reserved");
    assert_about(&reserved, "peak_virtual_bytes", 1024 * MIB);
    assert_about(&reserved, "peak_resident_bytes", 0);

    let committed = run_example("committed");
    assert_about(&committed, "peak_virtual_bytes", 256 * MIB);
    assert_about(&committed, "peak_resident_bytes", 0);

    let resident = run_example("resident");
    assert_about(&resident, "peak_virtual_bytes", 256 * MIB);
    assert_about(&resident, "peak_resident_bytes", 64 * MIB);

    let ledger = run_example("ledger");
    assert_about(&ledger["calls"]["munmap"], "requested_bytes", 64 * MIB);
    assert_about(&ledger, "released_bytes", 32 * MIB);
    assert_eq!(ledger["refused"], 0);
    assert_eq!(ledger["unexplained_bytes"], 0);

    let refused = run_example("refused");
    assert_eq!(refused["refused"], 1);
    assert_eq!(refused["refusals"][0]["error"], "ENOMEM");
    assert_about(&refused, "requested_bytes", 0);
}
