//! Usage over time, from the history.

use axum::Json;
use axum::extract::State as Shared;
use memtap_api::{Time, Usage};
use memtap_history::UsageQuery as StoreQuery;
use memtap_model::Tgid;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::{NoHistory, ask, range, reader, step};
use crate::params::Asked;
use crate::{State, answer};

/// Filters and range.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// Name of the machine. Default: the sum of all machines.
    host: Option<String>,
    /// Process id. Default: all processes together.
    pid: Option<u32>,
    /// Start time of the process, to the second. Default: every process that had the pid.
    start_time: Option<Time>,
    /// Start of the range. Default: one hour before `to`.
    from: Option<Time>,
    /// End of the range, exclusive. Default: now.
    to: Option<Time>,
    /// Length of a step in seconds. Default: a length that gives about 300 steps. Maximum: 2,000
    /// steps.
    #[param(minimum = 1)]
    step: Option<u64>,
}

/// Returns the usage of one pid, or of all processes together, over time.
///
/// The history keeps short steps for a limited time. Steps of the answer can therefore be longer
/// than requested. For all processes together, shared memory counts once for each process, and
/// peaks are the highest sums at a reading.
#[utoipa::path(get, path = "/usage", params(UsageQuery), responses(
    (status = OK, body = Usage),
    NoHistory,
))]
pub(crate) async fn usage(Shared(state): Shared<State>, Asked(query): Asked<UsageQuery>) -> Answer<Usage> {
    let (range, reader) = (range(query.host, query.from, query.to)?, reader(&state)?);
    let step = step(&range, query.step)?;
    let query = StoreQuery {
        host: range.host,
        pid: query.pid.map(Tgid),
        started_at: query.start_time.map(|time| time.0),
        from: range.from,
        to: range.to,
        step,
        carried: true,
    };
    let of_all = StoreQuery { pid: None, started_at: None, ..query.clone() };
    let points = ask(reader.usage(&query)).await?;
    let all = if query.pid.is_some() { ask(reader.usage(&of_all)).await? } else { points.clone() };
    Ok(Json(answer::usage(&points, &all, step.as_secs())))
}
