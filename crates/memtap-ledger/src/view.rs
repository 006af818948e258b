//! The read model: immutable, made once a tick, read by everything above the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use memtap_model::{
    Call, CallTotals, Comm, Faults, HostReading, LossCause, Placement, ProcessId, ProcessState, Resident,
    Tgid, WallClock,
};
use serde::{Deserialize, Serialize};

use crate::{BookedRequest, Books, OomReport};

/// Highest sizes within some time, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Peaks {
    /// Virtual size.
    pub virtual_bytes: u64,
    /// Resident set.
    pub resident_bytes: u64,
}

impl Peaks {
    /// Those that a state tells.
    pub(crate) fn of(state: &ProcessState) -> Self {
        Self {
            virtual_bytes: state.peak_virtual_bytes.max(state.virtual_bytes.unwrap_or(0)),
            resident_bytes: state.peak_resident_bytes.max(state.resident.set_bytes()),
        }
    }

    /// The higher of both, each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            virtual_bytes: self.virtual_bytes.max(other.virtual_bytes),
            resident_bytes: self.resident_bytes.max(other.resident_bytes),
        }
    }
}

/// One process as the views show it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProcessSummary {
    /// Which process life.
    pub process: ProcessId,
    /// When it started.
    pub started_at: WallClock,
    /// Its name now.
    pub name: Comm,
    /// Its command line; empty while unknown.
    pub command: Arc<str>,
    /// Its user's name; the number as text while the name is unknown.
    pub user: Arc<str>,
    /// Where it runs.
    pub runs_in: Arc<Placement>,
    /// Its parent.
    pub parent: Tgid,
    /// Its pid inside its own pid namespace, when that is not the machine's.
    pub inner_pid: Option<u32>,
    /// Its session id.
    pub session: u32,
    /// How many threads it had at the last reading.
    pub threads: u32,
    /// When it ended; `None` while it lives.
    pub ended_at: Option<WallClock>,
    /// Virtual size, bytes.
    pub virtual_bytes: u64,
    /// Resident memory at the last reading.
    pub resident: Resident,
    /// Page faults of all its life.
    pub faults: Faults,
    /// The highest sizes of all its life (as far as memtap has known it).
    pub peaks: Peaks,
    /// The highest sizes since the last tick.
    pub tick_peaks: Peaks,
    /// Why it has what it has.
    pub books: Books,
    /// Sum of what was asked for and granted, by the calls that ask, bytes.
    pub requested_bytes: u64,
    /// Granted mmap lengths under its name as it is now, bytes (the original system's measure).
    pub named_mmap_bytes: u64,
    /// Granted munmap lengths under its name as it is now, bytes (the original system's measure).
    pub named_munmap_bytes: u64,
    /// The first request.
    pub first_request: Option<WallClock>,
    /// The latest request.
    pub last_request: Option<WallClock>,
}

/// One name's part of what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The name.
    pub name: Comm,
    /// Bytes.
    pub bytes: u64,
}

/// Who asked for most: the ten largest names and the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Share {
    /// The sum over all names, bytes.
    pub total_bytes: u64,
    /// The ten largest, largest first.
    pub slices: Vec<Slice>,
    /// How many more names there are.
    pub other_names: u64,
    /// What they asked for together, bytes.
    pub other_bytes: u64,
}

/// Sums over everything since the start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Totals {
    /// Requests that were made, by the kernel's own count.
    pub made: u64,
    /// Those of them that were refused.
    pub refused: u64,
    /// Requests that came in the stream.
    pub seen: u64,
    /// Records that did not come, by cause. The books have what they were about.
    pub lost: BTreeMap<LossCause, u64>,
    /// Requests per second over the last tick.
    pub per_second: f64,
    /// Refused requests per second over the last tick.
    pub refused_per_second: f64,
    /// What no cause explains, over all processes alive, without sign.
    pub unexplained_bytes: u64,
    /// OOM kills.
    pub oom_kills: u64,
    /// Page faults of processes that memtap knew.
    pub faults: Faults,
    /// The requests that were made, by call, in the order of the call table.
    pub calls: [CallTotals; Call::COUNT],
    /// What requests truly added, bytes.
    pub granted_bytes: u64,
    /// What requests truly took away, bytes.
    pub released_bytes: u64,
}

impl Totals {
    /// Requests that did not come in the stream.
    #[must_use]
    pub fn lost_requests(&self) -> u64 {
        self.lost.iter().filter(|(cause, _)| cause.is_requests()).map(|(_, count)| count).sum()
    }
}

/// Requests of a process that somebody looks at, since the view before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Focused {
    /// Which one.
    pub pid: Tgid,
    /// Newest last; bounded.
    pub requests: Arc<[BookedRequest]>,
    /// How many more there were before these.
    pub skipped: u64,
}

/// Everything that the views need, at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LiveView {
    /// When it was made.
    pub at: WallClock,
    /// How many views were made before: a reader that finds a gap has missed a tick.
    pub tick: u64,
    /// The machine's memory.
    pub host: HostReading,
    /// Processes alive, by pid.
    pub living: Arc<[Arc<ProcessSummary>]>,
    /// Processes that ended, latest last; bounded.
    pub ended: Arc<[Arc<ProcessSummary>]>,
    /// Those that are new or changed since the last tick, and those that ended as far as they are kept.
    pub changed: Vec<Arc<ProcessSummary>>,
    /// All that ended since the last tick, for the history.
    pub closed: Vec<Arc<ProcessSummary>>,
    /// Those that are no longer kept.
    pub removed: Vec<(ProcessId, WallClock)>,
    /// The latest requests, newest last; bounded.
    pub latest: Arc<[BookedRequest]>,
    /// How many requests at the end of `latest` came since the last tick.
    pub fresh: usize,
    /// How many more came since the last tick than `latest` holds.
    pub skipped: u64,
    /// The processes that were in focus ([`Ledger::focus`](crate::Ledger::focus)) all the time since the last view.
    pub focused: Vec<Focused>,
    /// OOM kills, latest last; bounded.
    pub oom_kills: Arc<[Arc<OomReport>]>,
    /// How many at the end of `oom_kills` came since the last tick.
    pub fresh_oom_kills: usize,
    /// Share of requested bytes by name.
    pub requested: Share,
    /// Share of granted mmap lengths by name (the original system's measure).
    pub mapped: Share,
    /// Sums.
    pub totals: Totals,
}

impl LiveView {
    /// The process of that pid: the one alive, else the one that ended last.
    #[must_use]
    pub fn process(&self, pid: Tgid) -> Option<&Arc<ProcessSummary>> {
        match self.living.binary_search_by_key(&pid, |summary| summary.process.tgid) {
            Ok(index) => self.living.get(index),
            Err(_) => self.ended.iter().rev().find(|summary| summary.process.tgid == pid),
        }
    }

    /// The requests since the last tick, newest last; bounded.
    #[must_use]
    pub fn fresh_requests(&self) -> &[BookedRequest] {
        &self.latest[self.latest.len().saturating_sub(self.fresh)..]
    }

    /// The OOM kills since the last tick.
    #[must_use]
    pub fn fresh_oom_kills(&self) -> &[Arc<OomReport>] {
        &self.oom_kills[self.oom_kills.len().saturating_sub(self.fresh_oom_kills)..]
    }
}
