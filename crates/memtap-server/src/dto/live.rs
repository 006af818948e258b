//! The events of the namespace `/live`.

use memtap_ledger::{BookedRequest, LiveView, ProcessSummary};
use memtap_model::{ProcessId, WallClock};
use memtap_store::StoredRequest;
use serde::Serialize;

use super::{Health, Host, Process, Request, Share, time};
use crate::State;

/// The whole state.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    time: String,
    host: Host,
    health: Health,
    processes: Vec<Process>,
    requests: Vec<Request>,
    share: Share,
}

/// What changed since the tick before.
#[derive(Debug, Serialize)]
pub(crate) struct Tick {
    time: String,
    host: Host,
    health: Health,
    changed: Vec<Process>,
    removed: Vec<Removed>,
    requests: Vec<Request>,
    skipped: u64,
    share: Share,
}

#[derive(Debug, Serialize)]
struct Removed {
    pid: u32,
    start_time: String,
}

impl Snapshot {
    pub(crate) fn of(state: &State, view: &LiveView) -> Self {
        Self {
            time: time(view.at),
            host: Host::of(&state.info.host, &view.host),
            health: Health::of(state, view),
            processes: processes(view, view.living.iter().chain(view.ended.iter())),
            requests: requests(&view.latest),
            share: Share::from(&view.requested),
        }
    }
}

impl Tick {
    pub(crate) fn of(state: &State, view: &LiveView) -> Self {
        Self {
            time: time(view.at),
            host: Host::of(&state.info.host, &view.host),
            health: Health::of(state, view),
            changed: processes(view, view.changed.iter()),
            removed: view.removed.iter().map(removed).collect(),
            requests: requests(view.fresh_requests()),
            skipped: view.skipped,
            share: Share::from(&view.requested),
        }
    }
}

fn processes<'a>(
    view: &LiveView,
    summaries: impl Iterator<Item = &'a std::sync::Arc<ProcessSummary>>,
) -> Vec<Process> {
    summaries.map(|summary| Process::of(summary, view.host.total_bytes)).collect()
}

fn requests(booked: &[BookedRequest]) -> Vec<Request> {
    booked.iter().map(|booked| Request::from(&StoredRequest::from(booked))).collect()
}

fn removed((process, started_at): &(ProcessId, WallClock)) -> Removed {
    Removed { pid: process.tgid.0, start_time: time(*started_at) }
}
