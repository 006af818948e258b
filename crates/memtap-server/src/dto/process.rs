//! One process.

use std::collections::BTreeMap;
use std::sync::Arc;

use memtap_ledger::ProcessSummary;
use memtap_model::{CALLS, Container};
use serde::Serialize;
use utoipa::ToSchema;

use super::{CallName, Time};

/// One process with its ledger account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Process {
    pub(crate) pid: u32,
    /// Start time. Together with the pid it identifies the process.
    pub(crate) start_time: Time,
    /// The kernel's `comm`. Untrusted text: bytes that are not UTF-8 are written `\xNN`.
    pub(crate) name: String,
    pub(crate) command: Arc<str>,
    pub(crate) user: Arc<str>,
    pub(crate) parent_pid: u32,
    /// Container as `runtime:id`, from the path of the control group.
    pub(crate) container: Option<String>,
    /// UID of the Kubernetes pod.
    pub(crate) pod: Option<String>,
    /// Innermost systemd unit.
    pub(crate) unit: Option<String>,
    /// Login session.
    pub(crate) session: Option<String>,
    pub(crate) cgroup: String,
    /// Pid in the process's own pid namespace; null if that is the machine's.
    pub(crate) inner_pid: Option<u32>,
    pub(crate) threads: u32,
    pub(crate) state: ProcessState,
    pub(crate) end_time: Option<Time>,
    pub(crate) virtual_bytes: u64,
    /// Resident set, exact at every reading.
    pub(crate) resident_bytes: u64,
    pub(crate) resident: Resident,
    pub(crate) swap_bytes: u64,
    pub(crate) peak_virtual_bytes: u64,
    /// Highest known resident set. `docs/api.md` describes its precision.
    pub(crate) peak_resident_bytes: u64,
    /// Minor page faults of all threads since the process started.
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    /// Resident set as a percentage of the machine's memory.
    pub(crate) memory_percentage: f64,
    /// Virtual size without a recorded cause.
    pub(crate) unexplained_bytes: i64,
    /// All requests, refused ones included.
    pub(crate) requests: u64,
    /// Requested bytes of granted requests, for the calls that ask for memory.
    pub(crate) requested_bytes: u64,
    pub(crate) refused: u64,
    pub(crate) refusals: Vec<Refusals>,
    /// Requests of the process that are missing from the stream. The sums include them.
    pub(crate) lost: u64,
    /// Totals by call: all calls that can change the virtual size, and other calls if the process
    /// made them.
    pub(crate) calls: BTreeMap<&'static str, CallTotals>,
    /// Bytes that requests added to the virtual size. `virtual = opening + granted - released +
    /// exec + stack + kernel + shared + unexplained - ended`.
    pub(crate) granted_bytes: u64,
    /// Bytes that requests removed from the virtual size.
    pub(crate) released_bytes: u64,
    /// Virtual size when memtap first saw the process.
    pub(crate) opening_bytes: u64,
    /// Change by exec: size of the new image minus the old image, summed over all execs.
    pub(crate) exec_bytes: i64,
    /// Stack growth outside any call.
    pub(crate) stack_bytes: i64,
    /// Changes by calls that memtap does not follow, and by the kernel itself.
    pub(crate) kernel_bytes: i64,
    /// Changes by another process that used the same address space.
    pub(crate) shared_bytes: i64,
    /// Virtual size when the process ended.
    pub(crate) ended_bytes: u64,
    pub(crate) first_request: Option<Time>,
    pub(crate) last_request: Option<Time>,
}

/// State of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProcessState {
    Alive,
    Ended,
}

/// Resident set by kind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Resident {
    anonymous_bytes: u64,
    file_bytes: u64,
    shmem_bytes: u64,
}

/// Refused requests of one call with one errno.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refusals {
    #[schema(value_type = CallName)]
    call: &'static str,
    errno: u16,
    /// Name of the errno, for example `ENOMEM`.
    error: String,
    count: u64,
}

/// Totals of one call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallTotals {
    /// All requests, refused ones included.
    count: u64,
    /// Requested bytes of granted requests.
    requested_bytes: u64,
    refused: u64,
}

impl Process {
    /// As the interface tells it; `total_bytes` is the machine's memory.
    #[must_use]
    pub fn of(summary: &ProcessSummary, total_bytes: u64) -> Self {
        let books = &summary.books;
        let made = CALLS.iter().zip(&books.calls).filter(|(row, totals)| totals.count > 0 || row.moves);
        let calls = made.map(|(row, totals)| (row.name, totals.into()));
        let resident_bytes = summary.resident.set_bytes();
        let runs_in = &summary.runs_in;
        Self {
            pid: summary.process.tgid.0,
            start_time: Time(summary.started_at),
            name: summary.name.to_text(),
            command: summary.command.clone(),
            user: summary.user.clone(),
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
            refusals: books.refusals.iter().map(refusal).collect(),
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

fn refusal(refusals: &memtap_model::Refusals) -> Refusals {
    Refusals {
        call: refusals.call.name(),
        errno: refusals.errno.0,
        error: refusals.errno.to_string(),
        count: refusals.count,
    }
}

pub(super) fn percentage(part: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { part as f64 * 100.0 / total as f64 }
}
