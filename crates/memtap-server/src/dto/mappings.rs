//! What one process has mapped, and what limits it.

use memtap_model::{AllLimits, Mapped, Used};
use serde::Serialize;
use utoipa::ToSchema;

use crate::walks::Reading;

/// The mappings of a process, now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Mappings {
    /// By class, those that there are.
    classes: Vec<MappingClass>,
    /// By the name of what is mapped (files, shared memory), those with most in memory first, at most 200.
    files: Vec<MappedFile>,
    /// Names beyond these.
    more_files: u64,
    /// All classes together; `virtual_bytes` is the virtual size.
    total: MappedSum,
    /// How long ago the kernel was asked, seconds.
    age_s: f64,
}

/// All mappings of one class.
#[derive(Debug, Serialize, ToSchema)]
struct MappingClass {
    class: ClassName,
    #[serde(flatten)]
    sum: MappedSum,
}

/// What mappings are for.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ClassName {
    /// What brk moves.
    Heap,
    /// The first thread's; stacks of other threads are anonymous memory.
    Stack,
    /// Private memory without a file.
    Anonymous,
    /// Files.
    File,
    /// Memory that can be shared: System V segments, memfd, /dev/shm, shared anonymous mappings.
    Shared,
    /// The kernel's own, such as the vDSO.
    Special,
}

/// All mappings of one file, or of one piece of shared memory.
#[derive(Debug, Serialize, ToSchema)]
struct MappedFile {
    /// With its folders, as the kernel tells it.
    name: String,
    #[serde(flatten)]
    sum: MappedSum,
}

/// A sum of mappings.
#[derive(Debug, Serialize, ToSchema)]
struct MappedSum {
    /// How many.
    mappings: u64,
    /// Their length.
    virtual_bytes: u64,
    /// What of them is in memory; null where the process is so large that asking took too long.
    resident_bytes: Option<u64>,
    /// What of them is in swap; likewise.
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

/// Everything that limits the memory of a process, now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Limits {
    /// Its resource limits (`ulimit`).
    limits: Vec<ResourceLimit>,
    /// Its mappings against `vm.max_map_count`; null where they cannot be counted.
    mappings: Option<MappingCount>,
    /// Of the control groups above it the one that is fullest; null where none has a limit.
    cgroup: Option<GroupLimit>,
    overcommit: Overcommit,
    /// How long ago all of this was read, seconds.
    age_s: f64,
}

/// A resource limit of a process.
#[derive(Debug, Serialize, ToSchema)]
struct ResourceLimit {
    name: LimitName,
    /// The limit that holds; null: unlimited.
    soft_bytes: Option<u64>,
    /// How far the process may raise it itself; null: unlimited.
    hard_bytes: Option<u64>,
    /// What counts against it; null where that is not known.
    used_bytes: Option<u64>,
    /// Whether a capability lifts it: CAP_IPC_LOCK that on locked memory.
    lifted: bool,
}

/// Which resource.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LimitName {
    /// RLIMIT_AS against the virtual size.
    AddressSpace,
    /// RLIMIT_DATA against private memory that may be written to.
    Data,
    /// RLIMIT_STACK against the first thread's stack.
    Stack,
    /// RLIMIT_MEMLOCK against what is locked in memory.
    Locked,
}

/// Mappings against the machine's limit for one process.
#[derive(Debug, Serialize, ToSchema)]
struct MappingCount {
    used: u64,
    limit: u64,
}

/// A control group that has a limit on memory.
#[derive(Debug, Serialize, ToSchema)]
struct GroupLimit {
    path: String,
    /// `memory.max`.
    limit_bytes: u64,
    /// What it has and cannot give back at once: copies of files left out.
    used_bytes: u64,
}

/// What the machine promises to all processes together.
#[derive(Debug, Serialize, ToSchema)]
struct Overcommit {
    /// `vm.overcommit_memory`: 0 by rule of thumb, 1 always, 2 never beyond the limit.
    mode: u8,
    /// `CommitLimit`; it holds in mode 2 only.
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
