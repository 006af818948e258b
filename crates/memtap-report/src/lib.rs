//! What the history says: findings (what a user should know, and what mends it) and reports of a range.
//!
//! Architecture Invariant: nothing here does I/O but through a [`memtap_history::Reader`] that is handed in, and nothing reads a clock. Rules and
//! renderers are pure: the same evidence gives the same text.

mod amount;
mod evidence;
mod findings;
mod lang;
mod look;
pub mod report;
mod track;

pub use amount::{bytes, count, decimal, duration, rate};
pub use evidence::{Evidence, Living, NotLookedAt, Now, Strain, Traced, gather};
pub use findings::{
    Culprit, Figure, Finding, Link, Rule, Severity, Subject, Text, Value, View, findings, refusal_fix,
    refusal_meaning,
};
pub use lang::Lang;
pub use look::{Looked, look};
pub use report::{Report, Totals};
pub use track::{Size, Track};
