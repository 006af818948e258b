//! Source `systemtap`: what a SystemTap script prints, for machines where eBPF is not possible. It tells of mmap and munmap with their
//! lengths, not of what they changed; sizes come from /proc where the process is one of this machine.

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

/// Processes that are followed at a time; beyond it the one that was quiet longest is taken to have ended.
const PROCESSES: usize = 20_000;
/// Processes without a new line whose size is read at a tick; they take turns.
const UNCHANGED: usize = 256;

/// The source.
pub(crate) struct SystemTap {
    lines: Receiver<Piece>,
    filter: Filter,
    processes: HashMap<Tgid, Process>,
    /// Sets apart the lives that one pid had, as far as its name tells.
    lives: u64,
    changed: Vec<Tgid>,
    /// In which order sizes are read of those that do not change.
    turns: VecDeque<Tgid>,
    /// How many readings there were.
    ticks: u64,
    lost: Lost,
    due: bool,
    ended: bool,
}

struct Process {
    id: ProcessId,
    name: Comm,
    calls: [CallTotals; Call::COUNT],
    is_changed: bool,
    /// How many readings there had been when it was heard of last.
    heard: u64,
}

impl SystemTap {
    pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Self, CaptureError> {
        if settings.filter.follow {
            return Err(CaptureError::CannotFollow { origin: SourceKind::SystemTap.name() });
        }
        Ok(Self::of(stream::open(path, settings)?, settings.filter.clone()))
    }

    fn of(lines: Receiver<Piece>, filter: Filter) -> Self {
        Self {
            lines,
            filter,
            processes: HashMap::new(),
            lives: 0,
            changed: Vec::new(),
            turns: VecDeque::new(),
            ticks: 0,
            lost: Lost::default(),
            due: false,
            ended: false,
        }
    }

