//! History: the port that every store implements, and the stores.
//!
//! What goes in are [`Batch`]es of booked requests and changed processes; what comes out are pages of requests and the
//! store's [`Status`]. Writing happens in one thread of its own ([`spawn`]), which may lag or lose its database without slowing the
//! capture: what waits goes to a spool on disk then, and what has to be dropped is counted by cause.
//!
//! Architecture Invariant: nothing here knows of sources, of the server, or of the ledger's inner workings; the ledger's
//! read model is the only input.

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
mod request;
mod sizes;
mod spool;
mod sqlite;
mod steps;
mod tables;
mod url;
mod writer;

pub use memtap_api::Measure;

pub use clock::{Clocks, Moment};
pub use error::{AFTER_DAMAGE, StoreError};
pub use history::{
    CallCount, CallStep, FrequentSize, HostRun, Life, LifeQuery, Lives, MachinePoint, NameSince,
    ProcessCalls, Program, ProgramQuery, Programs, Range, Refused, SizeBucket, Sizes, StoredHost,
    StoredMoment, StoredOomKill,
};
pub use mysql::MysqlUrl;
pub use port::{
    AllProcesses, Appended, Batch, Clock, Delivery, DropCause, Reader, RequestPage, RequestQuery, Run,
    Settings, Status, Store, UsagePoint, UsageQuery,
};
pub use request::StoredRequest;
pub use sqlite::{HEADER_BYTES, is_history};
pub use url::{StoreUrl, open, open_reader};
pub use writer::{Handle, Limits, SpoolSettings, spawn};
