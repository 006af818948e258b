//! Data that the frames show. The types are the same whether memtap top captures itself or reads
//! from a running memtap. Fields have the names of the API, because its JSON is read into them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use memtap_model::HostReading;
use serde::Deserialize;

/// All data at one moment.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Time of the data.
    pub at: Timestamp,
    /// Constant facts about the source.
    pub about: Arc<About>,
    /// Memory of the machine.
    pub host: HostReading,
    /// Sums over all processes.
    pub totals: Totals,
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

/// A problem that the user should know about, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Notice {
    /// The problem.
    pub what: String,
    /// The fix.
    pub fix: String,
}

/// Sums over all processes since memtap's start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// Requests received from the stream.
    pub seen: u64,
    /// Requests per second during the last tick.
    pub per_second: f64,
    /// Refused requests.
    pub refused: u64,
    /// Refused requests per second during the last tick.
    pub refused_per_second: f64,
    /// Requests missing from the stream. The sums include them.
    pub lost: u64,
    /// Records missing from the stream, by cause.
    pub lost_by_cause: BTreeMap<Cow<'static, str>, u64>,
    /// Virtual size without a recorded cause.
    pub unexplained_bytes: u64,
    /// Number of OOM kills.
    pub oom_kills: u64,
}

/// Identity of a process lifetime: PID and start time.
pub type Life = (u32, Timestamp);

/// One process lifetime with its ledger account. All text is untrusted until `text::fit` has
/// escaped it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "docs/api.md has what each field means; these are its names")]
pub struct Process {
    pub pid: u32,
    pub start_time: Timestamp,
    pub end_time: Option<Timestamp>,
    pub name: String,
    pub command: Arc<str>,
    pub user: Arc<str>,
    pub parent_pid: u32,
    pub container: Option<String>,
    pub unit: Option<String>,
    pub inner_pid: Option<u32>,
    pub threads: u32,
    pub virtual_bytes: u64,
    pub resident_bytes: u64,
    pub resident: ResidentKinds,
    pub swap_bytes: u64,
    pub peak_virtual_bytes: u64,
    pub peak_resident_bytes: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub unexplained_bytes: i64,
    pub requests: u64,
    pub requested_bytes: u64,
    pub refused: u64,
    pub refusals: Vec<Refusals>,
    pub lost: u64,
    pub calls: BTreeMap<Cow<'static, str>, CallTotals>,
    pub granted_bytes: u64,
    pub released_bytes: u64,
    pub opening_bytes: u64,
    pub exec_bytes: i64,
    pub stack_bytes: i64,
    pub kernel_bytes: i64,
    pub shared_bytes: i64,
    pub ended_bytes: u64,
}

impl Process {
    /// Returns the identity of the process lifetime.
    #[must_use]
    pub fn life(&self) -> Life {
        (self.pid, self.start_time)
    }
}

/// Resident set by kind, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "as of Process")]
pub struct ResidentKinds {
    pub anonymous_bytes: u64,
    pub file_bytes: u64,
    pub shmem_bytes: u64,
}

/// Refused requests of one call with one errno.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "as of Process")]
pub struct Refusals {
    pub call: Cow<'static, str>,
    pub errno: u16,
    pub error: Cow<'static, str>,
    pub count: u64,
}

/// Totals of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "as of Process")]
pub struct CallTotals {
    pub count: u64,
    pub requested_bytes: u64,
    pub refused: u64,
}

/// One request with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "as of Process")]
pub struct Request {
    pub timestamp: Timestamp,
    pub pid: u32,
    pub tid: u32,
    pub call: Cow<'static, str>,
    pub memory_size: u64,
    pub address: String,
    pub delta_bytes: i64,
    pub error: Option<Cow<'static, str>>,
    pub arguments: String,
    pub file: Option<Arc<str>>,
    pub lost_before: u32,
}
