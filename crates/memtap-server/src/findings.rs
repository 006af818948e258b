//! Findings of a range.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use memtap_model::WallClock;
use memtap_report::Lang;
use memtap_store::Range;

use crate::State;
use crate::dto::Findings;
use crate::error::ApiError;
use crate::params::Params;
use crate::rest::history;

/// After this no further detail is read: the answer says what was not looked at.
const PATIENCE: Duration = Duration::from_secs(15);
/// The range without `from`.
const HOUR_NS: i64 = 3_600_000_000_000;

/// What a user should know of a range: leaks, refusals, limits, churn, pressure; without a range, of the last hour.
pub(crate) async fn findings(
    Shared(state): Shared<State>,
    Query(given): Query<HashMap<String, String>>,
) -> Result<Json<Findings>, ApiError> {
    let params = Params::new(given, &["host", "from", "to", "lang"])?;
    let Some(reader) = state.reader.clone() else {
        let none = "there is no history (--store none), and findings come from it";
        return Err(ApiError(StatusCode::NOT_FOUND, none.to_owned()));
    };
    let lang = params.text("lang").unwrap_or("en");
    let lang = Lang::from_code(lang)
        .ok_or_else(|| ApiError::wrong(format!("lang must be en or es, not '{lang}'")))?;
    let to = params.time("to")?.unwrap_or_else(wall_clock);
    let from = params.time("from")?.unwrap_or(WallClock(to.0.saturating_sub(HOUR_NS)));
    if from >= to {
        return Err(ApiError::wrong("from must be before to"));
    }
    let range = Range { host: params.text("host").map(str::to_owned), from, to };
    // One look at a time: each may read much of the history.
    let turn = Arc::clone(&state.looking).acquire_owned().await;
    let view = state.now();
    let ask = state.limits.clone();
    let asked = range.clone();
    let looked = history(move || {
        let _turn = turn;
        let begin = Instant::now();
        let now = ask.map(|ask| ask(&view));
        memtap_report::look(&*reader, &asked, now.as_ref(), &|| begin.elapsed() > PATIENCE)
    });
    Ok(Json(Findings::of(&range, &looked.await?, lang)))
}

fn wall_clock() -> WallClock {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    WallClock(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}
