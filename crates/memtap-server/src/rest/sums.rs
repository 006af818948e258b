//! What the requests of a range come to: their sizes, and what was refused.

use axum::Json;
use axum::extract::State as Shared;
use memtap_model::Tgid;
use memtap_store::RequestQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::{NoHistory, ask, range, reader};
use crate::State;
use crate::dto::{CallName, RefusalList, Sizes, Time};
use crate::error::ApiError;
use crate::params::{Asked, Calls, Limit, Rows, language};

/// Refusals where no limit was asked for.
const DEFAULT_LIMIT: usize = 100;

/// Of which requests, of which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SizesQuery {
    /// Of the machine of this name.
    host: Option<String>,
    /// From this time on; without: an hour before `to`.
    from: Option<Time>,
    /// Before this time; without: now.
    to: Option<Time>,
    /// Of this pid.
    pid: Option<u32>,
    /// Of the life that began then, to the second.
    start_time: Option<Time>,
    /// Whose process name contains this (case folded).
    name: Option<String>,
    /// Of these calls, with commas between them.
    #[param(value_type = Option<Vec<CallName>>, style = Form, explode = false)]
    call: Option<Calls>,
    /// The newest so many are counted.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1_000_000, default = 1_000_000)]
    rows: Option<Rows>,
}

/// Which sizes were asked for: a histogram by call and power of two, and the most frequent sizes.
#[utoipa::path(get, path = "/sizes", params(SizesQuery), responses(
    (status = OK, body = Sizes),
    NoHistory,
))]
pub(crate) async fn sizes(Shared(state): Shared<State>, Asked(query): Asked<SizesQuery>) -> Answer<Sizes> {
    let reader = reader(&state)?;
    let query = query.resolve()?;
    Ok(Json(ask(move || reader.sizes(&query)).await?.into()))
}

impl SizesQuery {
    fn resolve(self) -> Result<RequestQuery, ApiError> {
        let range = range(self.host, self.from, self.to)?;
        Ok(RequestQuery {
            host: range.host,
            pid: self.pid.map(Tgid),
            started_at: self.start_time.map(|time| time.0),
            name: self.name,
            calls: self.call.unwrap_or_default().0,
            from: Some(range.from),
            to: Some(range.to),
            limit: self.rows.map_or(Rows::MOST, |rows| rows.0),
            ..RequestQuery::default()
        })
    }
}

/// Whose refused requests, of which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RefusalsQuery {
    /// Of the machine of this name.
    host: Option<String>,
    /// From this time on; without: an hour before `to`.
    from: Option<Time>,
    /// Before this time; without: now.
    to: Option<Time>,
    /// Of this pid.
    pid: Option<u32>,
    /// Of the life that began then, to the second.
    start_time: Option<Time>,
    /// Whose process name contains this (case folded).
    name: Option<String>,
    /// Of these calls, with commas between them.
    #[param(value_type = Option<Vec<CallName>>, style = Form, explode = false)]
    call: Option<Calls>,
    /// At most so many.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<Limit>,
    /// Meanings in `en` or `es`, or a locale of these; without: `en`.
    lang: Option<String>,
}

/// What was refused, by process, call and errno, the latest first.
#[utoipa::path(get, path = "/refusals", params(RefusalsQuery), responses(
    (status = OK, body = RefusalList),
    NoHistory,
))]
pub(crate) async fn refusals(
    Shared(state): Shared<State>,
    Asked(query): Asked<RefusalsQuery>,
) -> Answer<RefusalList> {
    let lang = language(query.lang.as_deref())?;
    let (range, reader) = (range(query.host, query.from, query.to)?, reader(&state)?);
    let query = RequestQuery {
        host: range.host,
        pid: query.pid.map(Tgid),
        started_at: query.start_time.map(|time| time.0),
        name: query.name,
        calls: query.call.unwrap_or_default().0,
        from: Some(range.from),
        to: Some(range.to),
        limit: query.limit.map_or(DEFAULT_LIMIT, |limit| limit.0),
        ..RequestQuery::default()
    };
    Ok(Json(RefusalList::of(ask(move || reader.refusals(&query)).await?, lang)))
}
