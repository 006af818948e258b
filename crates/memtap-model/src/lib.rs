//! Shared types of memtap: units, the call table, the wire records and the observations that they
//! decode to.
//!
//! Architecture Invariant: this crate is pure. It does no I/O, reads no clock, spawns no thread,
//! and imports no other crate of memtap. The result of every function depends only on its
//! arguments.

mod amount;
mod call;
mod comm;
mod decode;
mod errno;
mod flags;
mod host;
mod limits;
mod mappings;
mod notice;
mod observation;
mod placement;
mod record;
mod script_line;
mod secret;
mod units;
mod visible;

pub use amount::{grouped, size_in_unit};
pub use call::{CALLS, Call, CallRow, Place, SizeRule};
pub use comm::{Comm, to_text};
pub use decode::{DecodeError, Decoder};
pub use errno::Errno;
pub use flags::Flags;
pub use host::{HostReading, Pressure, SwapReading};
pub use limits::{AllLimits, CgroupLimit, MachineLimits, ProcessLimits, Resource, ResourceLimit, Used};
pub use mappings::{Mapped, MappingClass, Mappings, Proportional};
pub use notice::Notice;
pub use observation::{
    CallTotals, Causes, Faults, LossCause, MemoryRequest, Observation, OomKill, Outcome, ProcessDetails,
    ProcessState, Refusals, Resident, Tally,
};
pub use placement::{Container, Placement, Runtime};
pub use record::{
    CALL_ROWS, REFUSALS, RawBooks, RawOom, RawRecord, RawRename, RawRequest, RawState, RawTally,
};
pub use script_line::{Layout, LineError, ScriptLine, ScriptReader};
pub use secret::without_password;
pub use units::{PageSize, ProcessId, SpaceId, StartTime, Tgid, Tid, WallClock};
pub use visible::{is_unseen, visible, visible_char};
