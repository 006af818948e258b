//! One process.

use std::collections::BTreeMap;
use std::sync::Arc;

use memtap_ledger::ProcessSummary;
use memtap_model::{CALLS, Container, Refusals};
use serde::Serialize;

use super::time;

/// One process life with its books.
#[derive(Debug, Serialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) start_time: String,
    pub(crate) name: String,
    pub(crate) command: Arc<str>,
    pub(crate) user: Arc<str>,
    pub(crate) parent_pid: u32,
    pub(crate) container: Option<String>,
    pub(crate) pod: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) cgroup: String,
    pub(crate) inner_pid: Option<u32>,
    pub(crate) threads: u32,
    pub(crate) state: &'static str,
    pub(crate) end_time: Option<String>,
    pub(crate) virtual_bytes: u64,
    pub(crate) resident_bytes: u64,
    pub(crate) resident: Resident,
    pub(crate) swap_bytes: u64,
    pub(crate) peak_virtual_bytes: u64,
    pub(crate) peak_resident_bytes: u64,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    pub(crate) memory_percentage: f64,
    pub(crate) unexplained_bytes: i64,
    pub(crate) requests: u64,
    pub(crate) requested_bytes: u64,
    pub(crate) refused: u64,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) lost: u64,
    pub(crate) calls: BTreeMap<&'static str, Call>,
    pub(crate) granted_bytes: u64,
    pub(crate) released_bytes: u64,
    pub(crate) opening_bytes: u64,
    pub(crate) exec_bytes: i64,
    pub(crate) stack_bytes: i64,
    pub(crate) kernel_bytes: i64,
    pub(crate) shared_bytes: i64,
    pub(crate) ended_bytes: u64,
    pub(crate) first_request: Option<String>,
    pub(crate) last_request: Option<String>,
}

/// What it has in memory, by kind.
#[derive(Debug, Serialize)]
pub(crate) struct Resident {
    anonymous_bytes: u64,
    file_bytes: u64,
    shmem_bytes: u64,
}

/// Refused requests of one call with one errno.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    call: &'static str,
    errno: u16,
    error: String,
    count: u64,
}

/// One call's totals.
#[derive(Debug, Serialize)]
pub(crate) struct Call {
    count: u64,
    requested_bytes: u64,
    refused: u64,
}

impl Process {
    /// `total_bytes` is the machine's memory.
    pub(crate) fn of(summary: &ProcessSummary, total_bytes: u64) -> Self {
        let books = &summary.books;
        let made = CALLS.iter().zip(&books.calls).filter(|(row, totals)| totals.count > 0 || row.moves);
        let calls = made.map(|(row, totals)| (row.name, Call::from(totals)));
        let resident_bytes = summary.resident.set_bytes();
        let runs_in = &summary.runs_in;
        Self {
            pid: summary.process.tgid.0,
            start_time: time(summary.started_at),
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
            state: if summary.ended_at.is_some() { "ended" } else { "alive" },
            end_time: summary.ended_at.map(time),
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
            first_request: summary.first_request.map(time),
            last_request: summary.last_request.map(time),
        }
    }
}

impl From<&memtap_model::CallTotals> for Call {
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

fn refusal(refusals: &Refusals) -> Refusal {
    Refusal {
        call: refusals.call.name(),
        errno: refusals.errno.0,
        error: refusals.errno.to_string(),
        count: refusals.count,
    }
}

pub(super) fn percentage(part: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { part as f64 * 100.0 / total as f64 }
}
