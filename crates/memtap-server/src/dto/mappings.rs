//! What one process has mapped, and what limits it.

use memtap_model::{AllLimits, Mapped, Used};
use serde::Serialize;
use utoipa::ToSchema;

use crate::walks::Reading;

/// The mappings of a process, now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Mappings {
    /// Sums by class. Classes without a mapping are left out.
    classes: Vec<MappingClass>,
    /// Sums by mapped file or shared memory, largest resident size first, at most 200.
    files: Vec<MappedFile>,
    /// Number of names beyond these.
    more_files: u64,
    /// Sum of all classes; `virtual_bytes` is the virtual size of the process.
    total: MappedSum,
    /// Age of the answer in seconds.
    age_s: f64,
}

/// All mappings of one class.
#[derive(Debug, Serialize, ToSchema)]
struct MappingClass {
    class: ClassName,
    #[serde(flatten)]
    sum: MappedSum,
}

/// Purpose of a mapping.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ClassName {
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
#[derive(Debug, Serialize, ToSchema)]
struct MappedFile {
    /// Path, as the kernel reports it.
    name: String,
    #[serde(flatten)]
    sum: MappedSum,
}

/// A sum of mappings.
#[derive(Debug, Serialize, ToSchema)]
struct MappedSum {
    /// Number of mappings.
    mappings: u64,
    /// Length in bytes.
    virtual_bytes: u64,
    /// Part that is in RAM, in bytes; null if the process is so large that reading it took too
    /// long.
    resident_bytes: Option<u64>,
    /// Part that is in swap, in bytes; null as above.
    swap_bytes: Option<u64>,
}

impl From<Reading<memtap_model::Mappings>> for Mappings {
    fn from(Reading { value: found, age }: Reading<memtap_model::Mappings>) -> Self {
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
            classes.map(|(class, mapped)| MappingClass { class: ClassName::from(*class), sum: sum(*mapped) });
        Self {
            classes: classes.collect(),
            more_files: found.more_files,
            total,
            age_s: age.as_secs_f64(),
            files: found
                .files
                .into_iter()
                .map(|(name, mapped)| MappedFile { name, sum: sum(mapped) })
                .collect(),
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
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Limits {
    /// Resource limits of the process (`ulimit`).
    limits: Vec<ResourceLimit>,
    /// Number of mappings, compared with `vm.max_map_count`; null if they cannot be counted.
    mappings: Option<MappingCount>,
    /// The fullest control group above the process; null if none has a limit.
    cgroup: Option<GroupLimit>,
    overcommit: Overcommit,
    /// Age of the answer in seconds.
    age_s: f64,
}

/// A resource limit of a process.
#[derive(Debug, Serialize, ToSchema)]
struct ResourceLimit {
    name: LimitName,
    /// Current limit in bytes; null means unlimited.
    soft_bytes: Option<u64>,
    /// Highest limit that the process can set itself; null means unlimited.
    hard_bytes: Option<u64>,
    /// Bytes that count against the limit; null if unknown.
    used_bytes: Option<u64>,
    /// True if a capability lifts the limit, as CAP_IPC_LOCK does for locked memory.
    lifted: bool,
}

/// The limited resource.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LimitName {
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
#[derive(Debug, Serialize, ToSchema)]
struct MappingCount {
    used: u64,
    limit: u64,
}

/// A control group with a memory limit.
#[derive(Debug, Serialize, ToSchema)]
struct GroupLimit {
    path: String,
    /// `memory.max`.
    limit_bytes: u64,
    /// Memory in use without page cache, which the kernel can reclaim at once.
    used_bytes: u64,
}

/// Memory that the machine has promised to all processes together.
#[derive(Debug, Serialize, ToSchema)]
struct Overcommit {
    /// `vm.overcommit_memory`: 0 heuristic, 1 always, 2 never beyond the limit.
    mode: u8,
    /// `CommitLimit`. It applies in mode 2 only.
    limit_bytes: u64,
    /// `Committed_AS`.
    committed_bytes: u64,
}

impl From<Reading<AllLimits>> for Limits {
    fn from(Reading { value: found, age }: Reading<AllLimits>) -> Self {
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

impl From<memtap_model::Resource> for LimitName {
    fn from(resource: memtap_model::Resource) -> Self {
        use memtap_model::Resource;
        match resource {
            Resource::AddressSpace => Self::AddressSpace,
            Resource::Data => Self::Data,
            Resource::Stack => Self::Stack,
            Resource::Locked => Self::Locked,
        }
    }
}
