//! Output and exit code of `memtap doctor` on this machine, as root and as other users.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};

use serde_json::Value;

const NOBODY: u32 = 65534;

fn doctor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command.arg("doctor").args(arguments).current_dir("/").env("MEMTAP_STORE", "sqlite:/tmp/memtap.db");
    command
}

fn parse_json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn check<'a>(json: &'a Value, name: &str) -> &'a Value {
    let checks = json["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {json}"))
}

#[test]
fn all_requests_can_be_seen_by_root() {
    let output = doctor(&["--format=json"]).output().unwrap();
    let json = parse_json(&output);
    assert_eq!((output.status.code(), &json["requests"]), (Some(0), &Value::Bool(true)), "{json}");
    assert_eq!(json["user"], "root");
    for name in [
        "kernel",
        "eBPF",
        "others' /proc",
        "priority",
        "tracepoints (tp_btf)",
        "all processes (iter)",
        "plan",
        "folder",
    ] {
        assert_eq!(check(&json, name)["verdict"], "good", "{name}");
    }
    for lack in json["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] != "good") {
        assert!(lack["fix"].is_string() && lack["fix"] == lack["mend"], "{lack}");
    }
}

#[test]
fn missing_privileges_are_reported_with_the_fix() {
    let output = doctor(&["--format=json"]).uid(NOBODY).gid(NOBODY).output().unwrap();
    let json = parse_json(&output);
    assert_eq!((output.status.code(), &json["requests"]), (Some(3), &Value::Bool(false)), "{json}");
    assert_eq!(
        (json["user"].as_str(), json["capabilities"].as_array().map(Vec::len)),
        (Some("nobody"), Some(0))
    );
    for name in ["eBPF", "tracepoints (tp_btf)", "plan"] {
        let check = check(&json, name);
        assert_eq!(check["verdict"], "missing", "{check}");
        assert!(
            check["fix"]
                .as_str()
                .unwrap()
                .contains("setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_sys_nice+ep"),
            "{check}"
        );
    }
}

#[test]
fn a_denied_priority_is_reported_with_the_fix() {
    let output = doctor(&["--format=json"]).uid(NOBODY).gid(NOBODY).output().unwrap();
    let json = parse_json(&output);
    let priority = check(&json, "priority");
    assert_eq!(priority["verdict"], "less", "{priority}");
    assert!(priority["found"].as_str().unwrap().contains("-10"), "{priority}");
    assert!(priority["fix"].as_str().unwrap().contains("cap_sys_nice"), "{priority}");
}

#[test]
fn in_a_pid_namespace_the_machines_processes_are_missed() {
    let mut inside = Command::new("unshare");
    let memtap = doctor(&["--format=json"]);
    inside.args(["--pid", "--fork", "--mount-proc"]).arg(memtap.get_program()).args(memtap.get_args());
    let json = parse_json(&inside.env("container", "podman").current_dir("/").output().unwrap());
    let processes = check(&json, "processes");
    assert_eq!(
        (processes["verdict"].as_str(), processes["fix"].as_str()),
        (Some("less"), Some("start the container with --pid=host"))
    );
    assert_eq!(check(&json, "container")["found"], "podman");
}

#[test]
fn people_read_it_at_eighty_columns_without_colours_in_a_pipe() {
    let text = String::from_utf8(doctor(&[]).output().unwrap().stdout).unwrap();
    for heading in ["Kernel", "Permissions", "Environment", "Tests", "History"] {
        assert!(text.lines().any(|line| line == heading), "{heading}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80) && !text.contains('\u{1b}'), "{text}");
    assert!(text.contains("memtap can see every request"), "{text}");
}

#[test]
fn a_folder_that_cannot_be_written_is_found() {
    let output = doctor(&["--format=json"])
        .env("MEMTAP_STORE", "sqlite:/root/memtap/memtap.db")
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    let json = parse_json(&output.unwrap());
    assert!(check(&json, "folder")["fix"].as_str().unwrap().contains("--owner=nobody"), "{json}");
}

#[test]
fn the_history_is_looked_at() {
    let database = |store: &str| {
        let output = doctor(&["--format=json"]).env("MEMTAP_STORE", store).output().unwrap();
        let json = parse_json(&output);
        assert_eq!(output.status.code(), Some(0), "all requests can be seen: {json}");
        json["checks"].as_array().unwrap().iter().find(|check| check["name"] == "database").cloned()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memtap.db");
    let url = format!("sqlite:{}", path.display());
    let none = database(&url).unwrap();
    assert_eq!(none["verdict"], "good", "{none}");
    assert!(!path.exists(), "nothing was made");
    std::fs::write(&path, b"not a database at all\n".repeat(1000)).unwrap();
    let foreign = database(&url).unwrap();
    assert_eq!(foreign["verdict"], "missing", "{foreign}");
    assert!(foreign["found"].as_str().unwrap().contains("is not a memtap database"), "{foreign}");
    assert!(foreign["fix"].as_str().unwrap().contains("choose another file"), "{foreign}");
    let away = database("mysql://me:s3cret@127.0.0.1:1/memtap").unwrap();
    assert_eq!(
        (away["verdict"].as_str(), away["fix"].as_str()),
        (Some("missing"), Some("Start the server, or correct the address"))
    );
    assert!(away["found"].as_str().unwrap().starts_with("mysql://me@127.0.0.1:1/memtap: Connection refused"));
    assert_eq!(database("none"), None);
}
