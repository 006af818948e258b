//! Reports of a range, made once ([`make`]) and written in several formats ([`render`]).

mod chart;
mod colours;
mod csv;
mod data;
mod html;
mod lives;
mod machine;
mod making;
mod markdown;
mod names;
mod outline;
mod requests;
mod run;
#[cfg(test)]
mod scene;
mod span;
mod text;
mod visibility;
mod when;

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use jiff::tz::TimeZone;
use memtap_history::{Range, StoreError};
use memtap_model::{Tgid, WallClock};

use crate::Lang;

pub use self::csv::plain_cell;
pub use data::*;
pub use making::make;
pub use names::NamePattern;
pub use run::{Run, RunProcess, RunRequest};
pub use span::{At, Span};
pub use text::Screen;

/// Scope of a report.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Range, and the machine if only one is meant.
    pub range: Range,
    /// Filter by program name.
    pub name: Option<NamePattern>,
    /// Filter by process id.
    pub pid: Option<Tgid>,
    /// Range to compare with, on the same machine.
    pub compare: Option<Span>,
    /// Time at which the report is made.
    pub now: WallClock,
    /// Current limits of the machine that memtap runs on.
    pub limits: Option<crate::Now>,
    /// Number of requests that cannot be read, if the source is a damaged recording.
    pub damaged_recording: Option<u64>,
}

impl Ask {
    /// Returns whether the report covers all processes.
    fn of_all(&self) -> bool {
        self.name.is_none() && self.pid.is_none()
    }

    fn is_of(&self, name: &str, pid: Tgid) -> bool {
        self.is_named(name) && self.pid.is_none_or(|wanted| wanted == pid)
    }

    fn is_named(&self, name: &str) -> bool {
        self.name.as_ref().is_none_or(|pattern| pattern.is_match(name))
    }
}

/// Progress of making a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Queries that the history has answered.
    pub done: usize,
    /// Total number of queries.
    pub of: usize,
}

/// Callback that receives the progress of a report and can stop it.
pub type Watch<'a> = dyn FnMut(Progress) -> ControlFlow<()> + Send + 'a;

/// Reason for a missing report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The history cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine is not in the history.
    #[error("unknown machine '{asked}'; machines in the history: {known}")]
    UnknownHost {
        /// Name of the requested machine.
        asked: String,
        /// Machines in the history.
        known: String,
    },
    /// The range is empty.
    #[error("the range is empty: its start must be before its end")]
    EmptyRange,
    /// The caller stopped the report.
    #[error("the report was stopped before it was finished")]
    Stopped,
}

/// Formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One file for browsers and printing.
    #[default]
    Html,
    /// Text for notes and tickets.
    Markdown,
    /// Structured data for programs.
    Json,
    /// A table for spreadsheets.
    Csv,
    /// Plain text for terminals and mail.
    Text,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Html, Self::Markdown, Self::Json, Self::Csv, Self::Text];

    /// Name of the format, and its file extension.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Markdown => "md",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Text => "txt",
        }
    }

    /// Media type for HTTP.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|format| format.name() == text);
        named.ok_or_else(|| format!("unknown report format '{text}'; expected html, md, json, csv or txt"))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Readers of a report. JSON and CSV are the same for all readers.
#[derive(Debug, Clone)]
pub struct Audience {
    /// Language.
    pub lang: Lang,
    /// Time zone.
    pub zone: TimeZone,
}

/// Renders a report.
#[must_use]
pub fn render(report: &Report, format: Format, audience: &Audience) -> String {
    match format {
        Format::Html => html::render(report, audience),
        Format::Markdown => markdown::render(report, audience),
        Format::Json => json(report),
        Format::Csv => csv::render(report),
        Format::Text => on_screen(report, audience, Screen::default()),
    }
}

/// Renders a report as text for one terminal.
#[must_use]
pub fn on_screen(report: &Report, audience: &Audience, screen: Screen) -> String {
    text::render(&outline::outline(report, audience), report.asked.span, audience, screen)
}

fn json(report: &Report) -> String {
    // A report consists of numbers, texts and lists, so serialising it cannot fail.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_unformatted_bytes_times_and_names() {
        let text = render(&scene::report(), Format::Json, &Audience { lang: Lang::En, zone: TimeZone::UTC });
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["asked"]["from"], "2026-11-24T12:00:00.000Z");
        assert_eq!(json["asked"]["compared"]["to"], "2026-11-24T12:00:00.000Z");
        assert_eq!(json["memory"]["least_available_bytes"], 10_737_418_240_u64);
        assert_eq!(json["programs"][0]["by"], "requested");
        assert_eq!(json["programs"][0]["programs"][5]["name"], scene::HOSTILE[5]);
        let figure = &json["findings"][0]["evidence"][0];
        assert_eq!((figure["value"].as_u64(), figure["unit"].as_str()), (Some(1 << 30), Some("bytes")));
        assert_eq!(json["findings"][0]["advice"]["es"], "Vea `ulimit -v`.");
    }

    #[test]
    fn formats_have_names() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert!("pdf".parse::<Format>().unwrap_err().contains("html, md, json, csv or txt"));
    }
}
