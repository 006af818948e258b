//! One process.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use memtap_ledger::ProcessSummary;
use memtap_model::{CALLS, Container, Errno};
use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::{CallName, ProcessId, Time};

/// Processes in the requested order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Processes {
    /// The processes.
    pub processes: Vec<Process>,
}

/// One process with its ledger account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Start time. Together with the pid it identifies the process.
    pub start_time: Time,
    /// The kernel's `comm`. Untrusted text: bytes that are not UTF-8 are written `\xNN`.
    pub name: String,
    /// Command line; empty if unknown. Untrusted text.
    pub command: Arc<str>,
    /// Name of the user, or its number.
    pub user: Arc<str>,
    /// Process id of the parent.
    pub parent_pid: u32,
    /// Container as `runtime:id`, from the path of the control group.
    pub container: Option<String>,
    /// UID of the Kubernetes pod.
    pub pod: Option<String>,
    /// Innermost systemd unit.
    pub unit: Option<String>,
    /// Login session.
    pub session: Option<String>,
    /// Path of the control group.
    pub cgroup: String,
    /// Pid in the process's own pid namespace; null if that is the machine's.
    pub inner_pid: Option<u32>,
    /// Number of threads at the last reading.
    pub threads: u32,
    /// Whether the process is alive.
    pub state: ProcessState,
    /// End time; null while the process is alive.
    pub end_time: Option<Time>,
    /// Virtual size in bytes.
    pub virtual_bytes: u64,
    /// Resident set, exact at every reading.
    pub resident_bytes: u64,
    /// Resident set by kind.
    pub resident: Resident,
    /// Swapped memory in bytes.
    pub swap_bytes: u64,
    /// Highest virtual size in bytes.
    pub peak_virtual_bytes: u64,
    /// Highest known resident set. `docs/api.md` describes its precision.
    pub peak_resident_bytes: u64,
    /// Minor page faults of all threads since the process started.
    pub minor_faults: u64,
    /// Major page faults of all threads since the process started.
    pub major_faults: u64,
    /// Resident set as a percentage of the machine's memory.
    pub memory_percentage: f64,
    /// Virtual size without a recorded cause.
    pub unexplained_bytes: i64,
    /// All requests, refused ones included.
    pub requests: u64,
    /// Requested bytes of granted requests, for the calls that ask for memory.
    pub requested_bytes: u64,
    /// Refused requests.
    pub refused: u64,
    /// Refused requests by call and errno.
    pub refusals: Vec<Refusals>,
    /// Requests of the process that are missing from the stream. The sums include them.
    pub lost: u64,
    /// Totals by call: all calls that can change the virtual size, and other calls if the process
    /// made them.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, CallTotals>))]
    pub calls: BTreeMap<CallName, CallTotals>,
    /// Bytes that requests added to the virtual size. `virtual = opening + granted - released +
    /// exec + stack + kernel + shared + unexplained - ended`.
    pub granted_bytes: u64,
    /// Bytes that requests removed from the virtual size.
    pub released_bytes: u64,
    /// Virtual size when memtap first saw the process.
    pub opening_bytes: u64,
    /// Change by exec: size of the new image minus the old image, summed over all execs.
    pub exec_bytes: i64,
    /// Stack growth outside any call.
    pub stack_bytes: i64,
    /// Changes by calls that memtap does not follow, and by the kernel itself.
    pub kernel_bytes: i64,
    /// Changes by another process that used the same address space.
    pub shared_bytes: i64,
    /// Virtual size when the process ended.
    pub ended_bytes: u64,
    /// Time of the first request.
    pub first_request: Option<Time>,
    /// Time of the latest request.
    pub last_request: Option<Time>,
}

/// State of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ProcessState {
    /// The process is running.
    #[default]
    Alive,
    /// The process has ended.
    Ended,
}

/// Resident set by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Resident {
    /// Pages without a file, in bytes.
    pub anonymous_bytes: u64,
    /// Pages of files, in bytes.
    pub file_bytes: u64,
    /// Pages of shared memory and tmpfs, in bytes.
    pub shmem_bytes: u64,
}

/// Refused requests of one call with one errno.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Refusals {
    /// The memory system call.
    pub call: CallName,
    /// Number of the errno.
    pub errno: u16,
    /// Name of the errno, for example `ENOMEM`.
    pub error: Cow<'static, str>,
    /// Number of requests.
    pub count: u64,
}

