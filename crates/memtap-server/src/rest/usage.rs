//! Usage over time, of the history.

use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use memtap_model::{Tgid, WallClock};
use memtap_store::UsageQuery as StoreQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Answer, history};
use crate::State;
use crate::dto::{Time, Usage};
use crate::error::{ApiError, Problem};
use crate::params::Asked;

/// Steps in one answer, at most, and where nothing else was asked for, about.
const STEPS: u64 = 2_000;
const DEFAULT_STEPS: u64 = 300;
/// The range without `from`.
const HOUR: Duration = Duration::from_secs(3_600);

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

impl UsageQuery {
    fn resolve(self) -> Result<StoreQuery, ApiError> {
        let to = self.to.unwrap_or_else(Time::now).0;
        let hour = i64::try_from(HOUR.as_nanos()).unwrap_or(i64::MAX);
        let from = self.from.map_or(WallClock(to.0.saturating_sub(hour)), |time| time.0);
        let range = u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0);
        Ok(StoreQuery {
            host: self.host,
            pid: self.pid.map(Tgid),
            started_at: self.start_time.map(|time| time.0),
            from,
            to,
            step: step(Duration::from_nanos(range).as_secs(), self.step)?,
        })
    }
}

fn step(range_s: u64, asked_s: Option<u64>) -> Result<Duration, ApiError> {
    if range_s == 0 {
        return Err(ApiError::wrong("from must be before to"));
    }
    let step_s = asked_s.unwrap_or(range_s / DEFAULT_STEPS).max(1);
    if range_s / step_s > STEPS {
        let least = range_s / STEPS + 1;
        return Err(ApiError::wrong(format!(
            "step={step_s} gives more than {STEPS} steps: at least {least} for this range"
        )));
    }
    Ok(Duration::from_secs(step_s))
}

/// What one pid or all processes together had over time; without a range, in the last hour.
///
/// The history keeps short steps for a while only, so that the steps of the answer may be longer than asked for. Of all processes,
/// memory that they share counts once for each, and peaks are the highest sums at a reading.
#[utoipa::path(get, path = "/usage", params(UsageQuery), responses(
    (status = OK, body = Usage),
    (status = NOT_FOUND, body = Problem, description = "There is no history (`--store none`)."),
    (status = SERVICE_UNAVAILABLE, body = Problem, description = "The store cannot answer now."),
))]
pub(crate) async fn usage(Shared(state): Shared<State>, Asked(query): Asked<UsageQuery>) -> Answer<Usage> {
    let Some(reader) = state.reader.clone() else {
        let none = "there is no history (--store none): the latest is at /api/v1/processes";
        return Err(ApiError(StatusCode::NOT_FOUND, none.to_owned()));
    };
    let query = query.resolve()?;
    let step_s = query.step.as_secs();
    let points = history(move || reader.usage(&query)).await?;
    Ok(Json(Usage::of(&points, step_s)))
}
