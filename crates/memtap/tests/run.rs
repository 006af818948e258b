//! `memtap run` on the real kernel: its counts match what the command did, and the command is not
//! affected.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;

const PAGE: u64 = 4096;
const PATIENCE: Duration = Duration::from_secs(60);

/// The programs of `tests/run/`, built once for all tests here.
struct Built {
    folder: tempfile::TempDir,
    has_32_bit: bool,
}

static BUILT: LazyLock<Built> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    // Tests that run as nobody need to read the directory.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let compile = |source: &str, program: &str, options: &[&str]| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run").join(source);
        let mut compiler = Command::new("cc");
        compiler.args(options).arg("-o").arg(folder.path().join(program)).arg(source);
        compiler.status().is_ok_and(|status| status.success())
    };
    const RAW: &[&str] = &["-O1", "-static", "-nostdlib", "-fno-pie", "-no-pie", "-fno-stack-protector"];
    assert!(compile("raw.c", "raw", RAW));
    assert!(compile("programs.c", "programs", &["-O1", "-pthread"]));
    let has_32_bit = compile("raw.c", "raw32", &[&["-m32"], RAW].concat());
    Built { folder, has_32_bit }
});

fn program(name: &str) -> String {
    BUILT.folder.path().join(name).display().to_string()
}

fn memtap() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command.env("LC_ALL", "C").env("MEMTAP_LOG", "warn");
    command
}

/// Returns the JSON report of a run with this source, and memtap's exit status.
fn run_by(source: &str, words: &[&str]) -> (Value, ExitStatus) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.json");
    let mut command = memtap();
    command.arg("run").arg(format!("--source={source}")).arg("-o").arg(&file).arg("--").args(words);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{words:?}: {error}: {status}"));
    (serde_json::from_str(&text).unwrap(), status)
}

fn traced(words: &[&str]) -> (Value, ExitStatus) {
    run_by("ptrace", words)
}

/// Requests, bytes and refused requests of a run, by call.
fn calls(run: &Value) -> BTreeMap<String, (u64, u64, u64)> {
    let calls = run["calls"].as_object().unwrap().iter();
    let made = calls.map(|(name, call)| {
        let number = |field: &str| call[field].as_u64().unwrap();
        (name.clone(), (number("count"), number("requested_bytes"), number("refused")))
    });
    made.filter(|(_, (count, ..))| *count > 0).collect()
}

fn number(run: &Value, field: &str) -> i64 {
    run[field].as_i64().unwrap_or_else(|| panic!("{field}: {run}"))
}

/// Asserts that every byte has a cause, in the sum and in each child.
fn assert_ledger_balances(run: &Value) {
    for books in std::iter::once(run).chain(run["children"].as_array().unwrap()) {
        let get = |field: &str| number(books, field);
        let explained = get("opening_bytes") + get("granted_bytes") - get("released_bytes")
            + get("exec_bytes")
            + get("stack_bytes")
            + get("kernel_bytes")
            + get("shared_bytes")
            - get("ended_bytes");
        assert_eq!((explained, get("unexplained_bytes")), (get("virtual_bytes"), 0), "{books}");
        assert!(get("ended_bytes") > 0, "it had something up to its end: {books}");
    }
}

/// Asserts the requests that `raw.c` makes.
fn assert_raw(run: &Value, status: ExitStatus) {
    assert_eq!(status.code(), Some(42));
    let expected = [
        ("brk", (3, 9 * PAGE, 0)),
        ("mmap", (103, (77 + 10 + 1600) * PAGE, 1)),
        ("mprotect", (1, PAGE, 0)),
        ("mremap", (1, 300 * PAGE, 0)),
        ("munmap", (100, 1600 * PAGE, 0)),
    ];
    assert_eq!(calls(run), expected.map(|(name, call)| (name.to_owned(), call)).into(), "{run}");
    let granted = (77 + 10 + 290 + 9 + 1600) * PAGE;
    assert_eq!(number(run, "granted_bytes"), granted.cast_signed(), "{run}");
    assert_eq!(number(run, "released_bytes"), ((1600 + 5) * PAGE).cast_signed(), "{run}");
    assert_eq!((number(run, "kernel_bytes"), number(run, "shared_bytes")), (0, 0));
    assert_eq!(run["refusals"][0]["error"], "ENOMEM", "{run}");
    assert_eq!(run["refusals"][0]["count"], 1);
    let highest = number(run, "opening_bytes") + ((77 + 300 + 4 + 16) * PAGE).cast_signed();
    assert_eq!(number(run, "peak_virtual_bytes") - number(run, "stack_bytes"), highest, "{run}");
    assert!(number(run, "peak_resident_bytes") > 0);
    let largest = &run["largest_requests"][0];
    assert_eq!(
        (largest["call"].as_str(), largest["error"].as_str()),
        (Some("mmap"), Some("ENOMEM")),
        "{run}"
    );
    assert_ledger_balances(run);
}

