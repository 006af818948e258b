//! What only the present has of one process, asked of the kernel: its mappings, and its limits.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use memtap_model::{ProcessId, Tgid};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use crate::State;
use crate::dto::{Limits, Mappings, Time};
use crate::error::{ApiError, Problem};
use crate::params::Asked;
use crate::walks::Unread;

/// Of which life, as pids are used again.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LifeQuery {
    /// When it began, to the second; another process of that pid is then none.
    start_time: Option<Time>,
}

/// What a living process has mapped now, by class and by file.
///
/// The kernel walks its address space for this, which keeps the process from mapping and unmapping. So all who ask share one walk, and
/// the process rests from it for twenty times as long as it took: meanwhile the answer is the last one, and `age_s` its age.
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
    let process = living(&state, &pid, &query)?;
    let found = state.walks.mappings(process).await;
    Ok(Json(found.map_err(|error| unread("the mappings", process, &error))?.into()))
}

/// Everything that limits the memory of a living process: its own limits, its control groups', the machine's.
///
/// Its mappings are counted for this; answers are shared as those of `mappings` are.
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
    let process = living(&state, &pid, &query)?;
    let found = state.walks.limits(process).await;
    Ok(Json(found.map_err(|error| unread("the limits", process, &error))?.into()))
}

/// The process, if it is alive, and the one that is meant.
fn living(state: &State, pid: &str, query: &LifeQuery) -> Result<ProcessId, ApiError> {
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
    meant.map(|process| process.process).ok_or_else(gone)
}

/// What to answer when the kernel gives none: why, and what to do.
pub(super) fn unread(what: &str, process: ProcessId, unread: &Unread) -> ApiError {
    let (pid, why) = (process.tgid.0, &unread.why);
    let text = match unread.kind {
        std::io::ErrorKind::Unsupported => format!("{what} of process {pid} cannot be told: {why}"),
        _ => format!(
            "{what} of process {pid} cannot be read: {why}; it may have ended, or memtap lacks CAP_SYS_PTRACE"
        ),
    };
    ApiError(StatusCode::SERVICE_UNAVAILABLE, text)
}