/// Totals of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct CallTotals {
    /// All requests, refused ones included.
    pub count: u64,
    /// Requested bytes of granted requests.
    pub requested_bytes: u64,
    /// Refused requests.
    pub refused: u64,
}

/// One process. With `pss=true` and while the process is alive, also its proportional memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct OneProcess {
    /// The process.
    #[serde(flatten)]
    pub process: Process,
    /// PSS: each page divided by the number of processes that share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub pss_bytes: Option<u64>,
    /// USS: pages that only this process has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub uss_bytes: Option<u64>,
    /// Swapped pages, divided in the same way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub swap_pss_bytes: Option<u64>,
    /// Age of these three values in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub pss_age_s: Option<f64>,
}

impl Process {
    /// A process of the ledger. `total_bytes` is the machine's memory.
    #[must_use]
    pub fn new(summary: &ProcessSummary, total_bytes: u64) -> Self {
        let books = &summary.books;
        let made = CALLS.iter().zip(&books.calls).filter(|(row, totals)| totals.count > 0 || row.moves);
        let calls = made.map(|(row, totals)| (row.call.into(), totals.into()));
        let resident_bytes = summary.resident.set_bytes();
        let runs_in = &summary.runs_in;
        Self {
            pid: summary.process.tgid.0,
            start_time: Time(summary.started_at),
            name: summary.name.to_text(),
            command: Arc::clone(&summary.command),
            user: Arc::clone(&summary.user),
            parent_pid: summary.parent.0,
            container: runs_in.container.as_ref().map(Container::label),
            pod: runs_in.container.as_ref().and_then(|container| container.pod.clone()),
            unit: runs_in.unit.clone(),
            session: runs_in.session.clone(),
            cgroup: runs_in.cgroup.clone(),
            inner_pid: summary.inner_pid,
            threads: summary.threads,
            state: if summary.ended_at.is_some() { ProcessState::Ended } else { ProcessState::Alive },
            end_time: summary.ended_at.map(Time),
            virtual_bytes: summary.virtual_bytes,
            resident_bytes,
            resident: summary.resident.into(),
            swap_bytes: summary.resident.swap_bytes,
            peak_virtual_bytes: summary.peaks.virtual_bytes,
            peak_resident_bytes: summary.peaks.resident_bytes,
            minor_faults: summary.faults.minor,
            major_faults: summary.faults.major,
            memory_percentage: percentage(resident_bytes, total_bytes),
            unexplained_bytes: books.unexplained_bytes,
            requests: books.requests(),
            requested_bytes: summary.requested_bytes,
            refused: books.refused(),
            refusals: books.refusals.iter().map(Refusals::from).collect(),
            lost: books.lost,
            calls: calls.collect(),
            granted_bytes: books.granted_bytes,
            released_bytes: books.released_bytes,
            opening_bytes: books.opening_bytes,
            exec_bytes: books.exec_bytes,
            stack_bytes: books.stack_bytes,
            kernel_bytes: books.kernel_bytes,
            shared_bytes: books.shared_bytes,
            ended_bytes: books.ended_bytes,
            first_request: summary.first_request.map(Time),
            last_request: summary.last_request.map(Time),
        }
    }

    /// Identity of the process.
    #[must_use]
    pub fn id(&self) -> ProcessId {
        ProcessId { pid: self.pid, start_time: self.start_time }
    }
}

impl From<&memtap_model::CallTotals> for CallTotals {
    fn from(totals: &memtap_model::CallTotals) -> Self {
        Self { count: totals.count, requested_bytes: totals.requested_bytes, refused: totals.refused }
    }
}

impl From<memtap_model::Resident> for Resident {
    fn from(resident: memtap_model::Resident) -> Self {
        let memtap_model::Resident { anonymous_bytes, file_bytes, shmem_bytes, .. } = resident;
        Self { anonymous_bytes, file_bytes, shmem_bytes }
    }
}

impl From<&memtap_model::Refusals> for Refusals {
    fn from(refusals: &memtap_model::Refusals) -> Self {
        Self {
            call: refusals.call.into(),
            errno: refusals.errno.0,
            error: error_name(refusals.errno),
            count: refusals.count,
        }
    }
}

/// Name of an errno: `ENOMEM`, or `errno 4000` if it has no name.
#[must_use]
pub fn error_name(errno: Errno) -> Cow<'static, str> {
    errno.name().map_or_else(|| errno.to_string().into(), Cow::Borrowed)
}

pub(crate) fn percentage(part: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { part as f64 * 100.0 / total as f64 }
}
