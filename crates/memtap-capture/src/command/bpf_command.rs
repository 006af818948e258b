//! A command followed by eBPF: the kernel side watches its tree only, and does not stop it.

use std::collections::HashSet;
use std::path::Path;

use memtap_model::{Causes, Observation, ProcessState, Tgid};
use nix::libc::{self, c_int};

use super::{Ending, Follow, Waiting, command_ended, halt_with_command, user_gave_up};
use crate::bpf::Bpf;
use crate::{CaptureError, Filter, Plan, Settings, Source, SourceKind};

pub(super) struct BpfCommand {
    source: Bpf,
    command: Waiting,
    root: Tgid,
    /// Running processes of the tree.
    tree: HashSet<Tgid>,
    /// Virtual size by cause, before the child ran the command. It belongs to memtap, of which the
    /// child was a copy, and not to the command.
    before: Option<Causes>,
    ending: Option<Ending>,
    all: Vec<Observation>,
    /// Processes of the tree that had ended when a reading began. Their exits arrive before the end
    /// of the reading, unless they were lost.
    ended: Vec<Tgid>,
    last_reading: LastReading,
}

/// State of the reading after the end of the command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastReading {
    NotYet,
    Begun,
    Done,
}

/// Opens the kernel side, which watches a waiting command and its future descendants.
pub(super) fn open(command: &Waiting, settings: &Settings) -> Result<Bpf, CaptureError> {
    let root = root_process(command);
    let filter = Filter { pids: vec![root], follow: true, ..settings.filter.clone() };
    let mut source = Bpf::open_for_command(&Settings { filter, exact_times: true, ..settings.clone() })?;
    let is_ours = |state: &ProcessState| state.tgid == root && state.parent.0 == std::process::id();
    let is_read = read_all(&mut source)?.iter().any(|observation| {
        // With causes: a state from /proc has none.
        matches!(observation, Observation::Snapshot(state) if is_ours(state) && state.causes.is_some())
    });
    if is_read {
        return Ok(source);
    }
    let reason = "memtap runs in a pid namespace, so the kernel knows the command by another pid";
    Err(CaptureError::CannotTrace { step: "following the command".to_owned(), reason: reason.to_owned() })
}

fn root_process(command: &Waiting) -> Tgid {
    Tgid(command.pid().cast_unsigned())
}

impl BpfCommand {
    /// Starts the waiting command.
    pub(super) fn start(mut command: Waiting, source: Bpf) -> Result<Self, CaptureError> {
        command.release().map_err(|error| CaptureError::CannotTrace {
            step: "starting the command".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            root: root_process(&command),
            source,
            command,
            tree: HashSet::new(),
            before: None,
            ending: None,
            all: Vec::new(),
            ended: Vec::new(),
            last_reading: LastReading::NotYet,
        })
    }

    /// Checks whether the command has ended or stopped.
    fn check_command(&mut self) -> Result<(), CaptureError> {
        let mut status: c_int = 0;
        // SAFETY: the status is a local variable.
        let changed =
            unsafe { libc::waitpid(self.command.pid(), &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
        if changed <= 0 {
            return Ok(());
        }
        if libc::WIFSTOPPED(status) {
            halt_with_command(self.command.pid(), libc::WSTOPSIG(status));
        } else {
            self.ending = Some(self.command.ending(status)?);
            command_ended();
        }
        Ok(())
    }

    /// Returns the observation if it belongs to the command. The command begins when the child
    /// executes it, and so does its account.
    fn filter_observation(&mut self, observation: Observation) -> Option<Observation> {
        match observation {
            // Losses of the whole stream. Losses of each process are in its state.
            Observation::Lost { .. } | Observation::Oom(_) => None,
            Observation::AllRead => {
                self.end_reading();
                Some(Observation::AllRead)
            }
            Observation::Exec(state) if self.before.is_none() => {
                self.before = Some(state.causes.unwrap_or_default());
                self.tree.insert(self.root);
                Some(Observation::Fork(self.adjust_to_command(state, true)))
            }
            _ if self.before.is_none() => None,
            Observation::Fork(state) => {
                self.tree.insert(state.tgid);
                Some(Observation::Fork(state))
            }
            Observation::Exec(state) => Some(Observation::Exec(self.adjust_to_command(state, false))),
            Observation::Snapshot(state) => Some(Observation::Snapshot(self.adjust_to_command(state, false))),
            Observation::Exit(state) => {
                self.tree.remove(&state.tgid);
                Some(Observation::Exit(self.adjust_to_command(state, false)))
            }
            other => Some(other),
        }
    }

    fn end_reading(&mut self) {
        for tgid in self.ended.drain(..) {
            self.tree.remove(&tgid);
        }
        if self.last_reading == LastReading::Begun {
            self.last_reading = LastReading::Done;
        }
    }

    /// Adjusts the state of the first process as if the process had started with the command's
    /// image.
    fn adjust_to_command(&self, mut state: Box<ProcessState>, is_birth: bool) -> Box<ProcessState> {
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

/// Reads all processes. The kernel side's first reading also finds the per-CPU counters of resident
/// memory.
fn read_all(source: &mut Bpf) -> Result<Vec<Observation>, CaptureError> {
    let mut all = Vec::new();
    source.tick()?;
    while all.last() != Some(&Observation::AllRead) {
        source.poll(usize::MAX, &mut all)?;
    }
    Ok(all)
}

impl Source for BpfCommand {
    fn kind(&self) -> SourceKind {
        self.source.kind()
    }

    fn plan(&self) -> Option<Plan> {
        self.source.plan()
    }

    fn tick(&mut self) -> Result<(), CaptureError> {
        let has_ended = |tgid: &&Tgid| !Path::new(&format!("/proc/{}", tgid.0)).exists();
        self.ended = self.tree.iter().filter(has_ended).copied().collect();
        if self.ending.is_some() && self.last_reading == LastReading::NotYet {
            self.last_reading = LastReading::Begun;
        }
        self.source.tick()
    }

    fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError> {
        if self.ending.is_none() {
            self.check_command()?;
        } else if user_gave_up() && self.last_reading == LastReading::NotYet {
            self.tick()?;
        }
        let mut all = std::mem::take(&mut self.all);
        let count = self.source.poll(room, &mut all)?;
        for observation in all.drain(..) {
            out.extend(self.filter_observation(observation));
        }
        self.all = all;
        Ok(count)
    }

    fn is_over(&self) -> bool {
        match self.ending {
            None => false,
            Some(Ending::NotRun(_)) => true,
            Some(_) if user_gave_up() => self.last_reading == LastReading::Done,
            // The start of the command is still in the stream, unless it was lost.
            Some(_) => {
                self.tree.is_empty() && (self.before.is_some() || self.last_reading == LastReading::Done)
            }
        }
    }
}

impl Follow for BpfCommand {
    fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }
}
