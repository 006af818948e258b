//! Source `systemtap`: the output of a SystemTap script, for machines on which eBPF is not
//! possible. The script reports the lengths of mmap and munmap calls, but not the changes that they
//! made. Sizes come from /proc if the process runs on this machine.

mod lines;
mod stream;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError};

use memtap_model::{
    Call, CallTotals, Comm, LossCause, MemoryRequest, Observation, ProcessId, ProcessState, ScriptLine,
    StartTime, Tally, Tgid,
};

use crate::{CaptureError, Filter, Settings, Source, SourceKind, clock, procfs};
pub use lines::{Damaged, ScriptLines};
use stream::{Lost, Piece};

/// Maximum number of processes. If there are more, those without a line for the longest time are
/// assumed to have ended.
const PROCESSES: usize = 20_000;
/// Maximum number of processes without a new line whose sizes are read at one tick. They take
/// turns.
const UNCHANGED: usize = 256;

pub(crate) struct SystemTap {
    lines: Receiver<Piece>,
    filter: Filter,
    processes: HashMap<Tgid, Process>,
    /// Number of processes so far. It replaces the start time, which the script does not print.
    started: u64,
    changed: Vec<Tgid>,
    /// Order in which sizes of unchanged processes are read.
    turns: VecDeque<Tgid>,
    /// Number of readings.
    ticks: u64,
    lost: Lost,
    due: bool,
    is_over: bool,
}

struct Process {
    id: ProcessId,
    name: Comm,
    calls: [CallTotals; Call::COUNT],
    is_changed: bool,
    /// Value of `ticks` at the process's last line.
    last_line: u64,
}

impl SystemTap {
    pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Self, CaptureError> {
        if settings.filter.follow {
            return Err(CaptureError::CannotFollow { origin: SourceKind::SystemTap.name() });
        }
        Ok(Self::new(stream::open(path, settings)?, settings.filter.clone()))
    }

    fn new(lines: Receiver<Piece>, filter: Filter) -> Self {
        Self {
            lines,
            filter,
            processes: HashMap::new(),
            started: 0,
            changed: Vec::new(),
            turns: VecDeque::new(),
            ticks: 0,
            lost: Lost::default(),
            due: false,
            is_over: false,
        }
    }

    fn handle_line(&mut self, line: &ScriptLine, out: &mut Vec<Observation>) {
        let tgid = Tgid(line.pid);
        if !self.filter.is_of(tgid) {
            return;
        }
        let process = match self.processes.get_mut(&tgid) {
            Some(process) => process,
            None => {
                self.started += 1;
                let process = Process {
                    id: ProcessId { tgid, start: StartTime(self.started) },
                    name: line.name,
                    calls: Default::default(),
                    is_changed: false,
                    last_line: 0,
                };
                self.turns.push_back(tgid);
                out.push(Observation::Fork(Box::new(state(&process, line))));
                self.processes.entry(tgid).or_insert(process)
            }
        };
        if process.name != line.name {
            process.name = line.name;
            out.push(Observation::Tally(Box::new(tally(process))));
            out.push(Observation::Rename { tgid, name: line.name });
        }
        let call = &mut process.calls[line.call.index()];
        call.count += 1;
        call.requested_bytes = call.requested_bytes.saturating_add(line.length);
        process.last_line = self.ticks;
        if !std::mem::replace(&mut process.is_changed, true) {
            self.changed.push(tgid);
        }
        let request = MemoryRequest::from(line);
        if self.filter.is_match(&request) {
            out.push(Observation::Request(request));
        }
    }

    /// Adds the totals of the tick, and the sizes of processes that run on this machine.
    fn add_reading(&mut self, out: &mut Vec<Observation>) {
        let changed = std::mem::take(&mut self.changed);
        for tgid in &changed {
            if let Some(process) = self.processes.get_mut(tgid) {
                process.is_changed = false;
                out.push(Observation::Tally(Box::new(tally(process))));
            }
        }
        let boot = clock::boot();
        for tgid in self.processes_to_read(changed) {
            let Some(process) = self.processes.get(&tgid) else { continue };
            // A pid from another machine may be a different process here, so the names must be
            // equal.
            if let Some(here) = procfs::read_state(tgid.0, boot).filter(|here| here.name == process.name) {
                out.push(Observation::Snapshot(Box::new(ProcessState {
                    start: process.id.start,
                    causes: None,
                    ..here
                })));
            }
        }
        self.close_quiet(out);
        let Lost { damaged, unreadable } = std::mem::take(&mut self.lost);
        for (cause, count) in [(LossCause::DamagedLine, damaged), (LossCause::UnreadableInput, unreadable)] {
            if count > 0 {
                out.push(Observation::Lost { cause, count });
            }
        }
        self.ticks += 1;
        out.push(Observation::AllRead);
    }

