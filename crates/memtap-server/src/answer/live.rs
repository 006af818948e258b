//! The events of the namespace `/live`.

use std::sync::Arc;

use memtap_api::{OomKill, Process, ProcessId, Request, Share, Snapshot, Tick, Time};
use memtap_ledger::{BookedRequest, LiveView, OomReport, ProcessSummary};
use memtap_model::WallClock;

use super::{health, host};
use crate::State;

pub(crate) fn snapshot(state: &State, view: &LiveView) -> Snapshot {
    Snapshot {
        time: Time(view.at),
        host: host(&state.info.host, &view.host),
        health: health(state, view),
        processes: processes(view, view.living.iter().chain(view.ended.iter())),
        requests: requests(&view.latest),
        oom_kills: oom_kills(&view.oom_kills),
        share: Share::from(&view.requested),
    }
}

pub(crate) fn tick(state: &State, view: &LiveView) -> Tick {
    Tick {
        time: Time(view.at),
        host: host(&state.info.host, &view.host),
        health: health(state, view),
        changed: processes(view, view.changed.iter()),
        removed: view.removed.iter().map(removed).collect(),
        requests: requests(view.fresh_requests()),
        skipped: view.skipped,
        oom_kills: oom_kills(view.fresh_oom_kills()),
        share: Share::from(&view.requested),
    }
}

fn processes<'a>(view: &LiveView, summaries: impl Iterator<Item = &'a Arc<ProcessSummary>>) -> Vec<Process> {
    summaries.map(|summary| Process::new(summary, view.host.total_bytes)).collect()
}

fn requests(booked: &[BookedRequest]) -> Vec<Request> {
    booked.iter().map(Request::from).collect()
}

fn oom_kills(reports: &[Arc<OomReport>]) -> Vec<OomKill> {
    reports.iter().map(|report| OomKill::from(&**report)).collect()
}

fn removed((process, started_at): &(memtap_model::ProcessId, WallClock)) -> ProcessId {
    ProcessId { pid: process.tgid.0, start_time: Time(*started_at) }
}
