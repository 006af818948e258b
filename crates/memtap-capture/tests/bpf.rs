//! The kernel side on the real kernel, without anything above it. Run as root; the tests take turns.

use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use memtap_capture::{Settings, SourceChoice, open};
use memtap_model::{Observation, ProcessState, Tgid};

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
