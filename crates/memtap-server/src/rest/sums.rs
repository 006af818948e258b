//! Sums over the requests of a range: their sizes, the calls of one process over time, and
//! refusals.

use axum::Json;
use axum::extract::{Path, State as Shared};
use memtap_api::{CallName, ProcessCalls, RefusalList, Sizes, Time};
use memtap_history::RequestQuery;
use memtap_model::Tgid;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::{NoHistory, ask, range, reader, step};
use crate::error::ApiError;
use crate::params::{Asked, Calls, Limit, Rows, language};
use crate::{State, answer};

/// Default number of refusals.
const DEFAULT_LIMIT: usize = 100;

/// Filters and range.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SizesQuery {
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
    /// Part of `process_name`, case-insensitive.
    name: Option<String>,
    /// Calls, separated by commas.
    #[param(value_type = Option<Vec<CallName>>, style = Form, explode = false)]
    call: Option<Calls>,
    /// Maximum number of requests to count, newest first.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1_000_000, default = 1_000_000)]
    rows: Option<Rows>,
}

/// Returns the requested sizes: a histogram by call and power of two, and the most frequent sizes.
#[utoipa::path(get, path = "/sizes", params(SizesQuery), responses(
    (status = OK, body = Sizes),
    NoHistory,
))]
pub(crate) async fn sizes(Shared(state): Shared<State>, Asked(query): Asked<SizesQuery>) -> Answer<Sizes> {
    let reader = reader(&state)?;
    let query = query.resolve()?;
    Ok(Json(answer::sizes(ask(reader.sizes(&query)).await?)))
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

/// Process and range.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallsQuery {
    /// Name of the machine. Default: all machines.
    host: Option<String>,
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
    /// Maximum number of requests to count, newest first.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1_000_000, default = 1_000_000)]
    rows: Option<Rows>,
}

/// Returns the stored requests of one process by call over time, and the names of the process.
///
/// Requests that were lost in the stream or deleted by retention are missing here. `/usage` has the
/// exact sums of all calls.
#[utoipa::path(
    get,
    path = "/processes/{pid}/calls",
    params(("pid" = u32, Path, description = "Process id."), CallsQuery),
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
    let pid = pid.parse().map_err(|_| ApiError::wrong(format!("invalid pid '{pid}': expected a number")))?;
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
    Ok(Json(answer::process_calls(ask(reader.calls(&query, step)).await?)))
}

/// Filters and range.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RefusalsQuery {
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
    /// Part of `process_name`, case-insensitive.
    name: Option<String>,
    /// Calls, separated by commas.
    #[param(value_type = Option<Vec<CallName>>, style = Form, explode = false)]
    call: Option<Calls>,
    /// Maximum number of rows.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<Limit>,
    /// Language of the meanings: `en` or `es`, or a locale of one of them. Default: `en`.
    #[param(pattern = "^([eE][nN]|[eE][sS])([_.@-].*)?$")]
    lang: Option<String>,
}

/// Returns refused requests by process, call and errno, latest first.
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
    Ok(Json(answer::refusals(ask(reader.refusals(&query)).await?, lang)))
}
