//! How memtap is doing, and what machine it is on.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;

use crate::State;
use crate::dto::{Health, Host};

/// A view older than this: the pipeline stands still.
const STALE_S: f64 = 5.0;

/// Returns the state of memtap itself: what it captured, what is missing and why, and notices.
#[utoipa::path(get, path = "/health", responses((status = OK, body = Health)))]
pub(crate) async fn health(Shared(state): Shared<State>) -> Json<Health> {
    Json(Health::of(&state, &state.now()))
}

/// Returns the machine and its memory now.
#[utoipa::path(get, path = "/host", responses((status = OK, body = Host)))]
pub(crate) async fn host(Shared(state): Shared<State>) -> Json<Host> {
    Json(Host::of(&state.info.host, &state.now().host))
}

/// Reports whether the ledger is up to date, for service monitors.
#[utoipa::path(get, path = "/healthz", responses(
    (status = OK, body = String, description = "The ledger is up to date: `ok`."),
    (status = SERVICE_UNAVAILABLE, body = String, description = "The ledger is not up to date."),
))]
pub(crate) async fn healthz(Shared(state): Shared<State>) -> (StatusCode, String) {
    let view = state.now();
    let now = jiff::Timestamp::now().as_nanosecond();
    let age = (now - i128::from(view.at.0)) as f64 / 1e9;
    if view.tick > 0 && age < STALE_S {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the ledger is not being updated. See the log of memtap\n".to_owned(),
        )
    }
}
