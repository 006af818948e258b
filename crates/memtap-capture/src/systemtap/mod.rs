//! Source `systemtap`: what a SystemTap script prints, for machines where eBPF is not possible. It tells of mmap and munmap with their
//! lengths, not of what they changed; sizes come from /proc where the process is one of this machine.

mod lines;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use memtap_model::{
    Call, CallTotals, Comm, Layout, LossCause, MemoryRequest, Observation, Outcome, ProcessId, ProcessState,
    ScriptLine, StartTime, Tally, Tgid, Tid,
};

use crate::{CaptureError, Source, SourceKind, clock, procfs};
pub use lines::{Damaged, ScriptLines};

/// Lines on their way from the thread that reads; a full channel makes it wait, and whoever writes the pipe with it.
const CHANNEL: usize = 64;
const LINES_AT_ONCE: usize = 1024;
/// Processes that are followed at a time; beyond it the one that was quiet longest is taken to have ended.
const PROCESSES: usize = 20_000;
/// Damaged lines that are shown in the log; all are counted.
const SHOWN: u64 = 5;

type Input = Box<dyn Read + Send>;

/// The source.
pub(crate) struct SystemTap {
    lines: Receiver<Piece>,
    processes: HashMap<Tgid, Process>,
    /// Sets apart the lives that one pid had, as far as its name tells.
    lives: u64,
    changed: Vec<Tgid>,
    damaged: u64,
    shown: u64,
    due: bool,
    ended: bool,
}

#[derive(Default)]
struct Piece {
    lines: Vec<ScriptLine>,
    damaged: Vec<Damaged>,
    more_damaged: u64,
}

struct Process {
    id: ProcessId,
    name: Comm,
    calls: [CallTotals; Call::COUNT],
    is_changed: bool,
    /// The tick in which it was heard of last.
    heard: u64,
}

impl SystemTap {
    pub(crate) fn open(path: &Path) -> Result<Self, CaptureError> {
        let failed = || CaptureError::read(path.display().to_string());
        let input: Box<dyn FnOnce() -> std::io::Result<Input> + Send> = if path == Path::new("-") {
            Box::new(|| Ok(Box::new(std::io::stdin())))
        } else if path.metadata().map_err(failed())?.file_type().is_fifo() {
            // To open it waits until somebody writes.
            let path = path.to_owned();
            Box::new(move || Ok(Box::new(File::open(path)?)))
        } else {
            let file = File::open(path).map_err(failed())?;
            Box::new(move || Ok(Box::new(file)))
        };
        let (sender, lines) = sync_channel(CHANNEL);
        let read = move || match input() {
            Ok(input) => read(ScriptLines::new(input, Layout::default(), 0), &sender),
            Err(error) => tracing::error!("the SystemTap stream cannot be opened: {error}"),
        };
        let started = std::thread::Builder::new().name("memtap-lines".to_owned()).spawn(read);
        started.map_err(CaptureError::read("the lines: the system gives no thread for them"))?;
        Ok(Self {
            lines,
            processes: HashMap::new(),
            lives: 0,
            changed: Vec::new(),
            damaged: 0,
            shown: 0,
            due: false,
            ended: false,
        })
    }

    fn line(&mut self, line: &ScriptLine, out: &mut Vec<Observation>) {
        let tgid = Tgid(line.pid);
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
        process.heard = self.lives;
        if !std::mem::replace(&mut process.is_changed, true) {
            self.changed.push(tgid);
        }
        out.push(Observation::Request(MemoryRequest {
            time: line.time,
            tgid,
            tid: Tid(line.pid),
            name: line.name,
            call: line.call,
            whole: false,
            arguments: [0, line.length, 0, 0, 0],
            outcome: Outcome::Granted(0),
            requested_bytes: line.length,
            delta_bytes: 0,
            virtual_bytes: 0,
            file: None,
            lost: 0,
        }));
    }

    /// The tick's sums, and the sizes of those that live here.
    fn reading(&mut self, out: &mut Vec<Observation>) {
        for tgid in std::mem::take(&mut self.changed) {
            if let Some(process) = self.processes.get_mut(&tgid) {
                process.is_changed = false;
                out.push(Observation::Tally(Box::new(tally(process))));
            }
        }
        let boot = clock::boot();
        for process in self.processes.values() {
            // A pid of another machine's may be somebody else's here: the name tells.
            if let Some(here) =
                procfs::state(process.id.tgid.0, boot).filter(|here| here.name == process.name)
            {
                out.push(Observation::Snapshot(Box::new(ProcessState {
                    start: process.id.start,
                    causes: None,
                    ..here
                })));
            }
        }
        self.forget(out);
        if self.damaged > 0 {
            out.push(Observation::Lost {
                cause: LossCause::DamagedLine,
                count: std::mem::take(&mut self.damaged),
            });
        }
        out.push(Observation::AllRead);
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
    }

    fn tell(&mut self, piece: &Piece) {
        for damaged in &piece.damaged {
            if self.shown < SHOWN {
                self.shown += 1;
                let line = memtap_model::to_text(&damaged.line);
                tracing::warn!("line {} is damaged ({}): {:?}", damaged.number, damaged.error, line);
            }
        }
        self.damaged += piece.damaged.len() as u64 + piece.more_damaged;
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

/// The thread: it may wait for lines as long as it likes.
fn read(mut lines: ScriptLines<Input>, sender: &SyncSender<Piece>) {
    let mut piece = Piece::default();
    loop {
        match lines.next_line() {
            Ok(Some(Ok(line))) => piece.lines.push(line),
            Ok(Some(Err(damaged))) if piece.damaged.len() < LINES_AT_ONCE => piece.damaged.push(damaged),
            Ok(Some(Err(_))) => piece.more_damaged += 1,
            Ok(None) => {
                let _ = sender.send(piece);
                tracing::info!("the SystemTap stream has ended after {} lines", lines.number());
                return;
            }
            Err(error) => {
                let _ = sender.send(piece);
                tracing::error!("the SystemTap stream cannot be read: {error}");
                return;
            }
        }
        let full = piece.lines.len() + piece.damaged.len() >= LINES_AT_ONCE;
        if (full || !lines.has_more()) && sender.send(std::mem::take(&mut piece)).is_err() {
            return;
        }
    }
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
                    self.tell(&piece);
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
