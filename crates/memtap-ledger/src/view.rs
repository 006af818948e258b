//! The read model: immutable, created once a tick, and read by everything above the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use memtap_model::{
    Call, CallTotals, Comm, Faults, HostReading, LossCause, Placement, ProcessId, ProcessState, Resident,
    Tgid, WallClock,
};
use serde::{Deserialize, Serialize};

use crate::{BookedRequest, Books, OomReport};

/// Highest sizes in a period, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Peaks {
    /// Virtual size.
    pub virtual_bytes: u64,
    /// Resident set.
    pub resident_bytes: u64,
}

impl Peaks {
    /// Returns the peaks that a state contains.
    pub(crate) fn from_state(state: &ProcessState) -> Self {
        Self {
            virtual_bytes: state.peak_virtual_bytes.max(state.virtual_bytes.unwrap_or(0)),
            resident_bytes: state.peak_resident_bytes.max(state.resident.set_bytes()),
        }
    }

    /// Returns the higher of both virtual sizes, and of both resident sets.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            virtual_bytes: self.virtual_bytes.max(other.virtual_bytes),
            resident_bytes: self.resident_bytes.max(other.resident_bytes),
        }
    }
}

/// A process as the views show it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProcessSummary {
    /// Identity of the process.
    pub process: ProcessId,
    /// Start time.
    pub started_at: WallClock,
    /// Current name.
    pub name: Comm,
    /// Command line; empty while unknown.
    pub command: Arc<str>,
    /// Name of the user, or the user id while the name is unknown.
    pub user: Arc<str>,
    /// Cgroup, container, unit and session of the process.
    pub runs_in: Arc<Placement>,
    /// The parent process.
    pub parent: Tgid,
    /// Pid in the process's own pid namespace; `None` in the machine's namespace.
    pub inner_pid: Option<u32>,
    /// Session id.
    pub session: u32,
    /// Number of threads at the last reading.
    pub threads: u32,
    /// Time at which the process ended; `None` while it runs.
    pub ended_at: Option<WallClock>,
    /// Virtual size, bytes.
    pub virtual_bytes: u64,
    /// Resident memory at the last reading.
    pub resident: Resident,
    /// Page faults since the process started.
    pub faults: Faults,
    /// Highest sizes since memtap has known the process.
    pub peaks: Peaks,
    /// Highest sizes since the last tick.
    pub tick_peaks: Peaks,
    /// Virtual size by cause.
    pub books: Books,
    /// Bytes requested and granted, by calls that ask for memory.
    pub requested_bytes: u64,
    /// Bytes mapped by granted mmap calls under the current name (the original system's measure).
    pub named_mmap_bytes: u64,
    /// Bytes unmapped by granted munmap calls under the current name (the original system's
    /// measure).
    pub named_munmap_bytes: u64,
    /// Time of the first request.
    pub first_request: Option<WallClock>,
    /// Time of the latest request.
    pub last_request: Option<WallClock>,
}

/// Bytes attributed to one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The name.
    pub name: Comm,
    /// Bytes.
    pub bytes: u64,
}

/// The ten names with the most bytes, and the sum of all others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Share {
    /// Sum over all names, bytes.
    pub total_bytes: u64,
    /// The ten largest, the largest first.
    pub slices: Vec<Slice>,
    /// Number of other names. Names beyond the ledger's limit count as one.
    pub other_names: u64,
    /// Sum of the other names, bytes.
    pub other_bytes: u64,
}

/// Sums since memtap started.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Totals {
    /// Requests made, as counted by the kernel side.
    pub made: u64,
    /// Number of those that were refused.
    pub refused: u64,
    /// Requests that arrived in the stream.
    pub seen: u64,
    /// Records missing in the stream, by cause. The books include their effects.
    pub lost: BTreeMap<LossCause, u64>,
    /// Requests per second in the last tick.
    pub per_second: f64,
    /// Refused requests per second in the last tick.
    pub refused_per_second: f64,
    /// Virtual size that no cause explains: the sum of the absolute values over all running
    /// processes.
    pub unexplained_bytes: u64,
    /// OOM kills.
    pub oom_kills: u64,
    /// Page faults of the processes that memtap has known.
    pub faults: Faults,
    /// Requests made by call, in the order of the call table.
    pub calls: [CallTotals; Call::COUNT],
    /// Bytes by which requests increased virtual sizes.
    pub granted_bytes: u64,
    /// Bytes by which requests decreased virtual sizes.
    pub released_bytes: u64,
}

impl Totals {
    /// Returns the number of requests that are missing in the stream.
    #[must_use]
    pub fn lost_requests(&self) -> u64 {
        self.lost.iter().filter(|(cause, _)| cause.is_requests()).map(|(_, count)| count).sum()
    }
}

/// Requests of a process in focus since the last view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Focused {
    /// The process.
    pub pid: Tgid,
    /// The requests, newest last; bounded.
    pub requests: Arc<[BookedRequest]>,
    /// Number of earlier requests that were left out.
    pub skipped: u64,
}

/// State of all processes and of the machine at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LiveView {
    /// Time of the view.
    pub at: WallClock,
    /// Number of earlier views. A reader that finds a gap has missed a tick.
    pub tick: u64,
    /// Memory of the machine.
    pub host: HostReading,
    /// Running processes, by pid.
    pub living: Arc<[Arc<ProcessSummary>]>,
    /// Ended processes, the latest last; bounded.
    pub ended: Arc<[Arc<ProcessSummary>]>,
    /// Processes that are new, changed or ended since the last tick. Ended ones are bounded as in
    /// `ended`.
    pub changed: Vec<Arc<ProcessSummary>>,
    /// All processes that ended since the last tick, for the history.
    pub closed: Vec<Arc<ProcessSummary>>,
    /// Ended processes that are no longer kept.
    pub removed: Vec<(ProcessId, WallClock)>,
    /// The latest requests, newest last; bounded.
    pub latest: Arc<[BookedRequest]>,
    /// Number of requests at the end of `latest` that arrived since the last tick.
    pub fresh: usize,
    /// Number of requests since the last tick that `latest` has no space for.
    pub skipped: u64,
    /// Processes that were in focus ([`Ledger::focus`](crate::Ledger::focus)) during the whole
    /// tick.
    pub focused: Vec<Focused>,
    /// OOM kills, the latest last; bounded.
    pub oom_kills: Arc<[Arc<OomReport>]>,
    /// Number of kills at the end of `oom_kills` that happened since the last tick.
    pub fresh_oom_kills: usize,
    /// Requested bytes by name.
    pub requested: Share,
    /// Bytes mapped by granted mmap calls, by name (the original system's measure).
    pub mapped: Share,
    /// Sums over all processes.
    pub totals: Totals,
}

impl LiveView {
    /// Returns the running process with this pid, or else the last one that ended.
    #[must_use]
    pub fn process(&self, pid: Tgid) -> Option<&Arc<ProcessSummary>> {
        match self.living.binary_search_by_key(&pid, |summary| summary.process.tgid) {
            Ok(index) => self.living.get(index),
            Err(_) => self.ended.iter().rev().find(|summary| summary.process.tgid == pid),
        }
    }

    /// Returns the requests since the last tick, newest last; bounded.
    #[must_use]
    pub fn fresh_requests(&self) -> &[BookedRequest] {
        &self.latest[self.latest.len().saturating_sub(self.fresh)..]
    }

    /// Returns the OOM kills since the last tick.
    #[must_use]
    pub fn fresh_oom_kills(&self) -> &[Arc<OomReport>] {
        &self.oom_kills[self.oom_kills.len().saturating_sub(self.fresh_oom_kills)..]
    }
}
