//! The original system's event `update`: sums are decimal strings, as its database client delivered them.

use memtap_ledger::{BookedRequest, LiveView, ProcessSummary};
use serde::Serialize;

use super::process::percentage;
use super::time;

/// Processes in one update, at most: those that have most.
const PROCESSES: usize = 1000;

/// The event's one object.
#[derive(Debug, Serialize)]
pub(crate) struct Update {
    processes: Vec<Process>,
    #[serde(rename = "memoryRequests")]
    memory_requests: Vec<Request>,
    #[serde(rename = "pieChartData")]
    pie_chart_data: Vec<Slice>,
}

#[derive(Debug, Serialize)]
struct Process {
    pid: u32,
    process_name: String,
    memory_used: String,
    memory_percentage: String,
}

#[derive(Debug, Serialize)]
struct Request {
    pid: u32,
    process_name: String,
    my_call: &'static str,
    memory_size: u64,
    timestamp: String,
}

#[derive(Debug, Serialize)]
struct Slice {
    process_name: String,
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
fn processes(view: &LiveView) -> Vec<Process> {
    let all = view.living.iter().chain(view.ended.iter());
    let mut chosen: Vec<_> = all.filter(|summary| summary.first_request.is_some()).collect();
    chosen.sort_by_key(|summary| std::cmp::Reverse(used(summary)));
    chosen.truncate(PROCESSES);
    let process = |summary: &&std::sync::Arc<ProcessSummary>| Process {
        pid: summary.process.tgid.0,
        process_name: summary.name.to_text(),
        memory_used: used(summary).to_string(),
        memory_percentage: format!("{:.4}", percentage(used(summary), view.host.total_bytes)),
    };
    chosen.iter().map(process).collect()
}

fn request(booked: &BookedRequest) -> Request {
    Request {
        pid: booked.request.tgid.0,
        process_name: booked.request.name.to_text(),
        my_call: booked.request.call.name(),
        memory_size: booked.request.requested_bytes,
        timestamp: time(booked.request.time),
    }
}

fn pie(view: &LiveView) -> Vec<Slice> {
    let share = &view.mapped;
    let slice = |name: String, bytes: u64| Slice { process_name: name, total_memory: bytes.to_string() };
    let mut slices: Vec<_> = share.slices.iter().map(|part| slice(part.name.to_text(), part.bytes)).collect();
    if share.other_names > 0 {
        slices.push(slice("Others".to_owned(), share.other_bytes));
    }
    slices
}
