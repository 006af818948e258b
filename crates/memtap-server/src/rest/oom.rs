//! OOM kills.

use axum::Json;
use axum::extract::State as Shared;
use memtap_api::{OomKill, OomKills, Time};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::{NoHistory, ask, range, reader};
use crate::params::{Asked, Limit};
use crate::{State, answer};

/// Default number of OOM kills.
const DEFAULT_LIMIT: usize = 100;

/// Range.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OomQuery {
    /// Name of the machine. It has an effect only together with `from` or `to`.
    host: Option<String>,
    /// Start of the range. Default if `to` is given: one hour before `to`.
    from: Option<Time>,
    /// End of the range, exclusive. Default if `from` is given: now.
    to: Option<Time>,
    /// Maximum number of OOM kills.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<Limit>,
}

/// Returns OOM kills, latest first, each with the largest processes in the seconds before.
///
/// With `from` or `to` they come from the history. Without either, they are those since memtap
/// started (the latest 100).
#[utoipa::path(get, path = "/oom", params(OomQuery), responses(
    (status = OK, body = OomKills),
    NoHistory,
))]
pub(crate) async fn oom_kills(
    Shared(state): Shared<State>,
    Asked(query): Asked<OomQuery>,
) -> Answer<OomKills> {
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit.0);
    if query.from.is_none() && query.to.is_none() {
        let view = state.now();
        let latest_first = view.oom_kills.iter().rev().take(limit);
        return Ok(Json(OomKills {
            oom_kills: latest_first.map(|report| OomKill::from(&**report)).collect(),
        }));
    }
    let (range, reader) = (range(query.host, query.from, query.to)?, reader(&state)?);
    let stored = ask(reader.oom_kills(&range, limit)).await?;
    Ok(Json(OomKills { oom_kills: stored.into_iter().map(answer::oom_kill).collect() }))
}
