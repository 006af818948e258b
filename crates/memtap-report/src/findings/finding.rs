//! A finding: what a user should know, on what evidence, and what mends it.

use std::sync::Arc;

use memtap_api::{Rule, Severity, View};
use memtap_history::{Life, Range};
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
    /// What `write` gives for each language.
    #[must_use]
    pub fn told(write: impl Fn(Lang) -> String) -> Self {
        Self { en: write(Lang::En), es: write(Lang::Es) }
    }

    /// Both as they stand.
    #[must_use]
    pub fn both(en: &str, es: &str) -> Self {
        Self { en: en.to_owned(), es: es.to_owned() }
    }

    /// The text in one language.
    #[must_use]
    pub fn text(&self, lang: Lang) -> &str {
        lang.pick(&self.en, &self.es)
    }
}

/// A process life, as a link needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Culprit {
    /// The machine's name.
    pub host: Arc<str>,
    /// Its pid.
    pub pid: Tgid,
    /// When it started.
    pub started_at: WallClock,
    /// Its name, as text: a stranger's bytes.
    pub name: String,
}

/// Whom it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The whole machine of that name.
    Machine(Arc<str>),
    /// Processes of one program.
    Program {
        /// The one that shows it most.
        process: Culprit,
        /// How many processes show it, this one too.
        processes: u64,
    },
}

impl Subject {
    /// One process, alone so far.
    #[must_use]
    pub fn process(process: Culprit) -> Self {
        Self::Program { process, processes: 1 }
    }

    /// How many processes show it; 0 of a machine.
    #[must_use]
    pub fn processes(&self) -> u64 {
        match self {
            Self::Machine(_) => 0,
            Self::Program { processes, .. } => *processes,
        }
    }

    /// The machine and the program that it is about.
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
    /// A size.
    Bytes(u64),
    /// A size for each second.
    BytesPerSecond(f64),
    /// A number of things.
    Count(u64),
    /// Things for each second.
    PerSecond(f64),
    /// A part of a hundred.
    Percent(f64),
    /// How long.
    Seconds(f64),
    /// When.
    Time(WallClock),
}

impl Value {
    /// The unit's name in the API.
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

    /// For people. A time is UTC, to the second.
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

/// One piece of the evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it is.
    pub label: Text,
    /// How much.
    pub value: Value,
}

impl Figure {
    /// A figure with its label in English and Spanish.
    #[must_use]
    pub fn new(en: &str, es: &str, value: Value) -> Self {
        Self { label: Text::both(en, es), value }
    }

    /// A figure whose label is a name of the kernel's or of a program, the same in all languages.
    #[must_use]
    pub fn named(name: &str, value: Value) -> Self {
        Self::new(name, name, value)
    }
}

/// Where to look closer: what a link is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Which view.
    pub view: View,
    /// The machine and the stretch of time.
    pub range: Range,
    /// Of the requests: only this call.
    pub call: Option<Call>,
    /// Of the requests: only refused ones.
    pub refused: Option<bool>,
}

impl Link {
    /// A view of a range.
    #[must_use]
    pub fn to(view: View, range: &Range) -> Self {
        Self { view, range: range.clone(), ..Self::default() }
    }
}

/// What a user should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Which rule found it.
    pub rule: Rule,
    /// How much it matters.
    pub severity: Severity,
    /// Whom it is about.
    pub subject: Subject,
    /// What was found, without the other processes of the program.
    pub(crate) sentence: Text,
    /// The figures that it rests on.
    pub evidence: Vec<Figure>,
    /// What can be done.
    pub advice: Text,
    /// Where to look closer.
    pub link: Link,
    /// How much of it there is: the heavier comes first, of one rule.
    pub(crate) weight: f64,
}

impl Finding {
    /// What was found, as a sentence. Names in it are strangers' bytes.
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

impl From<&Life> for Culprit {
    fn from(life: &Life) -> Self {
        Self {
            host: Arc::clone(&life.host),
            pid: life.pid,
            started_at: life.started_at,
            name: life.name.clone(),
        }
    }
}
