//! Source `procfs`: memory usage of processes, as /proc shows it to an ordinary user. It sees no
//! requests.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read as _;

use memtap_model::{Comm, Faults, Observation, ProcessId, ProcessState, Resident, SpaceId, Tgid, WallClock};

use crate::details::Details;
use crate::{CaptureError, Filter, Settings, Source, SourceKind, bpf, clock};

#[derive(Default)]
pub(crate) struct Procfs {
    /// True if a reading has been requested.
    due: bool,
    filter: Filter,
    known: HashSet<ProcessId>,
    details: Details,
}

impl Procfs {
    pub(crate) fn open(settings: &Settings) -> Result<Self, CaptureError> {
        fs::read_dir("/proc").map_err(CaptureError::read("/proc"))?;
        let filter = settings.filter.clone();
        if filter.follow {
            return Err(CaptureError::CannotFollow { origin: SourceKind::Procfs.name() });
        }
        Ok(Self { filter, ..Self::default() })
    }
}

impl Source for Procfs {
    fn kind(&self) -> SourceKind {
        SourceKind::Procfs
    }

    fn tick(&mut self) -> Result<(), CaptureError> {
        self.due = true;
        Ok(())
    }

    /// Returns the whole reading at once, because there is no stream.
    fn poll(&mut self, _room: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError> {
        if !std::mem::take(&mut self.due) {
            return Ok(0);
        }
        let before = out.len();
        let boot = clock::boot();
        let mut seen = HashSet::new();
        let mut outdated = HashMap::new();
        let wanted = pids().filter(|pid| self.filter.is_of(Tgid(*pid)));
        for state in wanted.filter_map(|pid| read_state(pid, boot)) {
            seen.insert(state.process());
            if self.details.is_new(state.process(), state.placement) {
                outdated.insert(state.tgid, (state.process(), state.uid));
            }
            out.push(Observation::Snapshot(Box::new(state)));
        }
        for process in self.known.difference(&seen) {
            self.details.forget(*process);
            out.push(Observation::Exit(Box::new(last_state(*process))));
        }
        self.known = seen;
        self.details.read(&mut outdated, out);
        out.push(Observation::AllRead);
        Ok(out.len() - before)
    }
}

/// Last state of a process that is no longer in /proc.
pub(crate) fn last_state(process: ProcessId) -> ProcessState {
    ProcessState { time: clock::now(), tgid: process.tgid, start: process.start, ..ProcessState::default() }
}

/// Returns the pids that /proc lists.
pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Returns the start time of a process, exact to 10 ms; `None` if it has ended.
#[must_use]
pub fn started_at(pid: u32) -> Option<WallClock> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let start = bpf::start_from_ticks(Stat::parse(&stat)?.start_ticks);
    Some(WallClock::after_boot(clock::boot(), start.0))
}

/// Reads the state of a process. Returns `None` if it has ended or has no address space.
pub(crate) fn read_state(pid: u32, boot: WallClock) -> Option<ProcessState> {
    read_process(pid, pid, boot).map(|reading| reading.state)
}

/// State of a process with values that records of the kernel side do not contain.
pub(crate) struct ProcessReading {
    /// The state.
    pub(crate) state: ProcessState,
    /// Highest virtual size that the address space has had, bytes.
    pub(crate) highest_virtual_bytes: u64,
    /// Highest resident set that the address space has had, bytes.
    pub(crate) highest_resident_bytes: u64,
    /// Stacks as part of the virtual size, bytes.
    pub(crate) stack_bytes: u64,
}

