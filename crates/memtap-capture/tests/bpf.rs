//! The kernel side on the real kernel, without anything above it. Run as root; the tests take turns.

use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use memtap_capture::{Settings, Source, SourceChoice, open};
use memtap_model::{Call, Errno, LossCause, MemoryRequest, Observation, Outcome, ProcessState, Tgid};
use nix::libc;

static SERIAL: Mutex<()> = Mutex::new(());

/// Everything that a source gives as it opens.
fn opening(settings: &Settings) -> Vec<Observation> {
    let mut source = open(SourceChoice::Bpf, settings).expect("run as root, on a kernel with eBPF").source;
    let mut out = Vec::new();
    source.tick().expect("the kernel reads all processes");
    while source.poll(10_000, &mut out) > 0 {}
    source.end_tick(&mut out).expect("what /proc adds");
    out
}

fn states(observations: &[Observation]) -> impl Iterator<Item = &ProcessState> {
    observations.iter().filter_map(|observation| match observation {
        Observation::Snapshot(state) => Some(state),
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
    let all = opening(&Settings::default());
    let found = states(&all).find(|state| state.tgid == Tgid(idle.id())).expect("the idle child is read");
    let kernels = status(idle.id()).unwrap();
    assert_eq!((found.virtual_bytes, found.resident.set_bytes()), kernels);
    assert_eq!((found.parent.0, found.name.bytes()), (std::process::id(), &b"cat"[..]));
    let with_memory = std::fs::read_dir("/proc").unwrap().flatten();
    let with_memory = with_memory.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let long_lived = with_memory.filter(|pid| *pid < idle.id() && status(*pid).is_some());
    for pid in long_lived {
        assert!(states(&all).any(|state| state.tgid == Tgid(pid)), "process {pid} is read");
    }
    idle.kill().unwrap();
    idle.wait().unwrap();
}

fn drained(source: &mut dyn Source) -> Vec<Observation> {
    let mut out = Vec::new();
    while source.poll(10_000, &mut out) > 0 {}
    source.end_tick(&mut out).expect("losses are read");
    out
}

/// The requests of this very process.
fn own_requests(observations: &[Observation]) -> impl Iterator<Item = &MemoryRequest> {
    observations.iter().filter_map(|observation| match observation {
        Observation::Request(request) if request.tgid.0 == std::process::id() => Some(request),
        _ => None,
    })
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
    let mut source = open(SourceChoice::Bpf, &Settings::default()).unwrap().source;
    let address = map(123_457);
    unmap(address, 123_457);
    assert_eq!(map(1 << 50), libc::MAP_FAILED);
    assert_eq!(
        munmap_by_the_32_bit_entry(0x7000_0000, 5 * 4096),
        0,
        "nothing is mapped there, which is no error"
    );
    let all = drained(source.as_mut());
    let find = |call: Call, length: u64| {
        own_requests(&all).find(|one| one.call == call && one.arguments[1] == length)
    };
    let mapped = find(Call::Mmap, 123_457).unwrap();
    assert_eq!(mapped.outcome, Outcome::Granted(address as u64));
    assert_eq!((mapped.arguments[2], mapped.arguments[3]), (3, 0x22));
    assert_ne!(mapped.tid.0, mapped.tgid.0, "a test runs in a thread of its own");
    let unmapped = find(Call::Munmap, 123_457).unwrap();
    assert_eq!((unmapped.outcome, unmapped.arguments[0]), (Outcome::Granted(0), address as u64));
    assert_eq!(find(Call::Mmap, 1 << 50).unwrap().outcome, Outcome::Refused(Errno::ENOMEM));
    let compat = find(Call::Munmap, 5 * 4096).expect("the 32-bit entry is followed too");
    assert_eq!((compat.arguments[0], compat.outcome), (0x7000_0000, Outcome::Granted(0)));
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
fn a_full_ring_costs_requests_which_are_counted_and_no_fork_exec_or_exit() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let settings = Settings { ring_bytes: 256 << 10, ..Settings::default() };
    let mut source = open(SourceChoice::Bpf, &settings).unwrap().source;
    drained(source.as_mut());
    const PAIRS: u64 = 10_000;
    for _ in 0..PAIRS {
        unmap(map(7 * 4096), 7 * 4096);
    }
    let child = Command::new("/bin/true").spawn().unwrap();
    let pid = Tgid(child.id());
    assert!(child.wait_with_output().unwrap().status.success());
    let all = drained(source.as_mut());
    let received = own_requests(&all).filter(|request| request.arguments[1] == 7 * 4096).count() as u64;
    let lost: u64 = all
        .iter()
        .map(|observation| match observation {
            Observation::Lost { cause: LossCause::RingFull, count } => *count,
            _ => 0,
        })
        .sum();
    assert!(received < 2 * PAIRS && received + lost >= 2 * PAIRS, "{received} came, {lost} were lost");
    let no_lifecycle_lost =
        !all.iter().any(|one| matches!(one, Observation::Lost { cause: LossCause::LifecycleRingFull, .. }));
    assert!(no_lifecycle_lost);
    let forked = all.iter().any(|one| matches!(one, Observation::Fork(state) if state.tgid == pid));
    let executed = all.iter().any(
        |one| matches!(one, Observation::Exec(state) if state.tgid == pid && state.name.bytes() == b"true"),
    );
    let ended = all.iter().any(|one| matches!(one, Observation::Exit { process, .. } if process.tgid == pid));
    assert_eq!((forked, executed, ended), (true, true, true));
}
