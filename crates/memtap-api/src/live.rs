//! The events of the namespace `/live`.

use memtap_ledger::Focused;
use memtap_model::WallClock;
use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::{Health, Host, OomKill, Process, Request, Share, Time};

/// Payload of the event `snapshot` in the namespace `/live`: the complete state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Snapshot {
    /// Time of the tick.
    pub time: Time,
    /// The machine and its memory.
    pub host: Host,
    /// State of memtap itself.
    pub health: Health,
    /// Living processes, and those that ended most recently.
    pub processes: Vec<Process>,
    /// The latest requests, newest last.
    #[cfg_attr(feature = "openapi", schema(max_items = 1000))]
    pub requests: Vec<Request>,
    /// The latest 100 OOM kills of this run, earliest first.
    #[cfg_attr(feature = "openapi", schema(max_items = 100))]
    pub oom_kills: Vec<OomKill>,
    /// Requested bytes by name.
    pub share: Share,
}

/// Payload of the event `tick` in the namespace `/live`: the changes since the previous tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Tick {
    /// Time of the tick.
    pub time: Time,
    /// The machine and its memory.
    pub host: Host,
    /// State of memtap itself.
    pub health: Health,
    /// New and changed processes, including those that ended.
    pub changed: Vec<Process>,
    /// Processes that memtap no longer keeps.
    pub removed: Vec<ProcessId>,
    /// New requests, newest last.
    #[cfg_attr(feature = "openapi", schema(max_items = 1000))]
    pub requests: Vec<Request>,
    /// Number of requests of this tick that are not in the list.
    pub skipped: u64,
    /// New OOM kills.
    #[cfg_attr(feature = "openapi", schema(max_items = 100))]
    pub oom_kills: Vec<OomKill>,
    /// Requested bytes by name.
    pub share: Share,
}

/// Payload of the event `focused` in the namespace `/live`: all requests of this tick by the
/// process that the client follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct FocusedRequests {
    /// Time of the tick.
    pub time: Time,
    /// Process id.
    pub pid: u32,
    /// Requests of the process, newest last.
    #[cfg_attr(feature = "openapi", schema(max_items = 1000))]
    pub requests: Vec<Request>,
    /// Number of earlier requests of this tick that are not in the list.
    pub skipped: u64,
}

/// Acknowledgement of the event `focus` in the namespace `/live`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct FocusAnswer {
    /// True if memtap sends `focused` events from now on. False if all clients together already
    /// follow too many processes.
    pub focused: bool,
    /// Number of processes that all clients together may follow.
    pub most: usize,
}

/// Identity of a process: its pid and start time, because pids are reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct ProcessId {
    /// Process id.
    pub pid: u32,
    /// Start time of the process.
    pub start_time: Time,
}

impl FocusedRequests {
    /// The requests of one process since the previous view. `at` is the time of the view.
    #[must_use]
    pub fn new(at: WallClock, focused: &Focused) -> Self {
        Self {
            time: Time(at),
            pid: focused.pid.0,
            requests: focused.requests.iter().map(Request::from).collect(),
            skipped: focused.skipped,
        }
    }
}
