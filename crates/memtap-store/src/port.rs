//! The port: operations that every store implements.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use memtap_ledger::{BookedRequest, LiveView, OomReport, ProcessSummary};
use memtap_model::{Call, CallTotals, Comm, Errno, Faults, HostReading, Resident, Tgid, Tid, WallClock};

use serde::{Deserialize, Serialize};

use crate::{
    HostRun, LifeQuery, Lives, MachinePoint, ProcessCalls, ProgramQuery, Programs, Range, Refused, Sizes,
    StoreError, StoredHost, StoredOomKill,
};

/// Limits on what a store keeps.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Maximum age of requests, and of processes that lived for less than an hour.
    pub max_age: Duration,
    /// Maximum age of usage samples and of the processes they belong to.
    pub max_sample_age: Duration,
    /// Maximum size of the database, bytes. Beyond it, the oldest requests are deleted.
    pub max_bytes: u64,
    /// Time base for ages.
    pub clock: Clock,
}

/// Time base for the ages of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// Clock of this machine.
    #[default]
    Machine,
    /// Newest sample in the history: the time base for recordings, which have their own time.
    Told,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(7 * 24 * 3600),
            max_sample_age: Duration::from_secs(2 * 365 * 24 * 3600),
            max_bytes: 2 << 30,
            clock: Clock::default(),
        }
    }
}

/// A run of memtap, or an import. Rows of a store belong to a run; a process is identified by its
/// run, pid and start time. When the wall clock is set, the run ends and another begins
/// ([`Handle::begin_run`](crate::Handle::begin_run)), so times within a run only increase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Random, below 2^63.
    pub id: u64,
    /// Host name of the machine.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// The kernel's boot id (/proc/sys/kernel/random/boot_id); empty for an import.
    pub boot_id: String,
    /// Page size, bytes.
    pub page_size: u64,
    /// Start of the run.
    pub began: WallClock,
}

impl Run {
    /// Returns a random id that no other run has.
    #[must_use]
    pub fn draw() -> u64 {
        let mut bytes = [0; 8];
        // Reading random numbers does not fail after boot. If it does, the time and the pid are
        // unique enough.
        if std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).is_err() {
            let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            bytes = (time.as_nanos() as u64 ^ u64::from(std::process::id()) << 40).to_ne_bytes();
        }
        (u64::from_ne_bytes(bytes) >> 1).max(1)
    }
}

/// Batches that a store writes together: all of them or none, and never twice.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Run that observed the batches.
    pub run: &'a Run,
    /// Number of the delivery within the run, from 1. If a store already has this delivery, because
    /// its answer was lost, it returns success and writes nothing.
    pub sequence: u64,
    /// Observations to write.
    pub batches: &'a [Batch],
}

impl Delivery<'_> {
    /// Number of requests in all batches.
    pub(crate) fn requests(&self) -> usize {
        self.batches.iter().map(|batch| batch.requests.len()).sum()
    }
}

/// Outcome of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// Number of rows that the database refused because of their content. All others were written.
    pub refused: u64,
    /// Reason for the first refused row.
    pub reason: Option<String>,
}

/// Memory of all running processes at a tick, their activity since memtap started, and the
/// machine's memory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AllProcesses {
    /// Sum of the virtual sizes, bytes.
    pub virtual_bytes: u64,
    /// Sums of the resident memory. Shared pages count once per process.
    pub resident: Resident,
    /// Number of requests.
    pub requests: u64,
    /// Number of refused requests.
    pub refused: u64,
    /// Bytes requested by calls that were granted.
    pub requested_bytes: u64,
    /// Bytes by which requests increased virtual sizes.
    pub granted_bytes: u64,
    /// Bytes by which requests decreased virtual sizes.
    pub released_bytes: u64,
    /// Page faults.
    pub faults: Faults,
    /// Requests by call, in the order of the call table.
    pub calls: [CallTotals; Call::COUNT],
    /// Requests whose records did not reach memtap.
    pub lost: u64,
    /// The machine's memory; zero until a source has reported it.
    pub host: HostReading,
}

impl From<&LiveView> for AllProcesses {
    fn from(view: &LiveView) -> Self {
        let begin = Self {
            requests: view.totals.made,
            refused: view.totals.refused,
            requested_bytes: view.requested.total_bytes,
            granted_bytes: view.totals.granted_bytes,
            released_bytes: view.totals.released_bytes,
            faults: view.totals.faults,
            calls: view.totals.calls,
            lost: view.totals.lost_requests(),
            host: view.host.clone(),
            ..Self::default()
        };
        view.living.iter().fold(begin, |mut all, summary| {
            all.virtual_bytes = all.virtual_bytes.saturating_add(summary.virtual_bytes);
            all.resident.anonymous_bytes += summary.resident.anonymous_bytes;
            all.resident.file_bytes += summary.resident.file_bytes;
            all.resident.shmem_bytes += summary.resident.shmem_bytes;
            all.resident.swap_bytes += summary.resident.swap_bytes;
            all
        })
    }
}