#[test]
fn a_tracer_counts_every_request_and_byte() {
    let (run, status) = traced(&[&program("raw")]);
    assert_raw(&run, status);
    assert_eq!((run["source"].as_str(), run["processes"].as_u64()), (Some("ptrace"), Some(1)));
    assert_eq!(run["name"], "raw");
}

#[test]
fn ebpf_counts_the_same() {
    let (run, status) = run_by("bpf", &[&program("raw")]);
    assert_raw(&run, status);
    assert_eq!((run["source"].as_str(), run["lost"].as_u64()), (Some("bpf"), Some(0)));
}

#[test]
fn a_32_bit_program_is_counted_alike() {
    if !BUILT.has_32_bit
        || !Command::new(program("raw32")).status().is_ok_and(|status| status.code() == Some(42))
    {
        eprintln!("skipped: no 32-bit programs here");
        return;
    }
    let (run, status) = traced(&[&program("raw32")]);
    assert_raw(&run, status);
}

#[test]
fn threads_that_map_at_once_add_up() {
    let words = |threads| traced(&[&program("programs"), "threads", threads]).0;
    let (none, eight) = (calls(&words("0")), words("8"));
    assert_ledger_balances(&eight);
    assert_eq!(number(&eight, "kernel_bytes"), 0, "{eight}");
    let eight = calls(&eight);
    let more = |call: &str| eight[call].0 - none[call].0;
    // Stacks and the C library's arenas are added: a few requests per thread.
    assert!((8 * 201..8 * 212).contains(&more("mmap")), "{eight:?}");
    assert!((8 * 200..8 * 212).contains(&more("munmap")), "{eight:?}");
}

#[test]
fn nested_forks_have_their_own_accounts() {
    let (run, status) = traced(&[&program("programs"), "forks", "3"]);
    assert!(status.success());
    assert_ledger_balances(&run);
    let children = run["children"].as_array().unwrap();
    assert_eq!((children.len(), run["processes"].as_u64()), (2 + 4 + 8, Some(15)));
    let mut sizes: Vec<u64> = children
        .iter()
        .map(|child| child["calls"]["mmap"]["requested_bytes"].as_u64().unwrap() / PAGE)
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [[1; 8].as_slice(), &[2; 4], &[3; 2]].concat());
}

#[test]
fn a_vfork_child_shares_its_parents_memory() {
    let (run, status) = traced(&[&program("programs"), "vfork"]);
    assert!(status.success());
    assert_ledger_balances(&run);
    let child = &run["children"][0];
    assert_eq!(run["children"].as_array().unwrap().len(), 1);
    let both = number(&run, "shared_bytes") - number(child, "shared_bytes");
    assert_eq!(both, (11 * PAGE).cast_signed(), "the parent has what the child mapped: {run}");
    assert!(child["calls"]["mmap"]["requested_bytes"].as_u64() >= Some(134 * PAGE), "{child}");
}

#[test]
fn a_child_that_would_escape_its_tracer_is_traced() {
    for how in ["untraced", "untraced-3"] {
        let (run, status) = traced(&[&program("programs"), how]);
        assert!(status.success(), "{how}: it got its memory");
        assert_eq!(run["children"][0]["calls"]["mmap"]["requested_bytes"], 17 * PAGE, "{how}: {run}");
    }
}

