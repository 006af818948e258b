//! Limits on memory: of a process, of its control group, of the machine; and how much of each is used.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How much of a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Used {
    /// So much.
    pub used: u64,
    /// Of so much.
    pub limit: u64,
}

impl Used {
    /// As a part of one; 0 of no limit.
    #[must_use]
    pub fn share(self) -> f64 {
        if self.limit == 0 { 0.0 } else { self.used as f64 / self.limit as f64 }
    }
}

/// The limits of one process; `None` where there is none, or where it is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessLimits {
    /// RLIMIT_AS against the virtual size, bytes.
    pub address_space: Option<Used>,
    /// RLIMIT_DATA against VmData, bytes.
    pub data: Option<Used>,
    /// RLIMIT_MEMLOCK against VmLck, bytes; who has CAP_IPC_LOCK has no such limit.
    pub locked: Option<Used>,
    /// Mappings against `vm.max_map_count`; `None` where they were not counted.
    pub mappings: Option<Used>,
    /// Of the control groups above it the one that is fullest.
    pub cgroup: Option<CgroupLimit>,
}

/// The limit of a control group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CgroupLimit {
    /// The group's path.
    pub path: Arc<str>,
    /// What it has and cannot give back at once (copies of files left out), against `memory.max`; bytes.
    pub memory: Used,
}

/// What the machine promises, and how many mappings a process may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MachineLimits {
    /// `vm.overcommit_memory`: 0 by rule of thumb, 1 always, 2 never beyond the limit.
    pub overcommit_mode: u8,
    /// `Committed_AS` against `CommitLimit`, bytes. The limit holds in mode 2 only.
    pub committed: Used,
    /// `vm.max_map_count`.
    pub max_map_count: u64,
}

/// What a process may be limited in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// RLIMIT_AS against the virtual size.
    AddressSpace,
    /// RLIMIT_DATA against private memory that may be written to.
    Data,
    /// RLIMIT_STACK against the first thread's stack.
    Stack,
    /// RLIMIT_MEMLOCK against what is locked in memory.
    Locked,
}

/// A resource limit of a process (`getrlimit`), as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceLimit {
    /// What is limited.
    pub resource: Resource,
    /// The limit that holds; `None`: unlimited.
    pub soft_bytes: Option<u64>,
    /// How far the process may raise it itself; `None`: unlimited.
    pub hard_bytes: Option<u64>,
    /// What counts against it; `None` where that is not known.
    pub used_bytes: Option<u64>,
    /// Whether a capability lifts it (CAP_IPC_LOCK that on locked memory).
    pub is_lifted: bool,
}

/// Everything that limits the memory of one process, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllLimits {
    /// Those of the process.
    pub resources: Vec<ResourceLimit>,
    /// Its mappings against `vm.max_map_count`.
    pub mappings: Option<Used>,
    /// Of the control groups above it the one that is fullest; `None` where none has a limit.
    pub cgroup: Option<CgroupLimit>,
    /// The machine's.
    pub machine: MachineLimits,
}
