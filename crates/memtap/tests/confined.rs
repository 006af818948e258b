//! What memtap itself may do while it serves, as the kernel says of each of its threads, and that it sees all the same.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use support::{Fixture, Memtap, NOBODY, command, free_port, run};

const SYS_PTRACE: u64 = 1 << 19;
/// CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
const FILES: u64 = 0b111;
const THE_THREE: u64 = 1 << 39 | 1 << 38 | SYS_PTRACE;

/// A field of all threads' /proc/PID/task/TID/status: its values, each once.
fn of_threads(memtap: &Memtap, field: &str) -> BTreeSet<u64> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", memtap.pid())).unwrap();
    let texts =
        threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("status")).ok());
    let values: Vec<u64> = texts
        .map(|text| {
            let value = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).unwrap();
            u64::from_str_radix(value.split_whitespace().next().unwrap(), 16).unwrap()
        })
        .collect();
    assert!(
        values.len() > 4,
        "the runtime's, the store's and the one that captures are among them: {values:?}"
    );
    values.into_iter().collect()
}

fn confined_to(memtap: &Memtap, capabilities: u64) {
    for set in ["CapEff", "CapPrm"] {
        assert_eq!(of_threads(memtap, set), [capabilities].into(), "{set}");
    }
    assert_eq!(of_threads(memtap, "CapInh"), [0].into());
    assert_eq!(of_threads(memtap, "CapAmb"), [0].into());
    assert_eq!(of_threads(memtap, "NoNewPrivs"), [1].into());
    assert_eq!(of_threads(memtap, "Seccomp"), [2].into(), "2 is by a filter");
}

/// Requests of another user's process, and what only the present has of it.
fn sees_everything(memtap: &Memtap) {
    let mut fixture = Fixture::start(&["known"]);
    memtap.settle();
    fixture.go();
    memtap.settle();
    let process = memtap.get(&format!("/api/v1/processes/{}?pss=true", fixture.pid()));
    assert_eq!((process["user"].as_str(), process["unexplained_bytes"].as_u64()), (Some("root"), Some(0)));
    assert!(process["pss_bytes"].as_u64() > Some(0), "{process}");
    let path = format!("/api/v1/requests?pid={}&call=mmap&min_size=1236992", fixture.pid());
    memtap.wait_for(&path, "its request is in the history", |page| {
        page["requests"]
            .as_array()
            .is_some_and(|found| found.iter().any(|request| request["memory_size"] == 1_236_992))
    });
    let mappings = memtap.get(&format!("/api/v1/processes/{}/mappings", fixture.pid()));
    assert!(mappings["classes"].as_array().is_some_and(|classes| classes.len() > 3), "{mappings}");
    let limits = memtap.get(&format!("/api/v1/processes/{}/limits", fixture.pid()));
    assert!(limits.get("error").is_none(), "{limits}");
}

fn for_everybody(mode: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    folder
}

#[test]
fn root_keeps_what_files_and_proc_need() {
    let memtap = Memtap::start();
    confined_to(&memtap, SYS_PTRACE | FILES);
    let bound = of_threads(&memtap, "CapBnd");
    assert!(bound.iter().all(|set| set & !(THE_THREE | FILES | 1 << 10) == 0), "{bound:x?}");
    sees_everything(&memtap);
    let runs_as = memtap.get("/api/v1/health")["runs_as"].clone();
    let kept = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"];
    assert_eq!(runs_as, json!({ "user": "root", "capabilities": kept }));
    confined_to(&memtap, SYS_PTRACE | FILES);
}

#[test]
fn three_capabilities_do_instead_of_root() {
    let folder = for_everybody(0o777);
    let port = free_port();
    let memtap = command(folder.path(), port, &["--source=bpf"]);
    let mut setpriv = Command::new("setpriv");
    let three = "-all,+bpf,+perfmon,+sys_ptrace";
    setpriv.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"]);
    setpriv.args([
        &format!("--inh-caps={three}"),
        &format!("--ambient-caps={three}"),
        &format!("--bounding-set={three}"),
    ]);
    setpriv.arg(memtap.get_program()).args(memtap.get_args()).current_dir(folder.path());
    for (key, value) in memtap.get_envs() {
        match value {
            Some(value) => setpriv.env(key, value),
            None => setpriv.env_remove(key),
        };
    }
    let memtap = Memtap::start_command(folder.path(), port, setpriv.stdout(std::process::Stdio::null()));
    confined_to(&memtap, SYS_PTRACE);
    sees_everything(&memtap);
    assert_eq!(memtap.get("/api/v1/health")["notices"], json!([]));
}

