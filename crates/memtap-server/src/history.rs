//! The REST handlers that ask the history for a range of time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use memtap_model::{Tgid, WallClock};
use memtap_store::{LifeQuery, Measure, ProgramQuery, Range, Reader, RequestQuery, StoreError, UsageQuery};

use crate::State;
use crate::dto::{Hosts, Lives, Machine, Programs, Refusals, Sizes, Usage};
use crate::error::ApiError;
use crate::params::Params;

type Given = Query<HashMap<String, String>>;
type Answer<T> = Result<Json<T>, ApiError>;

/// Steps in one answer, at most, and where nothing else was asked for, about.
const STEPS: i64 = 2_000;
const DEFAULT_STEPS: i64 = 300;
/// Requests whose sizes are counted, at most and without being asked.
const ROWS: usize = 1_000_000;
/// Programs that are told apart, at most.
const PROGRAMS: usize = 100;

/// The machines that have written into the store.
pub(crate) async fn hosts(Shared(state): Shared<State>, Query(given): Given) -> Answer<Hosts> {
    Params::new(given, &[])?;
    let reader = reader(&state)?;
    Ok(Json(ask(move || reader.hosts()).await?.into()))
}

/// The machine's memory and the requests by call over time; without a range, in the last hour.
pub(crate) async fn machine(Shared(state): Shared<State>, Query(given): Given) -> Answer<Machine> {
    let params = Params::new(given, &["host", "from", "to", "step"])?;
    let (range, reader) = (range(&params)?, reader(&state)?);
    let step = step(&params, &range)?;
    let points = ask(move || reader.machine(&range, step)).await?;
    Ok(Json(Machine::of(&points, step.as_secs())))
}

/// What one process or all of them had over time; without a range, in the last hour.
pub(crate) async fn usage(Shared(state): Shared<State>, Query(given): Given) -> Answer<Usage> {
    let params = Params::new(given, &["host", "pid", "start_time", "from", "to", "step"])?;
    let (Range { host, from, to }, reader) = (range(&params)?, reader(&state)?);
    let step = step(&params, &Range { host: None, from, to })?;
    let query = UsageQuery {
        host,
        pid: params.parse("pid", "a number")?.map(Tgid),
        started_at: params.time("start_time")?,
        from,
        to,
        step,
    };
    let points = ask(move || reader.usage(&query)).await?;
    Ok(Json(Usage::of(&points, step.as_secs())))
}

/// The processes that lived within a range.
pub(crate) async fn lives(Shared(state): Shared<State>, Query(given): Given) -> Answer<Lives> {
    let allowed = ["host", "from", "to", "pid", "start_time", "name", "by", "limit"];
    let params = Params::new(given, &allowed)?;
    let (range, reader) = (range(&params)?, reader(&state)?);
    let query = LifeQuery {
        range,
        pid: params.parse("pid", "a number")?.map(Tgid),
        started_at: params.time("start_time")?,
        name: params.text("name").map(str::to_owned),
        by: measure(&params)?,
        limit: params.limit(1_000)?,
    };
    Ok(Json(ask(move || reader.lives(&query)).await?.into()))
}

/// The programs of a range, the largest by one measure, each with its series.
pub(crate) async fn programs(Shared(state): Shared<State>, Query(given): Given) -> Answer<Programs> {
    let params = Params::new(given, &["host", "from", "to", "by", "top", "step"])?;
    let (range, reader) = (range(&params)?, reader(&state)?);
    let (by, top) = (measure(&params)?, params.parse("top", "a number from 1 to 100")?.unwrap_or(10));
    if !(1..=PROGRAMS).contains(&top) {
        return Err(ApiError::wrong("top must be a number from 1 to 100"));
    }
    // Without a series only the sums are read.
    let step = if params.text("step") == Some("0") { Duration::ZERO } else { step(&params, &range)? };
    let query = ProgramQuery { range, by, top, step };
    Ok(Json(Programs::of(by, ask(move || reader.programs(&query)).await?)))
}

