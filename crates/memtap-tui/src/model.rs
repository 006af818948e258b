//! What the frames show: the same types whether memtap top captures by itself or reads a running memtap. Their fields are named as in
//! the API, whose JSON they read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use memtap_model::HostReading;
use serde::Deserialize;

/// Everything at one moment.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// When it was so.
    pub at: Timestamp,
    /// What does not change: where it comes from.
    pub about: Arc<About>,
    /// The machine's memory.
    pub host: HostReading,
    /// Sums over all processes.
    pub totals: Totals,
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

/// A problem that the user should know about, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Notice {
    /// What is missing.
    pub what: String,
    /// How to fix it.
    pub fix: String,
}

/// Sums since memtap came, over all processes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// Requests that came in the stream.
    pub seen: u64,
    /// Requests per second over the last tick.
    pub per_second: f64,
    /// Refused requests.
    pub refused: u64,
    /// Refused requests per second over the last tick.
    pub refused_per_second: f64,
    /// Requests that did not come in the stream; the sums have them.
    pub lost: u64,
    /// Records that did not come, by cause.
    pub lost_by_cause: BTreeMap<Cow<'static, str>, u64>,
    /// Virtual size that no cause explains.
    pub unexplained_bytes: u64,
    /// OOM kills.
    pub oom_kills: u64,
}

/// Which process life: the pid and when it began.
pub type Life = (u32, Timestamp);

/// One process life with its books. All text is strangers' until `text::fit` has made it harmless.
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
    /// Which life it is.
    #[must_use]
    pub fn life(&self) -> Life {
        (self.pid, self.start_time)
    }
}

/// The resident set by kind, bytes.
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

/// One call's totals.
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
