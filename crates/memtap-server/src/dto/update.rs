//! The original system's event `update`: sums are decimal strings, as its database client delivered them.

use memtap_ledger::{BookedRequest, LiveView, ProcessSummary};
use serde::Serialize;
use utoipa::ToSchema;

use super::process::percentage;
use super::{CallName, Time};

/// Processes in one update, at most: those that have most.
const PROCESSES: usize = 1000;

/// Payload of the event `update` in the default namespace, as the original system sent it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Update {
    /// The processes with the largest `memory_used`.
    #[schema(max_items = 1000)]
    processes: Vec<UpdateProcess>,
    /// The latest requests, newest first.
    #[serde(rename = "memoryRequests")]
    #[schema(max_items = 1000)]
    memory_requests: Vec<UpdateRequest>,
    /// The ten largest names, and `Others`.
    #[serde(rename = "pieChartData")]
    #[schema(max_items = 11)]
    pie_chart_data: Vec<UpdateSlice>,
}

/// A process, measured as in the original system: granted mmap lengths minus granted munmap
/// lengths.
#[derive(Debug, Serialize, ToSchema)]
struct UpdateProcess {
    pid: u32,
    process_name: String,
    /// Bytes as a decimal string.
    memory_used: String,
    /// Percentage of the machine's memory, with four decimals.
    memory_percentage: String,
}

/// A request with the field names of the original system.
#[derive(Debug, Serialize, ToSchema)]
struct UpdateRequest {
    pid: u32,
    process_name: String,
    #[schema(value_type = CallName)]
    my_call: &'static str,
    memory_size: u64,
    timestamp: Time,
}

/// The share of one name in the mapped bytes.
#[derive(Debug, Serialize, ToSchema)]
struct UpdateSlice {
    process_name: String,
    /// Bytes as a decimal string.
    total_memory: String,
}

impl From<&LiveView> for Update {
    fn from(view: &LiveView) -> Self {
        Self {
            processes: processes(view),
            memory_requests: view.latest.iter().rev().map(request).collect(),
            pie_chart_data: pie(view),
        }
    }
}

fn used(summary: &ProcessSummary) -> u64 {
    summary.named_mmap_bytes.saturating_sub(summary.named_munmap_bytes)
}

/// Those that made requests, as only they were in the original's table.
fn processes(view: &LiveView) -> Vec<UpdateProcess> {
    let all = view.living.iter().chain(view.ended.iter());
    let mut chosen: Vec<_> = all.filter(|summary| summary.first_request.is_some()).collect();
    chosen.sort_by_key(|summary| std::cmp::Reverse(used(summary)));
    chosen.truncate(PROCESSES);
    let process = |summary: &&std::sync::Arc<ProcessSummary>| UpdateProcess {
        pid: summary.process.tgid.0,
        process_name: summary.name.to_text(),
        memory_used: used(summary).to_string(),
        memory_percentage: format!("{:.4}", percentage(used(summary), view.host.total_bytes)),
    };
    chosen.iter().map(process).collect()
}

fn request(booked: &BookedRequest) -> UpdateRequest {
    UpdateRequest {
        pid: booked.request.tgid.0,
        process_name: booked.request.name.to_text(),
        my_call: booked.request.call.name(),
        memory_size: booked.request.requested_bytes,
        timestamp: Time(booked.request.time),
    }
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
