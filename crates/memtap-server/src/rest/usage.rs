//! Usage over time, of the history.

use axum::Json;
use axum::extract::State as Shared;
use memtap_model::Tgid;
use memtap_store::UsageQuery as StoreQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::{NoHistory, ask, range, reader, step};
use crate::State;
use crate::dto::{Time, Usage};
use crate::params::Asked;

/// Whose usage, of which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// Of the machine of this name; without: the sum of all.
    host: Option<String>,
    /// Of this pid; without: of all processes together.
    pid: Option<u32>,
    /// Of the life that began then, to the second; without: of all lives of that pid.
    start_time: Option<Time>,
    /// From this time on; without: an hour before `to`.
    from: Option<Time>,
    /// Before this time; without: now.
    to: Option<Time>,
    /// Length of a step in seconds; without: so that there are about 300. An answer has at most 2,000.
    #[param(minimum = 1)]
    step: Option<u64>,
}

/// What one pid or all processes together had over time; without a range, in the last hour.
///
/// The history keeps short steps for a while only, so that the steps of the answer may be longer than asked for. Of all processes,
/// memory that they share counts once for each, and peaks are the highest sums at a reading.
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
    let found = move || {
        let points = reader.usage(&query)?;
        let all = if query.pid.is_some() { reader.usage(&of_all)? } else { points.clone() };
        Ok((points, all))
    };
    let (points, all) = ask(found).await?;
    Ok(Json(Usage::of(&points, &all, step.as_secs())))
}
