//! Tests of the kernel side on the real kernel, without the crates above it. They need root, and
//! run one at a time.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use memtap_capture::{
    Ending, Filter, FollowBy, Hook, Plan, Settings, Source, SourceChoice, Verdict, checks, facts, follow,
    function_hook, open,
};
use memtap_model::{Call, Errno, LossCause, MemoryRequest, Observation, Outcome, ProcessState, Tally, Tgid};
use nix::libc;

mod accounts;
mod cost;
mod filters;
mod requests;

static SERIAL: Mutex<()> = Mutex::new(());

/// Returns the stream up to the end of a reading of all processes.
fn read_all(source: &mut dyn Source) -> Vec<Observation> {
    let mut out = Vec::new();
    source.tick().expect("a reading begins");
    while out.last() != Some(&Observation::AllRead) {
        source.poll(10_000, &mut out).expect("the kernel reads all processes");
    }
    out
}

/// Reads until this process makes no request: a thread of the last test may still be about to end,
/// with a request in progress.
fn read_until_quiet(source: &mut dyn Source) -> Vec<Observation> {
    loop {
        let all = read_all(source);
        if own_requests(&all).next().is_none() {
            return all;
        }
    }
}

fn bpf(settings: &Settings) -> Box<dyn Source> {
    open(&SourceChoice::Bpf, settings).expect("run as root, on a kernel with eBPF").source
}

/// Returns memtap's default plans that work on this kernel. The last one works on all kernels.
fn plans() -> Vec<Plan> {
    let tracepoints = Plan::ALL.into_iter().filter(|plan| plan.hook == Hook::Exit);
    let possible: Vec<_> =
        tracepoints.filter(|plan| open(&SourceChoice::Bpf, &with_plan(*plan)).is_ok()).collect();
    assert_eq!(possible.last().map(|plan| plan.name()), Some("exit"));
    possible
}

/// Returns all plans, including the one that hooks functions if the kernel allows it.
fn all_plans() -> Vec<Plan> {
    let mut plans = plans();
    if function_hook().is_some() {
        plans.push(Plan { hook: Hook::Functions, locks: plans[0].locks });
    }
    eprintln!("plans: {}", plans.iter().map(|plan| plan.name()).collect::<Vec<_>>().join(", "));
    plans
}

fn with_plan(plan: Plan) -> Settings {
    Settings { plan: Some(plan), ..Settings::default() }
}

fn states(observations: &[Observation]) -> impl Iterator<Item = &ProcessState> {
    observations.iter().filter_map(|observation| match observation {
        Observation::Snapshot(state) => Some(&**state),
        _ => None,
    })
}

/// Reads `VmSize` and `VmRSS` of /proc/PID/status, bytes.
fn status(pid: u32) -> Option<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
    };
    Some((field("VmSize:")?, field("VmRSS:")?))
}

#[test]
fn the_snapshot_has_every_process_with_its_exact_sizes() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let mut idle = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let all = read_all(bpf(&Settings::default()).as_mut());
    let found = states(&all).find(|state| state.tgid == Tgid(idle.id())).expect("the idle child is read");
    let (virtual_bytes, resident_bytes) = status(idle.id()).unwrap();
    assert_eq!((found.virtual_bytes, found.resident.set_bytes()), (Some(virtual_bytes), resident_bytes));
    assert_eq!((found.parent.0, found.name.bytes()), (std::process::id(), &b"cat"[..]));
    assert_eq!((found.threads, found.inner_pid), (1, None));
    assert!(found.faults.minor > 10 && found.peak_resident_bytes >= resident_bytes, "{found:?}");
    let own =
        states(&all).find(|state| state.tgid == Tgid(std::process::id())).expect("this process is read");
    assert!(own.threads > 1, "a test runs in a thread of its own");
    let with_memory = std::fs::read_dir("/proc").unwrap().flatten();
    let with_memory = with_memory.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let long_lived = with_memory.filter(|pid| *pid < idle.id() && status(*pid).is_some());
    for pid in long_lived {
        assert!(states(&all).any(|state| state.tgid == Tgid(pid)), "process {pid} is read");
    }
    idle.kill().unwrap();
    idle.wait().unwrap();
}

/// Returns the requests of this process.
fn own_requests(observations: &[Observation]) -> impl Iterator<Item = &MemoryRequest> {
    observations.iter().filter_map(|observation| match observation {
        Observation::Request(request) if request.tgid.0 == std::process::id() => Some(request),
        _ => None,
    })
}

/// Returns the last state of this process, and its last tally.
fn own_books(observations: &[Observation]) -> (ProcessState, Option<Tally>) {
    let own = Tgid(std::process::id());
    let tally = observations.iter().rev().find_map(|observation| match observation {
        Observation::Tally(tally) if tally.process.tgid == own => Some((**tally).clone()),
        _ => None,
    });
    let state = states(observations).filter(|state| state.tgid == own).last();
    (*state.expect("this process is read"), tally)
}

fn map(length: usize) -> *mut libc::c_void {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: creates anonymous memory at an address that the kernel chooses.
    unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) }
}