#[test]
fn exec_from_a_thread_and_a_first_thread_that_goes_are_borne() {
    let (run, status) = traced(&[&program("programs"), "exec-from-thread"]);
    assert_eq!(status.code(), Some(7), "the last image's status");
    assert_ledger_balances(&run);
    assert_eq!((run["processes"].as_u64(), number(&run, "exec_bytes") != 0), (Some(1), true));
    let (run, status) = traced(&[&program("programs"), "first-thread-goes"]);
    assert!(status.success());
    assert_ledger_balances(&run);
    assert!(calls(&run)["munmap"].0 >= 200, "{run}");
    assert_eq!(number(&run, "kernel_bytes"), 0, "{run}");
}

#[test]
fn stacks_and_names_are_distinguished_from_requests() {
    let (run, _) = traced(&[&program("programs"), "stack"]);
    assert_ledger_balances(&run);
    assert!(number(&run, "stack_bytes") > 1 << 20, "{run}");
    let (run, _) = traced(&[&program("programs"), "named"]);
    assert_eq!(run["name"], "other name");
    let named = run["largest_requests"].as_array().unwrap().iter();
    let named = named.filter(|request| request["process_name"] == "other name");
    assert!(named.count() <= 1, "what was asked for before was the old name's");
}

#[test]
fn memtap_ends_as_its_command_does() {
    for signal in [libc::SIGSEGV, libc::SIGTERM, libc::SIGKILL] {
        let (run, status) = traced(&[&program("programs"), "raise", &signal.to_string()]);
        assert_eq!((status.signal(), status.core_dumped()), (Some(signal), false));
        assert_eq!(run["exit_status"], 128 + signal, "{run}");
        assert_ledger_balances(&run);
    }
    let by = |source: &str| {
        let words = ["sh", "-c", "kill -TERM $$"];
        run_by(source, &words).1.signal()
    };
    assert_eq!((by("ptrace"), by("bpf")), (Some(libc::SIGTERM), Some(libc::SIGTERM)));
}

#[test]
fn a_command_that_cannot_run_is_reported_like_in_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no-program");
    std::fs::write(&file, "").unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    for source in ["ptrace", "bpf"] {
        let absent = folder.path().join("absent");
        for (name, status, why) in [
            ("no-such-command-anywhere", 127, "command not found. Check its name"),
            (absent.to_str().unwrap(), 127, "no such file. Check the path"),
            (script.to_str().unwrap(), 127, "the interpreter that it needs does not exist"),
            (file.to_str().unwrap(), 126, "it is not executable for this user. To fix it: chmod +x "),
            ("/tmp", 126, "it is a directory"),
        ] {
            let mut command = memtap();
            let output = command.args(["run", "--source", source, "--", name]).output().unwrap();
            assert_eq!(output.status.code(), Some(status), "{name}");
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(stderr.starts_with(&format!("memtap: cannot run {name}: {why}")), "{stderr}");
        }
    }
}

#[test]
fn a_traced_memtap_says_how_to_fix_it() {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", env!("CARGO_BIN_EXE_memtap"), "run", "--source=ptrace", "true"]);
    let output = strace.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr.contains("already traces memtap and its children: run memtap outside it"), "{stderr}");
}

#[test]
fn a_halted_command_goes_on_when_it_is_let() {
    for source in ["ptrace", "bpf"] {
        let script = "(sleep 0.2; kill -CONT $$) & kill -STOP $$; wait; exit 7";
        let (run, status) = run_by(source, &["sh", "-c", script]);
        assert_eq!((status.code(), run["exit_status"].as_i64()), (Some(7), Some(7)), "{source}");
    }
}

