//! Findings (what a user should know, and how to fix it) and reports about a range of the history.
//!
//! Architecture invariant: this crate reads only through the [`memtap_history::Reader`] that the
//! caller passes, does no other I/O, and never reads a clock. Rules and renderers are pure: the
//! same evidence gives the same text.

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
