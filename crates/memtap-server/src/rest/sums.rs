//! What the requests of a range come to: their sizes, one process's calls over time, and what was refused.

use axum::Json;
use axum::extract::{Path, State as Shared};
use memtap_model::Tgid;
use memtap_store::RequestQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::{NoHistory, ask, range, reader, step};
use crate::State;
use crate::dto::{CallName, ProcessCalls, RefusalList, Sizes, Time};
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

/// Of which life, and of which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallsQuery {
    /// Of the machine of this name.
    host: Option<String>,
    /// Of the life that began then, to the second; without: of all lives of that pid.
    start_time: Option<Time>,
    /// From this time on; without: an hour before `to`.
    from: Option<Time>,
    /// Before this time; without: now.
    to: Option<Time>,
    /// Length of a step in seconds; without: so that there are about 300. An answer has at most 2,000.
    #[param(minimum = 1)]
    step: Option<u64>,
    /// The newest so many are counted.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1_000_000, default = 1_000_000)]
    rows: Option<Rows>,
}

/// The requests of one process by call over time, as far as the history has them, and the names it made them under.
///
/// They are counted from the stored requests, so that what was lost in the stream or has aged is missing here; `/usage` has the sums of
/// all calls, which miss nothing.
#[utoipa::path(
    get,
    path = "/processes/{pid}/calls",
    params(("pid" = u32, Path, description = "Its pid."), CallsQuery),
    responses(
        (status = OK, body = ProcessCalls),
        NoHistory,
    )
)]
pub(crate) async fn calls(
    Shared(state): Shared<State>,
    Path(pid): Path<String>,
    Asked(query): Asked<CallsQuery>,
) -> Answer<ProcessCalls> {
    let pid = pid.parse().map_err(|_| ApiError::wrong(format!("a pid is a number, not '{pid}'")))?;
    let (range, reader) = (range(query.host, query.from, query.to)?, reader(&state)?);
    let step = step(&range, query.step)?;
    let query = RequestQuery {
        host: range.host,
        pid: Some(Tgid(pid)),
        started_at: query.start_time.map(|time| time.0),
        from: Some(range.from),
        to: Some(range.to),
        limit: query.rows.map_or(Rows::MOST, |rows| rows.0),
        ..RequestQuery::default()
    };
    Ok(Json(ask(move || reader.calls(&query, step)).await?.into()))
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
    #[param(pattern = "^([eE][nN]|[eE][sS])([_.@-].*)?$")]
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
