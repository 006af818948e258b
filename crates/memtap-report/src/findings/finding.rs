//! A finding: what a user should know, the evidence for it, and how to fix it.

use std::sync::Arc;

use memtap_api::{Rule, Severity, View};
use memtap_history::{ProcessLifetime, Range};
use memtap_model::{Call, Tgid, WallClock};
use serde::Serialize;

use crate::{Lang, amount};

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Text {
    en: String,
    es: String,
}

impl Text {
    /// Calls `write` once for each language.
    #[must_use]
    pub fn told(write: impl Fn(Lang) -> String) -> Self {
        Self { en: write(Lang::En), es: write(Lang::Es) }
    }

    /// Takes both texts unchanged.
    #[must_use]
    pub fn both(en: &str, es: &str) -> Self {
        Self { en: en.to_owned(), es: es.to_owned() }
    }

    /// Returns the text in one language.
    #[must_use]
    pub fn text(&self, lang: Lang) -> &str {
        lang.pick(&self.en, &self.es)
    }
}

/// A process, identified well enough to link to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Culprit {
    /// Name of the machine.
    pub host: Arc<str>,
    /// Process id.
    pub pid: Tgid,
    /// Start time.
    pub started_at: WallClock,
    /// Name of the program as text. Untrusted: any process can choose its name.
    pub name: String,
}

/// Machine or program that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The whole machine with this name.
    Machine(Arc<str>),
    /// Processes of one program.
    Program {
        /// Process that shows the problem most.
        process: Culprit,
        /// Number of processes that show the problem, including `process`.
        processes: u64,
    },
}

impl Subject {
    /// Creates a subject with a single process.
    #[must_use]
    pub fn process(process: Culprit) -> Self {
        Self::Program { process, processes: 1 }
    }

    /// Number of processes that show the problem; 0 for a machine.
    #[must_use]
    pub fn processes(&self) -> u64 {
        match self {
            Self::Machine(_) => 0,
            Self::Program { processes, .. } => *processes,
        }
    }

    /// Returns the machine, and the program if there is one.
    pub(crate) fn key(&self) -> (Arc<str>, Option<String>) {
        match self {
            Self::Machine(host) => (Arc::clone(host), None),
            Self::Program { process, .. } => (Arc::clone(&process.host), Some(process.name.clone())),
        }
    }
}

/// An amount with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A size in bytes.
    Bytes(u64),
    /// Bytes per second.
    BytesPerSecond(f64),
    /// A number of items.
    Count(u64),
    /// Items per second.
    PerSecond(f64),
    /// A percentage.
    Percent(f64),
    /// A duration in seconds.
    Seconds(f64),
    /// A point in time.
    Time(WallClock),
}

impl Value {
    /// Name of the unit in the API.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Bytes(_) => "bytes",
            Self::BytesPerSecond(_) => "bytes_per_second",
            Self::Count(_) => "count",
            Self::PerSecond(_) => "per_second",
            Self::Percent(_) => "percent",
            Self::Seconds(_) => "seconds",
            Self::Time(_) => "time",
        }
    }

    /// Formats the value for people. Times are in UTC with whole seconds.
    #[must_use]
    pub fn text(self, lang: Lang) -> String {
        match self {
            Self::Bytes(bytes) => amount::bytes(bytes, lang),
            Self::BytesPerSecond(rate) => format!("{}/s", amount::bytes(rate.round() as u64, lang)),
            Self::Count(count) => amount::count(count, lang),
            Self::PerSecond(rate) => format!("{}/s", amount::rate(rate, lang)),
            Self::Percent(part) => format!("{} %", amount::rate(part, lang)),
            Self::Seconds(seconds) => amount::duration(seconds, lang),
            Self::Time(at) => jiff::Timestamp::from_second(at.0.div_euclid(1_000_000_000))
                .map_or_else(|_| at.0.to_string(), |at| at.to_string()),
        }
    }
}

/// One figure of the evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Description of the figure.
    pub label: Text,
    /// Amount.
    pub value: Value,
}

impl Figure {
    /// Creates a figure with its label in English and Spanish.
    #[must_use]
    pub fn new(en: &str, es: &str, value: Value) -> Self {
        Self { label: Text::both(en, es), value }
    }

    /// Creates a figure whose label is the same in all languages: a kernel name or a program name.
    #[must_use]
    pub fn named(name: &str, value: Value) -> Self {
        Self::new(name, name, value)
    }
}

/// Data for a link to a view with more detail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// View to open.
    pub view: View,
    /// Machine and time range.
    pub range: Range,
    /// Filter of the requests view: only this call.
    pub call: Option<Call>,
    /// Filter of the requests view: only refused or only granted requests.
    pub refused: Option<bool>,
}

impl Link {
    /// Creates a link to a view of a range.
    #[must_use]
    pub fn to(view: View, range: &Range) -> Self {
        Self { view, range: range.clone(), ..Self::default() }
    }
}

/// A problem that the user should know about.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Rule that produced it.
    pub rule: Rule,
    /// Importance.
    pub severity: Severity,
    /// Machine or program concerned.
    pub subject: Subject,
    /// Description for one process; [`Self::sentence`] adds the number of other processes.
    pub(crate) sentence: Text,
    /// Figures that support the finding.
    pub evidence: Vec<Figure>,
    /// Advice on how to fix the problem.
    pub advice: Text,
    /// View with more detail.
    pub link: Link,
    /// Sort key among findings of one rule, largest first.
    pub(crate) weight: f64,
}

impl Finding {
    /// Describes the problem in one or two sentences. Names in it are untrusted.
    #[must_use]
    pub fn sentence(&self, lang: Lang) -> String {
        let sentence = self.sentence.text(lang);
        match &self.subject {
            Subject::Program { processes: 2, .. } => {
                format!(
                    "{sentence} {}",
                    lang.pick(
                        "One more process of this program shows the same.",
                        "Otro proceso de este programa muestra lo mismo."
                    )
                )
            }
            Subject::Program { processes: all @ 3.., .. } => {
                let more = amount::count(all - 1, lang);
                let more = lang.pick(
                    format!("{more} more processes of this program show the same."),
                    format!("Otros {more} procesos de este programa muestran lo mismo."),
                );
                format!("{sentence} {more}")
            }
            _ => sentence.to_owned(),
        }
    }
}

impl From<&ProcessLifetime> for Culprit {
    fn from(life: &ProcessLifetime) -> Self {
        Self {
            host: Arc::clone(&life.host),
            pid: life.pid,
            started_at: life.started_at,
            name: life.name.clone(),
        }
    }
}
