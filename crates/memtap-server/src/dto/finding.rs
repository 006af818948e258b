//! Findings of a range, in one language.

use memtap_history::Range;
use memtap_report::{Figure as Told, Lang, Link as Place, Looked, Rule, Severity, Subject, Value, View};
use serde::Serialize;
use utoipa::openapi::schema::{Object, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::{CallName, Time};

/// Findings for a time range.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Findings {
    /// Start of the range.
    from: Time,
    /// End of the range.
    to: Time,
    /// The findings, serious ones first.
    findings: Vec<Finding>,
    /// Checks that memtap did not make, and why.
    not_looked_at: Vec<NotLookedAt>,
}

/// A check that memtap did not make.
#[derive(Debug, Serialize, ToSchema)]
struct NotLookedAt {
    /// What was not checked: `lives`, `machine`, `limits`, `requests`, `time` or `history`.
    what: &'static str,
    /// The reason, as a sentence.
    sentence: String,
}

/// Something that the user should know about the range.
#[derive(Debug, Serialize, ToSchema)]
struct Finding {
    /// Rule that produced the finding.
    #[schema(value_type = RuleName)]
    rule: Rule,
    /// Severity of the finding.
    #[schema(value_type = SeverityName)]
    severity: Severity,
    /// Name of the machine.
    host: String,
    /// Process that shows it most; `null` if the finding is about the machine.
    process: Option<Culprit>,
    /// What was found, as a sentence. It can contain names of processes, which are untrusted text.
    sentence: String,
    /// Figures that support the finding.
    evidence: Vec<Figure>,
    /// What the user can do.
    advice: String,
    /// View of the dashboard with the details.
    link: FindingLink,
}

/// A process that a finding names.
#[derive(Debug, Serialize, ToSchema)]
struct Culprit {
    /// Process id.
    pid: u32,
    /// Start time of the process.
    start_time: Time,
    /// Name of the process.
    name: String,
    /// Number of processes of this name that show it, including this one.
    processes: u64,
}

/// A figure with its unit.
#[derive(Debug, Serialize, ToSchema)]
struct Figure {
    /// Name of the figure.
    label: String,
    /// A number or a time.
    value: Amount,
    /// `bytes`, `bytes_per_second`, `count`, `per_second`, `percent`, `seconds` or `time`.
    unit: &'static str,
    /// The value and its unit, formatted for reading.
    text: String,
}

/// A number or a time.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Amount {
    Whole(u64),
    Number(f64),
    Time(Time),
}

// Not derived: that would offer whole numbers beside all numbers, and a value must be of one kind alone.
impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        let number = Object::with_type(Type::Number);
        OneOfBuilder::new()
            .description(Some("A number or a time."))
            .item(number)
            .item(Ref::from_schema_name("Time"))
            .into()
    }
}

impl ToSchema for Amount {}

/// A view of the dashboard with its filters.
#[derive(Debug, Serialize, ToSchema)]
struct FindingLink {
    /// Name of the view.
    #[schema(value_type = ViewName)]
    view: View,
    /// Start of the range.
    from: Time,
    /// End of the range.
    to: Time,
    /// Filter: only this call.
    #[schema(value_type = Option<CallName>)]
    call: Option<&'static str>,
    /// Filter: only refused requests.
    refused: Option<bool>,
}

/// The document's names of an enumeration that is another crate's.
macro_rules! names {
    ($($schema:ident: $names:expr, $about:literal;)*) => { $(
        struct $schema;

        impl PartialSchema for $schema {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($about))
                    .enum_values(Some($names))
                    .into()
            }
        }

        impl ToSchema for $schema {}
    )* };
}

names! {
    RuleName: Rule::ALL.map(Rule::name), "Rule that produced a finding.";
    SeverityName: Severity::ALL.map(Severity::name), "Severity of a finding.";
    ViewName: View::ALL.map(View::name), "View of the dashboard.";
}

impl Findings {
    pub(crate) fn of(range: &Range, looked: &Looked, lang: Lang) -> Self {
        let gap = |gap: &memtap_report::NotLookedAt| NotLookedAt {
            what: gap.name(),
            sentence: gap.text().text(lang).to_owned(),
        };
        Self {
            from: Time(range.from),
            to: Time(range.to),
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
                    start_time: Time(process.started_at),
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
            link: FindingLink::of(&finding.link),
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
            Value::Time(at) => Amount::Time(Time(at)),
        };
        let (unit, text) = (told.value.unit(), told.value.text(lang));
        Self { label: told.label.text(lang).to_owned(), value, unit, text }
    }
}

impl FindingLink {
    fn of(place: &Place) -> Self {
        Self {
            view: place.view,
            from: Time(place.range.from),
            to: Time(place.range.to),
            call: place.call.map(memtap_model::Call::name),
            refused: place.refused,
        }
    }
}
