//! Processes of a range of the history.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::{Resident, Time};

/// The processes that existed in a time range, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Lives {
    /// The processes.
    pub lives: Vec<Life>,
    /// Number of processes beyond those in the list.
    pub more: u64,
}

/// One process, restricted to the range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Life {
    /// Name of the machine.
    pub host: Arc<str>,
    /// Process id.
    pub pid: u32,
    /// Start time. Together with host and pid it identifies the process.
    pub start_time: Time,
    /// End time; null if the process is alive, or if memtap did not see its end.
    pub end_time: Option<Time>,
    /// Time of the last record of the process.
    pub seen_time: Time,
    /// Latest name of the process. Untrusted text.
    pub name: String,
    /// Command line. Untrusted text.
    pub command: String,
    /// Name of the user, or its number.
    pub user: String,
    /// Process id of the parent; null if unknown.
    pub parent_pid: Option<u32>,
    /// Container as `runtime:id`.
    pub container: Option<String>,
    /// UID of the Kubernetes pod.
    pub pod: Option<String>,
    /// Innermost systemd unit.
    pub unit: Option<String>,
    /// Sizes at the start of the range.
    pub before: Before,
    /// Virtual size in bytes at the end of the range, or at the end of the process if that came
    /// first. For a process that ended within its first step: the highest size.
    pub virtual_bytes: u64,
    /// Resident set in bytes, at the same time.
    pub resident_bytes: u64,
    /// Resident set by kind; all 0 if only the highest size is known.
    pub resident: Resident,
    /// Swapped memory in bytes, at the same time.
    pub swap_bytes: u64,
    /// Highest virtual size within the range.
    pub peak_virtual_bytes: u64,
    /// Time of the highest virtual size.
    pub peak_virtual_time: Time,
    /// Highest resident set within the range.
    pub peak_resident_bytes: u64,
    /// Time of the highest resident set.
    pub peak_resident_time: Time,
    /// Requests within the range; the counters that follow also count within the range.
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

/// Sizes at the start of a range; 0 for a process that started later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Before {
    /// Virtual size in bytes.
    pub virtual_bytes: u64,
    /// Resident set in bytes.
    pub resident_bytes: u64,
}
