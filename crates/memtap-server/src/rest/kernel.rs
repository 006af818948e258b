//! What only the present has of one process, asked of the kernel: its mappings, and its limits.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use memtap_model::Tgid;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use crate::State;
use crate::dto::{Limits, Mappings, Time};
use crate::error::{ApiError, Problem};
use crate::params::Asked;

/// Of which life, as pids are used again.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LifeQuery {
    /// When it began, to the second; another process of that pid is then none.
    start_time: Option<Time>,
}

/// What a living process has mapped now, by class and by file.
#[utoipa::path(
    get,
    path = "/processes/{pid}/mappings",
    params(("pid" = u32, Path, description = "Its pid."), LifeQuery),
    responses(
        (status = OK, body = Mappings),
        (status = NOT_FOUND, body = Problem, description = "No process of that pid, or of that pid and start, is alive."),
        (status = SERVICE_UNAVAILABLE, body = Problem, description = "The kernel does not tell."),
    )
)]
pub(crate) async fn mappings(
    Shared(state): Shared<State>,
    Path(pid): Path<String>,
    Asked(query): Asked<LifeQuery>,
) -> Answer<Mappings> {
    let pid = living(&state, &pid, &query)?;
    Ok(Json(of_kernel("the mappings", pid, Arc::clone(&state.kernel.mappings)).await?.into()))
}

/// Everything that limits the memory of a living process: its own limits, its control groups', the machine's.
#[utoipa::path(
    get,
    path = "/processes/{pid}/limits",
    params(("pid" = u32, Path, description = "Its pid."), LifeQuery),
    responses(
        (status = OK, body = Limits),
        (status = NOT_FOUND, body = Problem, description = "No process of that pid, or of that pid and start, is alive."),
        (status = SERVICE_UNAVAILABLE, body = Problem, description = "The kernel does not tell."),
    )
)]
pub(crate) async fn limits(
    Shared(state): Shared<State>,
    Path(pid): Path<String>,
    Asked(query): Asked<LifeQuery>,
) -> Answer<Limits> {
    let pid = living(&state, &pid, &query)?;
    Ok(Json(of_kernel("the limits", pid, Arc::clone(&state.kernel.limits)).await?.into()))
}

/// The pid, if a process of it is alive, and the one that is meant.
fn living(state: &State, pid: &str, query: &LifeQuery) -> Result<u32, ApiError> {
    let pid = pid.parse().map_err(|_| ApiError::wrong(format!("a pid is a number, not '{pid}'")))?;
    let view = state.now();
    let second = |time: memtap_model::WallClock| time.0.div_euclid(1_000_000_000);
    let process = view.process(Tgid(pid)).filter(|process| process.ended_at.is_none());
    let meant = process
        .filter(|process| query.start_time.is_none_or(|start| second(start.0) == second(process.started_at)));
    let gone = || {
        let which = query.start_time.map(|start| format!(" that started at {start}")).unwrap_or_default();
        let what = format!("no process {pid}{which} is alive: only the present has its mappings and limits");
        ApiError(StatusCode::NOT_FOUND, what)
    };
    meant.map(|_| pid).ok_or_else(gone)
}

/// Asks outside the event loop, and says what mends it when there is no answer.
pub(super) async fn of_kernel<T: Send + 'static>(
    what: &str,
    pid: u32,
    ask: Arc<dyn Fn(u32) -> std::io::Result<T> + Send + Sync>,
) -> Result<T, ApiError> {
    let answer = tokio::task::spawn_blocking(move || ask(pid)).await;
    let failed = |why: String| {
        let why = format!(
            "{what} of process {pid} cannot be read: {why}; it may have ended, or memtap lacks CAP_SYS_PTRACE"
        );
        ApiError(StatusCode::SERVICE_UNAVAILABLE, why)
    };
    answer.map_err(|error| failed(error.to_string()))?.map_err(|error| match error.kind() {
        std::io::ErrorKind::Unsupported => ApiError(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{what} of process {pid} cannot be told: {error}"),
        ),
        _ => failed(error.to_string()),
    })
}
