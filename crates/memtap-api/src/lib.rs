//! The wire types: what REST, the live events, `memtap trace`, `memtap run` and exports contain.
//!
//! Each type derives `Serialize` and `Deserialize`, so that the program that writes JSON and the
//! program that reads it use the same definition. Sizes are in bytes, times are RFC 3339 in UTC.
//! Conversions from the types of memtap-model and memtap-ledger are here. Conversions from the
//! history and from findings are in the crates that know them.
//!
//! With the feature `openapi`, the types also describe themselves. The document at
//! `/api/v1/openapi.json` consists of these types and their comments, and the types of the page are
//! generated from it. A schema has the name of its type, so no two types may have the same name.
//!
//! Compatibility: readers ignore unknown fields. A field that is added after a release needs
//! `#[serde(default)]`, so that `memtap top` can read an older `memtap serve`, and
//! `schema(required)`, because the present `memtap serve` always writes it.
//!
//! Architecture Invariant: this crate is pure. It does no I/O, reads no clock, and depends on no
//! web framework, database driver or async runtime.

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
mod problem;
mod process;
mod program;
mod request;
mod share;
mod sizes;
mod time;
mod update;
mod usage;

pub use call_name::CallName;
pub use calls::{CallCount, CallStep, NameSince, ProcessCalls};
pub use finding::{
    Amount, Culprit, Figure, Finding, FindingLink, Findings, NotLookedAt, Rule, Severity, View,
};
pub use health::{Clients, Health, Notice, RequestTotals, RunsAs, SelfUsage, StoreHealth};
pub use host::{Host, Memory, Pressure, Swap};
pub use life::{Before, Life, Lives};
pub use live::{FocusAnswer, FocusedRequests, ProcessId, Snapshot, Tick};
pub use machine::{Hosts, KnownHost, Machine, MachineStep, Run, Runs};
pub use mappings::{
    ClassName, GroupLimit, LimitName, Limits, MappedFile, MappedSum, MappingClass, MappingCount, Mappings,
    Overcommit, ResourceLimit,
};
pub use measure::Measure;
pub use oom::{Large, OomKill, OomKills, OomMoment};
pub use problem::Problem;
pub use process::{CallTotals, OneProcess, Process, ProcessState, Processes, Refusals, Resident, error_name};
pub use program::{OtherPrograms, Program, ProgramPoint, Programs};
pub use request::{Address, Request, Requests};
pub use share::{Others, Share, Slice};
pub use sizes::{FrequentSize, RefusalList, Refused, SizeBucket, Sizes};
pub use time::Time;
pub use update::{Update, UpdateProcess, UpdateRequest, UpdateSlice};
pub use usage::{Step, Stretch, Usage};
