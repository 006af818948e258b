//! The answers: the types of memtap-api, made from what the server, the store and the reports know.
//! Conversions from the ledger's types are in memtap-api itself.

mod calls;
mod finding;
mod health;
mod host;
mod life;
mod live;
mod machine;
mod oom;
mod program;
mod sizes;
mod usage;

pub(crate) use calls::process_calls;
pub(crate) use finding::findings;
pub(crate) use health::health;
pub(crate) use host::host;
pub(crate) use life::lives;
pub(crate) use live::{snapshot, tick};
pub(crate) use machine::{hosts, machine, runs};
pub(crate) use oom::oom_kill;
pub(crate) use program::programs;
pub(crate) use sizes::{refusals, sizes};
pub(crate) use usage::usage;