#[test]
fn stdin_and_stdout_are_the_commands_and_the_report_comes_on_stderr() {
    let mut command = memtap();
    command.args(["run", "--source=ptrace", "cat"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"through\n").unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    assert!(status.success() && stdout == b"through\n");
    let stderr = String::from_utf8(stderr).unwrap();
    for part in ["Memory of cat", "Peak virtual size", "Requested", "Granted", "Released", "mmap", "status 0"]
    {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

#[test]
fn an_unwritable_report_is_an_error_before_the_command_starts() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let mut command = memtap();
    command.args(["run", "--source=ptrace", "-o"]).arg(folder.path().join("absent/run.html"));
    let output = command.args(["--", "touch"]).arg(&made).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("absent/run.html"), "{output:?}");
    assert!(!made.exists());
}

#[test]
fn one_signal_ends_the_wait_for_a_tree_that_is_never_at_rest() {
    let mut command = memtap();
    command.args(["run", "--source=ptrace", "--", "sh", "-c"]);
    command.arg("(while :; do /bin/true; done) & echo $$; exit 3");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut root = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut root).unwrap();
    let begin = Instant::now();
    while state(root.trim()).is_some() {
        assert!(begin.elapsed() < PATIENCE, "the command ends");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("memtap goes on waiting");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn the_form_is_as_the_files_name_ends() {
    let folder = tempfile::tempdir().unwrap();
    for (name, begins, has) in [
        ("a.html", "<!DOCTYPE html>", "<svg"),
        ("a.json", "{", "\"children\""),
        ("a", "Memory of true", "mmap"),
    ] {
        let file = folder.path().join(name);
        let mut command = memtap();
        let output = command.args(["run", "--source=ptrace", "-o"]).arg(&file).arg("true").output().unwrap();
        assert!(
            output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
            "{output:?}"
        );
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(begins) && text.contains(has), "{text}");
    }
}

#[test]
fn a_refused_request_is_explained() {
    let script = "ulimit -v 400000; exec perl -e '$x = \"a\" x (1 << 30)'";
    let (run, status) = traced(&["bash", "-c", script]);
    assert!(!status.success(), "perl has no memory");
    let refused = run["refusals"].as_array().unwrap().iter();
    let refused = refused.filter(|refused| refused["call"] == "mmap" && refused["error"] == "ENOMEM");
    assert_eq!(refused.count(), 1, "{run}");
    let output = memtap().args(["run", "--source=ptrace", "bash", "-c", script]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("Refused requests") && stderr.contains("RLIMIT_AS"), "{stderr}");
}

#[test]
fn interpreters_leave_nothing_unexplained_and_the_kernel_agrees() {
    for words in [
        &["perl", "-e", "my @a = map { 'x' x 1000 } 1..20000; fork; wait"][..],
        &["python3", "-c", "import json, threading; b = bytearray(50 << 20)"],
        &["bash", "-c", "for i in 1 2 3; do /bin/true | cat; done"],
    ] {
        let (run, status) = traced(words);
        assert!(status.success());
        assert_ledger_balances(&run);
        assert_eq!(number(&run, "kernel_bytes"), 0, "{words:?}: {run}");
    }
    let (run, _) = traced(&["python3", "-c", "bytearray(50 << 20)"]);
    let peak = number(&run, "peak_resident_bytes");
    assert!((50 << 20..80 << 20).contains(&peak), "{peak}");
}

/// Runs as nobody, without capabilities, in its own user namespace.
#[test]
fn no_privilege_is_needed() {
    let own = program("memtap");
    std::fs::copy(env!("CARGO_BIN_EXE_memtap"), &own).unwrap();
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
    ]);
    command.args(["unshare", "--user", &own, "run", "--source=ptrace", "--format=json", &program("raw")]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    if text.contains("unshare failed") {
        eprintln!("skipped: this kernel lets nobody have a user namespace: {text}");
        return;
    }
    let run: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_raw(&run, output.status);
}

