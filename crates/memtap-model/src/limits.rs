//! Memory limits of a process, of its control groups and of the machine, and how much of each is
//! used.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Amount used of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Used {
    /// Amount in use.
    pub used: u64,
    /// The limit.
    pub limit: u64,
}

impl Used {
    /// Returns the used part as a fraction of 1, or 0 if the limit is 0.
    #[must_use]
    pub fn share(self) -> f64 {
        if self.limit == 0 { 0.0 } else { self.used as f64 / self.limit as f64 }
    }
}

/// Limits of one process. A field is `None` if there is no such limit or if it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessLimits {
    /// Virtual size against RLIMIT_AS, bytes.
    pub address_space: Option<Used>,
    /// VmData against RLIMIT_DATA, bytes.
    pub data: Option<Used>,
    /// VmLck against RLIMIT_MEMLOCK, bytes. `None` for a process with CAP_IPC_LOCK, which has no
    /// such limit.
    pub locked: Option<Used>,
    /// Number of mappings against `vm.max_map_count`; `None` if they were not counted.
    pub mappings: Option<Used>,
    /// The fullest of the control groups above the process.
    pub cgroup: Option<CgroupLimit>,
}

/// Limit of a control group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CgroupLimit {
    /// Path of the group.
    pub path: Arc<str>,
    /// Memory that the group cannot release at once (without copies of files) against `memory.max`,
    /// bytes.
    pub memory: Used,
}

/// The machine's limits on committed memory and on mappings per process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MachineLimits {
    /// `vm.overcommit_memory`: 0 uses a heuristic, 1 always grants, 2 never exceeds the limit.
    pub overcommit_mode: u8,
    /// `Committed_AS` against `CommitLimit`, bytes. The kernel enforces the limit in mode 2 only.
    pub committed: Used,
    /// `vm.max_map_count`.
    pub max_map_count: u64,
}

/// Memory that a resource limit applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// RLIMIT_AS against the virtual size.
    AddressSpace,
    /// RLIMIT_DATA against private writable memory.
    Data,
    /// RLIMIT_STACK against the first thread's stack.
    Stack,
    /// RLIMIT_MEMLOCK against memory locked in RAM.
    Locked,
}

/// A resource limit of a process (`getrlimit`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceLimit {
    /// Memory that is limited.
    pub resource: Resource,
    /// The limit that the kernel enforces; `None` if unlimited.
    pub soft_bytes: Option<u64>,
    /// The highest limit that the process may set for itself; `None` if unlimited.
    pub hard_bytes: Option<u64>,
    /// Amount that counts against the limit; `None` if unknown.
    pub used_bytes: Option<u64>,
    /// True if a capability lifts the limit, as CAP_IPC_LOCK does for locked memory.
    pub is_lifted: bool,
}

/// Everything that limits the memory of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllLimits {
    /// Resource limits of the process.
    pub resources: Vec<ResourceLimit>,
    /// Number of mappings against `vm.max_map_count`.
    pub mappings: Option<Used>,
    /// The fullest of the control groups above the process; `None` if none has a limit.
    pub cgroup: Option<CgroupLimit>,
    /// Limits of the machine.
    pub machine: MachineLimits,
}
