//! A report of a range, as a file.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use memtap_api::{Problem, Time};
use memtap_history::{Range, StoreError};
use memtap_model::{Tgid, WallClock};
use memtap_report::Lang;
use memtap_report::report::{self, Ask, At, Audience, Format, NamePattern, ReportError, Span};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::State;
use crate::error::ApiError;
use crate::params::{Asked, language};

/// Time limit of a request, including the wait for other reports.
const PATIENCE: Duration = Duration::from_secs(30);
/// Length of the range if `from` is missing.
const HOUR_NS: i64 = 3_600_000_000_000;

/// Range, filters and format of the report.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportQuery {
    /// Name of the machine. Default: all machines.
    host: Option<String>,
    /// Start of the range. Default: one hour before `to`.
    from: Option<Time>,
    /// End of the range, exclusive. Default: now.
    to: Option<Time>,
    /// Pattern for the program name, case-insensitive: `*` matches any text, `?` one character.
    name: Option<String>,
    /// Process id.
    pid: Option<u32>,
    /// Start of a second range to compare with. It needs `compare_to`.
    compare_from: Option<Time>,
    /// End of the second range.
    compare_to: Option<Time>,
    /// Format: `html`, `md`, `json`, `csv` or `txt`. Default: `html`.
    #[param(pattern = "^(html|md|json|csv|txt)$")]
    format: Option<String>,
    /// Language: `en` or `es`, or a locale of one of them. Default: `en`. JSON has the texts in
    /// both languages, CSV is always English.
    #[param(pattern = "^([eE][nN]|[eE][sS])([_.@-].*)?$")]
    lang: Option<String>,
}

impl ReportQuery {
    fn resolve(self) -> Result<(Ask, Format, Lang), ApiError> {
        let format = self.format.as_deref().map_or(Ok(Format::default()), str::parse);
        let lang = language(self.lang.as_deref())?;
        let name =
            self.name.as_deref().map(str::parse::<NamePattern>).transpose().map_err(ApiError::wrong)?;
        let now = Time::from(Timestamp::now()).0;
        let to = self.to.map_or(now, |time| time.0);
        let from = self.from.map_or(WallClock(to.0.saturating_sub(HOUR_NS)), |time| time.0);
        let compare = match (self.compare_from, self.compare_to) {
            (None, None) => None,
            (Some(from), Some(to)) => Some(Span { from: At(from.0), to: At(to.0) }),
            _ => return Err(ApiError::wrong("compare_from and compare_to must be given together")),
        };
        let range = Range { host: self.host, from, to };
        let ask =
            Ask { range, name, pid: self.pid.map(Tgid), compare, now, limits: None, damaged_recording: None };
        Ok((ask, format.map_err(ApiError::wrong)?, lang))
    }
}

/// Returns a report of a range as a file.
///
/// It contains the machine's memory, requests by call, the top programs by each measure, the
/// largest requests, refusals and their reasons, OOM kills, short-lived processes, findings, and
/// what is missing from the figures. The HTML report is one self-contained file. HTML, Markdown and
/// text show times in the time zone of the machine on which memtap runs. memtap makes one report at
/// a time, within 30 seconds.
#[utoipa::path(get, path = "/report", params(ReportQuery), responses(
    (status = OK, description = "The report in the requested format.", content(
        (String = "text/html"), (String = "text/markdown"), (serde_json::Value = "application/json"), (String = "text/csv"),
        (String = "text/plain"),
    )),
    (status = NOT_FOUND, body = Problem, description = "There is no history (`--store none`), or it does not contain this machine."),
    (status = SERVICE_UNAVAILABLE, body = Problem, description = "The store cannot answer now, or the report took too long."),
))]
pub(crate) async fn report(
    Shared(state): Shared<State>,
    Asked(query): Asked<ReportQuery>,
) -> Result<Response, ApiError> {
    let Some(reader) = state.reader.clone() else {
        let none = "there is no history, because memtap runs with --store none. A report needs a history";
        return Err(ApiError(StatusCode::NOT_FOUND, none.to_owned()));
    };
    let (mut ask, format, lang) = query.resolve()?;
    let begin = Instant::now();
    let turn = tokio::time::timeout(PATIENCE, Arc::clone(&state.looking).acquire_owned()).await;
    let turn = turn.map_err(|_| too_long())?;
    ask.limits = state.limits_now().await.map(Arc::unwrap_or_clone);
    let range = ask.range.clone();
    let mut watch = |_| match begin.elapsed() > PATIENCE {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let made = report::make(&*reader, &ask, &mut watch).await.map_err(|error| refusal(&error))?;
    // Drawing charts takes time.
    let rendered = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        report::render(&made, format, &Audience { lang, zone: TimeZone::system() })
    });
    let text =
        rendered.await.map_err(|error| ApiError(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(file(text, format, &range))
}

fn too_long() -> ApiError {
    let what = "the report was not finished within 30 seconds. Choose a shorter range, or use the command memtap report";
    ApiError(StatusCode::SERVICE_UNAVAILABLE, what.to_owned())
}

fn refusal(error: &ReportError) -> ApiError {
    match error {
        ReportError::Stopped => too_long(),
        ReportError::EmptyRange => {
            ApiError::wrong("from must be a time before to, and compare_from a time before compare_to")
        }
        ReportError::UnknownHost { .. } => ApiError(StatusCode::NOT_FOUND, error.to_string()),
        ReportError::Store(StoreError::Cursor(_)) => ApiError::wrong(error.to_string()),
        ReportError::Store(_) => ApiError(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

/// Builds the response with a file name, which contains no untrusted text.
fn file(text: String, format: Format, range: &Range) -> Response {
    let day = Time(range.from).timestamp();
    let name = format!("memtap-report-{}.{format}", day.strftime("%Y-%m-%dT%H-%M"));
    // Browsers show HTML and save the other formats.
    let how = if format == Format::Html { "inline" } else { "attachment" };
    let disposition = HeaderValue::from_str(&format!("{how}; filename=\"{name}\""));
    let mut response = ([(header::CONTENT_TYPE, format.media_type())], text).into_response();
    if let Ok(disposition) = disposition {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}
