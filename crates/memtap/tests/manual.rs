//! Completions, manual pages, and the version with the components of memtap.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

use std::process::{Command, Output};

fn memtap(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_memtap")).args(arguments).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    output
}

fn text(arguments: &[&str]) -> String {
    String::from_utf8(memtap(arguments).stdout).unwrap()
}

#[test]
fn a_shell_takes_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&["completions", shell]);
        assert!(script.contains("record") && script.contains("duration"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("memtap.bash");
    std::fs::write(&script, text(&["completions", "bash"])).unwrap();
    let ask = format!(
        "source '{}'; COMP_WORDS=(memtap rec); COMP_CWORD=1; _memtap memtap rec memtap; echo \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let answer = Command::new("bash").args(["--norc", "-c", &ask]).output().unwrap();
    assert_eq!(String::from_utf8(answer.stdout).unwrap().trim(), "record");
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    memtap(&["man", "--output", folder.path().to_str().unwrap()]);
    for page in ["memtap", "memtap-serve", "memtap-record", "memtap-report", "memtap-store-export"] {
        let page = std::fs::read_to_string(folder.path().join(format!("{page}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains(".SH OPTIONS"));
    }
    assert!(text(&["man"]).contains(".SH SUBCOMMANDS"));
}

#[test]
fn the_verbose_version_lists_the_components() {
    assert_eq!(text(&["--version"]), format!("memtap {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(text(&["-V"]), text(&["--version"]));
    let verbose = text(&["--version", "--verbose"]);
    for part in ["aya ", "rusqlite ", "react ", "echarts "] {
        let line = verbose.lines().find(|line| line.trim().starts_with(part)).unwrap();
        assert!(line.contains("MIT") || line.contains("Apache-2.0"), "{line}");
    }
}
