//! The kernel side on the real kernel, without anything above it. Run as root; the tests take turns.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use memtap_capture::{
    Ending, Filter, FollowBy, Hook, Plan, Settings, Source, SourceChoice, Verdict, checks, facts, follow,
    function_hook, open,
};
use memtap_model::{Call, Errno, LossCause, MemoryRequest, Observation, Outcome, ProcessState, Tally, Tgid};
use nix::libc;

static SERIAL: Mutex<()> = Mutex::new(());

/// What stands in the stream up to the end of a reading of all processes.
fn read_all(source: &mut dyn Source) -> Vec<Observation> {
    let mut out = Vec::new();
    source.tick().expect("a reading begins");
    while out.last() != Some(&Observation::AllRead) {
        source.poll(10_000, &mut out).expect("the kernel reads all processes");
    }
    out
}

/// A reading while this process made no request: a thread of the test before may still be about to end, with one under way.
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

/// The plans that memtap runs by itself, as far as they work here. The last works on all kernels.
fn plans() -> Vec<Plan> {
    let tracepoints = Plan::ALL.into_iter().filter(|plan| plan.hook == Hook::Exit);
    let possible: Vec<_> =
        tracepoints.filter(|plan| open(&SourceChoice::Bpf, &with_plan(*plan)).is_ok()).collect();
    assert_eq!(possible.last().map(|plan| plan.name()), Some("exit"));
    possible
}

/// With that for which functions are hooked, where the kernel allows it.
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

/// `VmSize` and `VmRSS` of /proc/PID/status, bytes.
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

/// The requests of this very process.
fn own_requests(observations: &[Observation]) -> impl Iterator<Item = &MemoryRequest> {
    observations.iter().filter_map(|observation| match observation {
        Observation::Request(request) if request.tgid.0 == std::process::id() => Some(request),
        _ => None,
    })
}

/// The last state of this very process, and the last tally.
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
    // SAFETY: new anonymous memory at an address of the kernel's choice.
    unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) }
}

fn unmap(address: *mut libc::c_void, length: usize) {
    // SAFETY: the range is one that `map` gave, and nobody uses it.
    assert_eq!(unsafe { libc::munmap(address, length) }, 0);
}

#[test]
fn requests_arrive_with_their_arguments_and_outcomes_from_64_and_32_bit_callers() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in all_plans() {
        let mut source = bpf(&with_plan(plan));
        read_all(source.as_mut());
        let address = map(123_457);
        unmap(address, 123_457);
        assert_eq!(map(1 << 50), libc::MAP_FAILED);
        let nothing = munmap_by_the_32_bit_entry(0x7000_0000, 5 * 4096);
        assert_eq!(nothing, 0, "nothing is mapped there, which is no error");
        let all = read_all(source.as_mut());
        let find = |call: Call, length: u64| {
            own_requests(&all).find(|one| one.call == call && one.arguments[1] == length)
        };
        let mapped = find(Call::Mmap, 123_457).unwrap();
        assert_eq!(mapped.outcome, Outcome::Granted(address as u64));
        assert_eq!((mapped.requested_bytes, mapped.delta_bytes), (126_976, 126_976), "{plan:?}");
        assert_eq!((mapped.arguments[2], mapped.arguments[3]), (3, 0x22));
        assert_ne!(mapped.tid.0, mapped.tgid.0, "a test runs in a thread of its own");
        let unmapped = find(Call::Munmap, 123_457).unwrap();
        assert_eq!((unmapped.outcome, unmapped.arguments[0]), (Outcome::Granted(0), address as u64));
        assert_eq!(unmapped.delta_bytes, -126_976);
        let refused = find(Call::Mmap, 1 << 50).unwrap();
        assert_eq!((refused.outcome, refused.delta_bytes), (Outcome::Refused(Errno::ENOMEM), 0));
        let compat = find(Call::Munmap, 5 * 4096).expect("the 32-bit entry is followed too");
        assert_eq!((compat.arguments[0], compat.outcome), (0x7000_0000, Outcome::Granted(0)));
        let (_, tally) = own_books(&all);
        let refusals = tally.expect("requests were made").refusals;
        assert!(
            refusals.iter().any(|one| (one.call, one.errno) == (Call::Mmap, Errno::ENOMEM)),
            "{refusals:?}"
        );
    }
}

