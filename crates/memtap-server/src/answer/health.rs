//! The state of memtap itself.

use memtap_api::{Clients, Health, Notice, SelfUsage, StoreHealth};
use memtap_history::{DropCause, Status};
use memtap_ledger::LiveView;

use crate::{State, self_usage};

pub(crate) fn health(state: &State, view: &LiveView) -> Health {
    let (info, totals) = (&state.info, &view.totals);
    let status = (state.store_status)();
    let drops: Vec<_> = status.dropping.iter().map(|cause| of_drops(*cause)).collect();
    Health {
        version: info.version.into(),
        source: info.source.into(),
        plan: info.plan.map(Into::into),
        plan_about: info.plan_about.clone(),
        uptime_s: info.started.elapsed().as_secs_f64(),
        requests: totals.into(),
        unexplained_bytes: totals.unexplained_bytes,
        oom_kills: totals.oom_kills,
        store: store(status),
        clients: Clients {
            connections: state.clients.connections.taken(),
            sessions: state.clients.sessions.taken(),
            refused_by_cause: state
                .clients
                .refused()
                .into_iter()
                .map(|(cause, count)| (cause.into(), count))
                .collect(),
        },
        own: SelfUsage {
            cpu_s: self_usage::cpu_seconds(),
            resident_bytes: self_usage::resident_bytes(info.host.page_size),
        },
        runs_as: info.runs_as.clone(),
        notices: state.notices().into_iter().chain(drops).map(Notice::from).collect(),
    }
}

fn store(status: Status) -> StoreHealth {
    StoreHealth {
        kind: status.kind.into(),
        rows: status.rows,
        lag_s: status.lag_s,
        spooled: status.spooled,
        spool_bytes: status.spool_bytes,
        dropped: status.dropped_requests(),
        dropped_by_cause: status.dropped.iter().map(|(cause, count)| (cause.name().into(), *count)).collect(),
        bytes: status.bytes,
        error: status.error,
    }
}

/// Requests are being dropped before they are in the history.
fn of_drops(cause: DropCause) -> memtap_model::Notice {
    let (why, fix) = match cause {
        DropCause::QueueFull => (
            "they arrive faster than memtap can write them, and the queue in memory is full",
            "give memtap more memory with --memory, or move the history (--store) and the spool (--spool) to a faster disk",
        ),
        DropCause::SpoolFull => (
            "the database is unavailable or too slow, and the spool has reached its size limit",
            "check store.error and store.lag_s in health, and raise --spool-size",
        ),
        DropCause::SpoolFailed => (
            "the database is unavailable or too slow, and the spool cannot be written",
            "free disk space, or choose another directory with --spool DIR; the log shows the reason",
        ),
        DropCause::SpoolDamaged => {
            ("a part of the spool could not be read back", "check the disk of the spool directory (--spool)")
        }
        DropCause::Refused => (
            "the database rejects rows because of their content",
            "see the log for the reason that the database gives, and correct the table or its triggers",
        ),
        DropCause::Ended => (
            "memtap is shutting down, and it has no spool",
            "enable the spool: set --spool-size above 0 and a writable --spool DIR",
        ),
    };
    memtap_model::Notice {
        what: format!("requests are being dropped from the history: {why}"),
        fix: fix.to_owned(),
    }
}
