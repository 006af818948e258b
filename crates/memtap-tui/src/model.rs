//! What the frames show: the same types whether memtap top captures by itself or reads a running memtap. Processes and requests
//! are those of the API.

use std::sync::Arc;

use jiff::Timestamp;
use memtap_api::{Notice, Process, Request, RequestTotals, Time};
use memtap_model::HostReading;

/// Everything at one moment.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// When it was so.
    pub at: Timestamp,
    /// What does not change: where it comes from.
    pub about: Arc<About>,
    /// The machine's memory.
    pub host: HostReading,
    /// Requests of all processes.
    pub totals: RequestTotals,
    /// Virtual size without a recorded cause, in bytes.
    pub unexplained_bytes: u64,
    /// Number of OOM kills.
    pub oom_kills: u64,
    /// Processes alive, by pid.
    pub living: Vec<Arc<Process>>,
    /// Processes that ended, latest last; bounded.
    pub ended: Vec<Arc<Process>>,
    /// The latest requests, newest last; bounded. The last one is number `totals.seen`.
    pub latest: Vec<Arc<Request>>,
    /// Why nothing new comes, while nothing does.
    pub trouble: Option<String>,
}

/// Where the model comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The machine's name.
    pub hostname: String,
    /// The source's name.
    pub source: String,
    /// By which plan requests are seen; `None` when they are not.
    pub plan: Option<String>,
    /// The address of the memtap that it is read from; `None` for an own capture.
    pub via: Option<String>,
    /// What the user should know.
    pub notices: Vec<Notice>,
}

/// Seconds from the start of a process to its end, or to `now`.
pub(crate) fn age_s(process: &Process, now: Timestamp) -> i64 {
    process.end_time.map_or(now, Time::timestamp).duration_since(process.start_time.timestamp()).as_secs()
}
