//! What can be asked of the history.

use std::time::Duration;

use memtap_model::{Call, Tgid, WallClock};

use crate::UsagePoint;

/// A stretch of the history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// Of the machine of this name; `None`: of all.
    pub host: Option<String>,
    /// From this time on.
    pub from: WallClock,
    /// Before this time.
    pub to: WallClock,
}

impl Range {
    /// As a question for the usage of all processes.
    pub(crate) fn in_steps(&self, step: Duration) -> UsageQuery {
        let Self { host, from, to } = self.clone();
        UsageQuery { host, from, to, step, ..UsageQuery::default() }
    }
}

/// Which requests to read; every filter narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestQuery {
    /// Of the machine of this name; `None`: of all.
    pub host: Option<String>,
    /// Of this pid.
    pub pid: Option<Tgid>,
    /// Of the life that began then, to the second; `None`: of all lives of that pid.
    pub started_at: Option<WallClock>,
    /// Whose process name contains this (ASCII case folded).
    pub name: Option<String>,
    /// Of these calls; empty: all.
    pub calls: Vec<Call>,
    /// That asked for at least so many bytes.
    pub min_size: Option<u64>,
    /// Only refused ones (`true`) or only granted ones (`false`).
    pub refused: Option<bool>,
    /// From this time on.
    pub from: Option<WallClock>,
    /// Before this time.
    pub to: Option<WallClock>,
    /// At most so many.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Which usage to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// Of the machine of this name; `None`: of all (their sum).
    pub host: Option<String>,
    /// Of this pid; `None`: of all processes together.
    pub pid: Option<Tgid>,
    /// Of the life that began then, to the second; `None`: of all lives of that pid.
    pub started_at: Option<WallClock>,
    /// From this time on.
    pub from: WallClock,
    /// Before this time.
    pub to: WallClock,
    /// Length of a step; a store may widen it to the next that it keeps.
    pub step: Duration,
    /// Whether the first step tells what a process had where the range begins, also when nothing changed in it.
    pub carried: bool,
}

/// What processes and programs are put in order by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Measure {
    /// Bytes that were asked for and granted.
    #[default]
    Requested,
    /// Bytes that requests truly added.
    Granted,
    /// Resident set: the highest.
    Resident,
    /// Virtual size: the highest.
    Virtual,
    /// How many requests.
    Requests,
    /// How many of them were refused.
    Refused,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Requested, Self::Granted, Self::Resident, Self::Virtual, Self::Requests, Self::Refused];

    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Granted => "granted",
            Self::Resident => "resident",
            Self::Virtual => "virtual",
            Self::Requests => "requests",
            Self::Refused => "refused",
        }
    }

    /// The measure of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }
}

impl Measure {
    /// Whether it is something had, and not something done.
    pub(crate) fn is_size(self) -> bool {
        matches!(self, Self::Resident | Self::Virtual)
    }

    /// What a sample says of it.
    pub(crate) fn of(self, point: &UsagePoint) -> u64 {
        match self {
            Self::Requested => point.requested_bytes,
            Self::Granted => point.granted_bytes,
            Self::Resident => point.resident_bytes(),
            Self::Virtual => point.virtual_bytes,
            Self::Requests => point.requests,
            Self::Refused => point.refused,
        }
    }
}

/// Which process lives to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LifeQuery {
    /// That overlap with it.
    pub range: Range,
    /// Of this pid.
    pub pid: Option<Tgid>,
    /// That began then, to the second.
    pub started_at: Option<WallClock>,
    /// Whose name contains this (ASCII case folded).
    pub name: Option<String>,
    /// The largest by this first.
    pub by: Measure,
    /// At most so many.
    pub limit: usize,
}

/// Which programs to read: processes of one name, together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramQuery {
    /// In this range.
    pub range: Range,
    /// The largest by this.
    pub by: Measure,
    /// So many of them; what the others have comes together.
    pub top: usize,
    /// Length of a step; a store may widen it. Zero: no series is wanted.
    pub step: Duration,
}
