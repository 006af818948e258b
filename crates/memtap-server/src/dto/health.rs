//! How memtap itself is doing.

use std::collections::BTreeMap;

use memtap_ledger::LiveView;
use serde::Serialize;

use crate::{State, self_usage};

/// How memtap itself is doing.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    version: &'static str,
    source: &'static str,
    plan: Option<&'static str>,
    plan_about: Option<String>,
    uptime_s: f64,
    requests: Requests,
    unexplained_bytes: u64,
    oom_kills: u64,
    store: Store,
    #[serde(rename = "self")]
    own: Own,
    notices: Vec<Notice>,
}

#[derive(Debug, Serialize)]
struct Requests {
    made: u64,
    seen: u64,
    per_second: f64,
    refused: u64,
    refused_per_second: f64,
    lost: u64,
    lost_by_cause: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Store {
    kind: &'static str,
    rows: u64,
    lag_s: f64,
    spooled: u64,
    spool_bytes: u64,
    dropped: u64,
    dropped_by_cause: BTreeMap<&'static str, u64>,
    bytes: u64,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Own {
    cpu_s: f64,
    resident_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Notice {
    what: String,
    mend: String,
}

impl Health {
    pub(crate) fn of(state: &State, view: &LiveView) -> Self {
        let info = &state.info;
        let totals = &view.totals;
        let status = (state.store_status)();
        Self {
            version: info.version,
            source: info.source,
            plan: info.plan,
            plan_about: info.plan_about.clone(),
            uptime_s: info.started.elapsed().as_secs_f64(),
            requests: Requests {
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
            store: Store {
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
            own: Own {
                cpu_s: self_usage::cpu_seconds(),
                resident_bytes: self_usage::resident_bytes(info.host.page_size),
            },
            notices: info
                .notices
                .iter()
                .map(|notice| Notice { what: notice.what.clone(), mend: notice.mend.clone() })
                .collect(),
        }
    }
}
