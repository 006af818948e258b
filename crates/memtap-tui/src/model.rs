//! Data that the frames show. The types are the same whether memtap top captures itself or reads
//! from a running memtap. Processes and requests are those of the API.

use std::sync::Arc;

use jiff::Timestamp;
use memtap_api::{Notice, Process, Request, RequestTotals, Time};
use memtap_model::HostReading;

/// All data at one moment.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Time of the data.
    pub at: Timestamp,
    /// Constant facts about the source.
    pub about: Arc<About>,
    /// Memory of the machine.
    pub host: HostReading,
    /// Requests of all processes.
    pub totals: RequestTotals,
    /// Virtual size without a recorded cause, in bytes.
    pub unexplained_bytes: u64,
    /// Number of OOM kills.
    pub oom_kills: u64,
    /// Running processes, by PID.
    pub living: Vec<Arc<Process>>,
    /// Ended processes, latest last; bounded.
    pub ended: Vec<Arc<Process>>,
    /// Latest requests, newest last; bounded. The last one has the number `totals.seen`.
    pub latest: Vec<Arc<Request>>,
    /// Reason why no new data arrives, if that is so.
    pub trouble: Option<String>,
}

/// Origin of the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Name of the machine.
    pub hostname: String,
    /// Name of the source.
    pub source: String,
    /// Plan for observing requests; `None` if they are not observed.
    pub plan: Option<String>,
    /// Address of the memtap that the model is read from; `None` for memtap top's own capture.
    pub via: Option<String>,
    /// Problems that the user should know about.
    pub notices: Vec<Notice>,
}

/// Seconds from the start of a process to its end, or to `now`.
pub(crate) fn age_s(process: &Process, now: Timestamp) -> i64 {
    process.end_time.map_or(now, Time::timestamp).duration_since(process.start_time.timestamp()).as_secs()
}
