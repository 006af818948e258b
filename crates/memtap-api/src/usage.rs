//! Usage over time.

use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::Time;

/// Usage of one process, or of all processes together, over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Usage {
    /// Length of a step in seconds. It can be longer than requested, because the history keeps
    /// short steps for a limited time.
    pub step_s: u64,
    /// Steps, oldest first. Steps without a change are left out. For one process, the first step is
    /// always present and shows its sizes at the start of the range.
    pub series: Vec<Step>,
    /// Times at which memtap was running, oldest first. Nothing is known about the time between
    /// them.
    pub watched: Vec<Stretch>,
}

/// A period of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Stretch {
    /// Start of the period.
    pub from: Time,
    /// End of the period.
    pub to: Time,
}

/// One step: sizes at its end, and peaks and counters within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Step {
    /// Start of the step.
    pub timestamp: Time,
    /// Virtual size in bytes.
    pub virtual_bytes: u64,
    /// Resident set in bytes.
    pub resident_bytes: u64,
    /// Resident pages without a file, in bytes.
    pub anonymous_bytes: u64,
    /// Resident pages of files, in bytes.
    pub file_bytes: u64,
    /// Resident pages of shared memory and tmpfs, in bytes.
    pub shmem_bytes: u64,
    /// Swapped memory in bytes.
    pub swap_bytes: u64,
    /// Highest virtual size in bytes.
    pub peak_virtual_bytes: u64,
    /// Highest resident set in bytes.
    pub peak_resident_bytes: u64,
    /// All requests, refused ones included.
    pub requests: u64,
    /// Refused requests.
    pub refused: u64,
    /// Requested bytes of granted requests, for the calls that ask for memory.
    pub requested_bytes: u64,
    /// Bytes that requests added to the virtual size.
    pub granted_bytes: u64,
    /// Bytes that requests removed from the virtual size.
    pub released_bytes: u64,
    /// Minor page faults.
    pub minor_faults: u64,
    /// Major page faults.
    pub major_faults: u64,
}
