//! Findings of a range, in one language.

use memtap_report::{Figure as Told, Lang, Link as Place, Looked, Rule, Severity, Subject, Value, View};
use memtap_store::Range;
use serde::Serialize;

use super::time;

/// What was found in a range.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    /// Where the range begins.
    from: String,
    /// Where it ends.
    to: String,
    /// The findings, the serious ones first.
    findings: Vec<Finding>,
    /// What was not looked at, and why.
    not_looked_at: Vec<Gap>,
}

/// What was not looked at.
#[derive(Debug, Serialize)]
struct Gap {
    /// `lives`, `machine`, `limits`, `time` or `history`.
    what: &'static str,
    /// In words.
    sentence: String,
}

/// Something that a user should know.
#[derive(Debug, Serialize)]
struct Finding {
    /// Which rule found it.
    rule: Rule,
    /// How much it matters.
    severity: Severity,
    /// The machine's name.
    host: String,
    /// The process that shows it most; `null` when it is about the machine.
    process: Option<Culprit>,
    /// What was found. Names in it are strangers'.
    sentence: String,
    /// The figures that it rests on.
    evidence: Vec<Figure>,
    /// What can be done.
    advice: String,
    /// Where to look closer.
    link: Link,
}

/// A process.
#[derive(Debug, Serialize)]
struct Culprit {
    /// Its pid.
    pid: u32,
    /// When it started.
    start_time: String,
    /// Its name.
    name: String,
    /// How many processes of this name show it, this one too.
    processes: u64,
}

/// An amount.
#[derive(Debug, Serialize)]
struct Figure {
    /// What it is.
    label: String,
    /// How much: a number, or a time.
    value: Amount,
    /// `bytes`, `bytes_per_second`, `count`, `per_second`, `percent`, `seconds` or `time`.
    unit: &'static str,
    /// For people.
    text: String,
}

/// A number or a time.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Amount {
    /// A whole number.
    Whole(u64),
    /// Any number.
    Number(f64),
    /// A time.
    Time(String),
}

/// A view of the page with its filters.
#[derive(Debug, Serialize)]
struct Link {
    /// Which view.
    view: View,
    /// Where it begins.
    from: String,
    /// Where it ends.
    to: String,
    /// Only this call.
    call: Option<&'static str>,
    /// Only refused requests.
    refused: Option<bool>,
}

impl Findings {
    pub(crate) fn of(range: &Range, looked: &Looked, lang: Lang) -> Self {
        let gap = |gap: &memtap_report::NotLookedAt| Gap {
            what: gap.name(),
            sentence: gap.text().text(lang).to_owned(),
        };
        Self {
            from: time(range.from),
            to: time(range.to),
            findings: looked.findings.iter().map(|finding| Finding::of(finding, lang)).collect(),
            not_looked_at: looked.not_looked_at.iter().map(gap).collect(),
        }
    }
}

impl Finding {
    fn of(finding: &memtap_report::Finding, lang: Lang) -> Self {
        let (host, process) = match &finding.subject {
            Subject::Machine(host) => (host, None),
            Subject::Program { process, processes } => {
                let culprit = Culprit {
                    pid: process.pid.0,
                    start_time: time(process.started_at),
                    name: process.name.clone(),
                    processes: *processes,
                };
                (&process.host, Some(culprit))
            }
        };
        Self {
            rule: finding.rule,
            severity: finding.severity,
            host: host.to_string(),
            process,
            sentence: finding.sentence(lang),
            evidence: finding.evidence.iter().map(|figure| Figure::of(figure, lang)).collect(),
            advice: finding.advice.text(lang).to_owned(),
            link: Link::of(&finding.link),
        }
    }
}

impl Figure {
    fn of(told: &Told, lang: Lang) -> Self {
        let value = match told.value {
            Value::Bytes(number) | Value::Count(number) => Amount::Whole(number),
            Value::BytesPerSecond(number)
            | Value::PerSecond(number)
            | Value::Percent(number)
            | Value::Seconds(number) => Amount::Number(number),
            Value::Time(at) => Amount::Time(time(at)),
        };
        let (unit, text) = (told.value.unit(), told.value.text(lang));
        Self { label: told.label.text(lang).to_owned(), value, unit, text }
    }
}

impl Link {
    fn of(place: &Place) -> Self {
        Self {
            view: place.view,
            from: time(place.range.from),
            to: time(place.range.to),
            call: place.call.map(memtap_model::Call::name),
            refused: place.refused,
        }
    }
}
