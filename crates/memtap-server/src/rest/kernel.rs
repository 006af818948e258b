//! Data about one process that the kernel provides for the present only: mappings and limits.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use memtap_api::{Limits, Mappings, Problem, Time};
use memtap_model::{ProcessId, Tgid};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use crate::State;
use crate::error::ApiError;
use crate::params::Asked;
use crate::walks::{Reading, Unread};

/// Start time of the process, because pids are reused.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LifetimeQuery {
    /// Start time, to the second. The answer is 404 if another process has the pid now.
    start_time: Option<Time>,
}

/// Returns the current mappings of a living process, by class and by file.
///
/// The kernel walks the address space for this, and the process can hardly map or unmap meanwhile.
/// All clients therefore share one walk. After a walk, memtap waits for twenty times its duration
/// before the next one. Until then it returns the last answer, with its age in `age_s`.
#[utoipa::path(
    get,
    path = "/processes/{pid}/mappings",
    params(("pid" = u32, Path, description = "Process id."), LifetimeQuery),
    responses(
        (status = OK, body = Mappings),
        (status = NOT_FOUND, body = Problem, description = "No living process has this pid (and this start time, if given)."),
        (status = SERVICE_UNAVAILABLE, body = Problem, description = "The kernel does not report it, or memtap is not permitted to read it."),
    )
)]
pub(crate) async fn mappings(
    Shared(state): Shared<State>,
    Path(pid): Path<String>,
    Asked(query): Asked<LifetimeQuery>,
) -> Answer<Mappings> {
    let process = living(&state, &pid, &query)?;
    let found = state.walks.mappings(process).await;
    let Reading { value, age } = found.map_err(|error| unread("the mappings", process, &error))?;
    Ok(Json(Mappings::new(value, age)))
}

/// Returns all limits on the memory of a living process: its own, those of its control groups, and
/// the machine's.
///
/// memtap counts the mappings of the process for this. As with `mappings`, clients share the
/// answers.
#[utoipa::path(
    get,
    path = "/processes/{pid}/limits",
    params(("pid" = u32, Path, description = "Process id."), LifetimeQuery),
    responses(
        (status = OK, body = Limits),
        (status = NOT_FOUND, body = Problem, description = "No living process has this pid (and this start time, if given)."),
        (status = SERVICE_UNAVAILABLE, body = Problem, description = "The kernel does not report it, or memtap is not permitted to read it."),
    )
)]
pub(crate) async fn limits(
    Shared(state): Shared<State>,
    Path(pid): Path<String>,
    Asked(query): Asked<LifetimeQuery>,
) -> Answer<Limits> {
    let process = living(&state, &pid, &query)?;
    let found = state.walks.limits(process).await;
    let Reading { value, age } = found.map_err(|error| unread("the limits", process, &error))?;
    Ok(Json(Limits::new(value, age)))
}

/// Returns the process if it is alive and has the requested start time.
fn living(state: &State, pid: &str, query: &LifetimeQuery) -> Result<ProcessId, ApiError> {
    let pid = pid.parse().map_err(|_| ApiError::wrong(format!("invalid pid '{pid}': expected a number")))?;
    let view = state.now();
    let second = |time: memtap_model::WallClock| time.0.div_euclid(1_000_000_000);
    let process = view.process(Tgid(pid)).filter(|process| process.ended_at.is_none());
    let meant = process
        .filter(|process| query.start_time.is_none_or(|start| second(start.0) == second(process.started_at)));
    let gone = || {
        let which = query.start_time.map(|start| format!(" that started at {start}")).unwrap_or_default();
        let what = format!(
            "process {pid}{which} is not running. Mappings and limits exist only while a process runs"
        );
        ApiError(StatusCode::NOT_FOUND, what)
    };
    meant.map(|process| process.process).ok_or_else(gone)
}

/// Error response if the kernel returns no data: the reason, and how to fix it.
pub(super) fn unread(what: &str, process: ProcessId, unread: &Unread) -> ApiError {
    let (pid, why) = (process.tgid.0, &unread.why);
    let text = match unread.kind {
        std::io::ErrorKind::Unsupported => format!("cannot read {what} of process {pid}: {why}"),
        _ => format!(
            "cannot read {what} of process {pid}: {why}. The process may have ended, or memtap needs CAP_SYS_PTRACE"
        ),
    };
    ApiError(StatusCode::SERVICE_UNAVAILABLE, text)
}
