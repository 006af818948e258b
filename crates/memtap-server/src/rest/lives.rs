//! Processes and programs of a range of the history.

use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use memtap_model::Tgid;
use memtap_store::{LifeQuery, ProgramQuery};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::{NoHistory, ask, range, reader, step};
use crate::State;
use crate::dto::{Lives, Measure, Programs, Time};
use crate::params::{Asked, Limit, Top};

/// Lives where no limit was asked for.
const DEFAULT_LIMIT: usize = 1_000;

/// Programs where no number was asked for.
const DEFAULT_TOP: usize = 10;

/// Which processes, of which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LivesQuery {
    /// Of the machine of this name.
    host: Option<String>,
    /// That lived after this time; without: an hour before `to`.
    from: Option<Time>,
    /// That lived before this time; without: now.
    to: Option<Time>,
    /// Of this pid.
    pid: Option<u32>,
    /// Of the life that began then, to the second.
    start_time: Option<Time>,
    /// Whose name contains this (case folded).
    name: Option<String>,
    /// The largest by this first.
    by: Option<Measure>,
    /// At most so many.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000, default = 1_000)]
    limit: Option<Limit>,
}

/// The processes that lived within a range, also those that did nothing in it; without a range, in the last hour.
#[utoipa::path(get, path = "/lives", params(LivesQuery), responses(
    (status = OK, body = Lives),
    NoHistory,
))]
pub(crate) async fn lives(Shared(state): Shared<State>, Asked(query): Asked<LivesQuery>) -> Answer<Lives> {
    let (range, reader) = (range(query.host, query.from, query.to)?, reader(&state)?);
    let query = LifeQuery {
        range,
        pid: query.pid.map(Tgid),
        started_at: query.start_time.map(|time| time.0),
        name: query.name,
        by: query.by.unwrap_or_default().into(),
        limit: query.limit.map_or(DEFAULT_LIMIT, |limit| limit.0),
    };
    Ok(Json(ask(move || reader.lives(&query)).await?.into()))
}

/// Which programs, of which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProgramsQuery {
    /// Of the machine of this name.
    host: Option<String>,
    /// From this time on; without: an hour before `to`.
    from: Option<Time>,
    /// Before this time; without: now.
    to: Option<Time>,
    /// The largest by this.
    by: Option<Measure>,
    /// How many of them; the others come together.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 10)]
    top: Option<Top>,
    /// Length of a step of the series in seconds; 0: no series. Without: so that there are about 300. An answer has at most 2,000.
    step: Option<u64>,
}

/// The programs of a range, processes of one name together: the largest, with what they had over time.
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
    let query = ProgramQuery { range, by: by.into(), top: query.top.map_or(DEFAULT_TOP, |top| top.0), step };
    Ok(Json(Programs::of(by, ask(move || reader.programs(&query)).await?)))
}
