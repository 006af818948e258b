//! What the history says: findings (what a user should know, and what mends it) and reports of a range.
//!
//! Architecture Invariant: nothing here does I/O but through a [`memtap_store::Reader`] that is handed in, and nothing reads a clock. Rules and
//! renderers are pure: the same evidence gives the same text.

mod amount;
mod findings;
mod lang;
mod report;

pub use amount::{bytes, count, decimal};
pub use lang::Lang;
