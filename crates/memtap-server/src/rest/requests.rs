//! Requests from the history, or the latest ones if there is no history.

use axum::Json;
use axum::extract::State as Shared;
use memtap_api::{CallName, Problem, Request, Requests, Time};
use memtap_history::RequestQuery;
use memtap_ledger::{BookedRequest, LiveView};
use memtap_model::Tgid;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::ask;
use crate::State;
use crate::params::{Asked, Calls, Limit};

/// Default number of rows.
const DEFAULT_LIMIT: usize = 100;

/// Filters. A request must match all of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RequestsQuery {
    /// Name of the machine. Default: all machines.
    host: Option<String>,
    /// Process id.
    pid: Option<u32>,
    /// Start time of the process, to the second. Default: every process that had the pid.
    start_time: Option<Time>,
    /// Part of `process_name`, case-insensitive.
    name: Option<String>,
    /// Calls, separated by commas.
    #[param(value_type = Option<Vec<CallName>>, style = Form, explode = false)]
    call: Option<Calls>,
    /// Minimum size in bytes.
    min_size: Option<u64>,
    /// True: only refused requests. False: only granted requests.
    refused: Option<bool>,
    /// Start of the range.
    from: Option<Time>,
    /// End of the range, exclusive.
    to: Option<Time>,
    /// Maximum number of requests in one page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<Limit>,
    /// `next_cursor` of the previous page.
    #[param(pattern = "^[0-9]{1,18}$")]
    cursor: Option<String>,
}

/// Returns requests from the history, newest first. With `--store none`, returns the latest
/// requests.
#[utoipa::path(get, path = "/requests", params(RequestsQuery), responses(
    (status = OK, body = Requests),
    (status = SERVICE_UNAVAILABLE, body = Problem, description = "The store cannot answer now."),
))]
pub(crate) async fn requests(
    Shared(state): Shared<State>,
    Asked(query): Asked<RequestsQuery>,
) -> Answer<Requests> {
    let query = RequestQuery::from(query);
    let Some(reader) = &state.reader else { return Ok(Json(live(&state.now(), &query))) };
    let page = ask(reader.requests(&query)).await?;
    let requests = page.requests.into_iter().map(Request::from).collect();
    Ok(Json(Requests { requests, next_cursor: page.next_cursor }))
}

impl From<RequestsQuery> for RequestQuery {
    fn from(asked: RequestsQuery) -> Self {
        Self {
            host: asked.host,
            pid: asked.pid.map(Tgid),
            started_at: asked.start_time.map(|time| time.0),
            name: asked.name,
            calls: asked.call.unwrap_or_default().0,
            min_size: asked.min_size,
            refused: asked.refused,
            from: asked.from.map(|time| time.0),
            to: asked.to.map(|time| time.0),
            limit: asked.limit.map_or(DEFAULT_LIMIT, |limit| limit.0),
            cursor: asked.cursor,
        }
    }
}

/// Returns the latest requests of the view, for use without a store.
fn live(view: &LiveView, query: &RequestQuery) -> Requests {
    let matching = view.latest.iter().rev().filter(|booked| matches(booked, query));
    Requests { requests: matching.take(query.limit).map(Request::from).collect(), next_cursor: None }
}

fn matches(booked: &BookedRequest, query: &RequestQuery) -> bool {
    let request = &booked.request;
    let name = || request.name.to_text().to_lowercase();
    query.pid.is_none_or(|pid| request.tgid == pid)
        && query.name.as_ref().is_none_or(|part| name().contains(&part.to_lowercase()))
        && (query.calls.is_empty() || query.calls.contains(&request.call))
        && query.min_size.is_none_or(|size| request.requested_bytes >= size)
        && query.refused.is_none_or(|refused| booked.refused() == refused)
        && query.from.is_none_or(|from| request.time >= from)
        && query.to.is_none_or(|to| request.time < to)
}
