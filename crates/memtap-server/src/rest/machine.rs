//! The machine over time, and the machines that the store knows.

use axum::Json;
use axum::extract::State as Shared;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::{NoHistory, ask, range, reader, step};
use crate::State;
use crate::dto::{Hosts, Machine, Runs, Time};
use crate::params::Asked;

/// The machines that have written into the store.
#[utoipa::path(get, path = "/hosts", responses(
    (status = OK, body = Hosts),
    NoHistory,
))]
pub(crate) async fn hosts(Shared(state): Shared<State>) -> Answer<Hosts> {
    let reader = reader(&state)?;
    Ok(Json(ask(move || reader.hosts()).await?.into()))
}

/// Runs in one answer.
const RUNS: usize = 1_000;

/// Of which machine and which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunsQuery {
    /// On the machine of this name.
    host: Option<String>,
    /// That told of a time after this; without: an hour before `to`.
    from: Option<Time>,
    /// That began before this time; without: now.
    to: Option<Time>,
}

/// The runs of memtap that told of a range: in the time between them nobody watched. Without a range, of the last hour.
#[utoipa::path(get, path = "/runs", params(RunsQuery), responses(
    (status = OK, body = Runs),
    NoHistory,
))]
pub(crate) async fn runs(Shared(state): Shared<State>, Asked(query): Asked<RunsQuery>) -> Answer<Runs> {
    let (range, reader) = (range(query.host, query.from, query.to)?, reader(&state)?);
    let runs = ask(move || reader.runs(&range, RUNS + 1)).await?;
    Ok(Json(Runs::of(runs, RUNS)))
}

/// Of which machine and which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MachineQuery {
    /// The machine of this name; without: the sum of all.
    host: Option<String>,
    /// From this time on; without: an hour before `to`.
    from: Option<Time>,
    /// Before this time; without: now.
    to: Option<Time>,
    /// Length of a step in seconds; without: so that there are about 300. An answer has at most 2,000.
    #[param(minimum = 1)]
    step: Option<u64>,
}

/// The machine's memory and the requests by call over time; without a range, in the last hour.
///
/// The history keeps short steps for a while only, so that the steps of the answer may be longer than asked for.
#[utoipa::path(get, path = "/machine", params(MachineQuery), responses(
    (status = OK, body = Machine),
    NoHistory,
))]
pub(crate) async fn machine(
    Shared(state): Shared<State>,
    Asked(query): Asked<MachineQuery>,
) -> Answer<Machine> {
    let (range, reader) = (range(query.host, query.from, query.to)?, reader(&state)?);
    let step = step(&range, query.step)?;
    let points = ask(move || reader.machine(&range, step)).await?;
    Ok(Json(Machine::of(&points, step.as_secs())))
}
