//! Recordings: files of observations that `memtap record` writes, and the source that plays them
//! back on any machine.
//!
//! `frame.rs` defines the file format (frames with checksums), `unchanged.rs` decides what is
//! omitted because it has not changed, `recorder.rs` writes, and `replay.rs` reads.

mod frame;

mod recorder;
mod replay;
mod selection;
mod unchanged;

pub use frame::MARK;
pub use recorder::{Recorded, Recorder};
pub(crate) use replay::open;

use memtap_model::{HostReading, Observation, Tgid, WallClock};
use serde::{Deserialize, Serialize};

/// Content of a frame.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Piece {
    /// True if the frame can be read without the frames before it.
    fresh: bool,
    batches: Vec<Stretch>,
}

/// Observations in their order, up to the end of a reading of all processes at most.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stretch {
    observations: Vec<Observation>,
    /// The reading that ends with these observations.
    end: Option<ReadingEnd>,
}

/// End of a reading of all processes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct ReadingEnd {
    time: WallClock,
    /// Processes that were known and are missing in this reading. All other processes without an
    /// observation are unchanged.
    unread: Vec<Tgid>,
    host: Option<HostReading>,
}
