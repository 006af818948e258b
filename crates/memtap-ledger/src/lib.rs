//! The ledger: observations in, accounts and read model out.
//!
//! One account per process life keeps what the process has and why. [`Ledger::apply`] books one observation after the
//! other in the order of the stream; [`Ledger::publish`] makes the immutable [`LiveView`] that everything above reads.
//!
//! Architecture Invariant: this crate is pure. No I/O, no clock (time comes in with the observations), no threads.
//! Every change of a process's virtual size is booked under a cause, and the books always balance:
//! `virtual = opening + granted - released + exec + stack + shared + unexplained - ended`.

mod account;
mod books;
mod by_name;
mod ledger;
mod requests;
mod space;
mod view;

pub use books::{Books, CallTotals};
pub use ledger::{Ledger, Settings};
pub use requests::BookedRequest;
pub use view::{LiveView, ProcessSummary, Share, Slice, Totals};