/// Data that is written together. A request's process may come in a later batch; until then, its
/// row is made from the request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Batch {
    /// Requests in the order of the stream.
    pub requests: Vec<BookedRequest>,
    /// Processes that are new or changed, as of the end of a tick.
    pub processes: Vec<Arc<ProcessSummary>>,
    /// OOM kills since the previous tick.
    pub oom_kills: Vec<Arc<OomReport>>,
    /// Time of the tick at which `processes` were read.
    pub tick: Option<WallClock>,
    /// Sums over all processes at that tick.
    pub all: Option<AllProcesses>,
}

/// Writing side of a store. One thread owns it.
pub trait Store: Send {
    /// Writes a delivery in one transaction. The first delivery of a run also creates the run's
    /// row.
    ///
    /// # Errors
    /// If the database cannot write now. The caller keeps the delivery and tries again.
    fn append(&mut self, delivery: Delivery<'_>) -> Result<Appended, StoreError>;

    /// Does a bounded amount of maintenance: deletes data beyond the age and size limits, and rolls
    /// up samples. Returns whether there was anything to do. If so, or after many writes, it is
    /// called again after a second, otherwise later.
    ///
    /// # Errors
    /// If the database fails. No data is lost.
    fn housekeeping(&mut self, now: WallClock) -> Result<bool, StoreError>;

    /// Opens a reader of the same database, independent of the writer.
    ///
    /// # Errors
    /// If the database cannot be opened for reading.
    fn reader(&self) -> Result<Arc<dyn Reader>, StoreError>;

    /// Kind as in the API, such as `sqlite`.
    fn kind(&self) -> &'static str;

    /// Returns the number of requests and the bytes on disk, without querying the database.
    fn size(&self) -> (u64, u64);
}

/// Reading side of a store. Calls block, so a server must make them outside its event loop.
pub trait Reader: Send + Sync {
    /// Returns a page of requests, newest first.
    ///
    /// # Errors
    /// If the query fails, or the cursor is invalid.
    fn requests(&self, query: &RequestQuery) -> Result<RequestPage, StoreError>;

    /// Returns the usage of one process or of all processes, in steps of equal length, oldest
    /// first, without steps that have no sample. The cost depends on the number of steps, not on
    /// the size of the history.
    ///
    /// # Errors
    /// If the query fails.
    fn usage(&self, query: &UsageQuery) -> Result<Vec<UsagePoint>, StoreError>;

    /// Returns the machines that have written into the store, sorted by name.
    ///
    /// # Errors
    /// If the query fails.
    fn hosts(&self) -> Result<Vec<StoredHost>, StoreError>;

    /// Returns the memtap runs that have samples in a range, latest first, at most `limit`. Imports
    /// have no samples and are left out.
    ///
    /// # Errors
    /// If the query fails.
    fn runs(&self, range: &Range, limit: usize) -> Result<Vec<HostRun>, StoreError>;

    /// Returns the machine's memory and its requests by call, in steps of equal length, oldest
    /// first, without steps that have no sample.
    ///
    /// # Errors
    /// If the query fails.
    fn machine(&self, range: &Range, step: Duration) -> Result<Vec<MachinePoint>, StoreError>;

    /// Returns the processes that existed within a range, including those without activity in it.
    ///
    /// # Errors
    /// If the query fails.
    fn lives(&self, query: &LifeQuery) -> Result<Lives, StoreError>;

    /// Returns the programs of a range with their series.
    ///
    /// # Errors
    /// If the query fails.
    fn programs(&self, query: &ProgramQuery) -> Result<Programs, StoreError>;

    /// Returns the sizes requested by the newest `query.limit` requests of a query (the cursor is
    /// ignored).
    ///
    /// # Errors
    /// If the query fails.
    fn sizes(&self, query: &RequestQuery) -> Result<Sizes, StoreError>;

    /// Returns the newest `query.limit` requests of a query by call, in steps of the given length,
    /// and the process names they were made under (the cursor is ignored). The query should select
    /// one process: with several, their names would alternate.
    ///
    /// # Errors
    /// If the query fails.
    fn calls(&self, query: &RequestQuery, step: Duration) -> Result<ProcessCalls, StoreError>;

    /// Returns refused requests grouped by process, call and errno, latest first, at most
    /// `query.limit` groups (the cursor is ignored).
    ///
    /// # Errors
    /// If the query fails.
    fn refusals(&self, query: &RequestQuery) -> Result<Vec<Refused>, StoreError>;

