//! Source `procfs`: what an ordinary user may see of /proc. Usage of processes, no requests.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use memtap_model::{Comm, Observation, ProcessId, ProcessState, Resident, SpaceId, Tgid, WallClock};

use crate::details::Details;
use crate::{CaptureError, Source, SourceKind, bpf, clock};

/// The source.
#[derive(Default)]
pub(crate) struct Procfs {
    known: HashSet<ProcessId>,
    details: Details,
}

impl Procfs {
    pub(crate) fn open() -> Result<Self, CaptureError> {
        fs::read_dir("/proc").map_err(CaptureError::read("/proc"))?;
        Ok(Self::default())
    }
}

impl Source for Procfs {
    fn kind(&self) -> SourceKind {
        SourceKind::Procfs
    }

    fn poll(&mut self, _room: usize, _out: &mut Vec<Observation>) -> usize {
        0
    }

    fn tick(&mut self) -> Result<usize, CaptureError> {
        Ok(0)
    }

    /// There is no stream: the whole reading comes here.
    fn end_tick(&mut self, out: &mut Vec<Observation>) -> Result<(), CaptureError> {
        let boot = clock::boot();
        let mut seen = HashSet::new();
        let mut renewed = HashMap::new();
        for state in pids().filter_map(|pid| state(pid, boot)) {
            seen.insert(state.process());
            if self.details.is_new(state.process()) {
                renewed.insert(state.tgid, (state.process(), state.uid));
            }
            out.push(Observation::Snapshot(state));
        }
        for process in self.known.difference(&seen) {
            self.details.forget(*process);
            out.push(Observation::Exit { process: *process, time: clock::now() });
        }
        self.known = seen;
        self.details.read(&mut renewed, out);
        Ok(())
    }
}

/// The processes that /proc lists.
pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// One process; `None` when it has gone or has no memory of its own.
pub(crate) fn state(pid: u32, boot: WallClock) -> Option<ProcessState> {
    let folder = format!("/proc/{pid}");
    let status = fs::read_to_string(format!("{folder}/status")).ok()?;
    let stat = fs::read(format!("{folder}/stat")).ok()?;
    let uid = fs::metadata(&folder).ok()?.uid();
    let stat = Stat::parse(&stat)?;
    let fields: HashMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let bytes = |name: &str| -> Option<u64> {
        Some(fields.get(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    };
    let start = bpf::start_of_ticks(stat.start_ticks);
    Some(ProcessState {
        time: clock::now(),
        followed: false,
        tgid: Tgid(pid),
        start,
        started_at: WallClock::after_boot(boot, start.0),
        parent: Tgid(stat.parent),
        uid,
        // /proc does not tell spaces apart: each process counts as having its own.
        space: SpaceId(u64::from(pid)),
        name: stat.name,
        virtual_bytes: bytes("VmSize")?,
        stack_bytes: bytes("VmStk").unwrap_or(0),
        brk: 0,
        resident: Resident {
            anonymous_bytes: bytes("RssAnon").unwrap_or(0),
            file_bytes: bytes("RssFile").unwrap_or(0),
            shmem_bytes: bytes("RssShmem").unwrap_or(0),
            swap_bytes: bytes("VmSwap").unwrap_or(0),
        },
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: Comm,
    parent: u32,
    start_ticks: u64,
}

impl Stat {
    /// `PID (NAME) STATE PPID ...`: the name may hold any byte, brackets too, so it ends at the last one.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let begin = bytes.iter().position(|byte| *byte == b'(')?;
        let end = bytes.iter().rposition(|byte| *byte == b')')?;
        let name = Comm::new(bytes.get(begin + 1..end)?);
        let rest = std::str::from_utf8(bytes.get(end + 1..)?).ok()?;
        let mut words = rest.split_whitespace();
        let parent = words.nth(1)?.parse().ok()?;
        Some(Self { name, parent, start_ticks: words.nth(17)?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_brackets() {
        let stat = b"7 (a) b (c) S 3 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 1234 100 10";
        let parsed = Stat::parse(stat).unwrap();
        assert_eq!(parsed, Stat { name: Comm::new(b"a) b (c"), parent: 3, start_ticks: 1234 });
        assert_eq!(Stat::parse(b"7 (a"), None);
    }

    #[test]
    fn sees_itself_with_its_real_size() {
        let mut out = Vec::new();
        Procfs::open().unwrap().end_tick(&mut out).unwrap();
        let own = out.iter().find_map(|observation| match observation {
            Observation::Snapshot(state) if state.tgid.0 == std::process::id() => Some(state),
            _ => None,
        });
        let own = own.unwrap();
        assert!(own.virtual_bytes > 0 && own.resident.set_bytes() > 0 && own.start.0 > 0);
    }
}
