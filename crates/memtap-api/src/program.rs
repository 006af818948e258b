//! Programs of a range of the history: all processes of one name together.

use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::{Measure, Time};

/// The largest programs, and the sum of all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Programs {
    /// Measure that programs are compared by.
    pub by: Measure,
    /// Length of a step of the series in seconds.
    pub step_s: u64,
    /// The largest programs, largest first.
    pub programs: Vec<Program>,
    /// All other programs together; null if there are none.
    pub others: Option<OtherPrograms>,
    /// Sum of all programs.
    pub total: u64,
}

/// One program: all processes of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Program {
    /// Name of the processes. Untrusted text.
    pub name: String,
    /// Number of processes of that name in the range.
    pub lives: u64,
    /// Counters: the sum. Sizes: the highest sum of the processes at the end of a step.
    pub value: u64,
    /// Value by step, oldest first.
    pub series: Vec<ProgramPoint>,
}

/// Value of a program in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct ProgramPoint {
    /// Start of the step.
    pub timestamp: Time,
    /// Value in the step.
    pub value: u64,
}

/// All other programs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct OtherPrograms {
    /// Number of other names.
    pub names: u64,
    /// Number of their processes.
    pub lives: u64,
    /// Their value.
    pub value: u64,
}