#[test]
fn calls_beyond_mmap_are_followed_with_their_words_and_file_names() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let mut source = bpf(&Settings::default());
    read_all(source.as_mut());
    let length = 9 * 4096;
    let address = map(length);
    let path = std::env::current_exe().unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
    // SAFETY: the range is one that `map` gave and nobody else uses; the file is mapped privately and released again; the segment
    // is this test's own, attached once, detached, and marked to go.
    unsafe {
        assert_eq!(libc::mprotect(address, length, libc::PROT_READ), 0);
        assert_eq!(libc::madvise(address, length, libc::MADV_DONTNEED), 0);
        assert_eq!(libc::mlock(address, length), 0);
        assert_eq!(libc::munlock(address, length), 0);
        let mapped =
            libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_PRIVATE, descriptor, 0);
        assert_ne!(mapped, libc::MAP_FAILED);
        libc::munmap(mapped, 4096);
        let segment = libc::shmget(libc::IPC_PRIVATE, 11 * 4096, 0o600);
        assert!(segment >= 0);
        let attached = libc::shmat(segment, std::ptr::null(), 0);
        assert_eq!(libc::shmdt(attached), 0);
        libc::shmctl(segment, libc::IPC_RMID, std::ptr::null_mut());
    }
    unmap(address, length);
    let all = read_all(source.as_mut());
    let find = |call: Call| own_requests(&all).filter(move |request| request.call == call);
    let of_range =
        |call: Call| find(call).find(|request| request.arguments[0] == address as u64).expect("it is told");
    for (call, words) in [
        (Call::Mprotect, "PROT_READ"),
        (Call::Madvise, "MADV_DONTNEED"),
        (Call::Mlock, ""),
        (Call::Munlock, ""),
    ] {
        let request = of_range(call);
        assert_eq!((request.requested_bytes, request.delta_bytes), (length as u64, 0), "{call:?}");
        let (protection, flags) = call.words(&request.arguments);
        assert_eq!(call.describe(protection, flags), words);
    }
    let name = path.file_name().unwrap().to_str().unwrap();
    let mapped = find(Call::Mmap).find(|request| request.arguments[4] == descriptor as u64).unwrap();
    assert_eq!(mapped.file.as_deref(), Some(&name[..name.len().min(63)]));
    let attached = find(Call::Shmat).next().unwrap();
    assert_eq!((attached.requested_bytes, attached.delta_bytes), (11 * 4096, 11 * 4096));
    assert_eq!(find(Call::Shmdt).next().unwrap().delta_bytes, -11 * 4096);
}

#[test]
fn threads_that_map_at_once_add_up_to_the_change_of_the_size() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 2_000;
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in plans() {
        let mut source = bpf(&with_plan(plan));
        let (before, _) = own_books(&read_until_quiet(source.as_mut()));
        let stay = |thread: u64| (thread + 1) as usize * 4096;
        std::thread::scope(|scope| {
            let work = |thread: u64| {
                for round in 0..ROUNDS {
                    let length = (1 + (round + thread) % 7) as usize * 4096;
                    unmap(map(length), length);
                }
                map(stay(thread));
            };
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
            // The scope alone does not wait until they have given back what a thread has.
            for thread in threads {
                thread.join().unwrap();
            }
        });
        let all = read_all(source.as_mut());
        let (after, _) = own_books(&all);
        let deltas: i64 = own_requests(&all).map(|request| request.delta_bytes).sum();
        let change = |state: &ProcessState| state.virtual_bytes.unwrap().cast_signed();
        let stack = after.causes.unwrap().stack_bytes - before.causes.unwrap().stack_bytes;
        assert_eq!(deltas + stack, change(&after) - change(&before), "{plan:?}");
        if plan.locks {
            let own = |request: &&MemoryRequest| request.call == Call::Mmap && request.arguments[3] == 0x22;
            let others = own_requests(&all).filter(own);
            let wrong = others
                .filter(|request| request.delta_bytes.unsigned_abs() != request.requested_bytes)
                .count();
            assert_eq!(wrong, 0, "each change is the thread's own");
        }
    }
}

const KNOWN: usize = 1_234_567;

/// What the next test follows; on its own it only maps.
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

/// memtap gives up what only attaching needs. Capabilities are a thread's own: this one goes on without any.
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

