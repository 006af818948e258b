//! The ledger turns observations into accounts and a read model.
//!
//! An account records how much memory one process has, and why. [`Ledger::apply`] books
//! observations in the order of the stream. [`Ledger::publish`] creates the immutable [`LiveView`]
//! that all crates above read.
//!
//! Architecture Invariant: this crate is pure. It does no I/O, reads no clock (times come with the
//! observations) and spawns no thread. The sums come from the kernel side with each state and
//! tally, so they do not depend on the stream. The ledger attributes them to processes and names.
//! The books always balance:
//! `virtual = opening + granted - released + exec + stack + kernel + shared + unexplained - ended`.

mod account;
mod books;
mod by_name;
mod focus;
mod ledger;
mod oom;
mod requests;
mod view;

pub use books::Books;
pub use ledger::{Ledger, Settings};
pub use oom::{Moment, OomReport};
pub use requests::BookedRequest;
pub use view::{Focused, LiveView, Peaks, ProcessSummary, Share, Slice, Totals};
