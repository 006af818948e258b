//! The events of the namespace `/live`.

use memtap_history::StoredRequest;
use memtap_ledger::{BookedRequest, Focused, LiveView, OomReport, ProcessSummary};
use memtap_model::WallClock;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Health, Host, OomKill, Process, Request, Share, Time};
use crate::State;

/// Payload of the event `snapshot` in the namespace `/live`: the complete state.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Snapshot {
    time: Time,
    host: Host,
    health: Health,
    /// Living processes, and those that ended most recently.
    processes: Vec<Process>,
    /// The latest requests, newest last.
    #[schema(max_items = 1000)]
    requests: Vec<Request>,
    /// The latest 100 OOM kills of this run, earliest first.
    #[schema(max_items = 100)]
    oom_kills: Vec<OomKill>,
    share: Share,
}

/// Payload of the event `tick` in the namespace `/live`: the changes since the previous tick.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tick {
    time: Time,
    host: Host,
    health: Health,
    /// New and changed processes, including those that ended.
    changed: Vec<Process>,
    /// Processes that memtap no longer keeps.
    removed: Vec<ProcessId>,
    /// New requests, newest last.
    #[schema(max_items = 1000)]
    requests: Vec<Request>,
    /// Number of requests of this tick that are not in the list.
    skipped: u64,
    /// New OOM kills.
    #[schema(max_items = 100)]
    oom_kills: Vec<OomKill>,
    share: Share,
}

/// Payload of the event `focused` in the namespace `/live`: all requests of this tick by the
/// process that the client follows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FocusedRequests {
    time: Time,
    pid: u32,
    /// Requests of the process, newest last.
    #[schema(max_items = 1000)]
    requests: Vec<Request>,
    /// Number of earlier requests of this tick that are not in the list.
    skipped: u64,
}

/// Acknowledgement of the event `focus` in the namespace `/live`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FocusAnswer {
    /// True if memtap sends `focused` events from now on. False if all clients together already
    /// follow too many processes.
    pub(crate) focused: bool,
    /// Number of processes that all clients together may follow.
    pub(crate) most: usize,
}

/// Identity of a process: its pid and start time, because pids are reused.
#[derive(Debug, Serialize, ToSchema)]
struct ProcessId {
    pid: u32,
    start_time: Time,
}

impl Snapshot {
    pub(crate) fn of(state: &State, view: &LiveView) -> Self {
        Self {
            time: Time(view.at),
            host: Host::of(&state.info.host, &view.host),
            health: Health::of(state, view),
            processes: processes(view, view.living.iter().chain(view.ended.iter())),
            requests: requests(&view.latest),
            oom_kills: oom_kills(&view.oom_kills),
            share: Share::from(&view.requested),
        }
    }
}

impl FocusedRequests {
    pub(crate) fn of(view: &LiveView, focused: &Focused) -> Self {
        Self {
            time: Time(view.at),
            pid: focused.pid.0,
            requests: requests(&focused.requests),
            skipped: focused.skipped,
        }
    }
}

impl Tick {
    pub(crate) fn of(state: &State, view: &LiveView) -> Self {
        Self {
            time: Time(view.at),
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

fn removed((process, started_at): &(memtap_model::ProcessId, WallClock)) -> ProcessId {
    ProcessId { pid: process.tgid.0, start_time: Time(*started_at) }
}
