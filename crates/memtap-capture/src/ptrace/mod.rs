//! Source `ptrace`: all requests of one command and its descendants, without any privilege.
//!
//! memtap is the tracer of the command. The command installs a seccomp filter on itself before it
//! starts, which stops it at memory calls only (`filter.rs`). Each call is examined twice, before
//! it runs and when it returns (`tracee.rs`, `held.rs`). Accounts are kept here (`tree.rs`,
//! `account.rs`), so nothing can be lost. The thread that opens the source must also read it,
//! because only that thread is the tracer.

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

/// First kernel that reports the call of a stopped thread to its tracer (kernel/ptrace.c,
/// PTRACE_GET_SYSCALL_INFO).
const SYSCALL_INFO_SINCE: (u32, u32) = (5, 3);
/// Maximum time for which observations are collected before they are passed on.
const COLLECT_TIME: Duration = Duration::from_millis(100);

pub(crate) struct Ptrace {
    command: Waiting,
    tree: Tree,
    /// True if a reading has been requested.
    due: bool,
    ending: Option<Ending>,
    is_over: bool,
}

impl Ptrace {
    /// Starts the waiting command with its filter.
    pub(crate) fn start(mut command: Waiting) -> Result<Self, CaptureError> {
        if cfg!(not(target_arch = "x86_64")) {
            let reason = "this build of memtap sees x86-64 system calls only".to_owned();
            return Err(CaptureError::CannotTrace { step: "architecture".to_owned(), reason });
        }
        let release = facts::release();
        if probe::version(&release).is_some_and(|version| version < SYSCALL_INFO_SINCE) {
            let reason = format!("Linux {release} is older than 5.3");
            return Err(CaptureError::CannotTrace { step: "tracing".to_owned(), reason });
        }
        tracee::seize(command.pid()).map_err(|error| not_traceable(command.pid(), &error))?;
        command.release_prepared().map_err(|error| cannot_trace("starting the command", &error))?;
        // memtap keeps a file open for each process. The command was created before and has the
        // original limit.
        if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
        }
        let tree = Tree::new(command.pid(), clock::page_size().unwrap_or(4096));
        Ok(Self { command, tree, due: false, ending: None, is_over: false })
    }

    fn handle_stop(
        &mut self,
        tid: pid_t,
        stop: Stop,
        out: &mut Vec<Observation>,
    ) -> Result<(), CaptureError> {
        self.tree.handle_stop(tid, stop, out);
        match stop {
            Stop::Ended(status) if tid == self.command.pid() => {
                self.ending = Some(self.command.ending(status)?);
                command::command_ended();
            }
            Stop::Halted(signal) if tid == self.command.pid() => command::halt_with_command(tid, signal),
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

    /// Waits for the command to do something. As long as it does nothing, there is nothing to
    /// report.
    fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError> {
        let before = out.len();
        if std::mem::take(&mut self.due) {
            self.tree.read_all(out);
            return Ok(out.len() - before);
        }
        let begin = Instant::now();
        while !self.is_over && out.len() - before < room && begin.elapsed() < COLLECT_TIME {
            match tracee::wait().map_err(|error| cannot_trace("waiting for the command", &error))? {
                Some((tid, stop)) => self.handle_stop(tid, stop, out)?,
                None => {
                    // Processes that continue to run, if any, are reported in their present state.
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

fn cannot_trace(step: &str, error: &io::Error) -> CaptureError {
    CaptureError::CannotTrace { step: step.to_owned(), reason: error.to_string() }
}

/// Error for a child that may not be traced.
fn not_traceable(pid: pid_t, error: &io::Error) -> CaptureError {
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
