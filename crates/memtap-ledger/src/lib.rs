//! The ledger: observations in, accounts and read model out.
//!
//! One account per process life keeps what the process has and why. [`Ledger::apply`] books one observation after the
//! other in the order of the stream; [`Ledger::publish`] makes the immutable [`LiveView`] that everything above reads.
//!
//! Architecture Invariant: this crate is pure. No I/O, no clock (time comes in with the observations), no threads.
//! The sums are the kernel side's own (they come with each state and tally), so they do not depend on the stream; the ledger joins them to
//! process lives and names. The books always balance:
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
