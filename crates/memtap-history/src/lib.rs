//! History: the port that every store implements, and the code that all stores share.
//!
//! Writers pass in [`Batch`]es of booked requests and changed processes. Readers get pages of
//! requests, usage in steps, process history and the store's [`Status`]. A dedicated thread
//! ([`spawn`]) writes. It may lag, or lose its database, without slowing the capture: the backlog
//! then goes to a spool on disk. Requests that must be dropped are counted by cause. For reading, a
//! driver delivers rows ([`rows`]), and [`History`] computes all answers from them.
//!
//! Architecture invariant: this crate does not depend on a database driver, on sources, on the
//! server, or on the ledger's internals. Its only input is the ledger's read model.

mod answers;
mod calls;
mod carry;
mod clock;
mod courier;
mod cover;
mod delivery;
mod error;
mod machine;
pub mod maintenance;
mod port;
mod queries;
mod reading;
mod refusals;
mod request;
pub mod rows;
mod sizes;
mod spool;
mod status;
pub mod steps;
mod writer;

pub use answers::{
    CallCount, CallStep, FrequentSize, HostRun, MachinePoint, NameSince, ProcessCalls, ProcessLifetime,
    ProcessLifetimes, Program, Programs, Refused, RequestPage, SizeBucket, Sizes, StoredHost, StoredMoment,
    StoredOomKill, UsagePoint,
};
pub use clock::{Clocks, Moment};
pub use delivery::{AllProcesses, Appended, Batch, Delivery, Run};
pub use error::StoreError;
pub use machine::machine_sizes;
pub use memtap_api::Measure;
pub use port::{Clock, Location, Pending, Reader, Settings, Store};
pub use queries::{LifetimeQuery, ProgramQuery, Range, RequestQuery, UsageQuery};
pub use reading::History;
pub use request::StoredRequest;
pub use status::{DropCause, Status};
pub use writer::{Handle, Limits, SpoolSettings, spawn};
