//! Errors of sources, with a fix for each.

use std::io;

use crate::judgement;

/// Why a source cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The kernel denies eBPF to this process.
    #[error("eBPF is not permitted ({step}: {reason}). To fix it: {fix}")]
    NotPermitted {
        /// What was denied.
        step: String,
        /// The kernel's words.
        reason: String,
        /// How to fix it, here.
        fix: String,
    },
    /// The kernel is locked down.
    #[error(
        "the kernel is locked down (lockdown=confidentiality), so no program may read kernel memory. To fix it, {UNLOCK}"
    )]
    Locked,
    /// The kernel cannot do what is needed.
    #[error(
        "this kernel cannot run memtap's eBPF programs ({step}: {reason}). Run `memtap doctor` to see what is missing"
    )]
    Unsupported {
        /// What failed.
        step: String,
        /// The kernel's words.
        reason: String,
    },
    /// The source cannot tell whose child a process is.
    #[error("the source {origin} does not see new child processes. Omit --follow, or use --source bpf")]
    CannotFollow {
        /// Which.
        origin: &'static str,
    },
    /// A command may not be traced.
    #[error("cannot trace the command: {reason}. To fix it: {fix}")]
    NotTraceable {
        /// The kernel's words.
        reason: String,
        /// How to fix it.
        fix: String,
    },
    /// A command cannot be started or traced, whatever is permitted.
    #[error("cannot trace the command ({step}: {reason})")]
    CannotTrace {
        /// What failed.
        step: String,
        /// The kernel's words.
        reason: String,
    },
    /// A file of the kernel could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl CaptureError {
    /// Whether a permission is missing, rather than an ability.
    #[must_use]
    pub fn not_permitted(&self) -> bool {
        matches!(self, Self::NotPermitted { .. } | Self::NotTraceable { .. })
    }

    /// What was found, without a fix.
    pub(crate) fn found(&self) -> String {
        match self {
            Self::NotPermitted { step, reason, .. } => format!("not permitted ({step}: {reason})"),
            Self::Locked => "the kernel is locked down (lockdown=confidentiality)".to_owned(),
            Self::Unsupported { step, reason } => format!("not possible ({step}: {reason})"),
            Self::CannotFollow { .. }
            | Self::NotTraceable { .. }
            | Self::CannotTrace { .. }
            | Self::Read { .. } => self.to_string(),
        }
    }

    /// A failure of `step`, sorted by what is at its root.
    pub(crate) fn of_step(step: impl Into<String>, error: &(dyn std::error::Error + 'static)) -> Self {
        let step = step.into();
        let reason = chain(error);
        if denied(error) {
            Self::NotPermitted { step, reason, fix: judgement::permit(&crate::facts()) }
        } else {
            Self::Unsupported { step, reason }
        }
    }

    pub(crate) fn read(path: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Read { path, source }
    }
}

/// How to fix [`CaptureError::Locked`].
pub(crate) const UNLOCK: &str = "boot with lockdown=integrity or without lockdown: tracing reads kernel memory, and confidentiality forbids that";

/// The command that gives this very program what it needs.
pub(crate) fn fix() -> String {
    let program = program();
    format!(
        "sudo {program} (or once: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_sys_nice+ep {program})"
    )
}

/// The path of this very program.
pub(crate) fn program() -> String {
    std::env::current_exe().map_or_else(|_| "memtap".to_owned(), |path| path.display().to_string())
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

fn denied(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        // EPERM alone: the verifier says EACCES of a program that it does not accept, and no permission fixes that.
        .any(|cause| cause.raw_os_error() == Some(nix::libc::EPERM))
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in causes(error) {
        // The verifier's log can be thousands of lines; its end has the reason.
        let text = cause.to_string();
        let tail = text.char_indices().rev().nth(600).map_or(0, |(at, _)| at);
        if !words.iter().any(|word| word.contains(&text[tail..])) {
            words.push(text[tail..].replace('\n', "; "));
        }
    }
    words.join(": ")
}
