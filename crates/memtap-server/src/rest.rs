//! The REST handlers.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use memtap_ledger::LiveView;
use memtap_model::Tgid;
use memtap_store::{RequestPage, RequestQuery, StoredRequest};
use serde::Serialize;

use crate::dto::{Health, Host, OomKill, Process, Request, Share};
use crate::error::ApiError;
use crate::history::{self, ask};
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

/// OOM kills, latest first, each with who had most in the seconds before: those of a range, or without one since memtap started.
pub(crate) async fn oom_kills(Shared(state): Shared<State>, Query(given): Given) -> Answer<OomKills> {
    let params = Params::new(given, &["host", "from", "to", "limit"])?;
    let limit = params.limit(100)?;
    if params.text("from").or(params.text("to")).is_none() {
        let view = state.now();
        let latest_first = view.oom_kills.iter().rev().take(limit);
        return Ok(Json(OomKills {
            oom_kills: latest_first.map(|report| OomKill::from(&**report)).collect(),
        }));
    }
    let (range, reader) = (history::range(&params)?, history::reader(&state)?);
    let stored = ask(move || reader.oom_kills(&range, limit)).await?;
    Ok(Json(OomKills { oom_kills: stored.into_iter().map(OomKill::from).collect() }))
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
        Some(reader) => {
            let reader = Arc::clone(reader);
            ask(move || reader.requests(&query)).await?
        }
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
        calls: params.calls("call")?,
        min_size: params.parse("min_size", "a number of bytes")?,
        refused: params.flag("refused")?,
        from: params.time("from")?,
        to: params.time("to")?,
        limit: params.limit(100)?,
        cursor: params.text("cursor").map(str::to_owned),
    })
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
