//! Privileges of each memtap thread once it watches, as the kernel shows them. The tests also check
//! that memtap still sees everything.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;
#[expect(dead_code, reason = "each test program uses its part")]
mod terminal;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use support::{Fixture, Memtap, NOBODY, command, free_port, run};
use terminal::Terminal;

const SYS_PTRACE: u64 = 1 << 19;
/// CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
const FILES: u64 = 0b111;
const THE_THREE: u64 = 1 << 39 | 1 << 38 | SYS_PTRACE;

/// Distinct values of a field of /proc/PID/task/TID/status over all threads.
fn of_threads(pid: u32, least: usize, field: &str) -> BTreeSet<u64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let texts =
        threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("status")).ok());
    let values: Vec<u64> = texts
        .map(|text| {
            let value = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).unwrap();
            u64::from_str_radix(value.split_whitespace().next().unwrap(), 16).unwrap()
        })
        .collect();
    assert!(values.len() >= least, "those that work for it are among them: {values:?}");
    values.into_iter().collect()
}

/// Checks a serving memtap: threads of the runtime, of the store and of the capture.
fn confined_to(memtap: &Memtap, capabilities: u64) {
    is_confined(memtap.pid(), 5, capabilities);
}

fn is_confined(pid: u32, least_threads: usize, capabilities: u64) {
    let of_threads = |field| of_threads(pid, least_threads, field);
    for set in ["CapEff", "CapPrm"] {
        assert_eq!(of_threads(set), [capabilities].into(), "{set}");
    }
    assert_eq!(of_threads("CapInh"), [0].into());
    assert_eq!(of_threads("CapAmb"), [0].into());
    assert_eq!(of_threads("NoNewPrivs"), [1].into());
    assert_eq!(of_threads("Seccomp"), [2].into(), "2 is by a filter");
}

/// Checks that memtap sees requests of another user's process, and its data from /proc.
fn sees_everything(memtap: &Memtap) {
    let mut fixture = Fixture::start(&["known"]);
    memtap.settle();
    fixture.go();
    memtap.settle();
    // Details from /proc arrive over several ticks, because memtap reads a limited number per tick.
    let path = format!("/api/v1/processes/{}?pss=true", fixture.pid());
    let process = memtap.wait_for(&path, "its user is known", |process| process["user"] == "root");
    assert_eq!(process["unexplained_bytes"], 0);
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
    let memtap = Memtap::start_with(&["--user=root"]);
    confined_to(&memtap, SYS_PTRACE | FILES);
    assert_eq!(uids(&memtap), [0].into());
    let bound = of_threads(memtap.pid(), 5, "CapBnd");
    assert!(bound.iter().all(|set| set & !(THE_THREE | FILES | 1 << 10) == 0), "{bound:x?}");
    sees_everything(&memtap);
    let runs_as = memtap.get("/api/v1/health")["runs_as"].clone();
    let kept = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"];
    assert_eq!(runs_as, json!({ "user": "root", "capabilities": kept, "nice": -10 }));
    assert_eq!(memtap.get("/api/v1/health")["notices"], json!([]));
    confined_to(&memtap, SYS_PTRACE | FILES);
}

/// All user IDs of all threads: real, effective, saved and file-system.
fn uids(memtap: &Memtap) -> BTreeSet<u32> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", memtap.pid())).unwrap();
    let statuses =
        threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap());
    let uids = statuses.flat_map(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap().to_owned();
        line.split_whitespace().map(|uid| uid.parse().unwrap()).collect::<Vec<u32>>()
    });
    uids.collect()
}

/// User ID that memtap has changed to. It must be the same in all threads.
fn own_uid(memtap: &Memtap) -> u32 {
    let uids = uids(memtap);
    let named = nix::unistd::User::from_name("memtap").unwrap().map(|user| user.uid.as_raw());
    let uid = *uids.first().unwrap();
    assert!(
        uids.len() == 1 && named.map_or((61_184..=65_519).contains(&uid), |named| uid == named),
        "{uids:?}"
    );
    uid
}

