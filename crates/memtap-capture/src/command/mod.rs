//! A command that memtap starts and follows with its descendants, through eBPF or as its tracer.

mod bpf_command;
mod ending;
mod start;
mod terminal;

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::str::FromStr;

use crate::ptrace::{self, Ptrace};
use crate::{CaptureError, Settings, Source};

use bpf_command::BpfCommand;
pub use ending::Ending;
pub(crate) use start::Waiting;
pub(crate) use terminal::{command_ended, halt_with_command, user_gave_up};

/// A source that follows one command. It is over when the last process of the command's tree has
/// ended.
pub trait Follow: Source {
    /// Returns the way in which the command ended; `None` while it runs.
    fn ending(&self) -> Option<&Ending>;
}

/// Method of following a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FollowBy {
    /// eBPF if it is permitted, because it does not stop processes; otherwise ptrace.
    #[default]
    Auto,
    /// eBPF only.
    Bpf,
    /// ptrace, which needs no privilege.
    Ptrace,
}

impl FromStr for FollowBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "bpf" => Ok(Self::Bpf),
            "ptrace" => Ok(Self::Ptrace),
            other => Err(format!("unknown source '{other}' for a command; expected auto, bpf or ptrace")),
        }
    }
}

/// Starts a command. The calling thread must also read the source.
///
/// # Errors
/// Fails if the command may not be followed, or if no process can be created. A program that does
/// not exist is not an error, but an [`Ending`].
pub fn follow(
    words: Vec<OsString>,
    by: FollowBy,
    settings: &Settings,
) -> Result<Box<dyn Follow>, CaptureError> {
    // A word of a command line cannot contain NUL.
    let words: Vec<CString> =
        words.into_iter().filter_map(|word| CString::new(word.into_vec()).ok()).collect();
    let filter = ptrace::Filter::new();
    let command = Waiting::start(&words, move || filter.install()).map_err(|error| {
        CaptureError::CannotTrace { step: "starting the command".to_owned(), reason: error.to_string() }
    })?;
    if by == FollowBy::Ptrace {
        return Ok(Box::new(Ptrace::start(command)?));
    }
    match bpf_command::open(&command, settings) {
        Ok(source) => Ok(Box::new(BpfCommand::start(command, source)?)),
        Err(error) if by == FollowBy::Bpf => Err(error),
        Err(error) => {
            tracing::debug!("memtap uses ptrace for the command, because eBPF is not possible: {error}");
            Ok(Box::new(Ptrace::start(command)?))
        }
    }
}
