//! Starting a command in two steps: a child that waits, and then is let go, so that it can be followed from its first instruction on.

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

/// What the child shall do, or could not.
const PREPARE: u8 = 1;
const RUN: u8 = 2;

/// A command that is going to run.
pub(crate) struct Waiting {
    pid: Pid,
    /// A byte lets it go and says how; without one, it ends with memtap.
    gate: Option<File>,
    /// What it failed with, if it did.
    told: File,
}

impl Waiting {
    /// `prepare` is called in the child as the last thing before the command, if it is let go so: it may not allocate.
    pub(crate) fn start(words: &[CString], prepare: impl FnOnce() -> io::Result<()>) -> io::Result<Self> {
        let (wait, gate) = pipe2(OFlag::O_CLOEXEC)?;
        let (told, tell) = pipe2(OFlag::O_CLOEXEC)?;
        let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
        pointers.push(std::ptr::null());
        // SAFETY: the child makes system calls only, in memory that is there already.
        match unsafe { fork() }? {
            ForkResult::Child => {
                drop(gate);
                run(&pointers, &wait, &tell, prepare)
            }
            ForkResult::Parent { child } => {
                terminal::pass_signals_to(child);
                Ok(Self { pid: child, gate: Some(File::from(gate)), told: File::from(told) })
            }
        }
    }

    pub(crate) fn pid(&self) -> pid_t {
        self.pid.as_raw()
    }

    /// It runs.
    pub(crate) fn let_go(&mut self) -> io::Result<()> {
        self.tell(RUN)
    }

    /// It prepares itself, and runs.
    pub(crate) fn let_go_prepared(&mut self) -> io::Result<()> {
        self.tell(PREPARE)
    }

    fn tell(&mut self, step: u8) -> io::Result<()> {
        self.gate.take().map_or(Ok(()), |mut gate| gate.write_all(&[step]))
    }

    /// How it ended, which its status alone does not say: it may never have run the command.
    pub(crate) fn ending(&mut self, status: c_int) -> Result<Ending, CaptureError> {
        let mut told = [0; 5];
        // The command's begin has closed the pipe, with nothing in it.
        let Ok(()) = self.told.read_exact(&mut told) else { return Ok(Ending::of(status)) };
        let [step, reason @ ..] = told;
        let error = io::Error::from_raw_os_error(c_int::from_ne_bytes(reason));
        if step == PREPARE {
            let step = "installing the filter for memory calls".to_owned();
            return Err(CaptureError::CannotTrace { step, reason: error.to_string() });
        }
        Ok(Ending::NotRun(error))
    }
}

/// In the child.
fn run(
    words: &[*const libc::c_char],
    wait: &OwnedFd,
    tell: &OwnedFd,
    prepare: impl FnOnce() -> io::Result<()>,
) -> ! {
    let mut first = [0];
    // SAFETY: Rust programs ignore SIGPIPE; a command expects it as it is by default.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    let (step, error) = match (nix::unistd::read(wait.as_fd(), &mut first), first) {
        (Ok(1), [PREPARE]) => match prepare() {
            Ok(()) => (RUN, execute(words)),
            Err(error) => (PREPARE, error),
        },
        (Ok(1), _) => (RUN, execute(words)),
        _ => (RUN, io::Error::from_raw_os_error(libc::ECANCELED)),
    };
    let mut told = [step, 0, 0, 0, 0];
    told[1..].copy_from_slice(&error.raw_os_error().unwrap_or(0).to_ne_bytes());
    let _ = nix::unistd::write(tell.as_fd(), &told);
    // SAFETY: ends the child without running what is memtap's to run at its end.
    unsafe { libc::_exit(127) }
}

/// As a shell would: found by PATH, and a script without `#!` is one for the shell.
fn execute(words: &[*const libc::c_char]) -> io::Error {
    let Some(program) = words.first().filter(|word| !word.is_null()) else {
        return io::Error::from_raw_os_error(libc::ENOENT);
    };
    // SAFETY: the words end with a null pointer, and each with NUL.
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
    fn a_command_that_is_not_let_go_ends_and_one_that_is_not_there_says_so() {
        let waiting = Waiting::start(&words("/bin/true"), || Ok(())).unwrap();
        let pid = waiting.pid;
        drop(waiting);
        assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 127)));
        let mut waiting = Waiting::start(&words("/nowhere/at/all"), || Ok(())).unwrap();
        waiting.let_go().unwrap();
        waitpid(waiting.pid, None).unwrap();
        assert!(
            matches!(waiting.ending(0), Ok(Ending::NotRun(error)) if error.kind() == io::ErrorKind::NotFound)
        );
        let mut waiting = Waiting::start(&words("/bin/true"), || Ok(())).unwrap();
        waiting.let_go().unwrap();
        waitpid(waiting.pid, None).unwrap();
        assert!(matches!(waiting.ending(0), Ok(Ending::Exited(0))));
        let refuse = || Err(io::Error::from_raw_os_error(libc::EINVAL));
        let mut waiting = Waiting::start(&words("/bin/true"), refuse).unwrap();
        waiting.let_go_prepared().unwrap();
        waitpid(waiting.pid, None).unwrap();
        assert!(waiting.ending(0).unwrap_err().to_string().contains("filter"));
    }
}
