//! `memtap trace` on the real kernel: programs make known requests, and the output is compared with
//! them.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use memtap_api::Request;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Fixture, NOBODY, run};

/// Programs that load BPF run one at a time.
fn serial() -> MutexGuard<'static, ()> {
    static SERIAL: Mutex<()> = Mutex::new(());
    SERIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command.arg("trace").args(arguments).stdin(Stdio::null());
    command
}

/// A running trace.
struct Trace {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Trace {
    /// Starts a trace whose output is a pipe, and waits until it sees requests.
    fn start(arguments: &[&str]) -> Self {
        Self::start_into(arguments, Stdio::piped())
    }

    fn start_into(arguments: &[&str], output: Stdio) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests ask the real kernel: run them as root");
        let mut child = command(arguments).stdout(output).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert!(line.contains("tracing with bpf"), "{line}");
        Self { stdout: child.stdout.take(), child, stderr }
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGINT).unwrap();
    }

    /// Waits for the end of the trace. Returns its output and its summary.
    fn end(mut self) -> (String, String) {
        let (mut out, mut summary) = (String::new(), String::new());
        if let Some(mut stdout) = self.stdout.take() {
            stdout.read_to_string(&mut out).unwrap();
        }
        self.stderr.read_to_string(&mut summary).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{summary}");
        (out, summary)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn times(rows: &[Value], call: &str, size: u64) -> usize {
    let size = size.next_multiple_of(4096);
    rows.iter().filter(|row| row["call"] == call && row["memory_size"] == size).count()
}

#[test]
fn two_at_a_time_follow_one_process_and_its_children() {
    let _serial = serial();
    let mut fixture = Fixture::start(&["known"]);
    let pid = fixture.pid();
    let one = Trace::start(&["-p", &pid.to_string(), "--format", "json"]);
    let tree = Trace::start(&["-p", &pid.to_string(), "--follow", "--format", "csv"]);
    fixture.go();
    fixture.end();

    let (out, summary) = one.end();
    let rows = objects(&out);
    assert!(rows.iter().all(|row| row["pid"] == pid), "nobody else's");
    assert_eq!((times(&rows, "mmap", 1_234_567), times(&rows, "mremap", 333 * 4096)), (1, 1));
    assert_eq!((times(&rows, "brk", 1 << 20), times(&rows, "munmap", 7 * 4096)), (2, 1), "up and down");
    assert_eq!(times(&rows, "mmap", 555 * 4096), 0, "its child's");
    let refused: Vec<_> = rows.iter().filter(|row| !row["errno"].is_null()).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!((&refused[0]["error"], &refused[0]["memory_size"]), (&"ENOMEM".into(), &(1_u64 << 50).into()));
    let made = format!("{} requests in ", rows.len());
    assert!(summary.contains(&made) && summary.contains("refused: mmap ENOMEM 1"), "{summary}");
    assert!(!summary.contains("lost"), "{summary}");

    let (out, _) = tree.end();
    let mut csv = csv::Reader::from_reader(out.as_bytes());
    assert!(csv.headers().unwrap().iter().eq(Request::COLUMNS));
    let rows: Vec<csv::StringRecord> = csv.records().map(|row| row.unwrap()).collect();
    let mapped = |size: usize| {
        let size = size.next_multiple_of(4096).to_string();
        let of_size = rows.iter().filter(|row| row[5] == *"mmap" && row[6] == *size);
        of_size.map(|row| row[2].parse::<u32>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(mapped(1_234_567), [pid]);
    let child = mapped(555 * 4096);
    assert!(child.len() == 1 && child[0] != pid, "{child:?}");
}

#[test]
fn calls_sizes_and_refusals_are_chosen() {
    let _serial = serial();
    let mut fixture = Fixture::start(&["known"]);
    let pid = fixture.pid().to_string();
    let large = Trace::start(&["-p", &pid, "--call", "brk,mremap", "--min-size", "1MiB", "--format", "json"]);
    let refused = Trace::start(&["-p", &pid, "--refused", "--format", "json"]);
    fixture.go();
    fixture.end();
    let calls: Vec<Value> = objects(&large.end().0).iter().map(|row| row["call"].clone()).collect();
    assert_eq!(calls, ["mremap", "brk", "brk"]);
    let errors: Vec<Value> = objects(&refused.end().0).iter().map(|row| row["error"].clone()).collect();
    assert_eq!(errors, ["ENOMEM"]);
}

#[test]
fn a_name_that_would_steer_a_terminal_is_chosen_by_a_pattern_and_shown_as_text() {
    let _serial = serial();
    // ESC [ 2 J e v i l, and a newline.
    let mut fixture = Fixture::start(&["named", "1b5b324a6576696c0a", "1234567"]);
    let trace = Trace::start(&["--name", "*EVIL*"]);
    fixture.go();
    fixture.end();
    trace.interrupt();
    let (out, summary) = trace.end();
    let mut lines = out.lines();
    assert!(lines.next().unwrap().starts_with("TIME "));
    let shown: Vec<&str> = lines.filter(|line| line.contains("1.18 MiB")).collect();
    assert!(shown.len() == 1 && shown[0].contains(" \\x1b[2Jevil\\n ") && !out.contains('\x1b'), "{out}");
    assert!(shown[0].contains("PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS"), "{out}");
    assert!(out.lines().skip(1).all(|line| line.contains("evil")), "{out}");
    assert!(summary.contains("CALL "), "{summary}");
}

#[test]
fn everything_is_shown_without_a_filter_and_the_time_ends_it() {
    let _serial = serial();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all");
    let output = File::create(&path).unwrap();
    let trace = Trace::start_into(&["--format", "json", "--duration", "3s"], output.into());
    let mut fixture = Fixture::start(&["pairs", "100"]);
    fixture.go();
    let pid = fixture.pid();
    fixture.end();
    trace.end();
    let rows = objects(&std::fs::read_to_string(path).unwrap());
    let own: Vec<Value> = rows.into_iter().filter(|row| row["pid"] == pid).collect();
    assert_eq!((times(&own, "mmap", 64 << 10), times(&own, "munmap", 64 << 10)), (100, 100));
}

#[test]
fn a_reader_that_goes_away_ends_it_although_there_is_nothing_to_write() {
    let _serial = serial();
    let fixture = Fixture::start(&["known"]);
    let mut trace = Trace::start(&["-p", &fixture.pid().to_string(), "--format", "json"]);
    drop(trace.stdout.take());
    let (_, summary) = trace.end();
    assert!(summary.starts_with("0 requests in "), "no error: {summary}");
}

#[test]
fn a_reader_that_is_too_slow_costs_lines_that_are_counted_where_they_are_missing() {
    const PAIRS: usize = 100_000;
    let _serial = serial();
    let mut fixture = Fixture::start(&["pairs", &PAIRS.to_string()]);
    let pid = fixture.pid().to_string();
    let mut trace = Trace::start(&["-p", &pid, "--call", "mmap,munmap", "--format", "json"]);
    let mut slow = BufReader::new(trace.stdout.take().unwrap());
    fixture.go();
    let mut out = String::new();
    for _ in 0..1000 {
        slow.read_line(&mut out).unwrap();
    }
    fixture.end();
    let status = std::fs::read_to_string(format!("/proc/{}/status", trace.child.id())).unwrap();
    let highest = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let highest: u64 = highest.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(highest < 96 << 10, "the highest resident set was {highest} KiB");
    slow.read_to_string(&mut out).unwrap();
    let (_, summary) = trace.end();

    let (lost, shown): (Vec<_>, Vec<_>) = objects(&out).into_iter().partition(|row| row["lost"].is_number());
    let lost_by = |cause: &str| {
        let of_cause = lost.iter().filter(|row| row["cause"] == cause);
        of_cause.map(|row| row["lost"].as_u64().unwrap()).sum::<u64>()
    };
    let made = shown.len() as u64 + lost_by("output_too_slow") + lost_by("ring_full");
    assert!((2 * PAIRS as u64..2 * PAIRS as u64 + 100).contains(&made), "{made}: {summary}");
    assert!(lost_by("output_too_slow") > 0 && summary.contains("but not shown"), "{summary}");
    assert!(shown.iter().all(|row| row["timestamp"].is_string() && row["pid"].is_number()));
}

#[test]
fn an_untraceable_process_is_an_error_with_the_fix() {
    let _serial = serial();
    let mut nobody = command(&[]);
    nobody.uid(NOBODY).gid(NOBODY);
    let (code, error) = run(nobody);
    assert!(code == Some(3) && error.contains("To fix it: sudo "), "{code:?} {error}");
    let (code, error) = run(command(&["-p", "4194305"]));
    assert!(code == Some(1) && error.contains("there is no process 4194305"), "{code:?} {error}");
    let tid = std::thread::scope(|scope| scope.spawn(nix::unistd::gettid).join()).unwrap();
    let own = std::process::id();
    let (code, error) = run(command(&["-p", &nix::unistd::gettid().to_string()]));
    assert!(code == Some(1) && error.contains(&format!("a thread of process {own}")), "{code:?} {error}");
    let (code, error) = run(command(&["-p", &tid.to_string()]));
    assert!(code == Some(1) && error.contains("there is no process"), "a thread that has ended: {error}");
    let (code, error) = run(command(&["--source", "procfs"]));
    assert!(code == Some(2) && error.contains("no requests"), "{code:?} {error}");
    let (code, error) = run(command(&["--follow"]));
    assert!(code == Some(2) && error.contains("--pid"), "{code:?} {error}");
}

#[test]
fn a_recording_is_traced_to_its_end() {
    let day = concat!("recording:", env!("CARGO_MANIFEST_DIR"), "/../../demo/day.mtrec");
    let output = command(&["--source", day, "--refused", "--format", "csv"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let lines = String::from_utf8_lossy(&output.stdout);
    assert_eq!(lines.lines().count(), 1 + 3, "the reporter's refusals: {lines}");
}
