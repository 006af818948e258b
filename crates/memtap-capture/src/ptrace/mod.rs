//! Source `ptrace`: every request of one command and of all that descends from it, without any privilege.
//!
//! memtap is the command's tracer. A seccomp filter, which the command installs on itself before it begins, stops it at memory calls only
//! (`filter.rs`); a call is looked at twice, before it is made and as it comes back (`tracee.rs`, `held.rs`). Accounts are kept here
//! (`tree.rs`, `account.rs`), so nothing can be lost. The thread that opens the source must read it: it alone is the tracer.

mod account;
mod filter;
mod held;
mod sizes;
mod tracee;
mod tree;

use std::io;
use std::time::{Duration, Instant};

use memtap_model::Observation;
use nix::libc::pid_t;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::command::{self, Ending, Follow, Waiting};
use crate::{CaptureError, Source, SourceKind, clock, facts, probe};
pub(crate) use filter::Filter;
use tracee::Stop;
use tree::Tree;

/// The first kernel that tells a tracer the call that a thread is in (kernel/ptrace.c, PTRACE_GET_SYSCALL_INFO).
const CALLS_ARE_TOLD: (u32, u32) = (5, 3);
/// What was observed is handed over so often, if the command does anything.
const A_WHILE: Duration = Duration::from_millis(100);

/// The source.
pub(crate) struct Ptrace {
    command: Waiting,
    tree: Tree,
    /// A reading has been asked for.
    due: bool,
    ending: Option<Ending>,
    is_over: bool,
}

impl Ptrace {
    /// Lets the command go, with its filter.
    pub(crate) fn start(mut command: Waiting) -> Result<Self, CaptureError> {
        if cfg!(not(target_arch = "x86_64")) {
            let reason = "this build of memtap sees x86-64 system calls only".to_owned();
            return Err(CaptureError::CannotTrace { step: "architecture".to_owned(), reason });
        }
        let release = facts::release();
        if probe::version(&release).is_some_and(|version| version < CALLS_ARE_TOLD) {
            let reason = format!("Linux {release} is older than 5.3");
            return Err(CaptureError::CannotTrace { step: "tracing".to_owned(), reason });
        }
        tracee::seize(command.pid()).map_err(|error| not_allowed(command.pid(), &error))?;
        command.let_go_prepared().map_err(|error| cannot("starting the command", &error))?;
        // Each process has a file open here. The command was made before, and has the limit as memtap found it.
        if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
        }
        let tree = Tree::of(command.pid(), clock::page_size().unwrap_or(4096));
        Ok(Self { command, tree, due: false, ending: None, is_over: false })
    }

    fn stopped(&mut self, tid: pid_t, stop: Stop, out: &mut Vec<Observation>) -> Result<(), CaptureError> {
        self.tree.stopped(tid, stop, out);
        match stop {
            Stop::Gone(status) if tid == self.command.pid() => {
                self.ending = Some(self.command.ending(status)?);
                command::has_ended();
            }
            Stop::Halted(signal) if tid == self.command.pid() => command::halt_with_it(tid, signal),
            _ => {}
        }
        Ok(())
    }
}

impl Source for Ptrace {
    fn kind(&self) -> SourceKind {
        SourceKind::Ptrace
    }

    fn tick(&mut self) -> Result<(), CaptureError> {
        self.due = true;
        Ok(())
    }

    /// Waits for the command to do something: while it waits itself, there is nothing to be told.
    fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError> {
        let before = out.len();
        if std::mem::take(&mut self.due) {
            self.tree.read_all(out);
            return Ok(out.len() - before);
        }
        let begin = Instant::now();
        while !self.is_over && out.len() - before < room && begin.elapsed() < A_WHILE {
            match tracee::wait().map_err(|error| cannot("waiting for the command", &error))? {
                Some((tid, stop)) => self.stopped(tid, stop, out)?,
                None => {
                    // What goes on, if anybody does, has come to this.
                    self.tree.read_all(out);
                    self.is_over = true;
                }
            }
        }
        Ok(out.len() - before)
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

impl Follow for Ptrace {
    fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }
}

fn cannot(step: &str, error: &io::Error) -> CaptureError {
    CaptureError::CannotTrace { step: step.to_owned(), reason: error.to_string() }
}

/// Why a child of ours may not be traced.
fn not_allowed(pid: pid_t, error: &io::Error) -> CaptureError {
    let field = |name: &str| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let fix = match (field("TracerPid:").as_deref(), yama.trim()) {
        (Some(tracer), _) if tracer != "0" => {
            format!("process {tracer} already traces memtap and its children: run memtap outside it")
        }
        (_, "2") => "sudo sysctl kernel.yama.ptrace_scope=1 (or run memtap as root)".to_owned(),
        (_, "3") => {
            "kernel.yama.ptrace_scope is 3: reboot without it, or run memtap as root with --source bpf"
                .to_owned()
        }
        _ => {
            "in a container, start it with --cap-add=SYS_PTRACE, or with a seccomp profile that allows ptrace"
                .to_owned()
        }
    };
    CaptureError::NotTraceable { reason: error.to_string(), fix }
}