#[test]
fn root_becomes_the_user_that_is_named_and_gives_it_the_folders() {
    let place = for_everybody(0o711);
    let folder = place.path().join("new/history");
    let port = free_port();
    let spool = format!("--spool={}", place.path().join("spool").display());
    let mut command = command(place.path(), port, &["--source=bpf", "--user=nobody", &spool]);
    command.env("MEMTAP_STORE", format!("sqlite:{}", folder.join("memtap.db").display()));
    let memtap = Memtap::start_command(place.path(), port, &mut command);
    confined_to(&memtap, SYS_PTRACE);
    sees_everything(&memtap);
    assert_eq!(
        memtap.get("/api/v1/health")["runs_as"],
        json!({ "user": "nobody", "capabilities": ["CAP_SYS_PTRACE"] })
    );
    for part in ["new", "new/history", "new/history/memtap.db", "spool"] {
        let made = std::fs::metadata(place.path().join(part)).unwrap();
        assert_eq!((made.uid(), made.mode() & 0o077), (NOBODY, 0), "{part}");
    }
    assert_eq!(std::fs::metadata(place.path()).unwrap().uid(), 0, "what was there stays root's");
    assert!(memtap.interrupt().1);
}

#[test]
fn sources_without_a_kernel_part_are_confined_as_well() {
    let folder = for_everybody(0o777);
    let lines = folder.path().join("lines");
    std::fs::write(&lines, "mmap,7,perl,4096,Tue Nov 24 12:00:00 2026\n").unwrap();
    for source in ["--source=procfs".to_owned(), format!("--source=systemtap:{}", lines.display())] {
        let port = free_port();
        let mut command = command(folder.path(), port, &[&source, "--user=nobody"]);
        let memtap = Memtap::start_command(folder.path(), port, &mut command);
        confined_to(&memtap, SYS_PTRACE);
        memtap.settle();
        assert!(memtap.get("/api/v1/processes")["processes"][0].is_object(), "{source}");
        assert!(memtap.interrupt().1, "{source}");
    }
}

fn refused(folder: &Path, arguments: &[&str], as_user: Option<u32>) -> String {
    let mut command = command(folder, free_port(), &[&["--source=procfs"], arguments].concat());
    as_user.map(|user| command.uid(user));
    let (code, text) = run(command);
    assert!(matches!(code, Some(1 | 2)), "{code:?}: {text}");
    text
}

#[test]
fn a_user_that_cannot_be_is_told_with_the_mend() {
    let folder = for_everybody(0o755);
    let text = refused(folder.path(), &["--user=no-such-user"], None);
    assert!(text.contains("no user 'no-such-user'") && text.contains("useradd"), "{text}");
    let text = refused(folder.path(), &["--user=nobody"], None);
    let mend = format!("sudo chown -R nobody: {}", folder.path().display());
    assert!(text.contains("nobody cannot write") && text.contains(&mend), "{text}");
    let text = refused(folder.path(), &["--user=daemon"], Some(NOBODY));
    assert!(text.contains("only root"), "{text}");
}

/// SQLite gives the files beside a database to whom the database belongs, and so it stays usable for them.
#[test]
fn a_history_in_somebodys_folder_stays_theirs() {
    let folder = for_everybody(0o755);
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let database = folder.path().join("memtap.db");
    std::fs::write(&database, "").unwrap();
    std::os::unix::fs::chown(&database, Some(NOBODY), Some(NOBODY)).unwrap();
    let memtap = Memtap::start_in(folder.path(), &["--source=bpf"], None);
    memtap.settle();
    let beside = std::fs::metadata(folder.path().join("memtap.db-wal")).unwrap();
    assert_eq!(beside.uid(), NOBODY);
}