/// Reads a process, of which `tid` is a thread that has not ended: the first thread may end before
/// the others.
pub(crate) fn read_process(pid: u32, tid: u32, boot: WallClock) -> Option<ProcessReading> {
    let status = read_file(tid, "status")?;
    let stat = read_file(pid, "stat")?;
    let stat = Stat::parse(&stat)?;
    // Its name may contain any bytes.
    let status = String::from_utf8_lossy(&status);
    let fields: HashMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let bytes = |name: &str| -> Option<u64> {
        Some(fields.get(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    };
    let uid = fields.get("Uid").and_then(|ids| ids.split_whitespace().next()?.parse().ok())?;
    let start = bpf::start_from_ticks(stat.start_ticks);
    let resident = Resident {
        anonymous_bytes: bytes("RssAnon").unwrap_or(0),
        file_bytes: bytes("RssFile").unwrap_or(0),
        shmem_bytes: bytes("RssShmem").unwrap_or(0),
        swap_bytes: bytes("VmSwap").unwrap_or(0),
    };
    let virtual_bytes = bytes("VmSize")?;
    let process = ProcessId { tgid: Tgid(pid), start };
    let state = ProcessState {
        started_at: WallClock::after_boot(boot, start.0),
        parent: Tgid(stat.parent),
        uid,
        // /proc does not identify address spaces, so each process counts as having its own.
        space: SpaceId(u64::from(pid)),
        name: stat.name,
        virtual_bytes: Some(virtual_bytes),
        resident,
        peak_virtual_bytes: virtual_bytes,
        peak_resident_bytes: resident.set_bytes(),
        faults: stat.faults,
        inner_pid: inner_pid(fields.get("NSpid")),
        session: stat.session,
        threads: fields.get("Threads").and_then(|text| text.trim().parse().ok()).unwrap_or(0),
        ..last_state(process)
    };
    Some(ProcessReading {
        state,
        highest_virtual_bytes: bytes("VmPeak").unwrap_or(virtual_bytes),
        highest_resident_bytes: bytes("VmHWM").unwrap_or(resident.set_bytes()),
        stack_bytes: bytes("VmStk").unwrap_or(0),
    })
}

/// Reads a file of a process.
fn read_file(pid: u32, name: &str) -> Option<Vec<u8>> {
    read_beginning(pid, name, 64 << 10)
}

/// Reads at most `most` bytes of a file of a process, in as few calls as possible. The kernel fills
/// the buffer as long as there is data (fs/seq_file.c), so a short read is the end.
pub(crate) fn read_beginning(pid: u32, name: &str, most: usize) -> Option<Vec<u8>> {
    let mut file = fs::File::open(format!("/proc/{pid}/{name}")).ok()?;
    let (mut bytes, mut length) = (vec![0; most.min(4096)], 0);
    loop {
        length += file.read(&mut bytes[length..]).ok()?;
        if length < bytes.len() || length == most {
            bytes.truncate(length);
            return Some(bytes);
        }
        bytes.resize(most.min(2 * length), 0);
    }
}

/// Returns the process of a thread.
pub(crate) fn process_of_thread(tid: u32) -> Option<u32> {
    let status = read_file(tid, "status")?;
    let status = String::from_utf8_lossy(&status);
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

/// Returns the pid in the process's own namespace from `NSpid: 4211 7`, the last one if there are
/// several.
fn inner_pid(pids: Option<&&str>) -> Option<u32> {
    pids?.split_whitespace().skip(1).last()?.parse().ok()
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: Comm,
    parent: u32,
    session: u32,
    faults: Faults,
    start_ticks: u64,
}

impl Stat {
    /// Parses `PID (NAME) STATE PPID PGRP SESSION TTY TPGID FLAGS MINFLT CMINFLT MAJFLT ...`. The
    /// name may contain any byte, including parentheses, so it ends at the last one.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let begin = bytes.iter().position(|byte| *byte == b'(')?;
        let end = bytes.iter().rposition(|byte| *byte == b')')?;
        let name = Comm::new(bytes.get(begin + 1..end)?);
        let fields = std::str::from_utf8(bytes.get(end + 1..)?).ok()?;
        let words: Vec<&str> = fields.split_whitespace().collect();
        let number = |index: usize| words.get(index)?.parse::<u64>().ok();
        Some(Self {
            name,
            parent: u32::try_from(number(1)?).ok()?,
            // 0 or negative for a process of another namespace.
            session: number(3).and_then(|session| u32::try_from(session).ok()).unwrap_or(0),
            faults: Faults { minor: number(7)?, major: number(9)? },
            start_ticks: number(19)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_contain_parentheses() {
        let stat = b"7 (a) b (c) S 3 7 6 0 -1 4194304 11 0 12 0 0 0 0 0 20 0 1 0 1234 100 10";
        let parsed = Stat::parse(stat).unwrap();
        assert_eq!((parsed.name, parsed.parent, parsed.session), (Comm::new(b"a) b (c"), 3, 6));
        assert_eq!((parsed.faults, parsed.start_ticks), (Faults { minor: 11, major: 12 }, 1234));
        assert_eq!(Stat::parse(b"7 (a"), None);
    }

    #[test]
    fn the_inner_pid_is_the_last_of_several() {
        assert_eq!(inner_pid(Some(&"\t4211\t7")), Some(7));
        assert_eq!(inner_pid(Some(&"\t4211")), None);
    }

    #[test]
    fn sees_itself_with_its_real_size() {
        let mut out = Vec::new();
        let mut source = Procfs::open(&Settings::default()).unwrap();
        source.tick().unwrap();
        assert!(source.poll(0, &mut out).unwrap() > 1);
        let own = out.iter().find_map(|observation| match observation {
            Observation::Snapshot(state) if state.tgid.0 == std::process::id() => Some(state),
            _ => None,
        });
        let own = own.unwrap();
        assert!(own.virtual_bytes > Some(0) && own.resident.set_bytes() > 0 && own.start.0 > 0);
        assert_eq!(out.last(), Some(&Observation::AllRead));
    }
}
