//! The original system's event `update`. Sums are decimal strings, as its database client delivered
//! them.

use std::cmp::Reverse;
use std::sync::Arc;

use memtap_ledger::{BookedRequest, LiveView, ProcessSummary};
use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::process::percentage;
use crate::{CallName, Time};

/// Maximum number of processes in one update.
const PROCESSES: usize = 1000;

/// Payload of the event `update` in the default namespace, as the original system sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Update {
    /// The processes with the largest `memory_used`.
    #[cfg_attr(feature = "openapi", schema(max_items = 1000))]
    pub processes: Vec<UpdateProcess>,
    /// The latest requests, newest first.
    #[serde(rename = "memoryRequests")]
    #[cfg_attr(feature = "openapi", schema(max_items = 1000))]
    pub memory_requests: Vec<UpdateRequest>,
    /// The ten largest names, and `Others`.
    #[serde(rename = "pieChartData")]
    #[cfg_attr(feature = "openapi", schema(max_items = 11))]
    pub pie_chart_data: Vec<UpdateSlice>,
}

/// A process, measured as in the original system: granted mmap lengths minus granted munmap
/// lengths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct UpdateProcess {
    /// Process id.
    pub pid: u32,
    /// Name of the process. Untrusted text.
    pub process_name: String,
    /// Bytes as a decimal string.
    pub memory_used: String,
    /// Percentage of the machine's memory, with four decimals.
    pub memory_percentage: String,
}

/// A request with the field names of the original system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct UpdateRequest {
    /// Process id.
    pub pid: u32,
    /// Name of the thread at that time. Untrusted text.
    pub process_name: String,
    /// The memory system call.
    pub my_call: CallName,
    /// Requested bytes, rounded up to whole pages.
    pub memory_size: u64,
    /// Time at which the call returned.
    pub timestamp: Time,
}

/// The share of one name in the mapped bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct UpdateSlice {
    /// Name of the processes, or `Others`. Untrusted text.
    pub process_name: String,
    /// Bytes as a decimal string.
    pub total_memory: String,
}

impl From<&LiveView> for Update {
    fn from(view: &LiveView) -> Self {
        Self {
            processes: processes(view),
            memory_requests: view.latest.iter().rev().map(UpdateRequest::from).collect(),
            pie_chart_data: pie(view),
        }
    }
}

impl From<&BookedRequest> for UpdateRequest {
    fn from(booked: &BookedRequest) -> Self {
        let request = &booked.request;
        Self {
            pid: request.tgid.0,
            process_name: request.name.to_text(),
            my_call: request.call.into(),
            memory_size: request.requested_bytes,
            timestamp: Time(request.time),
        }
    }
}

fn used(summary: &ProcessSummary) -> u64 {
    summary.named_mmap_bytes.saturating_sub(summary.named_munmap_bytes)
}

/// The processes that made requests: the original's table had no others.
fn processes(view: &LiveView) -> Vec<UpdateProcess> {
    let all = view.living.iter().chain(view.ended.iter());
    let mut chosen: Vec<_> = all.filter(|summary| summary.first_request.is_some()).collect();
    chosen.sort_by_key(|summary| Reverse(used(summary)));
    chosen.truncate(PROCESSES);
    let process = |summary: &&Arc<ProcessSummary>| UpdateProcess {
        pid: summary.process.tgid.0,
        process_name: summary.name.to_text(),
        memory_used: used(summary).to_string(),
        memory_percentage: format!("{:.4}", percentage(used(summary), view.host.total_bytes)),
    };
    chosen.iter().map(process).collect()
}

fn pie(view: &LiveView) -> Vec<UpdateSlice> {
    let share = &view.mapped;
    let slice =
        |name: String, bytes: u64| UpdateSlice { process_name: name, total_memory: bytes.to_string() };
    let mut slices: Vec<_> = share.slices.iter().map(|part| slice(part.name.to_text(), part.bytes)).collect();
    if share.other_names > 0 {
        slices.push(slice("Others".to_owned(), share.other_bytes));
    }
    slices
}