/// On kernels that are booted so (`cargo xtask vm-test`); on any other it must go.
#[test]
fn a_kernel_that_is_locked_down_is_named_with_the_mend() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let opened = open(&SourceChoice::Bpf, &Settings::default());
    let line = checks(&facts()).into_iter().find(|check| check.name == "kernel lockdown").unwrap();
    eprintln!("lockdown: {}", line.found);
    if facts().lockdown.as_deref() != Some("confidentiality") {
        assert!(opened.is_ok() && line.verdict == Verdict::Good, "integrity does not hinder");
        return;
    }
    let error = opened.err().expect("the kernel refuses to have its memory read").to_string();
    assert!(error.contains("lockdown=integrity"), "{error}");
    assert!(
        line.verdict == Verdict::Missing && line.mend.is_some_and(|mend| mend.contains("lockdown=integrity"))
    );
    let auto = open(&SourceChoice::Auto, &Settings::default()).expect("/proc is there all the same");
    assert_eq!(auto.source.kind(), memtap_capture::SourceKind::Procfs);
    let notice = auto.notices.first().expect("it is told");
    assert!(notice.what.contains("locked down") && notice.mend.contains("lockdown=integrity"), "{notice:?}");
}

/// `int 0x80`, as a 32-bit program calls the kernel.
fn munmap_by_the_32_bit_entry(address: u32, length: u32) -> i64 {
    let result: i64;
    // SAFETY: munmap of a range below 4 GiB, where this position-independent program maps nothing; rbx is put back.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {address}", "int 0x80", "xchg rbx, {address}",
            address = inout(reg) u64::from(address) => _,
            inlateout("rax") 91_i64 => result,
            in("rcx") u64::from(length),
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result
}

#[test]
fn a_full_ring_costs_the_stream_alone_and_no_fork_exec_or_exit() {
    const PAIRS: u64 = 10_000;
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in plans() {
        let mut source = bpf(&Settings { ring_requests: Some(64 << 10), ..with_plan(plan) });
        let before = own_books(&read_all(source.as_mut()));
        for _ in 0..PAIRS {
            unmap(map(7 * 4096), 7 * 4096);
        }
        let child = Command::new("/bin/true").spawn().unwrap();
        let pid = Tgid(child.id());
        assert!(child.wait_with_output().unwrap().status.success());
        let all = read_all(source.as_mut());
        let (after, tally) = own_books(&all);
        let received = own_requests(&all).count() as u64;
        let sum = |tally: &Tally| tally.calls.iter().map(|call| call.count).sum::<u64>();
        let made = sum(tally.as_ref().unwrap()) - before.1.as_ref().map_or(0, sum);
        let lost = after.lost - before.0.lost;
        assert!(received < 2 * PAIRS && made >= 2 * PAIRS, "{received} came of {made}");
        assert_eq!(received + lost, made, "every request is in the stream or counted as lost");
        let told: u64 = all
            .iter()
            .map(|observation| match observation {
                Observation::Lost { cause: LossCause::RingFull, count } => *count,
                _ => 0,
            })
            .sum();
        assert!(told >= lost, "{told} of all processes, {lost} of this one");
        let causes = after.causes.unwrap();
        assert_eq!(
            causes.balance(),
            after.virtual_bytes.unwrap().cast_signed(),
            "the books are exact all the same"
        );
        assert!(causes.granted_bytes - before.0.causes.unwrap().granted_bytes >= PAIRS * 7 * 4096);
        let none_lost = |cause| {
            !all.iter().any(|one| matches!(one, Observation::Lost { cause: found, .. } if *found == cause))
        };
        assert!(none_lost(LossCause::LifecycleRingFull));
        let forked = all.iter().any(|one| matches!(one, Observation::Fork(state) if state.tgid == pid));
        let executed = all.iter().any(
            |one| matches!(one, Observation::Exec(state) if state.tgid == pid && state.name.bytes() == b"true"),
        );
        let ended = all.iter().any(|one| matches!(one, Observation::Exit(state) if state.tgid == pid));
        assert_eq!((forked, executed, ended), (true, true, true));
    }
}

