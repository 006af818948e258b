//! Priority of memtap's threads, as the kernel shows it.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use std::collections::BTreeSet;
use std::process::Command;

use support::{Memtap, NOBODY, wait_until};

/// Nice values of all threads of a process: field 19 of /proc/PID/task/TID/stat.
fn nice_values(pid: u32, least_threads: usize) -> BTreeSet<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stats =
        threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    let values: Vec<i32> = stats
        .map(|stat| stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().parse().unwrap())
        .collect();
    assert!(values.len() >= least_threads, "all its threads are there: {values:?}");
    values.into_iter().collect()
}

/// Nice values of this process, whose priority is not changed.
fn own() -> BTreeSet<i32> {
    nice_values(std::process::id(), 1)
}

#[test]
fn all_threads_of_serve_have_priority_over_the_watched_load() {
    for (arguments, expected) in
        [(&[][..], -10), (&["--nice", "0"], 0), (&["--nice", "-3"], -3), (&["--nice=5"], 5)]
    {
        let memtap = Memtap::start_with(arguments);
        assert_eq!(nice_values(memtap.pid(), 5), [expected].into(), "{arguments:?}");
        assert_eq!(memtap.get("/api/v1/health")["runs_as"]["nice"], expected);
        assert!(!memtap.log().contains("nice value"), "{}", memtap.log());
    }
}

#[test]
fn a_better_priority_than_the_default_stays() {
    let folder = tempfile::tempdir().unwrap();
    let port = support::free_port();
    let memtap = support::command(folder.path(), port, &["--source=bpf"]);
    let mut nice = Command::new("nice");
    nice.arg("-n-15").arg(memtap.get_program()).args(memtap.get_args()).current_dir(folder.path());
    nice.env("MEMTAP_STORE", format!("sqlite:{}", folder.path().join("memtap.db").display()));
    let memtap = Memtap::start_command(folder.path(), port, nice.stdout(std::process::Stdio::null()));
    assert_eq!(nice_values(memtap.pid(), 5), [-15].into());
}

#[test]
fn an_ordinary_user_gets_a_warning_and_no_priority() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let memtap = Memtap::start_in(folder.path(), &[], Some(NOBODY));
    assert_eq!(nice_values(memtap.pid(), 5), own());
    let log = memtap.log();
    assert_eq!(log.matches("cannot set nice value -10").count(), 1, "{log}");
    assert!(log.contains("cap_sys_nice"), "{log}");
}

/// The command started by `run` has the same priority as without memtap.
#[test]
fn the_command_of_run_does_not_inherit_the_priority() {
    let _alone = support::alone();
    let output = Command::new(env!("CARGO_BIN_EXE_memtap"))
        .args(["run", "--", "sh", "-c", "cut -d' ' -f19 /proc/self/stat"])
        .output()
        .unwrap();
    let found = String::from_utf8_lossy(&output.stdout).trim().parse::<i32>().unwrap();
    assert_eq!(BTreeSet::from([found]), own(), "{output:?}");
}

#[test]
fn trace_and_record_run_before_the_load_as_well() {
    let _alone = support::alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.mtrec");
    for arguments in [&["trace", "--refused"][..], &["record", "-o", file.to_str().unwrap()]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_memtap"))
            .args(arguments)
            .args(["--source=bpf", "--duration=60s"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let threads = || std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count();
        wait_until("it captures", || threads() >= 2);
        let found = nice_values(child.id(), 2);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, [-10].into(), "{arguments:?}");
    }
}
