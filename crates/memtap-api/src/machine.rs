//! The machine over time, and the machines that a store knows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::{CallName, CallTotals, Pressure, Time};

/// The machines that have written into the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Hosts {
    /// The machines, sorted by name.
    pub hosts: Vec<KnownHost>,
}

/// A machine that has written into the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct KnownHost {
    /// Name of the machine.
    pub hostname: String,
    /// Kernel release in the latest run.
    pub kernel: String,
    /// Start of the first run.
    pub first_time: Time,
    /// Last recorded second.
    pub last_time: Time,
}

/// The runs of memtap in a time range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Runs {
    /// Latest first.
    #[cfg_attr(feature = "openapi", schema(max_items = 1000))]
    pub runs: Vec<Run>,
    /// True if the range has more, earlier runs.
    pub more: bool,
}

/// A run of memtap that wrote into the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Run {
    /// Name of the machine.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// Start of the run.
    pub first_time: Time,
    /// Last recorded second. In the current run it is a moment ago.
    pub last_time: Time,
    /// Requests of the whole run, including those outside the range.
    pub requests: u64,
    /// Refused requests of the whole run.
    pub refused: u64,
    /// Requests of the whole run whose record did not arrive in the stream.
    pub lost: u64,
}

/// The machine's memory and the requests of all processes over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Machine {
    /// Length of a step in seconds.
    pub step_s: u64,
    /// Oldest first. Steps without a sample are left out.
    pub series: Vec<MachineStep>,
}

/// One step. The parts of memory add up: `programs + cached + kernel + free = total`. Sizes are
/// those at the end of the step, unless a field says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct MachineStep {
    /// Start of the step.
    pub timestamp: Time,
    /// All memory in bytes.
    pub total_bytes: u64,
    /// Available memory at the end of the step.
    pub available_bytes: u64,
    /// Lowest available memory within the step.
    pub least_available_bytes: u64,
    /// Unused memory in bytes.
    pub free_bytes: u64,
    /// Copies of files that the kernel can drop, in bytes.
    pub cached_bytes: u64,
    /// Memory that the kernel uses for itself, in bytes.
    pub kernel_bytes: u64,
    /// Memory that programs use, in bytes.
    pub programs_bytes: u64,
    /// All swap space in bytes.
    pub swap_total_bytes: u64,
    /// Unused swap space in bytes.
    pub swap_free_bytes: u64,
    /// Highest pressure within the step; null if the kernel has no PSI.
    pub pressure: Option<Pressure>,
    /// Requests whose record did not arrive in the stream.
    pub lost: u64,
    /// Requests within the step, by call.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, CallTotals>))]
    pub calls: BTreeMap<CallName, CallTotals>,
}
