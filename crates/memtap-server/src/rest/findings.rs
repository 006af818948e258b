//! Findings of a range.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State as Shared;
use memtap_api::{Findings, Time};
use memtap_history::Range;
use memtap_report::Lang;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::{NoHistory, ask, range, reader};
use crate::error::ApiError;
use crate::params::{Asked, language};
use crate::{State, answer};

/// Time after which no further detail is read. The response lists the skipped checks.
const PATIENCE: Duration = Duration::from_secs(15);

/// Range and language of the findings.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FindingsQuery {
    /// Name of the machine. Default: all machines, each examined separately.
    host: Option<String>,
    /// Start of the range. Default: one hour before `to`.
    from: Option<Time>,
    /// End of the range, exclusive. Default: now.
    to: Option<Time>,
    /// Language: `en` or `es`, or a locale of one of them. Default: `en`.
    #[param(pattern = "^([eE][nN]|[eE][sS])([_.@-].*)?$")]
    lang: Option<String>,
}

impl FindingsQuery {
    fn resolve(self) -> Result<(Range, Lang), ApiError> {
        let lang = language(self.lang.as_deref())?;
        Ok((range(self.host, self.from, self.to)?, lang))
    }
}

/// Returns the findings for a range: leaks, refusals, limits, churn, pressure and more.
///
/// Each finding has the figures that support it, and advice. An empty list is the usual answer.
/// Limits of processes and control groups are known only for the machine on which memtap runs, and
/// only if the range reaches the present. memtap computes findings for one client at a time.
#[utoipa::path(get, path = "/findings", params(FindingsQuery), responses(
    (status = OK, body = Findings),
    NoHistory,
))]
pub(crate) async fn findings(
    Shared(state): Shared<State>,
    Asked(query): Asked<FindingsQuery>,
) -> Answer<Findings> {
    let reader = reader(&state)?;
    let (range, lang) = query.resolve()?;
    // Computing findings may read much of the history.
    let _turn = state.looking.acquire().await;
    let now = state.limits_now().await;
    let begin = Instant::now();
    let is_enough = || begin.elapsed() > PATIENCE;
    let looked = ask(memtap_report::look(&*reader, &range, now.as_deref(), &is_enough)).await?;
    Ok(Json(answer::findings(&range, &looked, lang)))
}