#[test]
fn root_becomes_memtaps_own_user() {
    let memtap = Memtap::start();
    own_uid(&memtap);
    confined_to(&memtap, SYS_PTRACE);
    sees_everything(&memtap);
    let health = memtap.get("/api/v1/health");
    assert_eq!(health["runs_as"]["capabilities"], json!(["CAP_SYS_PTRACE"]));
    assert_eq!(health["notices"], json!([]));
    assert!(memtap.interrupt().1);
}

/// Owners of a directory and of everything below it.
fn owners(folder: &Path) -> BTreeSet<u32> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let inner = entries.flat_map(|path| match path.is_dir() {
        true => owners(&path),
        false => [path.metadata().unwrap().uid()].into(),
    });
    inner.chain([folder.metadata().unwrap().uid()]).collect()
}

fn memtap_on(database: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command.args(arguments).env("MEMTAP_STORE", format!("sqlite:{}", database.display()));
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Files that root's commands create between two runs also change their owner.
#[test]
fn the_history_of_an_earlier_run_by_root_changes_owner() {
    let place = for_everybody(0o711);
    let folder = place.path().join("history");
    std::fs::create_dir(&folder).unwrap();
    let start = |arguments: &[&str]| {
        Memtap::start_alone_in(&folder, place.path(), &[&["--source=bpf"], arguments].concat())
    };
    let rows = |pid: u32| format!("/api/v1/requests?pid={pid}&call=mmap&min_size=1236992");
    let is_there = |page: &serde_json::Value| {
        let requests = page["requests"].as_array();
        requests.is_some_and(|found| found.iter().any(|request| request["memory_size"] == 1_236_992))
    };

    let by_root = start(&["--user=root"]);
    let mut fixture = Fixture::start(&["known"]);
    let pid = fixture.pid();
    by_root.settle();
    fixture.go();
    let before = by_root.wait_for(&rows(pid), "its request is in the history", is_there);
    // Simulates a power failure, after which the write-ahead log still exists.
    by_root.kill();
    assert_eq!(owners(&folder), [0].into());
    assert!(folder.join("memtap.db-wal").exists() && folder.join("memtap.db-spool/lock").exists());

    let database = folder.join("memtap.db");
    let lines = place.path().join("lines");
    std::fs::write(&lines, "mmap,7,perl,4096,Tue Nov 24 12:00:00 2026\n").unwrap();
    let memtap = start(&[]);
    let user = own_uid(&memtap);
    assert_eq!(owners(&folder), [user].into());
    let after = memtap.wait_for(&rows(pid), "the earlier rows are there", is_there);
    assert_eq!(after["requests"], before["requests"]);
    assert!(memtap.interrupt().1);

    memtap_on(&database, &["import", lines.to_str().unwrap()]);
    memtap_on(&database, &["store", "compact"]);
    memtap_on(&database, &["store", "check"]);
    assert_eq!(owners(&folder), [user].into(), "files that root's commands make are the user's");
    // As root, memtap creates its own files again.
    std::fs::remove_dir_all(folder.join("memtap.db-spool")).unwrap();
    assert!(start(&["--user=root"]).interrupt().1);
    assert_eq!(owners(&folder), [0, user].into());

    let memtap = start(&[]);
    assert_eq!((own_uid(&memtap), owners(&folder)), (user, [user].into()));
    let after = memtap.wait_for(&rows(pid), "the earlier rows are there", is_there);
    assert_eq!(after["requests"], before["requests"]);
    assert!(memtap.interrupt().1);
}

/// In a container, root has only the granted capabilities: first those that memtap needed before it
/// could change its user, then those of the Kubernetes manifest.
#[test]
fn in_a_container_root_needs_three_more_capabilities_to_become_its_own_user() {
    let place = for_everybody(0o711);
    let folder = place.path().join("history");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let start = |capabilities: &str| {
        let set = capabilities.to_lowercase().replace(['"', ' '], "").replace(',', ",+");
        let set = format!("--bounding-set=-all,+{set}");
        start_with_setpriv(&folder, place.path(), &["--inh-caps=-all", &set])
    };
    let memtap = start("BPF, PERFMON, SYS_PTRACE");
    confined_to(&memtap, SYS_PTRACE);
    let notice = memtap.get("/api/v1/health")["notices"][0].clone();
    assert!(
        notice["what"].as_str().unwrap().contains("without CAP_SETUID, CAP_SETGID, CAP_CHOWN"),
        "{notice}"
    );
    assert!(memtap.interrupt().1);
    assert_eq!(owners(&folder), [0].into());

    let manifest = include_str!("../../../packaging/kubernetes.yaml");
    let added = manifest.lines().find_map(|line| line.trim().strip_prefix("add: [")?.strip_suffix(']'));
    for _ in 0..2 {
        let memtap = start(added.unwrap());
        confined_to(&memtap, SYS_PTRACE);
        assert_eq!(owners(&folder), [own_uid(&memtap)].into());
        assert_eq!(memtap.get("/api/v1/health")["notices"], json!([]));
        assert!(memtap.interrupt().1);
    }
}

#[test]
fn in_a_directory_with_other_files_memtap_stays_root_and_says_why() {
    let folder = for_everybody(0o755);
    let memtap = Memtap::start_in(folder.path(), &["--source=bpf"], None);
    confined_to(&memtap, SYS_PTRACE | FILES);
    let notice = memtap.get("/api/v1/health")["notices"][0].clone();
    let what =
        format!("memtap stays root: {} does not belong to memtap", folder.path().join("log").display());
    assert_eq!(notice["what"], what);
    assert!(notice["fix"].as_str().unwrap().contains("--user root"), "{notice}");
    assert!(memtap.log().contains(&what), "{}", memtap.log());
    assert_eq!(owners(folder.path()), [0].into());
}

/// The source is opened before memtap becomes a user who may not read it.
#[test]
fn sources_that_root_alone_can_read_are_read() {
    let folder = for_everybody(0o711);
    let lines = folder.path().join("lines");
    std::fs::write(&lines, "mmap,7,perl,4096,Tue Nov 24 12:00:00 2026\n").unwrap();
    std::fs::set_permissions(&lines, std::fs::Permissions::from_mode(0o600)).unwrap();
    let port = free_port();
    let mut command = command(folder.path(), port, &[&format!("--source=systemtap:{}", lines.display())]);
    command.env("MEMTAP_STORE", "none");
    let memtap = Memtap::start_command(folder.path(), port, &mut command);
    own_uid(&memtap);
    memtap.wait_for("/api/v1/processes/7", "its line is read", |process| process["name"] == "perl");
}

/// Starts memtap with its history in `folder` through setpriv, which sets users and capabilities.
fn start_with_setpriv(folder: &Path, log: &Path, arguments: &[&str]) -> Memtap {
    let port = free_port();
    let memtap = command(folder, port, &["--source=bpf"]);
    let mut setpriv = Command::new("setpriv");
    setpriv.args(arguments).arg(memtap.get_program()).args(memtap.get_args()).current_dir(folder);
    for (key, value) in memtap.get_envs() {
        match value {
            Some(value) => setpriv.env(key, value),
            None => setpriv.env_remove(key),
        };
    }
    Memtap::start_command(log, port, setpriv.stdout(Stdio::null()))
}

#[test]
fn three_capabilities_are_enough_instead_of_root() {
    let folder = for_everybody(0o777);
    let three = "-all,+bpf,+perfmon,+sys_ptrace";
    let memtap = start_with_setpriv(
        folder.path(),
        folder.path(),
        &[
            &format!("--reuid={NOBODY}"),
            &format!("--regid={NOBODY}"),
            "--clear-groups",
            &format!("--inh-caps={three}"),
            &format!("--ambient-caps={three}"),
            &format!("--bounding-set={three}"),
        ],
    );
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
        json!({ "user": "nobody", "capabilities": ["CAP_SYS_PTRACE"], "nice": -10 })
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

/// Starts a command that ends by itself if the test fails to end it.
fn start_watching(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command.args(arguments).args(["--source=bpf", "--duration=60s"]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn interrupted(child: Child) -> (String, String) {
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let stderr = text(output.stderr);
    assert!(output.status.success(), "{stderr}");
    (text(output.stdout), stderr)
}

#[test]
fn trace_keeps_what_proc_needs() {
    let _alone = support::alone();
    let mut fixture = Fixture::start(&["known"]);
    let pid = fixture.pid().to_string();
    let mut trace = start_watching(&["trace", "-p", &pid, "--format=json"]);
    let mut stderr = BufReader::new(trace.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("tracing with bpf"), "{line}");
    is_confined(trace.id(), 3, SYS_PTRACE);
    fixture.go();
    let (requests, _) = interrupted(trace);
    assert!(requests.contains("\"memory_size\":1236992,"), "{requests}");
}

#[test]
fn record_keeps_what_proc_needs() {
    let _alone = support::alone();
    let folder = for_everybody(0o755);
    // The directory belongs to another user. The output file is opened before root drops its
    // capabilities.
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let file = folder.path().join("a.mtrec");
    let record = start_watching(&["record", "-o", file.to_str().unwrap()]);
    let length = || std::fs::metadata(&file).map_or(0, |file| file.len());
    support::wait_until("it records", || length() > 1000);
    is_confined(record.id(), 2, SYS_PTRACE);
    let before = length();
    support::wait_until("it goes on to record", || length() > before);
    interrupted(record);
}

#[test]
fn top_keeps_what_proc_needs_and_nothing_when_attached() {
    let alone = support::alone();
    let mut fixture = Fixture::start(&["pairs", "3000"]);
    let mut terminal = Terminal::start(&["--source=bpf"], None);
    terminal.shows(" processes");
    let pid = |terminal: &Terminal| terminal.pid().as_raw().cast_unsigned();
    is_confined(pid(&terminal), 2, SYS_PTRACE);
    terminal.press(&format!("/{}\r\r", fixture.pid()));
    terminal.shows(&format!("fixture  pid {}", fixture.pid()));
    fixture.go();
    terminal.shows("munmap           3,000");
    drop((terminal, alone));

    let memtap = Memtap::start();
    let terminal = Terminal::start(&["--attach", &format!("http://127.0.0.1:{}", memtap.port)], None);
    terminal.shows(" processes");
    is_confined(pid(&terminal), 2, 0);
}

fn refused(folder: &Path, arguments: &[&str], as_user: Option<u32>) -> String {
    let mut command = command(folder, free_port(), &[&["--source=procfs"], arguments].concat());
    as_user.map(|user| command.uid(user));
    let (code, text) = run(command);
    assert!(matches!(code, Some(1 | 2)), "{code:?}: {text}");
    text
}

#[test]
fn an_impossible_user_is_an_error_with_the_fix() {
    let folder = for_everybody(0o755);
    let text = refused(folder.path(), &["--user=no-such-user"], None);
    assert!(text.contains("no user 'no-such-user'") && text.contains("useradd"), "{text}");
    let text = refused(folder.path(), &["--user=nobody"], None);
    let mend = format!("sudo chown -R nobody: {}", folder.path().display());
    assert!(text.contains("nobody cannot write") && text.contains(&mend), "{text}");
    let text = refused(folder.path(), &["--user=daemon"], Some(NOBODY));
    assert!(text.contains("only root"), "{text}");
}

/// SQLite makes the database's owner the owner of the files beside it, so that the database stays
/// usable for that user.
#[test]
fn a_history_in_another_users_directory_keeps_its_owner() {
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
