//! How a command ended, and how memtap ends the same way.

use std::io;

use nix::libc::{self, c_int};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal, raise, signal};

/// How a command ended.
#[derive(Debug)]
pub enum Ending {
    /// By itself, with this status.
    Exited(u8),
    /// By this signal.
    Killed(c_int),
    /// It did not begin.
    NotRun(io::Error),
}

impl Ending {
    /// What a status of wait(2) says.
    pub(crate) fn of(status: c_int) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Killed(libc::WTERMSIG(status))
        } else {
            Self::Exited(libc::WEXITSTATUS(status) as u8)
        }
    }

    /// The exit status that a shell tells of it: 128 + the signal, 127 for a command that is not there, 126 for one that cannot be run.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Exited(status) => *status,
            Self::Killed(signal) => 128_u8.wrapping_add(*signal as u8),
            Self::NotRun(error) if error.kind() == io::ErrorKind::NotFound => 127,
            Self::NotRun(_) => 126,
        }
    }

    /// Ends this very process the same way: by the same signal (without a second core dump), so that a shell sees what it would have
    /// seen without memtap. Comes back, with the status, where it was no signal or that does not kill.
    #[must_use]
    pub fn repeat(&self) -> u8 {
        if let Self::Killed(number) = self
            && let Ok(killer) = Signal::try_from(*number)
        {
            let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
            // SAFETY: the default action runs no code of ours.
            let _ = unsafe { signal(killer, SigHandler::SigDfl) };
            let mut unblocked = SigSet::empty();
            unblocked.add(killer);
            let _ = unblocked.thread_unblock();
            let _ = raise(killer);
        }
        self.status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_a_shell() {
        for (ending, status) in [
            (Ending::of(3 << 8), 3),
            (Ending::of(libc::SIGSEGV | 0x80), 139),
            (Ending::of(libc::SIGTERM), 143),
            (Ending::NotRun(io::Error::from_raw_os_error(libc::ENOENT)), 127),
            (Ending::NotRun(io::Error::from_raw_os_error(libc::EACCES)), 126),
        ] {
            assert_eq!(ending.status(), status, "{ending:?}");
        }
    }
}
