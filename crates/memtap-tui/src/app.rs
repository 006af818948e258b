//! The state behind the frames. Models and keys come in, frames go out; no clock, no terminal, no source.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use memtap_api::Process;
use ratatui::layout::Rect;

use crate::column::Column;
use crate::look::Look;
use crate::model::Model;
use crate::rows::{self, Row};
use crate::stream::Stream;
use crate::table::Table;
use crate::track::{Sample, Track, Tracks};

/// What is set as memtap top starts.
#[derive(Debug)]
pub struct Settings {
    /// How frames look.
    pub look: Look,
    /// For the times of day.
    pub zone: TimeZone,
    /// How often figures come.
    pub pace: Pace,
    /// What the table is sorted by.
    pub sort: Column,
    /// What an errno means for a call, in words.
    pub refusal_words: fn(call: &str, errno: u16) -> String,
}

/// How often figures come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// Twice a second.
    Half,
    /// Every second.
    #[default]
    One,
    /// Every two seconds.
    Two,
    /// Every five seconds.
    Five,
}

impl Pace {
    const ALL: [Self; 4] = [Self::Half, Self::One, Self::Two, Self::Five];

    /// The time from figures to figures.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(match self {
            Self::Half => 500,
            Self::One => 1000,
            Self::Two => 2000,
            Self::Five => 5000,
        })
    }

    /// In seconds, as it is typed and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Half => "0.5",
            Self::One => "1",
            Self::Two => "2",
            Self::Five => "5",
        }
    }

    pub(crate) fn beside(self, by: isize) -> Self {
        let now = Self::ALL.iter().position(|pace| *pace == self).unwrap_or(0);
        Self::ALL[now.saturating_add_signed(by).min(Self::ALL.len() - 1)]
    }
}

impl std::str::FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|pace| pace.name() == text);
        found.ok_or_else(|| format!("invalid pace '{text}'; expected 0.5, 1, 2 or 5 seconds"))
    }
}

/// What fills the screen.
#[derive(Debug)]
pub(crate) enum View {
    Table,
    /// One process, as it was last told of.
    Process(Arc<Process>, Part),
}

/// What of a process is shown where not everything fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Books,
    Charts,
    Requests,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Books, Self::Charts, Self::Requests];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Books => "Ledger and calls",
            Self::Charts => "Charts",
            Self::Requests => "Latest requests",
        }
    }

    pub(crate) fn beside(self, by: isize) -> Self {
        let now = self as usize + Self::ALL.len();
        Self::ALL[now.saturating_add_signed(by) % Self::ALL.len()]
    }
}

/// What lies over it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Help { scroll: u16 },
    Columns { at: usize },
    Prompt(Prompt),
}

/// A line that is being typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) asks: Asks,
    pub(crate) text: String,
}

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Search,
    Filter,
}

/// Where things were drawn, for the mouse.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The line of titles, and each title's cells.
    pub(crate) titles: Rect,
    pub(crate) columns: Vec<(Column, Rect)>,
    /// The table's lines.
    pub(crate) lines: Rect,
    /// The names of a process's parts.
    pub(crate) parts: Vec<(Part, Rect)>,
}

/// memtap top, without its terminal and its source.
#[derive(Debug)]
pub struct App {
    pub(crate) settings: Settings,
    pub(crate) model: Arc<Model>,
    pub(crate) rows: Vec<Row>,
    pub(crate) table: Table,
    pub(crate) view: View,
    pub(crate) over: Option<Over>,
    pub(crate) tracks: Tracks,
    /// Requests per second of the whole machine.
    pub(crate) machine: Track,
    pub(crate) stream: Stream,
    /// Entries of the stream that are below the screen.
    pub(crate) stream_offset: usize,
    pub(crate) paused: bool,
    /// What is to be said about the last key; gone with the next.
    pub(crate) said: Option<String>,
    /// Lines of memtap's own log, the latest last.
    pub(crate) log: Vec<String>,
    /// Seconds since figures came, when that is long.
    pub(crate) stale: Option<u64>,
    pub(crate) places: Places,
}

