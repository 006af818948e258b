//! A command that eBPF follows: the kernel side watches its tree and nobody else. Nothing holds it up.

use std::collections::HashSet;
use std::path::Path;

use memtap_model::{Causes, Observation, ProcessState, Tgid};
use nix::libc::{self, c_int};

use super::{Ending, Follow, Waiting, halt_with_it, has_ended, is_enough};
use crate::bpf::Bpf;
use crate::{CaptureError, Filter, Plan, Settings, Source, SourceKind};

/// The source.
pub(super) struct Watched {
    source: Bpf,
    command: Waiting,
    root: Tgid,
    /// The processes of the tree that live.
    tree: HashSet<Tgid>,
    /// What the child had before it ran the command: memtap's own, which it was a copy of. It is no business of the command's.
    before: Option<Causes>,
    ending: Option<Ending>,
    all: Vec<Observation>,
    /// Those of them that had gone as a reading began: when it has come, so have their ends, if they were not lost.
    gone: Vec<Tgid>,
    last_reading: LastReading,
}

/// A reading after the command's end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastReading {
    NotYet,
    Begun,
    Come,
}

/// The kernel side, which watches a command that waits, and whoever will descend from it.
pub(super) fn open(command: &Waiting, settings: &Settings) -> Result<Bpf, CaptureError> {
    let root = root_of(command);
    let filter = Filter { pids: vec![root], follow: true, ..settings.filter.clone() };
    let mut source = Bpf::open_for_command(&Settings { filter, exact_times: true, ..settings.clone() })?;
    let is_ours = |state: &ProcessState| state.tgid == root && state.parent.0 == std::process::id();
    let is_read = read_all(&mut source)?.iter().any(|observation| {
        // With books: what only /proc tells has none.
        matches!(observation, Observation::Snapshot(state) if is_ours(state) && state.causes.is_some())
    });
    if is_read {
        return Ok(source);
    }
    let reason = "memtap runs in a pid namespace, so the kernel knows the command by another pid";
    Err(CaptureError::CannotTrace { step: "following the command".to_owned(), reason: reason.to_owned() })
}

fn root_of(command: &Waiting) -> Tgid {
    Tgid(command.pid().cast_unsigned())
}

impl Watched {
    /// Lets the command go.
    pub(super) fn start(mut command: Waiting, source: Bpf) -> Result<Self, CaptureError> {
        command.let_go().map_err(|error| CaptureError::CannotTrace {
            step: "starting the command".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            root: root_of(&command),
            source,
            command,
            tree: HashSet::new(),
            before: None,
            ending: None,
            all: Vec::new(),
            gone: Vec::new(),
            last_reading: LastReading::NotYet,
        })
    }

    /// Ended or halted, if it is.
    fn look_after_the_command(&mut self) -> Result<(), CaptureError> {
        let mut status: c_int = 0;
        // SAFETY: the status is ours.
        let found =
            unsafe { libc::waitpid(self.command.pid(), &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
        if found <= 0 {
            return Ok(());
        }
        if libc::WIFSTOPPED(status) {
            halt_with_it(self.command.pid(), libc::WSTOPSIG(status));
        } else {
            self.ending = Some(self.command.ending(status)?);
            has_ended();
        }
        Ok(())
    }

    /// What is the command's: all of it, once the child runs the command, with its books begun there.
    fn take(&mut self, observation: Observation) -> Option<Observation> {
        match observation {
            // Those of the whole stream: the processes' own stand in their states.
            Observation::Lost { .. } | Observation::Oom(_) => None,
            Observation::AllRead => {
                self.all_read();
                Some(Observation::AllRead)
            }
            Observation::Exec(state) if self.before.is_none() => {
                self.before = Some(state.causes.unwrap_or_default());
                self.tree.insert(self.root);
                Some(Observation::Fork(self.begun(state, true)))
            }
            _ if self.before.is_none() => None,
            Observation::Fork(state) => {
                self.tree.insert(state.tgid);
                Some(Observation::Fork(state))
            }
            Observation::Exec(state) => Some(Observation::Exec(self.begun(state, false))),
            Observation::Snapshot(state) => Some(Observation::Snapshot(self.begun(state, false))),
            Observation::Exit(state) => {
                self.tree.remove(&state.tgid);
                Some(Observation::Exit(self.begun(state, false)))
            }
            other => Some(other),
        }
    }

    fn all_read(&mut self) {
        for tgid in self.gone.drain(..) {
            self.tree.remove(&tgid);
        }
        if self.last_reading == LastReading::Begun {
            self.last_reading = LastReading::Come;
        }
    }

    /// The state of the first process as if it had been born with the command's image.
    fn begun(&self, mut state: Box<ProcessState>, is_birth: bool) -> Box<ProcessState> {
        let (true, Some(before)) = (state.tgid == self.root, &self.before) else { return state };
        if let Some(causes) = &mut state.causes {
            causes.opening_bytes = causes.opening_bytes.saturating_add_signed(before.exec_bytes);
            causes.exec_bytes -= before.exec_bytes;
        }
        if is_birth {
            state.peak_virtual_bytes = state.virtual_bytes.unwrap_or(0);
            state.peak_resident_bytes = state.resident.set_bytes();
        }
        state
    }
}

/// The first reading, in which the kernel side also learns where resident sets are counted.
fn read_all(source: &mut Bpf) -> Result<Vec<Observation>, CaptureError> {
    let mut all = Vec::new();
    source.tick()?;
    while all.last() != Some(&Observation::AllRead) {
        source.poll(usize::MAX, &mut all)?;
    }
    Ok(all)
}

impl Source for Watched {
    fn kind(&self) -> SourceKind {
        self.source.kind()
    }

    fn plan(&self) -> Option<Plan> {
        self.source.plan()
    }

    fn tick(&mut self) -> Result<(), CaptureError> {
        let has_gone = |tgid: &&Tgid| !Path::new(&format!("/proc/{}", tgid.0)).exists();
        self.gone = self.tree.iter().filter(has_gone).copied().collect();
        if self.ending.is_some() && self.last_reading == LastReading::NotYet {
            self.last_reading = LastReading::Begun;
        }
        self.source.tick()
    }

    fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError> {
        if self.ending.is_none() {
            self.look_after_the_command()?;
        } else if is_enough() && self.last_reading == LastReading::NotYet {
            self.tick()?;
        }
        let mut all = std::mem::take(&mut self.all);
        let count = self.source.poll(room, &mut all)?;
        for observation in all.drain(..) {
            out.extend(self.take(observation));
        }
        self.all = all;
        Ok(count)
    }

    fn is_over(&self) -> bool {
        match self.ending {
            None => false,
            Some(Ending::NotRun(_)) => true,
            Some(_) if is_enough() => self.last_reading == LastReading::Come,
            // Its begin stands in the stream still, unless it was lost.
            Some(_) => {
                self.tree.is_empty() && (self.before.is_some() || self.last_reading == LastReading::Come)
            }
        }
    }
}

impl Follow for Watched {
    fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }
}