fn unmap(address: *mut libc::c_void, length: usize) {
    // SAFETY: the range is from `map`, and nothing uses it.
    assert_eq!(unsafe { libc::munmap(address, length) }, 0);
}

const KNOWN: usize = 1_234_567;

/// Program for the next test. Otherwise it only maps and unmaps.
#[test]
fn maps_a_known_length_and_releases_it() {
    unmap(map(KNOWN), KNOWN);
}

#[test]
fn a_command_is_followed_alike_by_both_sources() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let words = || {
        let program = std::env::current_exe().unwrap().into_os_string();
        vec![program, "--exact".into(), "maps_a_known_length_and_releases_it".into(), "--quiet".into()]
    };
    for by in [FollowBy::Ptrace, FollowBy::Bpf] {
        let mut source = follow(words(), by, &Settings::default()).expect("it may be followed");
        let mut all = Vec::new();
        while !source.is_over() {
            source.poll(10_000, &mut all).expect("it is followed to its end");
        }
        assert!(matches!(source.ending(), Some(Ending::Exited(0))), "{:?}", source.ending());
        let long = KNOWN.next_multiple_of(4096) as i64;
        let deltas = |call: Call| -> Vec<i64> {
            let requests = all.iter().filter_map(|observation| match observation {
                Observation::Request(request) if request.arguments[1] == KNOWN as u64 => Some(request),
                _ => None,
            });
            requests.filter(|request| request.call == call).map(|request| request.delta_bytes).collect()
        };
        assert_eq!((deltas(Call::Mmap), deltas(Call::Munmap)), (vec![long], vec![-long]), "{by:?}");
        let first = all.iter().find_map(|observation| match observation {
            Observation::Fork(state) => Some(state.process()),
            _ => None,
        });
        let last = all.iter().rev().find_map(|observation| match observation {
            Observation::Exit(state) => Some(state),
            _ => None,
        });
        let last = last.unwrap();
        assert_eq!(Some(last.process()), first, "one process, from its birth to its end");
        let causes = last.causes.unwrap();
        assert!(causes.kernel_bytes == 0 && causes.balance() > long, "{by:?}: {causes:?}");
        assert!(last.peak_resident_bytes > 0 && last.peak_virtual_bytes > long.unsigned_abs());
        let is_other = |one: &&Observation| matches!(one, Observation::Request(request) if Some(request.tgid) != first.map(|first| first.tgid));
        assert_eq!(all.iter().find(is_other), None, "{by:?}: nobody else is told of");
    }
}

/// memtap drops the capabilities that only attaching needs. Capabilities are per thread, so this
/// thread continues without any.
#[test]
fn a_reading_needs_none_of_the_capabilities_that_attaching_needs() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let mut source = bpf(&Settings::default());
    let without = std::thread::spawn(move || {
        for set in [caps::CapSet::Effective, caps::CapSet::Permitted] {
            caps::clear(None, set).expect("less is always allowed");
        }
        let denied =
            open(&SourceChoice::Bpf, &Settings::default()).err().expect("nothing can be attached any more");
        assert!(denied.not_permitted(), "{denied}");
        (1..=2).map(|_| states(&read_all(&mut *source)).count()).collect::<Vec<_>>()
    });
    let counts = without.join().expect("the thread goes on");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

/// Kernels in lockdown mode are tested by `cargo xtask vm-test`. On other kernels, opening must
/// succeed.
#[test]
fn a_kernel_that_is_locked_down_is_named_with_the_fix() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let opened = open(&SourceChoice::Bpf, &Settings::default());
    let line = checks(&facts()).into_iter().find(|check| check.name == "kernel lockdown").unwrap();
    eprintln!("lockdown: {}", line.found);
    if facts().lockdown.as_deref() != Some("confidentiality") {
        // Without securityfs the mode is unknown, and only a trial could tell.
        let expected = if facts().lockdown.is_some() { Verdict::Good } else { Verdict::Less };
        assert!(opened.is_ok() && line.verdict == expected, "integrity does not hinder");
        return;
    }
    let error = opened.err().expect("the kernel refuses to have its memory read").to_string();
    assert!(error.contains("lockdown=integrity"), "{error}");
    assert!(
        line.verdict == Verdict::Missing && line.fix.is_some_and(|fix| fix.contains("lockdown=integrity"))
    );
    let auto = open(&SourceChoice::Auto, &Settings::default()).expect("/proc is there all the same");
    assert_eq!(auto.source.kind(), memtap_capture::SourceKind::Procfs);
    let notice = auto.notices.first().expect("it is told");
    assert!(notice.what.contains("locked down") && notice.fix.contains("lockdown=integrity"), "{notice:?}");
}

/// Starts a shell that runs one line after the other.
fn shell() -> Child {
    Command::new("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Runs a line in the shell and waits until it is done.
fn run_line(shell: &mut Child, line: &str) {
    use std::io::Write as _;
    writeln!(shell.stdin.as_mut().unwrap(), "{line}\necho").unwrap();
    let mut answer = [0];
    shell.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
    assert_eq!(answer, *b"\n");
}

fn end(mut shell: Child) {
    drop(shell.stdin.take());
    assert!(shell.wait().unwrap().success());
}
