//! How memtap itself is doing.

use std::collections::BTreeMap;

use memtap_ledger::LiveView;
use memtap_store::DropCause;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{State, self_usage};

/// How memtap itself is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    version: &'static str,
    /// Where observations come from: `bpf`, `procfs` or `systemtap`.
    source: &'static str,
    /// How requests are seen: `exit`, `functions`, each also with `+locks`; null where none are.
    plan: Option<&'static str>,
    /// What that plan does, and what it costs others.
    plan_about: Option<String>,
    uptime_s: f64,
    requests: RequestTotals,
    /// What no cause explains, over all processes alive, without sign.
    unexplained_bytes: u64,
    oom_kills: u64,
    store: StoreHealth,
    clients: Clients,
    #[serde(rename = "self")]
    own: SelfUsage,
    runs_as: RunsAs,
    notices: Vec<Notice>,
}

/// Requests since the start, of all processes.
#[derive(Debug, Serialize, ToSchema)]
struct RequestTotals {
    /// By the kernel side's own count: exact, whether they came or not.
    made: u64,
    /// Those that came in the stream.
    seen: u64,
    /// Made per second over the last tick.
    per_second: f64,
    refused: u64,
    refused_per_second: f64,
    /// Those that did not come in the stream.
    lost: u64,
    /// Records that did not come, by cause (`docs/api.md` says what each costs).
    lost_by_cause: BTreeMap<&'static str, u64>,
}

/// How the store is doing.
#[derive(Debug, Serialize, ToSchema)]
struct StoreHealth {
    /// `sqlite`, `mysql` or `none`.
    kind: &'static str,
    /// Requests in it.
    rows: u64,
    /// Age of the oldest batch that is not yet committed.
    lag_s: f64,
    /// Requests that wait for the database, in memory or on disk.
    spooled: u64,
    /// What waits on disk.
    spool_bytes: u64,
    /// Requests that are not in the history.
    dropped: u64,
    /// Why they are not (`docs/api.md` has the causes).
    dropped_by_cause: BTreeMap<&'static str, u64>,
    /// Its size on disk.
    bytes: u64,
    /// What is wrong, if anything, with the mend.
    error: Option<String>,
}

/// What clients take of the server, and what was refused.
#[derive(Debug, Serialize, ToSchema)]
struct Clients {
    /// Open connections, WebSockets included.
    connections: usize,
    /// Engine.IO sessions.
    sessions: usize,
    /// Clients that were refused or cut off since the start, by cause (`docs/api.md` explains each).
    refused_by_cause: BTreeMap<&'static str, u64>,
}

/// What memtap itself takes.
#[derive(Debug, Serialize, ToSchema)]
struct SelfUsage {
    /// Processor time since the start, user and system.
    cpu_s: f64,
    resident_bytes: u64,
}

/// As whom memtap runs, and what it may do.
#[derive(Debug, Serialize, ToSchema)]
struct RunsAs {
    /// The user's name, else its number.
    user: String,
    /// The capabilities that it has kept now that it watches, by name, sorted.
    capabilities: Vec<String>,
    /// The nice value of its threads, from -20 (first to run) to 19.
    nice: i32,
}

/// Something that the user should know.
#[derive(Debug, Serialize, ToSchema)]
struct Notice {
    /// What is missing.
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
                "more come than memory can hold until they are written",
                "give memtap more memory with --memory, or a faster disk to the history (--store) and the spool (--spool)",
            ),
            DropCause::SpoolFull => (
                "the database is away or too slow, and the spool on disk has its full size",
                "see store.error in health, and store.lag_s; raise --spool-size",
            ),
            DropCause::SpoolFailed => (
                "the database is away or too slow, and the spool cannot be written",
                "free disk space, or choose another directory with --spool DIR; memtap's log has the reason",
            ),
            DropCause::SpoolDamaged => {
                ("what was in the spool could not be read back", "check the disk that --spool is on")
            }
            DropCause::Refused => (
                "the database refuses rows for what is in them",
                "see memtap's log for the database's reason, and correct the table or its triggers",
            ),
            DropCause::Ended => (
                "memtap is ending, and there is no spool",
                "allow a spool: --spool-size larger than 0, and a writable --spool DIR",
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