    /// Returns the processes whose sizes are read now: those that changed, and some of the others
    /// in turn.
    fn processes_to_read(&mut self, mut changed: Vec<Tgid>) -> Vec<Tgid> {
        let included: HashSet<Tgid> = changed.iter().copied().collect();
        for _ in 0..self.turns.len().min(UNCHANGED) {
            let Some(next) = self.turns.pop_front() else { break };
            self.turns.push_back(next);
            if !included.contains(&next) {
                changed.push(next);
            }
        }
        changed
    }

    fn close_quiet(&mut self, out: &mut Vec<Observation>) {
        let beyond = self.processes.len().saturating_sub(PROCESSES);
        if beyond == 0 {
            return;
        }
        let mut quiet: Vec<_> =
            self.processes.values().map(|process| (process.last_line, process.id)).collect();
        quiet.sort_unstable();
        for (_, process) in quiet.into_iter().take(beyond) {
            self.processes.remove(&process.tgid);
            out.push(Observation::Exit(Box::new(procfs::last_state(process))));
        }
        self.turns.retain(|tgid| self.processes.contains_key(tgid));
    }
}

fn state(process: &Process, line: &ScriptLine) -> ProcessState {
    ProcessState {
        time: line.time,
        tgid: process.id.tgid,
        start: process.id.start,
        started_at: line.time,
        name: process.name,
        ..ProcessState::default()
    }
}

fn tally(process: &Process) -> Tally {
    Tally { process: process.id, calls: process.calls, refusals: Vec::new(), refusals_beyond: 0 }
}

impl Source for SystemTap {
    fn kind(&self) -> SourceKind {
        SourceKind::SystemTap
    }

    fn tick(&mut self) -> Result<(), CaptureError> {
        self.due = true;
        Ok(())
    }

    fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError> {
        let before = out.len();
        while out.len() - before < room && !self.is_over {
            match self.lines.try_recv() {
                Ok(piece) => {
                    self.lost.damaged += piece.lost.damaged;
                    self.lost.unreadable += piece.lost.unreadable;
                    for line in &piece.lines {
                        self.handle_line(line, out);
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.is_over = true,
            }
        }
        if std::mem::take(&mut self.due) {
            self.add_reading(out);
        }
        Ok(out.len() - before)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use memtap_model::WallClock;

    use super::*;

    /// A source without a thread. Its processes run on another machine.
    fn source() -> SystemTap {
        SystemTap::new(sync_channel(1).1, Filter::default())
    }

    fn add_lines(source: &mut SystemTap, pids: impl IntoIterator<Item = usize>) {
        for pid in pids {
            let line = ScriptLine {
                call: Call::Mmap,
                pid: 5_000_000 + u32::try_from(pid).unwrap(),
                name: Comm::new(b"x"),
                length: 4096,
                time: WallClock(0),
            };
            source.handle_line(&line, &mut Vec::new());
        }
    }

    #[test]
    fn sizes_of_changed_processes_and_of_few_others_are_read() {
        let mut source = source();
        add_lines(&mut source, 0..1000);
        let changed = std::mem::take(&mut source.changed);
        assert_eq!(source.processes_to_read(changed).len(), 1000);
        let mut read = HashSet::new();
        for _ in 0..1000_usize.div_ceil(UNCHANGED) {
            let now = source.processes_to_read(vec![Tgid(5_000_007)]);
            assert!(now.len() <= UNCHANGED + 1 && now.iter().filter(|pid| pid.0 == 5_000_007).count() == 1);
            read.extend(now);
        }
        assert_eq!(read.len(), 1000, "each has had its turn");
    }

    #[test]
    fn filtered_requests_are_not_reported() {
        let mut source = SystemTap::new(
            sync_channel(1).1,
            Filter { pids: vec![Tgid(5_000_007)], least_bytes: 4097, ..Filter::default() },
        );
        let mut out = Vec::new();
        for (pid, length) in [(5_000_007, 4096), (5_000_008, 8192), (5_000_007, 8192)] {
            let line =
                ScriptLine { call: Call::Mmap, pid, name: Comm::new(b"x"), length, time: WallClock(0) };
            source.handle_line(&line, &mut out);
        }
        let reported = out.iter().filter_map(|observation| match observation {
            Observation::Request(request) => Some((request.tgid.0, request.requested_bytes)),
            _ => None,
        });
        assert_eq!(reported.collect::<Vec<_>>(), [(5_000_007, 8192)]);
        assert_eq!(source.processes.len(), 1, "the other has no books");
    }

    #[test]
    fn beyond_the_limit_the_quietest_process_is_closed() {
        let mut source = source();
        add_lines(&mut source, 0..PROCESSES);
        source.add_reading(&mut Vec::new());
        add_lines(&mut source, (0..PROCESSES).filter(|pid| *pid != 700));
        add_lines(&mut source, [PROCESSES]);
        let mut out = Vec::new();
        source.add_reading(&mut out);
        let ended = out.iter().filter_map(|observation| match observation {
            Observation::Exit(state) => Some(state.tgid.0),
            _ => None,
        });
        assert_eq!(ended.collect::<Vec<_>>(), [5_000_700]);
    }
}