    /// Returns the OOM kills in a range, latest first, at most `limit`.
    ///
    /// # Errors
    /// If the query fails.
    fn oom_kills(&self, range: &Range, limit: usize) -> Result<Vec<StoredOomKill>, StoreError>;
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

/// Memory usage in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsagePoint {
    /// Start of the step.
    pub from: WallClock,
    /// Length of the step.
    pub step: Duration,
    /// Virtual size at the end of the step, bytes.
    pub virtual_bytes: u64,
    /// Resident anonymous memory at the end of the step, bytes.
    pub anonymous_bytes: u64,
    /// Resident file memory at the end of the step, bytes.
    pub file_bytes: u64,
    /// Resident shared memory at the end of the step, bytes.
    pub shmem_bytes: u64,
    /// Swap usage at the end of the step, bytes.
    pub swap_bytes: u64,
    /// Highest virtual size within the step, bytes. For all processes: the highest sum at any
    /// sample.
    pub peak_virtual_bytes: u64,
    /// Highest resident set within the step, bytes.
    pub peak_resident_bytes: u64,
    /// Requests within the step.
    pub requests: u64,
    /// Refused requests within the step.
    pub refused: u64,
    /// Bytes requested by calls that were granted.
    pub requested_bytes: u64,
    /// Bytes by which requests increased the virtual size.
    pub granted_bytes: u64,
    /// Bytes by which requests decreased the virtual size.
    pub released_bytes: u64,
    /// Minor page faults within the step.
    pub minor_faults: u64,
    /// Major page faults within the step.
    pub major_faults: u64,
}

/// A page of requests, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestPage {
    /// Requests on this page.
    pub requests: Vec<StoredRequest>,
    /// Cursor for the next page; `None` on the last page.
    pub next_cursor: Option<String>,
}

/// A request as stored in the history, with the fields of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of `BookedRequest`, whose docs hold")]
pub struct StoredRequest {
    /// Host name; empty in this machine's live view.
    pub host: Arc<str>,
    pub time: WallClock,
    pub pid: Tgid,
    pub tid: Tid,
    pub name: Comm,
    pub call: Call,
    pub protection: Option<u64>,
    pub flags: Option<u64>,
    pub file: Option<Arc<str>>,
    pub requested_bytes: u64,
    pub address: u64,
    pub delta_bytes: i64,
    pub errno: Option<Errno>,
    pub virtual_bytes: u64,
    pub lost_before: u32,
}

impl From<&BookedRequest> for StoredRequest {
    fn from(booked: &BookedRequest) -> Self {
        let request = &booked.request;
        let (protection, flags) = request.words();
        Self {
            host: "".into(),
            time: request.time,
            pid: request.tgid,
            tid: request.tid,
            name: request.name,
            call: request.call,
            protection,
            flags,
            file: request.file.clone(),
            requested_bytes: request.requested_bytes,
            address: booked.address(),
            delta_bytes: request.delta_bytes,
            errno: match request.outcome {
                memtap_model::Outcome::Refused(errno) => Some(errno),
                memtap_model::Outcome::Granted(_) => None,
            },
            virtual_bytes: request.virtual_bytes,
            lost_before: booked.lost_before,
        }
    }
}

/// Cause for which requests are missing from the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropCause {
    /// The queue in memory was full.
    QueueFull,
    /// The database was unavailable, and the spool had reached its size limit.
    SpoolFull,
    /// The database was unavailable, and writing to the spool failed.
    SpoolFailed,
    /// Spooled records were damaged.
    SpoolDamaged,
    /// The database refused the row because of its content.
    Refused,
    /// memtap exited before the database had written them, and there was no spool.
    Ended,
}

impl DropCause {
    /// Name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::SpoolFull => "spool_full",
            Self::SpoolFailed => "spool_failed",
            Self::SpoolDamaged => "spool_damaged",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

/// State of a store and its writer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// Kind of the store, such as `sqlite`, or `none`.
    pub kind: &'static str,
    /// Number of stored requests.
    pub rows: u64,
    /// Age of the oldest uncommitted batch, seconds.
    pub lag_s: f64,
    /// Requests waiting to be written, in memory or on disk.
    pub spooled: u64,
    /// Size of the spool, bytes.
    pub spool_bytes: u64,
    /// Dropped requests by cause.
    pub dropped: BTreeMap<DropCause, u64>,
    /// Causes for which requests were dropped within the last minute.
    pub dropping: Vec<DropCause>,
    /// Size on disk, bytes.
    pub bytes: u64,
    /// Current problem with its fix, if any.
    pub error: Option<String>,
}

impl Status {
    /// Returns the number of requests dropped for any cause.
    #[must_use]
    pub fn dropped_requests(&self) -> u64 {
        self.dropped.values().sum()
    }
}
