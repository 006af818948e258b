//! Start of a command in two steps: a child is created that waits, and is then released, so that it
//! can be followed from its first instruction.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use nix::fcntl::OFlag;
use nix::libc::{self, c_int, pid_t};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{ForkResult, Pid, fork, pipe2};

use super::{Ending, terminal};
use crate::CaptureError;

/// Step that the child takes, or that failed.
const PREPARE: u8 = 1;
const RUN: u8 = 2;

/// A command that waits for its start.
pub(crate) struct Waiting {
    pid: Pid,
    /// Pipe to the child. A byte releases it and selects the step. If memtap ends first, the child
    /// ends as well.
    gate: Option<File>,
    /// Pipe from the child, which writes the error if a step fails.
    failure: File,
}

impl Waiting {
    /// Creates the child. `prepare` runs in the child directly before the command, if it is
    /// released by [`Waiting::release_prepared`]. It must not allocate.
    pub(crate) fn start(words: &[CString], prepare: impl FnOnce() -> io::Result<()>) -> io::Result<Self> {
        let (wait, gate) = pipe2(OFlag::O_CLOEXEC)?;
        let (failure, failure_writer) = pipe2(OFlag::O_CLOEXEC)?;
        let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
        pointers.push(std::ptr::null());
        // SAFETY: the child makes only system calls, with memory that is already allocated.
        match unsafe { fork() }? {
            ForkResult::Child => {
                drop(gate);
                run(&pointers, &wait, &failure_writer, prepare)
            }
            ForkResult::Parent { child } => {
                terminal::pass_signals_to(child);
                Ok(Self { pid: child, gate: Some(File::from(gate)), failure: File::from(failure) })
            }
        }
    }

    pub(crate) fn pid(&self) -> pid_t {
        self.pid.as_raw()
    }

    /// Releases the child to run the command.
    pub(crate) fn release(&mut self) -> io::Result<()> {
        self.release_with(RUN)
    }

    /// Releases the child to run `prepare` and the command.
    pub(crate) fn release_prepared(&mut self) -> io::Result<()> {
        self.release_with(PREPARE)
    }

    fn release_with(&mut self, step: u8) -> io::Result<()> {
        self.gate.take().map_or(Ok(()), |mut gate| gate.write_all(&[step]))
    }

    /// Returns the way in which the child ended. The status alone is not sufficient, because the
    /// child may never have run the command.
    pub(crate) fn ending(&mut self, status: c_int) -> Result<Ending, CaptureError> {
        let mut report = [0; 5];
        // exec closes the pipe, so nothing was written to it.
        let Ok(()) = self.failure.read_exact(&mut report) else { return Ok(Ending::from_status(status)) };
        let [step, reason @ ..] = report;
        let error = io::Error::from_raw_os_error(c_int::from_ne_bytes(reason));
        if step == PREPARE {
            let step = "installing the filter for memory calls".to_owned();
            return Err(CaptureError::CannotTrace { step, reason: error.to_string() });
        }
        Ok(Ending::NotRun(error))
    }
}

/// Body of the child: waits for its release, then runs the command, or reports why it cannot.
fn run(
    words: &[*const libc::c_char],
    wait: &OwnedFd,
    failure: &OwnedFd,
    prepare: impl FnOnce() -> io::Result<()>,
) -> ! {
    let mut first = [0];
    // SAFETY: Rust programs ignore SIGPIPE, but a command expects the default action.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    let (step, error) = match (nix::unistd::read(wait.as_fd(), &mut first), first) {
        (Ok(1), [PREPARE]) => match prepare() {
            Ok(()) => (RUN, execute(words)),
            Err(error) => (PREPARE, error),
        },
        (Ok(1), _) => (RUN, execute(words)),
        _ => (RUN, io::Error::from_raw_os_error(libc::ECANCELED)),
    };
    let mut report = [step, 0, 0, 0, 0];
    report[1..].copy_from_slice(&error.raw_os_error().unwrap_or(0).to_ne_bytes());
    let _ = nix::unistd::write(failure.as_fd(), &report);
    // SAFETY: ends the child without running memtap's exit handlers.
    unsafe { libc::_exit(127) }
}

/// Executes the command like a shell: searches PATH, and runs a script without `#!` in the shell.
fn execute(words: &[*const libc::c_char]) -> io::Error {
    let Some(program) = words.first().filter(|word| !word.is_null()) else {
        return io::Error::from_raw_os_error(libc::ENOENT);
    };
    // SAFETY: the array ends with a null pointer, and each word with NUL.
    unsafe { libc::execvp(*program, words.as_ptr()) };
    io::Error::last_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};

    fn words(line: &str) -> Vec<CString> {
        line.split_whitespace().map(|word| CString::new(word).unwrap()).collect()
    }

    #[test]
    fn a_command_that_is_not_released_ends_and_failures_are_reported() {
        let waiting = Waiting::start(&words("/bin/true"), || Ok(())).unwrap();
        let pid = waiting.pid;
        drop(waiting);
        assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 127)));
        let mut waiting = Waiting::start(&words("/nowhere/at/all"), || Ok(())).unwrap();
        waiting.release().unwrap();
        waitpid(waiting.pid, None).unwrap();
        assert!(
            matches!(waiting.ending(0), Ok(Ending::NotRun(error)) if error.kind() == io::ErrorKind::NotFound)
        );
        let mut waiting = Waiting::start(&words("/bin/true"), || Ok(())).unwrap();
        waiting.release().unwrap();
        waitpid(waiting.pid, None).unwrap();
        assert!(matches!(waiting.ending(0), Ok(Ending::Exited(0))));
        let refuse = || Err(io::Error::from_raw_os_error(libc::EINVAL));
        let mut waiting = Waiting::start(&words("/bin/true"), refuse).unwrap();
        waiting.release_prepared().unwrap();
        waitpid(waiting.pid, None).unwrap();
        assert!(waiting.ending(0).unwrap_err().to_string().contains("filter"));
    }
}