/// State of a process as a letter, as in /proc/PID/stat; `None` if it does not exist.
fn state(pid: &str) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[test]
fn memtaps_own_death_leaves_no_process_stopped() {
    let script = format!("{0} for-ever & {0} for-ever & echo $! $$; wait", program("programs"));
    let mut command = memtap();
    command.args(["run", "--source=ptrace", "sh", "-c", &script]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut pids = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    while pids.is_empty() || pids.starts_with("ready") {
        pids.clear();
        assert!(out.read_line(&mut pids).unwrap() > 0);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let begin = Instant::now();
    for pid in pids.split_whitespace() {
        while !matches!(state(pid), None | Some('Z')) {
            assert!(begin.elapsed() < PATIENCE, "{pid} is {:?}", state(pid));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_signal_to_memtap_is_the_commands() {
    for source in ["ptrace", "bpf"] {
        let mut command = memtap();
        command.args([
            "run",
            "--source",
            source,
            "sh",
            "-c",
            "trap 'exit 5' TERM; echo ready; while :; do :; done",
        ]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(5), "{source}");
    }
}

#[test]
fn run_ends_with_the_command_and_not_with_its_descendants() {
    for source in ["ptrace", "bpf"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.json");
        let mut command = memtap();
        command.args(["run", "--source", source, "-o"]).arg(&file);
        command.args(["sh", "-c", "sleep 1000 & echo $! $$; exit 3"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut pids = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut pids).unwrap();
        let (left, root) = pids.trim().split_once(' ').unwrap();
        let begin = Instant::now();
        let wait = |what: &str| {
            assert!(begin.elapsed() < PATIENCE, "{source}: {what}");
            std::thread::sleep(Duration::from_millis(20));
        };
        while state(root).is_some() {
            wait("the command ends");
        }
        assert!(child.try_wait().unwrap().is_none() && state(left).is_some(), "it is waited for");
        while child.try_wait().unwrap().is_none() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
            wait("memtap ends");
        }
        assert_eq!(child.wait().unwrap().code(), Some(3));
        let run: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(
            (run["processes"].as_u64(), run["children"][0]["state"].as_str()),
            (Some(2), Some("alive"))
        );
        while source == "ptrace" && !matches!(state(left), None | Some('Z')) {
            wait("what is left dies with its tracer");
        }
        let left = nix::unistd::Pid::from_raw(left.parse().unwrap());
        let _ = nix::sys::signal::kill(left, nix::sys::signal::Signal::SIGKILL);
    }
}

/// Counts of strace, by call.
fn counts_of_strace(words: &[&str]) -> BTreeMap<String, u64> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("counts");
    let mut command = Command::new("setarch");
    for_the_same_run_each_time(&mut command);
    command.args(["-R", "strace", "-f", "-c", "-U", "calls,name", "-e", "trace=%memory,memfd_create", "-o"]);
    let status = command.arg(&file).args(words).stdin(Stdio::null()).stdout(Stdio::null()).status();
    assert!(status.expect("strace is installed: cargo xtask test sees to it").success());
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().filter_map(|line| {
        let (count, name) = line.trim().split_once(char::is_whitespace)?;
        Some((name.trim().to_owned(), count.parse().ok()?))
    });
    lines.filter(|(name, _)| name != "total").collect()
}

/// Makes runs reproducible, together with `setarch -R`, which disables address randomisation.
fn for_the_same_run_each_time(command: &mut Command) {
    command.env("PYTHONHASHSEED", "0").env("PERL_HASH_SEED", "0").env("LC_ALL", "C").env_remove("MEMTAP_LOG");
}

#[test]
fn the_counts_are_those_of_strace() {
    for words in [
        &["perl", "-e", "my %a = map { $_ => 1 } 1..50000"][..],
        &["bash", "-c", "for i in 1 2 3; do /bin/true; done; cat /etc/passwd | sort"],
        &["python3", "-S", "-c", "import json, re; a = [bytes(i) for i in range(3000)]"],
        &["tar", "-cf", "/dev/null", "-C", "/etc", "passwd"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.json");
        let mut command = Command::new("setarch");
        command
            .args(["-R", env!("CARGO_BIN_EXE_memtap"), "run", "--source=ptrace", "-o"])
            .arg(&file)
            .arg("--");
        for_the_same_run_each_time(command.args(words));
        assert!(command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().success());
        let run: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let ours: BTreeMap<String, u64> =
            calls(&run).into_iter().map(|(name, (count, ..))| (name, count)).collect();
        assert_eq!(ours, counts_of_strace(words), "{words:?}");
    }
}

/// A shell in its own terminal, as a user works with it: `tests/run/terminal.py` types.
#[test]
fn the_terminal_is_the_commands() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/terminal.py");
    for source in ["ptrace", "bpf"] {
        let mut python = Command::new("python3");
        let output = python.arg(&script).arg(env!("CARGO_BIN_EXE_memtap")).arg(source).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{source}: {stdout}{}", String::from_utf8_lossy(&output.stderr));
    }
}
