//! Mappings of a process, summed by class and by file.

/// Purpose of a mapping, from its name and flags in /proc/PID/maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MappingClass {
    /// The heap, whose end brk moves.
    Heap,
    /// The stack of the first thread. The stacks of other threads look like anonymous memory.
    Stack,
    /// Private memory without a file.
    Anonymous,
    /// A file.
    File,
    /// Memory that can be shared: System V segments, memfd, /dev/shm, shared anonymous mappings.
    Shared,
    /// Mappings that the kernel makes, such as the vDSO, and objects without a path, such as
    /// `anon_inode:[perf_event]`.
    Special,
}

impl MappingClass {
    /// All classes.
    pub const ALL: [Self; 6] =
        [Self::Heap, Self::Stack, Self::Anonymous, Self::File, Self::Shared, Self::Special];

    /// Name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Stack => "stack",
            Self::Anonymous => "anonymous",
            Self::File => "file",
            Self::Shared => "shared",
            Self::Special => "special",
        }
    }
}

/// Sum of several mappings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mapped {
    /// Number of mappings.
    pub mappings: u64,
    /// Total length, bytes.
    pub virtual_bytes: u64,
    /// Bytes in RAM; 0 if they were not measured ([`Mappings::has_resident`]).
    pub resident_bytes: u64,
    /// Bytes in swap; 0 if they were not measured.
    pub swap_bytes: u64,
}

impl Mapped {
    /// Adds another sum to this one.
    pub fn add(&mut self, other: Self) {
        self.mappings += other.mappings;
        self.virtual_bytes += other.virtual_bytes;
        self.resident_bytes += other.resident_bytes;
        self.swap_bytes += other.swap_bytes;
    }
}

/// All mappings of one process at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mappings {
    /// Sums by class, without classes that have no mapping.
    pub classes: Vec<(MappingClass, Mapped)>,
    /// Sums by file or shared memory object, the largest first. Each name is the full path;
    /// processes choose it, so it is untrusted.
    pub files: Vec<(String, Mapped)>,
    /// Number of names that are not in `files`.
    pub more_files: u64,
    /// True if the bytes in RAM and in swap were measured.
    pub has_resident: bool,
}

impl Mappings {
    /// Sum over all classes. Its length is the virtual size of the process.
    #[must_use]
    pub fn total(&self) -> Mapped {
        let mut total = Mapped::default();
        self.classes.iter().for_each(|(_, mapped)| total.add(*mapped));
        total
    }
}

/// Memory of one process with shared pages divided among the processes that share them, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proportional {
    /// `Pss`: pages, each divided by the number of processes that have it.
    pub pss_bytes: u64,
    /// `Private_Clean + Private_Dirty`: pages that no other process has.
    pub uss_bytes: u64,
    /// `SwapPss`: swapped pages, divided in the same way.
    pub swap_pss_bytes: u64,
}
