//! The port: what a store must do.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use memtap_ledger::{BookedRequest, LiveView, OomReport, ProcessSummary};
use memtap_model::{Call, CallTotals, Faults, HostReading, Resident, Tgid, WallClock};

use serde::{Deserialize, Serialize};

use crate::{
    HostRun, LifeQuery, Lives, MachinePoint, ProcessCalls, ProgramQuery, Programs, Range, Refused, Sizes,
    StoreError, StoredHost, StoredOomKill, StoredRequest,
};

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Older requests go, and processes that lived shortly.
    pub max_age: Duration,
    /// Older samples of usage go, and the processes that they are of.
    pub max_sample_age: Duration,
    /// When the database is larger, the oldest requests go.
    pub max_bytes: u64,
    /// What ages are counted from.
    pub clock: Clock,
}

/// What the ages of a history are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// This machine's clock.
    #[default]
    Machine,
    /// The last second that it was told of: of a recording, whose time is its own.
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

/// One run of memtap, or one import: rows of a store belong to a run, and a process is told by its run, pid and start. A step of the wall
/// clock ends a run and begins another ([`Handle::begin_run`](crate::Handle::begin_run)), so that within a run times only go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Drawn at random, below 2^63.
    pub id: u64,
    /// The machine's name.
    pub hostname: String,
    /// Its kernel's release.
    pub kernel: String,
    /// The kernel's name for this boot (/proc/sys/kernel/random/boot_id); empty for an import.
    pub boot_id: String,
    /// Its page size, bytes.
    pub page_size: u64,
    /// When the run began.
    pub began: WallClock,
}

impl Run {
    /// An id that no other run has.
    #[must_use]
    pub fn draw() -> u64 {
        let mut bytes = [0; 8];
        // The kernel's random numbers do not fail after boot; the time and the pid would do as well.
        if std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).is_err() {
            let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            bytes = (time.as_nanos() as u64 ^ u64::from(std::process::id()) << 40).to_ne_bytes();
        }
        (u64::from_ne_bytes(bytes) >> 1).max(1)
    }
}

/// Batches that go into a store together: all of them or nothing, and never twice.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Who observed them.
    pub run: &'a Run,
    /// Counts the run's deliveries from 1. A store that has this one already (its answer was lost on the way) takes it as done.
    pub sequence: u64,
    /// What was observed.
    pub batches: &'a [Batch],
}

impl Delivery<'_> {
    /// How many requests it has.
    pub(crate) fn requests(&self) -> usize {
        self.batches.iter().map(|batch| batch.requests.len()).sum()
    }
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// Rows that the database refused for what is in them; all others are in.
    pub refused: u64,
    /// Why the first of them was refused.
    pub reason: Option<String>,
}

/// What all living processes have together at a tick, what all have done since memtap began, and the machine's memory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AllProcesses {
    /// Sum of their virtual sizes, bytes.
    pub virtual_bytes: u64,
    /// Sums of their resident memory; what they share counts once for each.
    pub resident: Resident,
    /// Requests that were made.
    pub requests: u64,
    /// Those of them that were refused.
    pub refused: u64,
    /// What was asked for and granted, bytes.
    pub requested_bytes: u64,
    /// What requests truly added, bytes.
    pub granted_bytes: u64,
    /// What they took away, bytes.
    pub released_bytes: u64,
    /// Page faults.
    pub faults: Faults,
    /// The requests by call, in the order of the call table.
    pub calls: [CallTotals; Call::COUNT],
    /// Those that did not come in the stream.
    pub lost: u64,
    /// The machine's memory; zero while no source has told of it.
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

/// What goes into a store at once. A request's process may come later: its
/// row is then made from the request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Batch {
    /// Requests in the stream's order.
    pub requests: Vec<BookedRequest>,
    /// Processes that are new or changed, at the end of a tick.
    pub processes: Vec<Arc<ProcessSummary>>,
    /// OOM kills since the tick before.
    pub oom_kills: Vec<Arc<OomReport>>,
    /// When the tick was that `processes` belong to.
    pub tick: Option<WallClock>,
    /// All processes together, at that tick.
    pub all: Option<AllProcesses>,
}

/// The writing side of a store; one thread owns it.
pub trait Store: Send {
    /// Writes a delivery in one transaction; the run becomes known by its first.
    ///
    /// # Errors
    /// When the database cannot take it now; the caller keeps it and tries again.
    fn append(&mut self, delivery: Delivery<'_>) -> Result<Appended, StoreError>;

    /// Retention by age and by size, samples put together: does a bounded piece of work, and gives whether there was any. It is called again
    /// in a second then, or when much has been written; else only a while later.
    ///
    /// # Errors
    /// When the database fails; nothing is lost by it.
    fn housekeeping(&mut self, now: WallClock) -> Result<bool, StoreError>;

    /// A reader of the same database, independent of the writer.
    ///
    /// # Errors
    /// When the database cannot be opened for reading.
    fn reader(&self) -> Result<Arc<dyn Reader>, StoreError>;

    /// Its kind as in the API: `sqlite`.
    fn kind(&self) -> &'static str;

    /// Rows of requests and bytes on disk, from what the writer knows (cheap).
    fn size(&self) -> (u64, u64);
}

/// The reading side of a store. Calls block; a server makes them outside its event loop.
pub trait Reader: Send + Sync {
    /// A page of requests, newest first.
    ///
    /// # Errors
    /// When the database cannot answer, or the cursor is none of its own.
    fn requests(&self, query: &RequestQuery) -> Result<RequestPage, StoreError>;