/// Lines of the log that are kept.
const LOG: usize = 20;
/// Samples of the whole machine.
const MACHINE_SAMPLES: usize = 300;

impl App {
    /// Before the first model.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            table: Table::new(settings.sort),
            settings,
            model: Arc::default(),
            rows: Vec::new(),
            view: View::Table,
            over: None,
            tracks: Tracks::default(),
            machine: Track::new(),
            stream: Stream::default(),
            stream_offset: 0,
            paused: false,
            said: None,
            log: Vec::new(),
            stale: None,
            places: Places::default(),
        }
    }

    /// How often figures are wanted.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.settings.pace
    }

    /// Whether figures are wanted at all.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// Takes new figures.
    pub fn take(&mut self, model: Arc<Model>) {
        let seconds = model.at.duration_since(self.model.at).as_secs_f64();
        let first = self.model.living.is_empty();
        if model.at == self.model.at && !first {
            // The same figures, with another word about their source.
            self.model = model;
            return;
        }
        self.rows = rows::rows(&model, &self.rows, if first { 0.0 } else { seconds });
        self.model = model;
        self.stale = None;
        self.table.renew(&self.rows);
        if let View::Process(process, _) = &mut self.view
            && let Some(row) = self.rows.iter().find(|row| row.process.id() == process.id())
        {
            *process = Arc::clone(&row.process);
        }
        self.follow();
        self.track();
    }

    /// Figures have not come for so many seconds; whether that changes the frame.
    pub fn wait(&mut self, seconds: u64) -> bool {
        let long = 2 + 2 * self.pace().duration().as_secs();
        let stale = (seconds > long && !self.paused).then_some(seconds);
        std::mem::replace(&mut self.stale, stale) != stale
    }

    /// Nothing new comes, and why; what is shown stays.
    pub fn trouble(&mut self, why: String) {
        self.model = Arc::new(Model { trouble: Some(why), ..(*self.model).clone() });
        self.stale = None;
    }

    /// Whether there are no figures yet, or their source is in trouble: whatever comes next is wanted at once.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.model.living.is_empty() || self.model.trouble.is_some()
    }

    /// Takes a line of memtap's own log.
    pub fn log(&mut self, line: String) {
        self.log.push(line);
        self.log.drain(..self.log.len().saturating_sub(LOG));
    }

    /// Whether the source tells requests at all.
    pub(crate) fn tells_requests(&self) -> bool {
        self.model.about.source != "procfs"
    }

    /// The process that one looks at: the one that is open, else the one at hand in the table.
    pub(crate) fn process(&self) -> Option<&Arc<Process>> {
        match &self.view {
            View::Process(process, _) => Some(process),
            View::Table => self.table.at_hand(&self.rows).map(|row| &row.process),
        }
    }

    /// Its latest requests.
    pub(crate) fn follow(&mut self) {
        let life = self.process().map(|process| process.id());
        let before = self.stream.entries().len();
        self.stream.follow(life, &self.model);
        // What one has scrolled to stays where it is.
        if self.stream_offset > 0 {
            self.stream_offset += self.stream.entries().len().saturating_sub(before);
        }
    }

    fn track(&mut self) {
        let at = self.model.at;
        let open = match &self.view {
            View::Process(process, _) => self.rows.iter().position(|row| row.process.id() == process.id()),
            View::Table => None,
        };
        let visible: BTreeSet<usize> = self.table.visible().iter().map(|line| line.row).chain(open).collect();
        for row in visible.into_iter().map(|row| &self.rows[row]).filter(|row| row.process.end_time.is_none())
        {
            self.tracks.add(row.process.id(), Sample::of(row, at));
        }
        let host = &self.model.host;
        if self.machine.len() >= MACHINE_SAMPLES {
            self.machine.pop_front();
        }
        self.machine.push_back(Sample {
            at,
            virtual_bytes: 0,
            resident_bytes: host.programs_bytes,
            requests_per_second: self.model.totals.per_second,
        });
    }
}
