//! One process.

use std::collections::BTreeMap;

use memtap_ledger::ProcessSummary;
use memtap_model::CALLS;
use serde::Serialize;

use super::time;

/// One process life with its books.
#[derive(Debug, Serialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) start_time: String,
    pub(crate) name: String,
    pub(crate) command: String,
    pub(crate) user: String,
    pub(crate) parent_pid: u32,
    pub(crate) container: Option<String>,
    pub(crate) state: &'static str,
    pub(crate) end_time: Option<String>,
    pub(crate) virtual_bytes: u64,
    pub(crate) resident_bytes: u64,
    pub(crate) memory_percentage: f64,
    pub(crate) unexplained_bytes: i64,
    pub(crate) requests: u64,
    pub(crate) requested_bytes: u64,
    pub(crate) refused: u64,
    pub(crate) calls: BTreeMap<&'static str, Call>,
    pub(crate) granted_bytes: u64,
    pub(crate) released_bytes: u64,
    pub(crate) opening_bytes: u64,
    pub(crate) exec_bytes: i64,
    pub(crate) stack_bytes: i64,
    pub(crate) shared_bytes: i64,
    pub(crate) ended_bytes: u64,
    pub(crate) first_request: Option<String>,
    pub(crate) last_request: Option<String>,
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
        let calls = CALLS.iter().zip(&books.calls).map(|(row, totals)| {
            let call = Call {
                count: totals.count,
                requested_bytes: totals.requested_bytes,
                refused: totals.refused,
            };
            (row.name, call)
        });
        let resident_bytes = summary.resident.set_bytes();
        Self {
            pid: summary.process.tgid.0,
            start_time: time(summary.started_at),
            name: summary.name.to_text(),
            command: summary.command.clone(),
            user: summary.user.clone(),
            parent_pid: summary.parent.0,
            container: None,
            state: if summary.ended_at.is_some() { "ended" } else { "alive" },
            end_time: summary.ended_at.map(time),
            virtual_bytes: summary.virtual_bytes,
            resident_bytes,
            memory_percentage: percentage(resident_bytes, total_bytes),
            unexplained_bytes: books.unexplained_bytes,
            requests: books.requests(),
            requested_bytes: summary.requested_bytes,
            refused: books.refused(),
            calls: calls.collect(),
            granted_bytes: books.granted_bytes,
            released_bytes: books.released_bytes,
            opening_bytes: books.opening_bytes,
            exec_bytes: books.exec_bytes,
            stack_bytes: books.stack_bytes,
            shared_bytes: books.shared_bytes,
            ended_bytes: books.ended_bytes,
            first_request: summary.first_request.map(time),
            last_request: summary.last_request.map(time),
        }
    }
}

pub(super) fn percentage(part: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { part as f64 * 100.0 / total as f64 }
}