/// A shell that runs the next line that it is given, and so on.
fn shell() -> Child {
    Command::new("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Makes the shell run a line; its answer is there when all of it is done.
fn tell(shell: &mut Child, line: &str) {
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

fn told_of(observation: &Observation) -> Option<Tgid> {
    match observation {
        Observation::Request(request) => Some(request.tgid),
        Observation::Tally(tally) => Some(tally.process.tgid),
        Observation::Snapshot(state)
        | Observation::Fork(state)
        | Observation::Exec(state)
        | Observation::Exit(state) => Some(state.tgid),
        Observation::Rename { tgid, .. } => Some(*tgid),
        Observation::Details(details) => Some(details.process.tgid),
        _ => None,
    }
}

#[test]
fn of_processes_that_are_not_watched_nothing_comes_and_nothing_is_lost() {
    const PAIRS: u64 = 10_000;
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in plans() {
        let mut watched = shell();
        let pid = Tgid(watched.id());
        let filter = Filter { pids: vec![pid], ..Filter::default() };
        // Less than this process will make.
        let mut source = bpf(&Settings { filter, ring_requests: Some(64 << 10), ..with_plan(plan) });
        assert!(read_all(source.as_mut()).iter().any(|one| told_of(one) == Some(pid)));
        for _ in 0..PAIRS {
            unmap(map(7 * 4096), 7 * 4096);
        }
        tell(&mut watched, "/bin/true");
        let all = read_all(source.as_mut());
        assert!(all.iter().filter_map(told_of).all(|told| told == pid), "nobody else, the child neither");
        assert!(!all.iter().any(|one| matches!(one, Observation::Lost { .. })));
        let state = *states(&all).next().expect("its reading is told");
        assert_eq!(state.causes.unwrap().balance(), state.virtual_bytes.unwrap().cast_signed(), "{plan:?}");
        end(watched);
        let all = read_all(source.as_mut());
        assert!(all.iter().any(|one| matches!(one, Observation::Exit(state) if state.tgid == pid)));
        assert!(states(&all).next().is_none(), "nobody is left");
    }
}

#[test]
fn descendants_are_followed_that_live_and_that_are_born() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let mut watched = shell();
    // A child that is there already.
    tell(&mut watched, "sleep 1000 &");
    let filter = Filter { pids: vec![Tgid(watched.id())], follow: true, ..Filter::default() };
    let mut source = bpf(&Settings { filter, ..Settings::default() });
    assert_eq!(states(&read_all(source.as_mut())).count(), 1 + descendants(watched.id()));
    tell(&mut watched, "sh -c '/bin/true; /bin/true; :'");
    let all = read_all(source.as_mut());
    let born: Vec<Tgid> = all
        .iter()
        .filter_map(|one| match one {
            Observation::Fork(state) => Some(state.tgid),
            _ => None,
        })
        .collect();
    assert_eq!(born.len(), 3, "a shell and what it ran twice");
    let asked = |pid: &Tgid| {
        all.iter().any(|one| matches!(one, Observation::Request(request) if request.tgid == *pid))
    };
    let ended =
        |pid: &Tgid| all.iter().any(|one| matches!(one, Observation::Exit(state) if state.tgid == *pid));
    assert!(born.iter().all(|pid| asked(pid) && ended(pid)));
    tell(&mut watched, "kill $!");
    end(watched);
}

#[test]
fn processes_are_chosen_by_a_piece_of_the_names_of_their_threads() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in plans() {
        let (mut first, mut other) = (shell(), shell());
        let pids = |pids: &[&Child]| pids.iter().map(|child| Tgid(child.id())).collect::<Vec<_>>();
        let read = |all: &[Observation]| states(all).map(|state| state.tgid).collect::<Vec<_>>();
        tell(&mut first, "echo my-Piece > /proc/$$/comm");
        let filter = Filter { name_part: Some("PIECE".to_owned()), ..Filter::default() };
        let mut source = bpf(&Settings { filter, ..with_plan(plan) });
        assert_eq!(read(&read_all(source.as_mut())), pids(&[&first]), "{plan:?}");
        // Born with the name, which its exec then takes from it.
        tell(&mut first, "/bin/true");
        tell(&mut other, "/bin/true");
        tell(&mut other, "echo piece > /proc/$$/comm");
        let all = read_all(source.as_mut());
        let births = all.iter().filter(|one| matches!(one, Observation::Fork(_))).count();
        assert_eq!(births, 1, "{all:?}");
        assert!(!all.iter().any(|one| matches!(one, Observation::Exec(_) | Observation::Exit(_))), "{all:?}");
        let mut both = pids(&[&first, &other]);
        both.sort_unstable();
        let mut found = read(&read_all(source.as_mut()));
        found.sort_unstable();
        assert_eq!(found, both);
        assert_eq!(own_requests(&all).count(), 0, "none of this one's threads has the name");
        let named = std::thread::Builder::new().name("a-piece".to_owned());
        named.spawn(|| unmap(map(123 * 4096), 123 * 4096)).unwrap().join().unwrap();
        let all = read_all(source.as_mut());
        let told = own_requests(&all).filter(|one| one.requested_bytes == 123 * 4096);
        assert_eq!(told.count(), 2, "{all:?}");
        end(first);
        end(other);
    }
}

/// How many processes descend from one.
fn descendants(pid: u32) -> usize {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children = children.split_whitespace().map(|child| child.parse().unwrap());
    children.map(|child| 1 + descendants(child)).sum()
}

#[test]
fn requests_that_are_not_wanted_are_booked_and_not_told() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let own = vec![Tgid(std::process::id())];
    let told = |filter: Filter| {
        let mut source = bpf(&Settings { filter, ..Settings::default() });
        let before = own_books(&read_all(source.as_mut())).0;
        let address = map(3 * 4096);
        // SAFETY: the range is one that `map` gave and nobody else uses.
        assert_eq!(unsafe { libc::mprotect(address, 3 * 4096, libc::PROT_READ) }, 0);
        unmap(address, 3 * 4096);
        assert_eq!(map(1 << 50), libc::MAP_FAILED);
        let stays = map(5 * 4096);
        let all = read_all(source.as_mut());
        let after = own_books(&all).0;
        unmap(stays, 5 * 4096);
        assert_eq!(after.causes.unwrap().balance(), after.virtual_bytes.unwrap().cast_signed());
        assert_eq!(after.lost, before.lost, "what is not wanted is not lost");
        let own = own_requests(&all).filter(|one| one.tid.0 != one.tgid.0);
        own.map(|one| (one.call, one.requested_bytes / 4096)).collect::<Vec<_>>()
    };
    let of_own = || Filter { pids: own.clone(), ..Filter::default() };
    let refused = (Call::Mmap, 1 << 38);
    let all = told(of_own());
    for one in [(Call::Mmap, 3), (Call::Mprotect, 3), (Call::Munmap, 3), refused, (Call::Mmap, 5)] {
        assert!(all.contains(&one), "{one:?} in {all:?}");
    }
    let calls = told(Filter { calls: vec![Call::Munmap], ..of_own() });
    assert!(calls.contains(&(Call::Munmap, 3)) && calls.iter().all(|one| one.0 == Call::Munmap), "{calls:?}");
    let large = told(Filter { least_bytes: 5 * 4096, ..of_own() });
    assert!(large.contains(&(Call::Mmap, 5)) && large.iter().all(|one| one.1 >= 5), "{large:?}");
    assert_eq!(told(Filter { refused: true, ..of_own() }), [refused]);
}

