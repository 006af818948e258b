//! The REST handlers.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use memtap_ledger::LiveView;
use memtap_model::{CALLS, Call, Tgid, WallClock};
use memtap_store::{Reader, RequestPage, RequestQuery, StoreError, StoredRequest, UsageQuery};
use serde::Serialize;

use crate::dto::{Health, Host, OomKill, Process, Request, Share, Usage};
use crate::error::ApiError;
use crate::params::Params;
use crate::{Proportional, State};

type Given = Query<HashMap<String, String>>;
/// An answer that is serialised as it stands: one of many thousand processes would be many times as large as a tree of values.
type Answer<T> = Result<Json<T>, ApiError>;

#[derive(Debug, Serialize)]
pub(crate) struct Processes {
    processes: Vec<Process>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OneProcess {
    #[serde(flatten)]
    process: Process,
    #[serde(flatten)]
    proportional: Option<Proportional>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Requests {
    requests: Vec<Request>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OomKills {
    oom_kills: Vec<OomKill>,
}

pub(crate) async fn health(Shared(state): Shared<State>) -> Json<Health> {
    Json(Health::of(&state, &state.now()))
}

pub(crate) async fn host(Shared(state): Shared<State>) -> Json<Host> {
    Json(Host::of(&state.info.host, &state.now().host))
}

pub(crate) async fn share(Shared(state): Shared<State>) -> Json<Share> {
    Json(Share::from(&state.now().requested))
}

pub(crate) async fn process(
    Shared(state): Shared<State>,
    Path(pid): Path<String>,
    Query(given): Given,
) -> Answer<OneProcess> {
    let with_pss = Params::new(given, &["pss"])?.flag("pss")?.unwrap_or(false);
    let pid = pid.parse().map_err(|_| ApiError::wrong(format!("a pid is a number, not '{pid}'")))?;
    let view = state.now();
    let unknown =
        || ApiError(StatusCode::NOT_FOUND, format!("no process {pid} is known, alive or recently ended"));
    let summary = view.process(Tgid(pid)).ok_or_else(unknown)?;
    let process = Process::of(summary, view.host.total_bytes);
    let living = summary.ended_at.is_none();
    let proportional = if with_pss && living { Some(proportional(&state, pid).await?) } else { None };
    Ok(Json(OneProcess { process, proportional }))
}

async fn proportional(state: &State, pid: u32) -> Result<Proportional, ApiError> {
    let ask = Arc::clone(&state.proportional);
    let answer = tokio::task::spawn_blocking(move || ask(pid)).await;
    let failed = |what: String| {
        let what = format!(
            "PSS of process {pid} cannot be read: {what}; it may have ended, or memtap lacks CAP_SYS_PTRACE"
        );
        ApiError(StatusCode::SERVICE_UNAVAILABLE, what)
    };
    answer.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
}

/// OOM kills since memtap started, latest first, each with who had most in the seconds before.
pub(crate) async fn oom_kills(Shared(state): Shared<State>) -> Json<OomKills> {
    Json(OomKills {
        oom_kills: state.now().oom_kills.iter().rev().map(|report| OomKill::from(&**report)).collect(),
    })
}

pub(crate) async fn processes(Shared(state): Shared<State>, Query(given): Given) -> Answer<Processes> {
    let params = Params::new(given, &["sort", "order", "limit", "name", "ended"])?;
    let sort = params.text("sort").unwrap_or("virtual_bytes");
    let ascending = match params.text("order").unwrap_or("desc") {
        "asc" => true,
        "desc" => false,
        other => return Err(ApiError::wrong(format!("order must be asc or desc, not '{other}'"))),
    };
    let view = state.now();
    let mut found = matching(&view, params.text("name"), params.flag("ended")?.unwrap_or(false));
    let by = order_of(sort)?;
    found.sort_by(|a, b| if ascending { by(a, b) } else { by(b, a) }.then(a.pid.cmp(&b.pid)));
    found.truncate(params.limit(10_000)?);
    Ok(Json(Processes { processes: found }))
}

fn matching(view: &LiveView, name: Option<&str>, ended: bool) -> Vec<Process> {
    let name = name.map(str::to_lowercase);
    let kept = view.ended.iter().filter(|_| ended);
    let all = view.living.iter().chain(kept).map(|summary| Process::of(summary, view.host.total_bytes));
    all.filter(|process| name.as_ref().is_none_or(|name| process.name.to_lowercase().contains(name)))
        .collect()
}

/// The comparison for a field's name.
fn order_of(field: &str) -> Result<fn(&Process, &Process) -> Ordering, ApiError> {
    macro_rules! fields {
        ($($name:ident),*) => {
            match field {
                $(stringify!($name) => |a: &Process, b: &Process| a.$name.cmp(&b.$name),)*
                "memory_percentage" => |a: &Process, b: &Process| a.memory_percentage.total_cmp(&b.memory_percentage),
                other => {
                    let known = [$(stringify!($name),)* "memory_percentage"].join(", ");
                    return Err(ApiError::wrong(format!("cannot sort by '{other}'; there are {known}")));
                }
            }
        };
    }
    Ok(fields!(
        pid,
        start_time,
        name,
        command,
        user,
        parent_pid,
        container,
        unit,
        threads,
        state,
        end_time,
        virtual_bytes,
        resident_bytes,
        swap_bytes,
        peak_virtual_bytes,
        peak_resident_bytes,
        minor_faults,
        major_faults,
        unexplained_bytes,
        requests,
        requested_bytes,
        refused,
        lost,
        granted_bytes,
        released_bytes,
        opening_bytes,
        exec_bytes,
        stack_bytes,
        kernel_bytes,
        shared_bytes,
        ended_bytes,
        first_request,
        last_request
    ))
}

pub(crate) async fn requests(Shared(state): Shared<State>, Query(given): Given) -> Answer<Requests> {
    let allowed =
        ["host", "pid", "start_time", "name", "call", "min_size", "refused", "from", "to", "limit", "cursor"];
    let query = query_of(&Params::new(given, &allowed)?)?;
    let page = match &state.reader {
        Some(reader) => stored(Arc::clone(reader), query).await?,
        None => live(&state.now(), &query),
    };
    let requests = page.requests.iter().map(Request::from).collect();
    Ok(Json(Requests { requests, next_cursor: page.next_cursor }))
}

fn query_of(params: &Params) -> Result<RequestQuery, ApiError> {
    Ok(RequestQuery {
        host: params.text("host").map(str::to_owned),
        pid: params.parse("pid", "a number")?.map(Tgid),
        started_at: params.time("start_time")?,
        name: params.text("name").map(str::to_owned),
        calls: params.text("call").map(calls).transpose()?.unwrap_or_default(),
        min_size: params.parse("min_size", "a number of bytes")?,
        refused: params.flag("refused")?,
        from: params.time("from")?,
        to: params.time("to")?,
        limit: params.limit(100)?,
        cursor: params.text("cursor").map(str::to_owned),
    })
}

fn calls(list: &str) -> Result<Vec<Call>, ApiError> {
    let known = || CALLS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    let unknown = |name: &str| ApiError::wrong(format!("unknown call '{name}'; there are {}", known()));
    list.split(',').map(|name| Call::from_name(name.trim()).ok_or_else(|| unknown(name))).collect()
}

async fn stored(reader: Arc<dyn Reader>, query: RequestQuery) -> Result<RequestPage, ApiError> {
    history(move || reader.requests(&query)).await
}

/// Asks the history, outside the event loop.
pub(crate) async fn history<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    let answer = tokio::task::spawn_blocking(ask).await;
    let answer = answer.map_err(|error| ApiError(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    answer.map_err(|error| match error {
        StoreError::Cursor(_) => ApiError::wrong(error.to_string()),
        _ => ApiError(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    })
}

/// Steps in one answer, at most, and where nothing else was asked for, about.
const STEPS: i64 = 2_000;
const DEFAULT_STEPS: i64 = 300;

/// What one process or all of them had over time; without a range, in the last hour.
pub(crate) async fn usage(Shared(state): Shared<State>, Query(given): Given) -> Answer<Usage> {
    let params = Params::new(given, &["host", "pid", "start_time", "from", "to", "step"])?;
    let Some(reader) = state.reader.clone() else {
        let none = "there is no history (--store none): the latest is at /api/v1/processes";
        return Err(ApiError(StatusCode::NOT_FOUND, none.to_owned()));
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let now = WallClock(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
    let to = params.time("to")?.unwrap_or(now);
    let from = params.time("from")?.unwrap_or(WallClock(to.0.saturating_sub(3_600_000_000_000)));
    let range_s = to.0.saturating_sub(from.0) / 1_000_000_000;
    if range_s <= 0 {
        return Err(ApiError::wrong("from must be before to"));
    }
    let asked = params.parse::<i64>("step", "a number of seconds")?;
    let step_s = asked.unwrap_or(range_s / DEFAULT_STEPS).max(1);
    if range_s / step_s > STEPS {
        let least = range_s / STEPS + 1;
        return Err(ApiError::wrong(format!(
            "step={step_s} gives more than {STEPS} steps: at least {least} for this range"
        )));
    }
    let query = UsageQuery {
        host: params.text("host").map(str::to_owned),
        pid: params.parse("pid", "a number")?.map(Tgid),
        started_at: params.time("start_time")?,
        from,
        to,
        step: std::time::Duration::from_secs(step_s.unsigned_abs()),
    };
    let points = history(move || reader.usage(&query)).await?;
    Ok(Json(Usage::of(&points, step_s.unsigned_abs())))
}

/// Without a store: the latest requests that the view holds.
fn live(view: &LiveView, query: &RequestQuery) -> RequestPage {
    let newest_first = view.latest.iter().rev().map(StoredRequest::from);
    RequestPage {
        requests: newest_first.filter(|request| wanted(request, query)).take(query.limit).collect(),
        next_cursor: None,
    }
}

fn wanted(request: &StoredRequest, query: &RequestQuery) -> bool {
    let name = || request.name.to_text().to_lowercase();
    query.pid.is_none_or(|pid| request.pid == pid)
        && query.name.as_ref().is_none_or(|part| name().contains(&part.to_lowercase()))
        && (query.calls.is_empty() || query.calls.contains(&request.call))
        && query.min_size.is_none_or(|size| request.requested_bytes >= size)
        && query.refused.is_none_or(|refused| request.errno.is_some() == refused)
        && query.from.is_none_or(|from| request.time >= from)
        && query.to.is_none_or(|to| request.time < to)
}
