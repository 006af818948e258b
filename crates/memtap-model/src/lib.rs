//! The words of memtap as types: units, the call table, the wire record and what it decodes to.
//!
//! Architecture Invariant: this crate is pure. It does no I/O, reads no clock, spawns no thread, and imports no
//! other crate of memtap; every function's answer depends on its arguments alone.

mod call;
mod comm;
mod decode;
mod errno;
mod flags;
mod host;
mod observation;
mod record;
mod units;

pub use call::{CALLS, Call, CallRow};
pub use comm::Comm;
pub use decode::{DecodeError, Decoder};
pub use errno::Errno;
pub use host::{HostReading, Pressure, SwapReading};
pub use observation::{
    LossCause, MemoryRequest, Observation, Outcome, ProcessDetails, ProcessState, Resident,
};
pub use record::RawRecord;
pub use units::{PageSize, ProcessId, SpaceId, StartTime, Tgid, Tid, WallClock};
