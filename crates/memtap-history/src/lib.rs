//! History: the port that every store implements, and everything that is the same for all of them.
//!
//! [`Batch`]es of booked requests and changed processes go in; pages of requests, usage in steps, process
//! history and the store's [`Status`] come out. Writing happens in a thread of its own ([`spawn`]), which may
//! lag or lose its database without slowing the capture: what cannot be written waits in a spool on disk, and
//! what has to be dropped is counted by cause. For reading, a driver delivers rows ([`rows`]); [`History`]
//! computes all answers from them.
//!
//! Architecture invariant: no database driver below this crate. It knows nothing of sources, of the server, or
//! of the inner workings of the ledger; the ledger's read model is the only input.

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
pub mod rows;
mod sizes;
mod spool;
mod status;
pub mod steps;
mod writer;

pub use answers::{
    CallCount, CallStep, FrequentSize, HostRun, Life, Lives, MachinePoint, NameSince, ProcessCalls, Program,
    Programs, Refused, RequestPage, SizeBucket, Sizes, StoredHost, StoredMoment, StoredOomKill,
    StoredRequest, UsagePoint,
};
pub use clock::{Clocks, Moment};
pub use delivery::{AllProcesses, Appended, Batch, Delivery, Run};
pub use error::StoreError;
pub use machine::machine_sizes;
pub use port::{Clock, Location, Pending, Reader, Settings, Store};
pub use queries::{LifeQuery, Measure, ProgramQuery, Range, RequestQuery, UsageQuery};
pub use reading::History;
pub use status::{DropCause, Status};
pub use writer::{Handle, Limits, SpoolSettings, spawn};
