//! A command that eBPF follows: of all that the kernel tells, what is about its tree. Nothing holds it up.

use std::collections::HashSet;
use std::ffi::CString;
use std::io;
use std::path::Path;

use memtap_model::{Causes, Observation, ProcessState, Tgid};
use nix::libc::{self, c_int};

use super::{Ending, Follow, Waiting, halt_with_it, has_ended, is_enough};
use crate::{CaptureError, Plan, Source, SourceKind};

/// The source.
pub(super) struct Watched {
    source: Box<dyn Source>,
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

impl Watched {
    pub(super) fn start(words: &[CString], mut source: Box<dyn Source>) -> Result<Self, CaptureError> {
        let cannot = |error: io::Error| CaptureError::Unsupported {
            step: "starting the command".to_owned(),
            reason: error.to_string(),
        };
        read_all(&mut *source)?;
        let mut command = Waiting::start(words, || Ok(())).map_err(cannot)?;
        command.let_go().map_err(cannot)?;
        let root = Tgid(command.pid().cast_unsigned());
        Ok(Self {
            source,
            command,
            root,
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

    /// What is about the tree, with the command's books begun where it began.
    fn take(&mut self, observation: Observation) -> Option<Observation> {
        match observation {
            Observation::Fork(state) if self.tree.contains(&state.parent) => {
                self.tree.insert(state.tgid);
                Some(Observation::Fork(state))
            }
            Observation::Exec(state) if state.tgid == self.root && self.before.is_none() => {
                self.before = Some(state.causes.unwrap_or_default());
                self.tree.insert(self.root);
                Some(Observation::Fork(self.begun(state, true)))
            }
            Observation::Fork(_) => None,
            Observation::Exec(state) => self.of_tree(state).map(Observation::Exec),
            Observation::Snapshot(state) => self.of_tree(state).map(Observation::Snapshot),
            Observation::Exit(state) => {
                let state = self.of_tree(state)?;
                self.tree.remove(&state.tgid);
                Some(Observation::Exit(state))
            }
            Observation::Request(request) => {
                self.tree.contains(&request.tgid).then_some(Observation::Request(request))
            }
            Observation::Tally(tally) => {
                self.tree.contains(&tally.process.tgid).then_some(Observation::Tally(tally))
            }
            Observation::Rename { tgid, name } => {
                self.tree.contains(&tgid).then_some(Observation::Rename { tgid, name })
            }
            Observation::Details(details) => {
                self.tree.contains(&details.process.tgid).then_some(Observation::Details(details))
            }
            // Those of all processes of the machine: the tree's own stand in its states.
            Observation::Lost { .. } | Observation::Oom(_) => None,
            Observation::AllRead => {
                for tgid in self.gone.drain(..) {
                    self.tree.remove(&tgid);
                }
                if self.last_reading == LastReading::Begun {
                    self.last_reading = LastReading::Come;
                }
                Some(Observation::AllRead)
            }
            Observation::Host(host) => Some(Observation::Host(host)),
        }
    }

    fn of_tree(&self, state: Box<ProcessState>) -> Option<Box<ProcessState>> {
        self.tree.contains(&state.tgid).then(|| self.begun(state, false))
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
fn read_all(source: &mut dyn Source) -> Result<(), CaptureError> {
    let mut all = Vec::new();
    source.tick()?;
    while all.last() != Some(&Observation::AllRead) {
        all.clear();
        source.poll(usize::MAX, &mut all)?;
    }
    Ok(())
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
