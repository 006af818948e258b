//! The events of the namespace `/live`.

use memtap_ledger::{BookedRequest, Focused, LiveView, OomReport, ProcessSummary};
use memtap_model::WallClock;
use memtap_store::StoredRequest;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Health, Host, OomKill, Process, Request, Share, Time};
use crate::State;

/// The event `snapshot` of the namespace `/live`: the whole state.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Snapshot {
    time: Time,
    host: Host,
    health: Health,
    /// Those alive, and the latest that ended.
    processes: Vec<Process>,
    /// The latest, newest last.
    #[schema(max_items = 1000)]
    requests: Vec<Request>,
    /// Of this run, the latest hundred, earliest first.
    #[schema(max_items = 100)]
    oom_kills: Vec<OomKill>,
    share: Share,
}

/// The event `tick` of the namespace `/live`: what changed since the tick before.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tick {
    time: Time,
    host: Host,
    health: Health,
    /// New or changed ones, those that ended among them.
    changed: Vec<Process>,
    /// Those that are no longer kept at all.
    removed: Vec<ProcessId>,
    /// New ones, newest last.
    #[schema(max_items = 1000)]
    requests: Vec<Request>,
    /// Further requests of this tick that are not in the list.
    skipped: u64,
    /// New ones.
    #[schema(max_items = 100)]
    oom_kills: Vec<OomKill>,
    share: Share,
}

/// The event `focused` of the namespace `/live`: all requests in this tick of the process that the client looks at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FocusedRequests {
    time: Time,
    pid: u32,
    /// Newest last.
    #[schema(max_items = 1000)]
    requests: Vec<Request>,
    /// Earlier requests of this tick that are not in the list.
    skipped: u64,
}

/// What the event `focus` of the namespace `/live` is acknowledged with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FocusAnswer {
    /// Whether `focused` comes from now on: not when all clients together look at too many processes.
    pub(crate) focused: bool,
    /// How many all clients together may look at.
    pub(crate) most: usize,
}

/// Which process life.
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
