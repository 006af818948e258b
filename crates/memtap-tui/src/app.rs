//! State of memtap top. It receives models and input events and draws frames. It has no clock, no
//! terminal and no source.

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

/// Initial settings of memtap top.
#[derive(Debug)]
pub struct Settings {
    /// Style of the frames.
    pub look: Look,
    /// Time zone of displayed times.
    pub zone: TimeZone,
    /// Interval between updates.
    pub pace: Pace,
    /// Column that the table is sorted by.
    pub sort: Column,
    /// Explains the meaning of an errno for a call.
    pub refusal_words: fn(call: &str, errno: u16) -> String,
}

/// Interval between updates.
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

    /// Returns the time between two updates.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(match self {
            Self::Half => 500,
            Self::One => 1000,
            Self::Two => 2000,
            Self::Five => 5000,
        })
    }

    /// Returns the interval in seconds, as typed and displayed.
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
        let pace = Self::ALL.into_iter().find(|pace| pace.name() == text);
        pace.ok_or_else(|| format!("invalid pace '{text}'; expected 0.5, 1, 2 or 5 seconds"))
    }
}

/// The main content of the screen.
#[derive(Debug)]
pub(crate) enum View {
    Table,
    /// One process, with its latest data.
    Process(Arc<Process>, Part),
}

/// The part of a process that is shown when not everything fits.
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

/// A panel or prompt over the view.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Help { scroll: u16 },
    Columns { at: usize },
    Prompt(Prompt),
}

/// A line that the user is typing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) asks: Asks,
    pub(crate) text: String,
}

/// The purpose of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Search,
    Filter,
}

/// Positions of drawn elements, for the mouse.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The title line, and the cells of each title.
    pub(crate) titles: Rect,
    pub(crate) columns: Vec<(Column, Rect)>,
    /// The lines of the table.
    pub(crate) lines: Rect,
    /// The tabs for the parts of a process.
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
    /// Entries of the stream below the screen.
    pub(crate) stream_offset: usize,
    pub(crate) paused: bool,
    /// Message about the last key. The next key removes it.
    pub(crate) said: Option<String>,
    /// Lines of memtap's own log, latest last.
    pub(crate) log: Vec<String>,
    /// Seconds since the last update, if that is unusually long.
    pub(crate) stale: Option<u64>,
    pub(crate) places: Places,
}

/// Maximum number of log lines.
const LOG: usize = 20;
/// Maximum number of samples of the whole machine.
const MACHINE_SAMPLES: usize = 300;

impl App {
    /// Creates the state before the first model.
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

    /// Returns the selected interval between updates.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.settings.pace
    }

    /// Returns whether updates are paused.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// Processes a new model.
    pub fn take(&mut self, model: Arc<Model>) {
        let seconds = model.at.duration_since(self.model.at).as_secs_f64();
        let first = self.model.living.is_empty();
        if model.at == self.model.at && !first {
            // Only the state of the source has changed.
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

    /// Records that no update arrived for `seconds`. Returns whether the frame changes.
    pub fn wait(&mut self, seconds: u64) -> bool {
        let long = 2 + 2 * self.pace().duration().as_secs();
        let stale = (seconds > long && !self.paused).then_some(seconds);
        std::mem::replace(&mut self.stale, stale) != stale
    }

    /// Records why no more updates arrive. The last data stays on the screen.
    pub fn trouble(&mut self, why: String) {
        self.model = Arc::new(Model { trouble: Some(why), ..(*self.model).clone() });
        self.stale = None;
    }

    /// Returns whether the next model must be shown immediately: there is no data yet, or the
    /// source had a problem.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.model.living.is_empty() || self.model.trouble.is_some()
    }

    /// Adds a line of memtap's own log.
    pub fn log(&mut self, line: String) {
        self.log.push(line);
        self.log.drain(..self.log.len().saturating_sub(LOG));
    }

    /// Returns whether the source observes requests.
    pub(crate) fn tells_requests(&self) -> bool {
        self.model.about.source != "procfs"
    }

    /// The process of interest: the open one, else the selected or first one in the table.
    pub(crate) fn process(&self) -> Option<&Arc<Process>> {
        match &self.view {
            View::Process(process, _) => Some(process),
            View::Table => self.table.at_hand(&self.rows).map(|row| &row.process),
        }
    }

    /// Updates the latest requests of the process of interest.
    pub(crate) fn follow(&mut self) {
        let life = self.process().map(|process| process.id());
        let before = self.stream.entries().len();
        self.stream.follow(life, &self.model);
        // Keep the scrolled position while new entries arrive below.
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