/// More processes than accounts, in all, and more than slots at a time: those that end give theirs back, wherever it was.
#[test]
fn accounts_are_found_and_given_back_in_slots_and_beyond() {
    const ROUNDS: usize = 5;
    const AT_ONCE: usize = 150;
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in plans() {
        let mut source = bpf(&Settings { accounts: 400, ..with_plan(plan) });
        read_all(source.as_mut());
        for round in 0..ROUNDS {
            let mut shells: Vec<Child> = (0..AT_ONCE).map(|_| shell()).collect();
            shells.iter_mut().for_each(|shell| tell(shell, ":"));
            let all = read_all(source.as_mut());
            let lost = all.iter().find(|one| matches!(one, Observation::Lost { .. }));
            assert_eq!(lost, None, "{}, {round}", plan.name());
            for pid in shells.iter().map(Child::id) {
                let state = states(&all).filter(|state| state.tgid.0 == pid).last().expect("it is read");
                let causes = state.causes.unwrap_or_else(|| panic!("{pid} has an account, {round}"));
                let now = state.virtual_bytes.map(u64::cast_signed);
                assert_eq!(Some(causes.balance()), now, "{}: {pid}, {round}", plan.name());
            }
            shells.into_iter().for_each(end);
        }
    }
}

/// Steps between the times of requests that this process makes as fast as it can, nanoseconds.
fn times_apart(exact_times: bool, pause: std::time::Duration) -> Vec<i64> {
    const PAIRS: usize = 200;
    let mut source = bpf(&Settings { exact_times, ..Settings::default() });
    read_until_quiet(source.as_mut());
    for _ in 0..PAIRS {
        unmap(map(4096), 4096);
        std::thread::sleep(pause);
    }
    let all = read_all(source.as_mut());
    let times: Vec<i64> = own_requests(&all).map(|request| request.time.0).collect();
    assert!(times.len() >= 2 * PAIRS, "{}", times.len());
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn each_request_has_its_own_time_where_that_is_wanted_and_else_shares_it_with_few() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let at_once = std::time::Duration::ZERO;
    assert!(times_apart(true, at_once).iter().all(|step| *step > 0));
    let steps = times_apart(false, at_once);
    assert!(steps.iter().all(|step| *step >= 0), "time goes forward");
    let own = steps.iter().filter(|step| **step > 0).count();
    assert!(own >= steps.len() / 16 && own < steps.len() / 2, "{own} of {}", steps.len());
    // A tick apart at least, each pair has a time of its own.
    let apart = times_apart(false, std::time::Duration::from_millis(12));
    let own = apart.iter().filter(|step| **step > 10_000_000).count();
    assert!(own >= 199, "{own} of {}", apart.len());
}
