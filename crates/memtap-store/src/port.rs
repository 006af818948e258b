//! The port: what a store must do.

use std::sync::Arc;
use std::time::Duration;

use memtap_ledger::{BookedRequest, OomReport, ProcessSummary};
use memtap_model::{Call, Comm, Errno, Tgid, Tid, WallClock};

use crate::StoreError;

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Older requests and samples go.
    pub max_age: Duration,
    /// When the database is larger, the oldest requests go.
    pub max_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(7 * 24 * 3600), max_bytes: 2 << 30 }
    }
}

/// The machine that the history is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRow {
    /// Its name.
    pub hostname: String,
    /// Its kernel's release.
    pub kernel: String,
    /// Its page size, bytes.
    pub page_size: u64,
}

/// What goes into a store at once. A request's process may come later: its
/// row is then made from the request.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Requests in the stream's order.
    pub requests: Vec<BookedRequest>,
    /// Processes that are new or changed, at the end of a tick.
    pub processes: Vec<Arc<ProcessSummary>>,
    /// OOM kills since the tick before.
    pub oom_kills: Vec<Arc<OomReport>>,
    /// When the tick was that `processes` belong to.
    pub tick: Option<WallClock>,
}

/// The writing side of a store; one thread owns it.
pub trait Store: Send {
    /// Notes the machine that the history is of.
    ///
    /// # Errors
    /// When the database fails.
    fn note_host(&mut self, host: &HostRow, now: WallClock) -> Result<(), StoreError>;

    /// Writes the batches in one transaction: all of them or nothing.
    ///
    /// # Errors
    /// When the database cannot take them now; the caller keeps them and tries again.
    fn append(&mut self, batches: &[Batch]) -> Result<(), StoreError>;

    /// Retention by age and by size, statistics, checkpoints: called about every second, does a bounded piece of work.
    ///
    /// # Errors
    /// When the database fails; nothing is lost by it.
    fn housekeeping(&mut self, now: WallClock) -> Result<(), StoreError>;

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
}

/// Which requests to read; every filter narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestQuery {
    /// Of this pid.
    pub pid: Option<Tgid>,
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

/// A page of requests, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestPage {
    /// The requests.
    pub requests: Vec<StoredRequest>,
    /// Gives the next page; `None` at the end.
    pub next_cursor: Option<String>,
}

/// A request as read back: the fields of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of `BookedRequest`, whose docs hold")]
pub struct StoredRequest {
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
        let (protection, flags) = request.call.words(&request.arguments);
        Self {
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

/// How a store is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// Its kind: `sqlite`, or `none`.
    pub kind: &'static str,
    /// Rows of requests in it.
    pub rows: u64,
    /// Age of the oldest batch that is not yet committed, seconds.
    pub lag_s: f64,
    /// Requests that wait to be written.
    pub spooled: u64,
    /// Requests that were dropped because the store did not keep up or failed.
    pub dropped: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// What is wrong, if anything, with the mend.
    pub error: Option<String>,
}
