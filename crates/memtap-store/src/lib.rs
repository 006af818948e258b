//! History: the port that every store implements, and the stores.
//!
//! Writers pass in [`Batch`]es of booked requests and changed processes. Readers get pages of
//! requests and the store's [`Status`]. A dedicated thread ([`spawn`]) writes. It may lag, or lose
//! its database, without slowing the capture: the backlog then goes to a spool on disk. Requests
//! that must be dropped are counted by cause.
//!
//! Architecture Invariant: this crate does not depend on sources, on the server, or on the ledger's
//! internals. Its only input is the ledger's read model.

mod calls;
mod carry;
mod clock;
mod courier;
mod cover;
mod error;
mod history;
mod machine;
pub mod maintenance;
mod mysql;
mod port;
mod refusals;
mod sizes;
mod spool;
mod sqlite;
mod steps;
mod tables;
mod url;
mod writer;

pub use clock::{Clocks, Moment};
pub use error::StoreError;
pub use history::{
    CallCount, CallStep, FrequentSize, HostRun, Life, LifeQuery, Lives, MachinePoint, Measure, NameSince,
    ProcessCalls, Program, ProgramQuery, Programs, Range, Refused, SizeBucket, Sizes, StoredHost,
    StoredMoment, StoredOomKill,
};
pub use mysql::MysqlUrl;
pub use port::{
    AllProcesses, Appended, Batch, Clock, Delivery, DropCause, Reader, RequestPage, RequestQuery, Run,
    Settings, Status, Store, StoredRequest, UsagePoint, UsageQuery,
};
pub use sqlite::{HEADER_BYTES, is_history};
pub use url::{StoreUrl, open, open_reader};
pub use writer::{Handle, Limits, SpoolSettings, spawn};
