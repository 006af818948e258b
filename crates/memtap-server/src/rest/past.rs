//! Common parts of all history queries: the range, its steps, and the reader.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use jiff::Timestamp;
use memtap_api::{Problem, Time};
use memtap_history::{Range, Reader, StoreError};
use memtap_model::WallClock;

use crate::State;
use crate::error::ApiError;

/// Reasons for a history query without an answer.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it is described only: what is answered with is an `ApiError`")]
pub(super) enum NoHistory {
    /// There is no history, because memtap runs with `--store none`.
    #[response(status = NOT_FOUND)]
    None(Problem),
    /// The store cannot answer now.
    #[response(status = SERVICE_UNAVAILABLE)]
    Silent(Problem),
}

/// Maximum number of steps in one response, and the approximate default.
const STEPS: u64 = 2_000;
const DEFAULT_STEPS: u64 = 300;
/// Length of the range if `from` is missing.
const HOUR_NS: i64 = 3_600_000_000_000;

/// Returns the range. `to` defaults to now, and `from` to one hour before `to`.
pub(super) fn range(host: Option<String>, from: Option<Time>, to: Option<Time>) -> Result<Range, ApiError> {
    let to = to.unwrap_or_else(|| Timestamp::now().into()).0;
    let from = from.map_or(WallClock(to.0.saturating_sub(HOUR_NS)), |time| time.0);
    if from >= to {
        return Err(ApiError::wrong("the range is empty: from must be a time before to"));
    }
    Ok(Range { host, from, to })
}

/// Returns the length of a step: the requested one, or about a three-hundredth of the range.
pub(super) fn step(range: &Range, asked_s: Option<u64>) -> Result<Duration, ApiError> {
    let range_s = range.to.0.saturating_sub(range.from.0).unsigned_abs() / 1_000_000_000;
    let step_s = asked_s.unwrap_or(range_s / DEFAULT_STEPS).max(1);
    if range_s / step_s > STEPS {
        let least = range_s / STEPS + 1;
        return Err(ApiError::wrong(format!(
            "step={step_s} gives more than {STEPS} steps. Use at least {least} for this range"
        )));
    }
    Ok(Duration::from_secs(step_s))
}

/// Returns the reader of the store, if there is a history.
pub(super) fn reader(state: &State) -> Result<Arc<dyn Reader>, ApiError> {
    let none =
        "there is no history, because memtap runs with --store none. Current data is at /api/v1/processes";
    state.reader.clone().ok_or_else(|| ApiError(StatusCode::NOT_FOUND, none.to_owned()))
}

/// Waits for an answer of the history, and converts its error.
pub(super) async fn ask<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, ApiError> {
    answer.await.map_err(|error| match error {
        StoreError::Cursor(_) => ApiError::wrong(error.to_string()),
        _ => ApiError(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    })
}
