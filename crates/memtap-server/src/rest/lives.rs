//! Processes and programs of a range of the history.

use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use memtap_api::{Lives, Measure, Programs, Time};
use memtap_history::{LifetimeQuery, ProgramQuery};
use memtap_model::Tgid;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::{NoHistory, ask, range, reader, step};
use crate::params::{Asked, Limit, Top};
use crate::{State, answer};

/// Default number of processes.
const DEFAULT_LIMIT: usize = 1_000;

/// Default number of programs.
const DEFAULT_TOP: usize = 10;

/// Filters and range.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LivesQuery {
    /// Name of the machine. Default: all machines.
    host: Option<String>,
    /// Start of the range. Default: one hour before `to`.
    from: Option<Time>,
    /// End of the range, exclusive. Default: now.
    to: Option<Time>,
    /// Process id.
    pid: Option<u32>,
    /// Start time of the process, to the second. Default: every process that had the pid.
    start_time: Option<Time>,
    /// Part of the name, case-insensitive.
    name: Option<String>,
    /// Measure to sort by, largest first.
    by: Option<Measure>,
    /// Maximum number of processes.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000, default = 1_000)]
    limit: Option<Limit>,
}

/// Returns the processes that existed in a range, including those that did nothing in it.
#[utoipa::path(get, path = "/lives", params(LivesQuery), responses(
    (status = OK, body = Lives),
    NoHistory,
))]
pub(crate) async fn lives(Shared(state): Shared<State>, Asked(query): Asked<LivesQuery>) -> Answer<Lives> {
    let (range, reader) = (range(query.host, query.from, query.to)?, reader(&state)?);
    let query = LifetimeQuery {
        range,
        pid: query.pid.map(Tgid),
        started_at: query.start_time.map(|time| time.0),
        name: query.name,
        by: query.by.unwrap_or_default(),
        limit: query.limit.map_or(DEFAULT_LIMIT, |limit| limit.0),
    };
    Ok(Json(answer::lives(ask(reader.lifetimes(&query)).await?)))
}

/// Measure and range.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProgramsQuery {
    /// Name of the machine. Default: all machines.
    host: Option<String>,
    /// Start of the range. Default: one hour before `to`.
    from: Option<Time>,
    /// End of the range, exclusive. Default: now.
    to: Option<Time>,
    /// Measure to sort by, largest first.
    by: Option<Measure>,
    /// Number of programs. All others are added up.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 10)]
    top: Option<Top>,
    /// Length of a step of the series in seconds; 0 means no series. Default: a length that gives
    /// about 300 steps. Maximum: 2,000 steps.
    step: Option<u64>,
}

/// Returns the largest programs of a range, with their values over time. A program is all processes
/// of one name.
#[utoipa::path(get, path = "/programs", params(ProgramsQuery), responses(
    (status = OK, body = Programs),
    NoHistory,
))]
pub(crate) async fn programs(
    Shared(state): Shared<State>,
    Asked(query): Asked<ProgramsQuery>,
) -> Answer<Programs> {
    let (range, reader) = (range(query.host, query.from, query.to)?, reader(&state)?);
    let step = if query.step == Some(0) { Duration::ZERO } else { step(&range, query.step)? };
    let by = query.by.unwrap_or_default();
    let query = ProgramQuery { range, by, top: query.top.map_or(DEFAULT_TOP, |top| top.0), step };
    Ok(Json(answer::programs(by, ask(reader.programs(&query)).await?)))
}
