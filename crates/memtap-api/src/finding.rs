//! Findings of a range, in one language.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::{CallName, Time};

/// Findings for a time range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Findings {
    /// Start of the range.
    pub from: Time,
    /// End of the range.
    pub to: Time,
    /// The findings, serious ones first.
    pub findings: Vec<Finding>,
    /// Checks that memtap did not make, and why.
    pub not_looked_at: Vec<NotLookedAt>,
}

/// A check that memtap did not make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct NotLookedAt {
    /// What was not checked: `lives`, `machine`, `limits`, `requests`, `time` or `history`.
    pub what: Cow<'static, str>,
    /// The reason, as a sentence.
    pub sentence: String,
}

/// Something that the user should know about the range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Finding {
    /// Rule that produced the finding.
    pub rule: Rule,
    /// Severity of the finding.
    pub severity: Severity,
    /// Name of the machine.
    pub host: String,
    /// Process that shows it most; `null` if the finding is about the machine.
    pub process: Option<Culprit>,
    /// What was found, as a sentence. It can contain names of processes, which are untrusted text.
    pub sentence: String,
    /// Figures that support the finding.
    pub evidence: Vec<Figure>,
    /// What the user can do.
    pub advice: String,
    /// View of the dashboard with the details.
    pub link: FindingLink,
}

/// Rule that produced a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema), schema(as = RuleName))]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The kernel killed a process because memory ran out.
    OomKill,
    /// Requests were refused.
    Refused,
    /// A process or the machine comes near a limit.
    NearLimit,
    /// A process grows and does not release memory.
    Growth,
    /// The machine was short of memory.
    Pressure,
    /// A process requests and releases the same memory again and again.
    Churn,
    /// Far more memory is reserved than used.
    Reserved,
    /// A short peak is far above the usual size.
    Peak,
    /// Records of requests were lost.
    Lost,
    /// A part of the virtual size has no recorded cause.
    Unexplained,
}

impl Rule {
    /// All rules, in the order of findings that have the same severity.
    pub const ALL: [Self; 10] = [
        Self::OomKill,
        Self::Refused,
        Self::NearLimit,
        Self::Growth,
        Self::Pressure,
        Self::Churn,
        Self::Reserved,
        Self::Peak,
        Self::Lost,
        Self::Unexplained,
    ];

    /// Name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OomKill => "oom_kill",
            Self::Refused => "refused",
            Self::NearLimit => "near_limit",
            Self::Growth => "growth",
            Self::Pressure => "pressure",
            Self::Churn => "churn",
            Self::Reserved => "reserved",
            Self::Peak => "peak",
            Self::Lost => "lost",
            Self::Unexplained => "unexplained",
        }
    }
}

/// Severity of a finding.
// In ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema), schema(as = SeverityName))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Notice,
    /// Should be checked.
    Warning,
    /// Something failed, or will fail soon.
    Serious,
}

impl Severity {
    /// All of them, in ascending order.
    pub const ALL: [Self; 3] = [Self::Notice, Self::Warning, Self::Serious];

    /// Name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Serious => "serious",
        }
    }
}

/// A process that a finding names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Culprit {
    /// Process id.
    pub pid: u32,
    /// Start time of the process.
    pub start_time: Time,
    /// Name of the process.
    pub name: String,
    /// Number of processes of this name that show it, including this one.
    pub processes: u64,
}

/// A figure with its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Figure {
    /// Name of the figure.
    pub label: String,
    /// A number or a time.
    pub value: Amount,
    /// `bytes`, `bytes_per_second`, `count`, `per_second`, `percent`, `seconds` or `time`.
    pub unit: Cow<'static, str>,
    /// The value and its unit, formatted for reading.
    pub text: String,
}

/// A number or a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// A whole number.
    Whole(u64),
    /// A number with a fraction.
    Number(f64),
    /// A time.
    Time(Time),
}

/// A view of the dashboard with its filters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct FindingLink {
    /// Name of the view.
    pub view: View,
    /// Start of the range.
    pub from: Time,
    /// End of the range.
    pub to: Time,
    /// Filter: only this call.
    pub call: Option<CallName>,
    /// Filter: only refused requests.
    pub refused: Option<bool>,
}

/// View of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema), schema(as = ViewName))]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// The machine over time.
    #[default]
    Overview,
    /// One process.
    Process,
    /// Requests of one process.
    Requests,
}

impl View {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Overview, Self::Process, Self::Requests];

    /// Name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Process => "process",
            Self::Requests => "requests",
        }
    }
}

#[cfg(feature = "openapi")]
mod schema {
    use utoipa::openapi::schema::{Object, OneOfBuilder, Schema, Type};
    use utoipa::openapi::{Ref, RefOr};
    use utoipa::{PartialSchema, ToSchema};

    use super::Amount;

    // Not derived: that would offer whole numbers beside all numbers, and a value must match
    // exactly one kind.
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
}