    /// What one process or all of them had, in steps of equal length, oldest first; steps without a sample are left out. The work
    /// depends on the number of steps, not on how much history there is.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn usage(&self, query: &UsageQuery) -> Result<Vec<UsagePoint>, StoreError>;

    /// The machines that have written into the store, by name.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn hosts(&self) -> Result<Vec<StoredHost>, StoreError>;

    /// The runs of memtap that told of a range, the latest first, at most `limit`; imports tell of no second.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn runs(&self, range: &Range, limit: usize) -> Result<Vec<HostRun>, StoreError>;

    /// The machine's memory and its requests by call, in steps of equal length, oldest first; steps without a sample are left out.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn machine(&self, range: &Range, step: Duration) -> Result<Vec<MachinePoint>, StoreError>;

    /// The processes that lived within a range, also those that did nothing in it.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn lives(&self, query: &LifeQuery) -> Result<Lives, StoreError>;

    /// The programs of a range, with their series.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn programs(&self, query: &ProgramQuery) -> Result<Programs, StoreError>;

    /// Which sizes were asked for, of the newest `query.limit` requests of a query (its cursor is not read).
    ///
    /// # Errors
    /// When the database cannot answer.
    fn sizes(&self, query: &RequestQuery) -> Result<Sizes, StoreError>;

    /// Requests by call in steps of that length, and the names that they were made under, of the newest `query.limit` requests of a query (its
    /// cursor is not read). It is meant for one process: names of several would alternate.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn calls(&self, query: &RequestQuery, step: Duration) -> Result<ProcessCalls, StoreError>;

    /// Refused requests by process, call and errno, the latest first, at most `query.limit` (its cursor is not read).
    ///
    /// # Errors
    /// When the database cannot answer.
    fn refusals(&self, query: &RequestQuery) -> Result<Vec<Refused>, StoreError>;

    /// OOM kills of a range, latest first, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn oom_kills(&self, range: &Range, limit: usize) -> Result<Vec<StoredOomKill>, StoreError>;
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

/// What was had in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsagePoint {
    /// Where the step begins.
    pub from: WallClock,
    /// Its length.
    pub step: Duration,
    /// Sizes at the step's end, bytes.
    pub virtual_bytes: u64,
    /// As above.
    pub anonymous_bytes: u64,
    /// As above.
    pub file_bytes: u64,
    /// As above.
    pub shmem_bytes: u64,
    /// As above.
    pub swap_bytes: u64,
    /// The highest virtual size within the step, bytes (of all processes: the highest sum at a sample).
    pub peak_virtual_bytes: u64,
    /// The highest resident set within the step, bytes.
    pub peak_resident_bytes: u64,
    /// Requests made within the step.
    pub requests: u64,
    /// Those of them that were refused.
    pub refused: u64,
    /// What they asked for and were granted, bytes.
    pub requested_bytes: u64,
    /// What requests truly added, bytes.
    pub granted_bytes: u64,
    /// What they took away, bytes.
    pub released_bytes: u64,
    /// Page faults within the step.
    pub minor_faults: u64,
    /// As above.
    pub major_faults: u64,
}

/// A page of requests, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestPage {
    /// The requests.
    pub requests: Vec<StoredRequest>,
    /// Gives the next page; `None` at the end.
    pub next_cursor: Option<String>,
}

/// Why requests are not in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropCause {
    /// More came than could wait in memory.
    QueueFull,
    /// The database was away, and the spool on disk had its full size.
    SpoolFull,
    /// The database was away, and the spool could not be written.
    SpoolFailed,
    /// What was spooled could not be read back whole.
    SpoolDamaged,
    /// The database refused the row for what is in it.
    Refused,
    /// memtap ended before the database had taken them, and there was no spool.
    Ended,
}

impl DropCause {
    /// Its name in the API.
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

/// How a store is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// Its kind: `sqlite`, or `none`.
    pub kind: &'static str,
    /// Rows of requests in it.
    pub rows: u64,
    /// Age of the oldest batch that is not yet committed, seconds.
    pub lag_s: f64,
    /// Requests that wait to be written, in memory or on disk.
    pub spooled: u64,
    /// Bytes that wait on disk.
    pub spool_bytes: u64,
    /// Requests that were dropped, by cause.
    pub dropped: BTreeMap<DropCause, u64>,
    /// Causes for which some were dropped within the last minute.
    pub dropping: Vec<DropCause>,
    /// Bytes on disk.
    pub bytes: u64,
    /// What is wrong, if anything, with the fix.
    pub error: Option<String>,
}

impl Status {
    /// Requests that were dropped, for whatever cause.
    #[must_use]
    pub fn dropped_requests(&self) -> u64 {
        self.dropped.values().sum()
    }
}
