//! How memtap itself is doing.

use std::collections::BTreeMap;

use memtap_history::DropCause;
use memtap_ledger::LiveView;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{State, self_usage};

/// State of memtap itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    version: &'static str,
    /// Where observations come from: `bpf`, `procfs`, `systemtap` or `recording`.
    source: &'static str,
    /// How memtap sees requests: `exit`, `functions`, `exit+locks` or `functions+locks`; null if it
    /// sees none.
    plan: Option<&'static str>,
    /// What the plan does, and what it costs other programs.
    plan_about: Option<String>,
    uptime_s: f64,
    requests: RequestTotals,
    /// Virtual size without a recorded cause: the sum of the absolute values of all living
    /// processes.
    unexplained_bytes: u64,
    oom_kills: u64,
    store: StoreHealth,
    clients: Clients,
    #[serde(rename = "self")]
    own: SelfUsage,
    runs_as: RunsAs,
    notices: Vec<Notice>,
}

/// Requests of all processes since memtap started.
#[derive(Debug, Serialize, ToSchema)]
struct RequestTotals {
    /// Requests that the kernel side counted. Exact, even when records are lost.
    made: u64,
    /// Requests whose record arrived in the stream.
    seen: u64,
    /// Requests per second during the last tick.
    per_second: f64,
    refused: u64,
    refused_per_second: f64,
    /// Requests whose record did not arrive in the stream.
    lost: u64,
    /// Lost records by cause. `docs/api.md` explains each cause and its cost.
    lost_by_cause: BTreeMap<&'static str, u64>,
}

/// State of the store.
#[derive(Debug, Serialize, ToSchema)]
struct StoreHealth {
    /// `sqlite`, `mysql` or `none`.
    kind: &'static str,
    /// Requests in the store.
    rows: u64,
    /// Age of the oldest batch that is not committed yet, in seconds.
    lag_s: f64,
    /// Requests queued for the database, in memory or on disk.
    spooled: u64,
    /// Size of the spool on disk in bytes.
    spool_bytes: u64,
    /// Requests that were dropped: they are not in the history.
    dropped: u64,
    /// Dropped requests by cause. `docs/api.md` explains each cause.
    dropped_by_cause: BTreeMap<&'static str, u64>,
    /// Size of the store in bytes.
    bytes: u64,
    /// Current error and how to fix it; null if there is none.
    error: Option<String>,
}

/// Resources that clients use, and the clients that were refused.
#[derive(Debug, Serialize, ToSchema)]
struct Clients {
    /// Open connections, WebSockets included.
    connections: usize,
    /// Open Engine.IO sessions.
    sessions: usize,
    /// Clients that were refused or disconnected since memtap started, by cause. `docs/api.md`
    /// explains each cause.
    refused_by_cause: BTreeMap<&'static str, u64>,
}

/// Resources that memtap itself uses.
#[derive(Debug, Serialize, ToSchema)]
struct SelfUsage {
    /// Processor time since the start in seconds, user and system.
    cpu_s: f64,
    resident_bytes: u64,
}

/// User, capabilities and priority of memtap.
#[derive(Debug, Serialize, ToSchema)]
struct RunsAs {
    /// Name of the user, or its number if it has no name.
    user: String,
    /// Capabilities that memtap keeps while it captures, sorted by name.
    capabilities: Vec<String>,
    /// Nice value of memtap's threads, from -20 (highest priority) to 19.
    nice: i32,
}

/// A notice for the user.
#[derive(Debug, Serialize, ToSchema)]
struct Notice {
    /// What is missing, or what went wrong.
    what: String,
    /// How to fix it.
    fix: String,
    /// The same text as `fix`, under its former name.
    #[schema(deprecated)]
    mend: String,
}

impl Notice {
    fn new(what: String, fix: String) -> Self {
        Self { what, mend: fix.clone(), fix }
    }

    /// Requests are being dropped before they are in the history.
    fn of_drops(cause: DropCause) -> Self {
        let (why, fix) = match cause {
            DropCause::QueueFull => (
                "they arrive faster than memtap can write them, and the queue in memory is full",
                "give memtap more memory with --memory, or a faster disk to the history (--store) and the spool (--spool)",
            ),
            DropCause::SpoolFull => (
                "the database is unavailable or too slow, and the spool has reached its size limit",
                "check store.error and store.lag_s in health, and raise --spool-size",
            ),
            DropCause::SpoolFailed => (
                "the database is unavailable or too slow, and the spool cannot be written",
                "free disk space, or choose another directory with --spool DIR; the log shows the reason",
            ),
            DropCause::SpoolDamaged => (
                "a part of the spool could not be read back",
                "check the disk of the spool directory (--spool)",
            ),
            DropCause::Refused => (
                "the database rejects rows because of their content",
                "see the log for the reason that the database gives, and correct the table or its triggers",
            ),
            DropCause::Ended => (
                "memtap is shutting down, and it has no spool",
                "enable the spool: set --spool-size above 0 and a writable --spool DIR",
            ),
        };
        Self::new(format!("requests are being dropped from the history: {why}"), fix.to_owned())
    }
}

impl Health {
    pub(crate) fn of(state: &State, view: &LiveView) -> Self {
        let info = &state.info;
        let totals = &view.totals;
        let status = (state.store_status)();
        let drops: Vec<Notice> = status.dropping.iter().map(|cause| Notice::of_drops(*cause)).collect();
        Self {
            version: info.version,
            source: info.source,
            plan: info.plan,
            plan_about: info.plan_about.clone(),
            uptime_s: info.started.elapsed().as_secs_f64(),
            requests: RequestTotals {
                made: totals.made,
                seen: totals.seen,
                per_second: totals.per_second,
                refused: totals.refused,
                refused_per_second: totals.refused_per_second,
                lost: totals.lost_requests(),
                lost_by_cause: totals.lost.iter().map(|(cause, count)| (cause.name(), *count)).collect(),
            },
            unexplained_bytes: totals.unexplained_bytes,
            oom_kills: totals.oom_kills,
            store: StoreHealth {
                kind: status.kind,
                rows: status.rows,
                lag_s: status.lag_s,
                spooled: status.spooled,
                spool_bytes: status.spool_bytes,
                dropped: status.dropped_requests(),
                dropped_by_cause: status
                    .dropped
                    .iter()
                    .map(|(cause, count)| (cause.name(), *count))
                    .collect(),
                bytes: status.bytes,
                error: status.error,
            },
            clients: Clients {
                connections: state.clients.connections.taken(),
                sessions: state.clients.sessions.taken(),
                refused_by_cause: state.clients.refused().into(),
            },
            own: SelfUsage {
                cpu_s: self_usage::cpu_seconds(),
                resident_bytes: self_usage::resident_bytes(info.host.page_size),
            },
            runs_as: RunsAs {
                user: info.runs_as.user.clone(),
                capabilities: info.runs_as.capabilities.clone(),
                nice: info.runs_as.nice,
            },
            notices: state
                .notices()
                .into_iter()
                .map(|notice| Notice::new(notice.what, notice.fix))
                .chain(drops)
                .collect(),
        }
    }
}