/// Which sizes were asked for.
pub(crate) async fn sizes(Shared(state): Shared<State>, Query(given): Given) -> Answer<Sizes> {
    let allowed = ["host", "pid", "start_time", "name", "call", "from", "to", "rows"];
    let params = Params::new(given, &allowed)?;
    let rows = params.parse("rows", "a number from 1 to 1000000")?.unwrap_or(ROWS);
    if !(1..=ROWS).contains(&rows) {
        return Err(ApiError::wrong("rows must be a number from 1 to 1000000"));
    }
    let (query, reader) = (requests_of(&params, rows)?, reader(&state)?);
    Ok(Json(ask(move || reader.sizes(&query)).await?.into()))
}

/// What was refused, by process, call and errno.
pub(crate) async fn refusals(Shared(state): Shared<State>, Query(given): Given) -> Answer<Refusals> {
    let allowed = ["host", "pid", "start_time", "name", "call", "from", "to", "limit"];
    let params = Params::new(given, &allowed)?;
    let (query, reader) = (requests_of(&params, params.limit(100)?)?, reader(&state)?);
    Ok(Json(ask(move || reader.refusals(&query)).await?.into()))
}

/// The requests of a range that are added up.
fn requests_of(params: &Params, limit: usize) -> Result<RequestQuery, ApiError> {
    let Range { host, from, to } = range(params)?;
    Ok(RequestQuery {
        host,
        pid: params.parse("pid", "a number")?.map(Tgid),
        started_at: params.time("start_time")?,
        name: params.text("name").map(str::to_owned),
        calls: params.calls("call")?,
        from: Some(from),
        to: Some(to),
        limit,
        ..RequestQuery::default()
    })
}

fn measure(params: &Params) -> Result<Measure, ApiError> {
    let Some(name) = params.text("by") else { return Ok(Measure::default()) };
    let known = || Measure::ALL.map(Measure::name).join(", ");
    let unknown = || ApiError::wrong(format!("cannot compare by '{name}'; there are {}", known()));
    Measure::from_name(name).ok_or_else(unknown)
}

/// From when to when; without `from` and `to`, the last hour.
pub(crate) fn range(params: &Params) -> Result<Range, ApiError> {
    let to = match params.time("to")? {
        Some(to) => to,
        None => now(),
    };
    let from = params.time("from")?.unwrap_or(WallClock(to.0.saturating_sub(3_600_000_000_000)));
    if from >= to {
        return Err(ApiError::wrong("from must be before to"));
    }
    Ok(Range { host: params.text("host").map(str::to_owned), from, to })
}

/// The length of a step: what was asked for, else about a three-hundredth of the range.
fn step(params: &Params, range: &Range) -> Result<Duration, ApiError> {
    let range_s = range.to.0.saturating_sub(range.from.0) / 1_000_000_000;
    let asked = params.parse::<i64>("step", "a number of seconds")?;
    let step_s = asked.unwrap_or(range_s / DEFAULT_STEPS).max(1);
    if range_s / step_s > STEPS {
        let least = range_s / STEPS + 1;
        return Err(ApiError::wrong(format!(
            "step={step_s} gives more than {STEPS} steps: at least {least} for this range"
        )));
    }
    Ok(Duration::from_secs(step_s.unsigned_abs()))
}

fn now() -> WallClock {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallClock(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

pub(crate) fn reader(state: &State) -> Result<Arc<dyn Reader>, ApiError> {
    let none = "there is no history (--store none): the latest is at /api/v1/processes";
    state.reader.clone().ok_or_else(|| ApiError(StatusCode::NOT_FOUND, none.to_owned()))
}

/// Asks the history, outside the event loop.
pub(crate) async fn ask<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    let answer = tokio::task::spawn_blocking(question).await;
    let answer = answer.map_err(|error| ApiError(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    answer.map_err(|error| match error {
        StoreError::Cursor(_) => ApiError::wrong(error.to_string()),
        _ => ApiError(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    })
}
