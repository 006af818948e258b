//! End of a command, and how memtap ends in the same way.

use std::io;

use nix::libc::{self, c_int};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal, raise, signal};

/// Way in which a command ended.
#[derive(Debug)]
pub enum Ending {
    /// It exited with this status.
    Exited(u8),
    /// It was killed by this signal.
    Killed(c_int),
    /// It could not be started.
    NotRun(io::Error),
}

impl Ending {
    /// Decodes a status of wait(2).
    pub(crate) fn from_status(status: c_int) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Killed(libc::WTERMSIG(status))
        } else {
            Self::Exited(libc::WEXITSTATUS(status) as u8)
        }
    }

    /// Exit status as reported by a shell: 128 + the signal, 127 for a command that does not exist,
    /// 126 for one that cannot be run.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Exited(status) => *status,
            Self::Killed(signal) => 128_u8.wrapping_add(*signal as u8),
            Self::NotRun(error) if error.kind() == io::ErrorKind::NotFound => 127,
            Self::NotRun(_) => 126,
        }
    }

    /// Ends this process in the same way: by the same signal (without a second core dump), so that
    /// a shell sees the same as without memtap. If there was no signal, or if it does not kill this
    /// process, the status is returned.
    #[must_use]
    pub fn repeat(&self) -> u8 {
        if let Self::Killed(number) = self
            && let Ok(killer) = Signal::try_from(*number)
        {
            let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
            // SAFETY: the default action runs no code of this program.
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
            (Ending::from_status(3 << 8), 3),
            (Ending::from_status(libc::SIGSEGV | 0x80), 139),
            (Ending::from_status(libc::SIGTERM), 143),
            (Ending::NotRun(io::Error::from_raw_os_error(libc::ENOENT)), 127),
            (Ending::NotRun(io::Error::from_raw_os_error(libc::EACCES)), 126),
        ] {
            assert_eq!(ending.status(), status, "{ending:?}");
        }
    }
}
