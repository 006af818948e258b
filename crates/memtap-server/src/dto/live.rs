//! The events of the namespace `/live`.

use memtap_ledger::{BookedRequest, LiveView, OomReport, ProcessSummary};
use memtap_model::{ProcessId, WallClock};
use memtap_store::StoredRequest;
use serde::Serialize;

use super::{Health, Host, OomKill, Process, Request, Share, time};
use crate::State;

/// The whole state.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    time: String,
    host: Host,
    health: Health,
    processes: Vec<Process>,
    requests: Vec<Request>,
    oom_kills: Vec<OomKill>,
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
    oom_kills: Vec<OomKill>,
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
            oom_kills: oom_kills(&view.oom_kills),
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
            oom_kills: oom_kills(view.fresh_oom_kills()),
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

fn oom_kills(reports: &[std::sync::Arc<OomReport>]) -> Vec<OomKill> {
    reports.iter().map(|report| OomKill::from(&**report)).collect()
}

fn removed((process, started_at): &(ProcessId, WallClock)) -> Removed {
    Removed { pid: process.tgid.0, start_time: time(*started_at) }
}
