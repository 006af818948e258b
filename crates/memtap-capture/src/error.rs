//! Errors of sources, with a fix for each.

use std::io;

use crate::judgement;

/// Reason why a source cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The kernel denies eBPF to this process.
    #[error("eBPF is not permitted ({step}: {reason}). To fix it: {fix}")]
    NotPermitted {
        /// The step that was denied.
        step: String,
        /// The kernel's error message.
        reason: String,
        /// Command that grants the permission on this machine.
        fix: String,
    },
    /// The kernel is locked down.
    #[error(
        "the kernel is locked down (lockdown=confidentiality), so no program may read kernel memory. To fix it, {UNLOCK}"
    )]
    Locked,
    /// The kernel does not support what memtap needs.
    #[error(
        "this kernel cannot run memtap's eBPF programs ({step}: {reason}). Run `memtap doctor` to see what is missing"
    )]
    Unsupported {
        /// The step that failed.
        step: String,
        /// The kernel's error message.
        reason: String,
    },
    /// The source does not show which process is whose child.
    #[error("the source {origin} does not see new child processes. Omit --follow, or use --source bpf")]
    CannotFollow {
        /// Name of the source.
        origin: &'static str,
    },
    /// The command may not be traced.
    #[error("cannot trace the command: {reason}. To fix it: {fix}")]
    NotTraceable {
        /// The kernel's error message.
        reason: String,
        /// Command or setting that solves the problem.
        fix: String,
    },
    /// A command cannot be started or traced, even with all permissions.
    #[error("cannot trace the command ({step}: {reason})")]
    CannotTrace {
        /// The step that failed.
        step: String,
        /// The kernel's error message.
        reason: String,
    },
    /// A file of /proc or /sys, or an input file, cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Path of the file.
        path: String,
        /// The I/O error.
        source: io::Error,
    },
}

impl CaptureError {
    /// Returns whether a permission is missing, and not a feature.
    #[must_use]
    pub fn not_permitted(&self) -> bool {
        matches!(self, Self::NotPermitted { .. } | Self::NotTraceable { .. })
    }

    /// Short description without a fix.
    pub(crate) fn summary(&self) -> String {
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

    /// Classifies the failure of a step by the error's root cause.
    pub(crate) fn from_step(step: impl Into<String>, error: &(dyn std::error::Error + 'static)) -> Self {
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

/// Fix for [`CaptureError::Locked`].
pub(crate) const UNLOCK: &str = "boot with lockdown=integrity or without lockdown: tracing reads kernel memory, and confidentiality forbids that";

/// Returns the command that gives this program the privileges that it needs.
pub(crate) fn fix() -> String {
    let program = program();
    format!(
        "sudo {program} (or once: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_sys_nice+ep {program})"
    )
}

/// Returns the path of this program.
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
        // Only EPERM: the verifier returns EACCES for a program that it rejects, and no permission
        // changes that.
        .any(|cause| cause.raw_os_error() == Some(nix::libc::EPERM))
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in causes(error) {
        // The verifier's log can have thousands of lines. The reason is at its end.
        let text = cause.to_string();
        let tail = text.char_indices().rev().nth(600).map_or(0, |(at, _)| at);
        if !words.iter().any(|word| word.contains(&text[tail..])) {
            words.push(text[tail..].replace('\n', "; "));
        }
    }
    words.join(": ")
}
