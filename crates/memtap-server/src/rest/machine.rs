//! The machine over time, and the machines in the store.

use axum::Json;
use axum::extract::State as Shared;
use memtap_api::{Hosts, Machine, Runs, Time};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::{NoHistory, ask, range, reader, step};
use crate::params::Asked;
use crate::{State, answer};

/// Returns the machines that have written into the store.
#[utoipa::path(get, path = "/hosts", responses(
    (status = OK, body = Hosts),
    NoHistory,
))]
pub(crate) async fn hosts(Shared(state): Shared<State>) -> Answer<Hosts> {
    let reader = reader(&state)?;
    Ok(Json(answer::hosts(ask(reader.hosts()).await?)))
}

/// Maximum number of runs in one response.
const RUNS: usize = 1_000;

/// Machine and range.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunsQuery {
    /// Name of the machine. Default: all machines.
    host: Option<String>,
    /// Start of the range. Default: one hour before `to`.
    from: Option<Time>,
    /// End of the range, exclusive. Default: now.
    to: Option<Time>,
}

/// Returns the runs of memtap that recorded data in a range. Nothing was recorded between runs.
#[utoipa::path(get, path = "/runs", params(RunsQuery), responses(
    (status = OK, body = Runs),
    NoHistory,
))]
pub(crate) async fn runs(Shared(state): Shared<State>, Asked(query): Asked<RunsQuery>) -> Answer<Runs> {
    let (range, reader) = (range(query.host, query.from, query.to)?, reader(&state)?);
    let runs = ask(reader.runs(&range, RUNS + 1)).await?;
    Ok(Json(answer::runs(runs, RUNS)))
}

/// Machine and range.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MachineQuery {
    /// Name of the machine. Default: the sum of all machines.
    host: Option<String>,
    /// Start of the range. Default: one hour before `to`.
    from: Option<Time>,
    /// End of the range, exclusive. Default: now.
    to: Option<Time>,
    /// Length of a step in seconds. Default: a length that gives about 300 steps. Maximum: 2,000
    /// steps.
    #[param(minimum = 1)]
    step: Option<u64>,
}

/// Returns the machine's memory and the requests by call over time.
///
/// The history keeps short steps for a limited time. Steps of the answer can therefore be longer
/// than requested.
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
    let points = ask(reader.machine(&range, step)).await?;
    Ok(Json(answer::machine(&points, step.as_secs())))
}
