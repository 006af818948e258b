//! A command that memtap starts and follows with all that descends from it, by eBPF or as its tracer.

mod ending;
mod start;
mod terminal;
mod watched;

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::str::FromStr;

use crate::ptrace::{self, Ptrace};
use crate::{CaptureError, Settings, Source};

pub use ending::Ending;
pub(crate) use start::Waiting;
pub(crate) use terminal::{halt_with_it, has_ended, is_enough};
use watched::Watched;

/// A source that follows one command. It is over when the last process of the command's tree has ended.
pub trait Follow: Source {
    /// How the command ended; `None` while it runs.
    fn ending(&self) -> Option<&Ending>;
}

/// By what a command is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FollowBy {
    /// eBPF where that is permitted: it holds no process up. Else as its tracer.
    #[default]
    Auto,
    /// eBPF or not at all.
    Bpf,
    /// As its tracer, which needs no privilege.
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

/// Starts a command. The thread that calls this must be the one that reads the source.
///
/// # Errors
/// When it may not be followed, or no process can be made. That there is no such program is its ending, and no error.
pub fn follow(
    words: Vec<OsString>,
    by: FollowBy,
    settings: &Settings,
) -> Result<Box<dyn Follow>, CaptureError> {
    // A word of a command line has no NUL.
    let words: Vec<CString> =
        words.into_iter().filter_map(|word| CString::new(word.into_vec()).ok()).collect();
    let filter = ptrace::Filter::new();
    let command = Waiting::start(&words, move || filter.install()).map_err(|error| {
        CaptureError::CannotTrace { step: "starting the command".to_owned(), reason: error.to_string() }
    })?;
    if by == FollowBy::Ptrace {
        return Ok(Box::new(Ptrace::start(command)?));
    }
    match watched::open(&command, settings) {
        Ok(source) => Ok(Box::new(Watched::start(command, source)?)),
        Err(error) if by == FollowBy::Bpf => Err(error),
        Err(error) => {
            tracing::debug!("memtap uses ptrace for the command, because eBPF is not possible: {error}");
            Ok(Box::new(Ptrace::start(command)?))
        }
    }
}
