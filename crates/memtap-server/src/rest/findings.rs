//! Findings of a range.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State as Shared;
use memtap_report::Lang;
use memtap_store::Range;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::past::{NoHistory, ask, range, reader};
use crate::State;
use crate::dto::{Findings, Time};
use crate::error::ApiError;
use crate::params::{Asked, language};

/// After this no further detail is read: the answer says what was not looked at.
const PATIENCE: Duration = Duration::from_secs(15);

/// Of which range, and in which language.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FindingsQuery {
    /// Of the machine of this name; without: of all, each by itself.
    host: Option<String>,
    /// From this time on; without: an hour before `to`.
    from: Option<Time>,
    /// Before this time; without: now.
    to: Option<Time>,
    /// `en` or `es`, or a locale of these; without: `en`.
    #[param(pattern = "^([eE][nN]|[eE][sS])([_.@-].*)?$")]
    lang: Option<String>,
}

impl FindingsQuery {
    fn resolve(self) -> Result<(Range, Lang), ApiError> {
        let lang = language(self.lang.as_deref())?;
        Ok((range(self.host, self.from, self.to)?, lang))
    }
}

/// What a user should know of a range; without a range, of the last hour: leaks, refusals, limits, churn, pressure and more.
///
/// Each finding rests on figures of the history, with what can be done; none is the usual answer. Limits of processes and groups are known
/// of the machine on which memtap runs only, and when the range reaches to the present. Looks are made one at a time.
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
    // Each look may read much of the history.
    let turn = Arc::clone(&state.looking).acquire_owned().await;
    let (now, asked) = (state.limits_now().await, range.clone());
    let looked = ask(move || {
        let _turn = turn;
        let begin = Instant::now();
        memtap_report::look(&*reader, &asked, now.as_deref(), &|| begin.elapsed() > PATIENCE)
    });
    Ok(Json(Findings::of(&range, &looked.await?, lang)))
}
