//! State of memtap, and its machine.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use memtap_api::{Health, Host};

use crate::{State, answer};

/// Age of the view from which the pipeline counts as stalled, seconds.
const STALE_S: f64 = 5.0;

/// Latest tick that `/healthz` has seen, and the time at which it first saw that tick.
#[derive(Debug, Default)]
pub(crate) struct Pulse(Mutex<Option<(u64, Instant)>>);

impl Pulse {
    /// Seconds since this tick was first seen; 0 for a new one.
    fn age_s(&self, tick: u64, now: Instant) -> f64 {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.filter(|(latest, _)| *latest == tick).map_or(now, |(_, first)| first);
        *seen = Some((tick, first));
        now.saturating_duration_since(first).as_secs_f64()
    }
}

/// Returns the state of memtap itself: what it captured, what is missing and why, and notices.
#[utoipa::path(get, path = "/health", responses((status = OK, body = Health)))]
pub(crate) async fn health(Shared(state): Shared<State>) -> Json<Health> {
    Json(answer::health(&state, &state.now()))
}

/// Returns the machine and its memory now.
#[utoipa::path(get, path = "/host", responses((status = OK, body = Host)))]
pub(crate) async fn host(Shared(state): Shared<State>) -> Json<Host> {
    Json(answer::host(&state.info.host, &state.now().host))
}

/// Reports whether the ledger is up to date, for service monitors.
#[utoipa::path(get, path = "/healthz", responses(
    (status = OK, body = String, description = "The ledger is up to date: `ok`."),
    (status = SERVICE_UNAVAILABLE, body = String, description = "The ledger is not up to date."),
))]
pub(crate) async fn healthz(Shared(state): Shared<State>) -> (StatusCode, String) {
    let view = state.now();
    let now = jiff::Timestamp::now().as_nanosecond();
    // The wall clock may have been set back since the last view. Then only the pulse shows that the
    // views have stopped.
    let age = ((now - i128::from(view.at.0)) as f64 / 1e9).max(state.pulse.age_s(view.tick, Instant::now()));
    if view.tick > 0 && age < STALE_S {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the ledger is not being updated. See the log of memtap\n".to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_tick_ages_until_the_next_one() {
        let (pulse, begin) = (Pulse::default(), Instant::now());
        let age_s = |tick, seconds| pulse.age_s(tick, begin + Duration::from_secs(seconds));
        assert_eq!(
            [age_s(7, 0), age_s(7, 4), age_s(7, 6), age_s(8, 7), age_s(8, 9)],
            [0.0, 4.0, 6.0, 0.0, 2.0]
        );
    }
}
