//! The state of memtap itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// State of memtap itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Health {
    /// Version of memtap.
    pub version: Cow<'static, str>,
    /// Where observations come from: `bpf`, `procfs`, `systemtap` or `recording`.
    pub source: Cow<'static, str>,
    /// How memtap sees requests: `exit`, `functions`, `exit+locks` or `functions+locks`; null if it
    /// sees none.
    pub plan: Option<Cow<'static, str>>,
    /// What the plan does, and what it costs other programs.
    pub plan_about: Option<String>,
    /// Time since memtap started, in seconds.
    pub uptime_s: f64,
    /// Requests of all processes.
    pub requests: RequestTotals,
    /// Virtual size without a recorded cause: the sum of the absolute values of all living
    /// processes.
    pub unexplained_bytes: u64,
    /// Number of OOM kills since memtap started.
    pub oom_kills: u64,
    /// State of the store.
    pub store: StoreHealth,
    /// Resources that clients use.
    // memtap 0.1.0 did not have it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub clients: Clients,
    /// Resources that memtap itself uses.
    #[serde(rename = "self")]
    pub own: SelfUsage,
    /// User, capabilities and priority of memtap.
    pub runs_as: RunsAs,
    /// Problems that the user should know about.
    pub notices: Vec<Notice>,
}

/// Requests of all processes since memtap started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct RequestTotals {
    /// Requests that the kernel side counted. Exact, even when records are lost.
    pub made: u64,
    /// Requests whose record arrived in the stream.
    pub seen: u64,
    /// Requests per second during the last tick.
    pub per_second: f64,
    /// Refused requests.
    pub refused: u64,
    /// Refused requests per second during the last tick.
    pub refused_per_second: f64,
    /// Requests whose record did not arrive in the stream.
    pub lost: u64,
    /// Lost records by cause. `docs/api.md` explains each cause and its cost.
    pub lost_by_cause: BTreeMap<Cow<'static, str>, u64>,
}

/// State of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct StoreHealth {
    /// `sqlite`, `mysql` or `none`.
    pub kind: Cow<'static, str>,
    /// Requests in the store.
    pub rows: u64,
    /// Age of the oldest batch that is not committed yet, in seconds.
    pub lag_s: f64,
    /// Requests queued for the database, in memory or on disk.
    pub spooled: u64,
    /// Size of the spool on disk in bytes.
    pub spool_bytes: u64,
    /// Requests that were dropped: they are not in the history.
    pub dropped: u64,
    /// Dropped requests by cause. `docs/api.md` explains each cause.
    pub dropped_by_cause: BTreeMap<Cow<'static, str>, u64>,
    /// Size of the store in bytes.
    pub bytes: u64,
    /// Current error and how to fix it; null if there is none.
    pub error: Option<String>,
}

/// Resources that clients use, and the clients that were refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Clients {
    /// Open connections, WebSockets included.
    pub connections: usize,
    /// Open Engine.IO sessions.
    pub sessions: usize,
    /// Clients that were refused or disconnected since memtap started, by cause. `docs/api.md`
    /// explains each cause.
    pub refused_by_cause: BTreeMap<Cow<'static, str>, u64>,
}

/// Resources that memtap itself uses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct SelfUsage {
    /// Processor time since the start in seconds, user and system.
    pub cpu_s: f64,
    /// Resident set in bytes.
    pub resident_bytes: u64,
}

/// User, capabilities and priority of memtap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct RunsAs {
    /// Name of the user, or its number if it has no name.
    pub user: String,
    /// Capabilities that memtap keeps while it captures, sorted by name.
    pub capabilities: Vec<String>,
    /// Nice value of memtap's threads, from -20 (highest priority) to 19.
    // memtap 0.1.0 did not have it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub nice: i32,
}

/// A notice for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Notice {
    /// What is missing, or what went wrong.
    pub what: String,
    /// How to fix it.
    pub fix: String,
    /// The same text as `fix`, under its former name.
    #[cfg_attr(feature = "openapi", schema(deprecated))]
    pub mend: String,
}

impl From<memtap_model::Notice> for Notice {
    fn from(notice: memtap_model::Notice) -> Self {
        let memtap_model::Notice { what, fix } = notice;
        Self { what, mend: fix.clone(), fix }
    }
}

impl From<&memtap_ledger::Totals> for RequestTotals {
    fn from(totals: &memtap_ledger::Totals) -> Self {
        let by_cause = totals.lost.iter().map(|(cause, count)| (cause.name().into(), *count));
        Self {
            made: totals.made,
            seen: totals.seen,
            per_second: totals.per_second,
            refused: totals.refused,
            refused_per_second: totals.refused_per_second,
            lost: totals.lost_requests(),
            lost_by_cause: by_cause.collect(),
        }
    }
}
