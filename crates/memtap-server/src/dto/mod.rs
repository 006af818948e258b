//! The JSON of the interface. Its description at `/api/v1/openapi.json` is made of these types and their comments, and the page's
//! types of that. Sizes in bytes, times RFC 3339 UTC.
//!
//! A schema has its type's name: no two types here may have the same.

mod call_name;
mod calls;
mod finding;
mod health;
mod host;
mod life;
mod live;
mod machine;
mod mappings;
mod measure;
mod oom;
mod process;
mod program;
mod request;
mod share;
mod sizes;
mod time;
mod update;
mod usage;

pub(crate) use call_name::CallName;
pub(crate) use calls::ProcessCalls;
pub(crate) use finding::Findings;
pub(crate) use health::Health;
pub(crate) use host::Host;
pub(crate) use life::Lives;
pub(crate) use live::{FocusAnswer, FocusedRequests, Snapshot, Tick};
pub(crate) use machine::{Hosts, Machine, Runs};
pub(crate) use mappings::{Limits, Mappings};
pub(crate) use measure::Measure;
pub(crate) use oom::OomKill;
pub use process::Process;
pub(crate) use program::Programs;
pub use request::Request;
pub(crate) use share::Share;
pub(crate) use sizes::{RefusalList, Sizes};
pub use time::Time;
pub(crate) use update::Update;
pub(crate) use usage::Usage;