    fn line(&mut self, line: &ScriptLine, out: &mut Vec<Observation>) {
        let tgid = Tgid(line.pid);
        if !self.filter.is_of(tgid) {
            return;
        }
        let process = match self.processes.get_mut(&tgid) {
            Some(process) => process,
            None => {
                self.lives += 1;
                let process = Process {
                    id: ProcessId { tgid, start: StartTime(self.lives) },
                    name: line.name,
                    calls: Default::default(),
                    is_changed: false,
                    heard: 0,
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
        process.heard = self.ticks;
        if !std::mem::replace(&mut process.is_changed, true) {
            self.changed.push(tgid);
        }
        let request = MemoryRequest::from(line);
        if self.filter.is_match(&request) {
            out.push(Observation::Request(request));
        }
    }

    /// The tick's sums, and the sizes of those that live here.
    fn reading(&mut self, out: &mut Vec<Observation>) {
        let changed = std::mem::take(&mut self.changed);
        for tgid in &changed {
            if let Some(process) = self.processes.get_mut(tgid) {
                process.is_changed = false;
                out.push(Observation::Tally(Box::new(tally(process))));
            }
        }
        let boot = clock::boot();
        for tgid in self.whose_sizes(changed) {
            let Some(process) = self.processes.get(&tgid) else { continue };
            // A pid of another machine's may be somebody else's here: the name tells.
            if let Some(here) = procfs::state(tgid.0, boot).filter(|here| here.name == process.name) {
                out.push(Observation::Snapshot(Box::new(ProcessState {
                    start: process.id.start,
                    causes: None,
                    ..here
                })));
            }
        }
        self.forget(out);
        let Lost { damaged, unreadable } = std::mem::take(&mut self.lost);
        for (cause, count) in [(LossCause::DamagedLine, damaged), (LossCause::UnreadableInput, unreadable)] {
            if count > 0 {
                out.push(Observation::Lost { cause, count });
            }
        }
        self.ticks += 1;
        out.push(Observation::AllRead);
    }

    /// Whose sizes are read now: those that changed, and some of the others in their turn.
    fn whose_sizes(&mut self, mut changed: Vec<Tgid>) -> Vec<Tgid> {
        let among: HashSet<Tgid> = changed.iter().copied().collect();
        for _ in 0..self.turns.len().min(UNCHANGED) {
            let Some(next) = self.turns.pop_front() else { break };
            self.turns.push_back(next);
            if !among.contains(&next) {
                changed.push(next);
            }
        }
        changed
    }

    fn forget(&mut self, out: &mut Vec<Observation>) {
        let beyond = self.processes.len().saturating_sub(PROCESSES);
        if beyond == 0 {
            return;
        }
        let mut quiet: Vec<_> = self.processes.values().map(|process| (process.heard, process.id)).collect();
        quiet.sort_unstable();
        for (_, process) in quiet.into_iter().take(beyond) {
            self.processes.remove(&process.tgid);
            out.push(Observation::Exit(Box::new(procfs::ended(process))));
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
        while out.len() - before < room && !self.ended {
            match self.lines.try_recv() {
                Ok(piece) => {
                    self.lost.damaged += piece.lost.damaged;
                    self.lost.unreadable += piece.lost.unreadable;
                    for line in &piece.lines {
                        self.line(line, out);
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.ended = true,
            }
        }
        if std::mem::take(&mut self.due) {
            self.reading(out);
        }
        Ok(out.len() - before)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use memtap_model::WallClock;

    use super::*;

    /// A source that has no thread; its processes are of another machine.
    fn source() -> SystemTap {
        SystemTap::of(sync_channel(1).1, Filter::default())
    }

    fn hear(source: &mut SystemTap, pids: impl IntoIterator<Item = usize>) {
        for pid in pids {
            let line = ScriptLine {
                call: Call::Mmap,
                pid: 5_000_000 + u32::try_from(pid).unwrap(),
                name: Comm::new(b"x"),
                length: 4096,
                time: WallClock(0),
            };
            source.line(&line, &mut Vec::new());
        }
    }

    #[test]
    fn sizes_are_read_of_those_that_changed_and_of_few_others_in_their_turn() {
        let mut source = source();
        hear(&mut source, 0..1000);
        let changed = std::mem::take(&mut source.changed);
        assert_eq!(source.whose_sizes(changed).len(), 1000);
        let mut read = HashSet::new();
        for _ in 0..1000_usize.div_ceil(UNCHANGED) {
            let now = source.whose_sizes(vec![Tgid(5_000_007)]);
            assert!(now.len() <= UNCHANGED + 1 && now.iter().filter(|pid| pid.0 == 5_000_007).count() == 1);
            read.extend(now);
        }
        assert_eq!(read.len(), 1000, "each has had its turn");
    }

    #[test]
    fn what_the_filter_leaves_out_is_not_told() {
        let mut source = SystemTap::of(
            sync_channel(1).1,
            Filter { pids: vec![Tgid(5_000_007)], least_bytes: 4097, ..Filter::default() },
        );
        let mut out = Vec::new();
        for (pid, length) in [(5_000_007, 4096), (5_000_008, 8192), (5_000_007, 8192)] {
            let line =
                ScriptLine { call: Call::Mmap, pid, name: Comm::new(b"x"), length, time: WallClock(0) };
            source.line(&line, &mut out);
        }
        let told = out.iter().filter_map(|observation| match observation {
            Observation::Request(request) => Some((request.tgid.0, request.requested_bytes)),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), [(5_000_007, 8192)]);
        assert_eq!(source.processes.len(), 1, "the other has no books");
    }

    #[test]
    fn of_too_many_the_one_that_was_quiet_longest_has_ended() {
        let mut source = source();
        hear(&mut source, 0..PROCESSES);
        source.reading(&mut Vec::new());
        hear(&mut source, (0..PROCESSES).filter(|pid| *pid != 700));
        hear(&mut source, [PROCESSES]);
        let mut out = Vec::new();
        source.reading(&mut out);
        let ended = out.iter().filter_map(|observation| match observation {
            Observation::Exit(state) => Some(state.tgid.0),
            _ => None,
        });
        assert_eq!(ended.collect::<Vec<_>>(), [5_000_700]);
    }
}
