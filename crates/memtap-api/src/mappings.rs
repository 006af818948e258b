//! The mappings of one process, and the limits on its memory.

use std::time::Duration;

use memtap_model::{AllLimits, Mapped, Resource, Used};
use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// The mappings of a process, now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Mappings {
    /// Sums by class. Classes without a mapping are left out.
    pub classes: Vec<MappingClass>,
    /// Sums by mapped file or shared memory, largest resident size first, at most 200.
    pub files: Vec<MappedFile>,
    /// Number of names beyond these.
    pub more_files: u64,
    /// Sum of all classes; `virtual_bytes` is the virtual size of the process.
    pub total: MappedSum,
    /// Age of the answer in seconds.
    pub age_s: f64,
}

/// All mappings of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct MappingClass {
    /// The class.
    pub class: ClassName,
    /// Sum of the mappings.
    #[serde(flatten)]
    pub sum: MappedSum,
}

/// Purpose of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ClassName {
    /// The heap that brk moves.
    Heap,
    /// The stack of the first thread. Stacks of other threads are anonymous memory.
    Stack,
    /// Private memory without a file.
    Anonymous,
    /// Mapped files.
    File,
    /// Memory that can be shared: System V segments, memfd, /dev/shm, shared anonymous mappings.
    Shared,
    /// Mappings of the kernel, such as the vDSO.
    Special,
}

/// All mappings of one file, or of one piece of shared memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct MappedFile {
    /// Path, as the kernel reports it.
    pub name: String,
    /// Sum of the mappings.
    #[serde(flatten)]
    pub sum: MappedSum,
}

/// A sum of mappings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct MappedSum {
    /// Number of mappings.
    pub mappings: u64,
    /// Length in bytes.
    pub virtual_bytes: u64,
    /// Part that is in RAM, in bytes; null if the process is so large that reading it took too
    /// long.
    pub resident_bytes: Option<u64>,
    /// Part that is in swap, in bytes; null as above.
    pub swap_bytes: Option<u64>,
}

impl Mappings {
    /// The mappings as they were read `age` ago.
    #[must_use]
    pub fn new(found: memtap_model::Mappings, age: Duration) -> Self {
        let known = |bytes| found.has_resident.then_some(bytes);
        let sum = |mapped: Mapped| MappedSum {
            mappings: mapped.mappings,
            virtual_bytes: mapped.virtual_bytes,
            resident_bytes: known(mapped.resident_bytes),
            swap_bytes: known(mapped.swap_bytes),
        };
        let total = sum(found.total());
        let classes = found.classes.iter();
        let classes =
            classes.map(|(class, mapped)| MappingClass { class: (*class).into(), sum: sum(*mapped) });
        let files = found.files.into_iter();
        Self {
            classes: classes.collect(),
            more_files: found.more_files,
            total,
            age_s: age.as_secs_f64(),
            files: files.map(|(name, mapped)| MappedFile { name, sum: sum(mapped) }).collect(),
        }
    }
}

impl From<memtap_model::MappingClass> for ClassName {
    fn from(class: memtap_model::MappingClass) -> Self {
        use memtap_model::MappingClass as Class;
        match class {
            Class::Heap => Self::Heap,
            Class::Stack => Self::Stack,
            Class::Anonymous => Self::Anonymous,
            Class::File => Self::File,
            Class::Shared => Self::Shared,
            Class::Special => Self::Special,
        }
    }
}

/// All limits on the memory of a process, now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Limits {
    /// Resource limits of the process (`ulimit`).
    pub limits: Vec<ResourceLimit>,
    /// Number of mappings, compared with `vm.max_map_count`; null if they cannot be counted.
    pub mappings: Option<MappingCount>,
    /// The fullest control group above the process; null if none has a limit.
    pub cgroup: Option<GroupLimit>,
    /// Memory that the machine has promised to all processes.
    pub overcommit: Overcommit,
    /// Age of the answer in seconds.
    pub age_s: f64,
}

/// A resource limit of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct ResourceLimit {
    /// The limited resource.
    pub name: LimitName,
    /// Current limit in bytes; null means unlimited.
    pub soft_bytes: Option<u64>,
    /// Highest limit that the process can set itself; null means unlimited.
    pub hard_bytes: Option<u64>,
    /// Bytes that count against the limit; null if unknown.
    pub used_bytes: Option<u64>,
    /// True if a capability lifts the limit, as CAP_IPC_LOCK does for locked memory.
    pub lifted: bool,
}

/// The limited resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LimitName {
    /// `RLIMIT_AS`: virtual size.
    AddressSpace,
    /// `RLIMIT_DATA`: private writable memory.
    Data,
    /// `RLIMIT_STACK`: stack of the first thread.
    Stack,
    /// `RLIMIT_MEMLOCK`: locked memory.
    Locked,
}

/// Number of mappings, and the machine's limit for one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct MappingCount {
    /// Number of mappings that the process has.
    pub used: u64,
    /// `vm.max_map_count`.
    pub limit: u64,
}

/// A control group with a memory limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct GroupLimit {
    /// Path of the control group.
    pub path: String,
    /// `memory.max`.
    pub limit_bytes: u64,
    /// Memory in use without page cache, which the kernel can reclaim at once.
    pub used_bytes: u64,
}

/// Memory that the machine has promised to all processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Overcommit {
    /// `vm.overcommit_memory`: 0 heuristic, 1 always, 2 never beyond the limit.
    pub mode: u8,
    /// `CommitLimit`. It applies in mode 2 only.
    pub limit_bytes: u64,
    /// `Committed_AS`.
    pub committed_bytes: u64,
}

impl Limits {
    /// The limits as they were read `age` ago.
    #[must_use]
    pub fn new(found: AllLimits, age: Duration) -> Self {
        let limit = |limit: memtap_model::ResourceLimit| ResourceLimit {
            name: limit.resource.into(),
            soft_bytes: limit.soft_bytes,
            hard_bytes: limit.hard_bytes,
            used_bytes: limit.used_bytes,
            lifted: limit.is_lifted,
        };
        Self {
            limits: found.resources.into_iter().map(limit).collect(),
            mappings: found.mappings.map(|Used { used, limit }| MappingCount { used, limit }),
            cgroup: found.cgroup.map(|group| GroupLimit {
                path: group.path.to_string(),
                limit_bytes: group.memory.limit,
                used_bytes: group.memory.used,
            }),
            overcommit: Overcommit {
                mode: found.machine.overcommit_mode,
                limit_bytes: found.machine.committed.limit,
                committed_bytes: found.machine.committed.used,
            },
            age_s: age.as_secs_f64(),
        }
    }
}

impl From<Resource> for LimitName {
    fn from(resource: Resource) -> Self {
        match resource {
            Resource::AddressSpace => Self::AddressSpace,
            Resource::Data => Self::Data,
            Resource::Stack => Self::Stack,
            Resource::Locked => Self::Locked,
        }
    }
}
