//! Recordings: a file of observations as `memtap record` wrote them, and the source that tells them again on any machine.
//!
//! `frame.rs` is the file's form (checksummed frames), `unchanged.rs` what is left out because it has not changed, `recorder.rs` writes,
//! `replay.rs` reads.

mod chosen;
mod frame;

mod recorder;
mod replay;
mod unchanged;

pub use frame::MARK;
pub use recorder::{Recorded, Recorder};
pub(crate) use replay::open;

use memtap_model::{HostReading, Observation, Tgid, WallClock};
use serde::{Deserialize, Serialize};

/// What a whole frame holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Piece {
    /// Nothing that stands before it is needed to read on from here.
    fresh: bool,
    batches: Vec<Stretch>,
}

/// Observations in their order, at the most up to the end of a reading of all processes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stretch {
    observations: Vec<Observation>,
    /// How the reading ended that ends this.
    end: Option<ReadingEnd>,
}

/// The end of a reading of all processes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct ReadingEnd {
    time: WallClock,
    /// Processes that were known and that this reading did not find. All others that are not among the observations are as they were.
    unread: Vec<Tgid>,
    host: Option<HostReading>,
}
