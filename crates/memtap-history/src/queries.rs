//! Queries on the history.

use std::time::Duration;

use memtap_api::Measure;
use memtap_model::{Call, Tgid, WallClock};

use crate::UsagePoint;

/// A time range, optionally on one machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// Host name; `None` selects all machines.
    pub host: Option<String>,
    /// Start, inclusive.
    pub from: WallClock,
    /// End, exclusive.
    pub to: WallClock,
}

impl Range {
    /// Returns a usage query for all processes over this range.
    pub(crate) fn in_steps(&self, step: Duration) -> UsageQuery {
        let Self { host, from, to } = self.clone();
        UsageQuery { host, from, to, step, ..UsageQuery::default() }
    }
}

/// Selects requests. All filters must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestQuery {
    /// Host name; `None` selects all machines.
    pub host: Option<String>,
    /// Only this pid.
    pub pid: Option<Tgid>,
    /// Only the process that started at this time, to the second; `None` selects all processes that
    /// had the pid.
    pub started_at: Option<WallClock>,
    /// Only process names that contain this (ASCII case folded).
    pub name: Option<String>,
    /// Only these calls; empty selects all.
    pub calls: Vec<Call>,
    /// Only requests for at least this many bytes.
    pub min_size: Option<u64>,
    /// Only refused requests (`true`) or only granted ones (`false`).
    pub refused: Option<bool>,
    /// Start, inclusive.
    pub from: Option<WallClock>,
    /// End, exclusive.
    pub to: Option<WallClock>,
    /// Maximum number of requests.
    pub limit: usize,
    /// End of the previous page.
    pub cursor: Option<String>,
}

/// Selects usage samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// Host name; `None` selects all machines and sums them.
    pub host: Option<String>,
    /// Only this pid; `None` sums all processes.
    pub pid: Option<Tgid>,
    /// Only the process that started at this time, to the second; `None` selects all processes that
    /// had the pid.
    pub started_at: Option<WallClock>,
    /// Start, inclusive.
    pub from: WallClock,
    /// End, exclusive.
    pub to: WallClock,
    /// Length of a step. A store may widen it to the next length it keeps.
    pub step: Duration,
    /// True to include the sizes at the start of the range in the first step, even if nothing
    /// changed in that step.
    pub carried: bool,
}

impl UsagePoint {
    /// The value of a measure.
    pub(crate) fn amount(&self, by: Measure) -> u64 {
        match by {
            Measure::Requested => self.requested_bytes,
            Measure::Granted => self.granted_bytes,
            Measure::Resident => self.resident_bytes(),
            Measure::Virtual => self.virtual_bytes,
            Measure::Requests => self.requests,
            Measure::Refused => self.refused,
        }
    }
}

/// Selects process lifetimes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LifetimeQuery {
    /// Only lifetimes that overlap this range.
    pub range: Range,
    /// Only this pid.
    pub pid: Option<Tgid>,
    /// Only processes that started at this time, to the second.
    pub started_at: Option<WallClock>,
    /// Only names that contain this (ASCII case folded).
    pub name: Option<String>,
    /// Sort by this measure, largest first.
    pub by: Measure,
    /// Maximum number of lifetimes.
    pub limit: usize,
}

/// Selects programs. A program is all processes with the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramQuery {
    /// Range to read.
    pub range: Range,
    /// Sort by this measure, largest first.
    pub by: Measure,
    /// Maximum number of programs. All other programs are summed.
    pub top: usize,
    /// Length of a step, which a store may widen. Zero: no series.
    pub step: Duration,
}
