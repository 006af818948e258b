//! What a process has mapped, added up by class and by file.

/// What a mapping is for, as its name in /proc/PID/maps tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MappingClass {
    /// What brk moves.
    Heap,
    /// The first thread's stack; those of other threads cannot be told from anonymous memory.
    Stack,
    /// Private memory without a file.
    Anonymous,
    /// A file.
    File,
    /// Memory that can be shared: System V segments, memfd, /dev/shm, shared anonymous mappings.
    Shared,
    /// The kernel's own, such as the vDSO, and devices that are no files.
    Special,
}

impl MappingClass {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Heap, Self::Stack, Self::Anonymous, Self::File, Self::Shared, Self::Special];

    /// Its name in the interface.
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

/// The sum of some mappings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mapped {
    /// How many.
    pub mappings: u64,
    /// Their length.
    pub virtual_bytes: u64,
    /// What of them is in memory; 0 where the kernel was not asked ([`Mappings::has_resident`]).
    pub resident_bytes: u64,
    /// What of them is in swap; likewise.
    pub swap_bytes: u64,
}

impl Mapped {
    /// Adds others.
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
    /// By class, those that there are.
    pub classes: Vec<(MappingClass, Mapped)>,
    /// By the name of what is mapped (files, shared memory), the largest first. Names are strangers' bytes as text, with folders.
    pub files: Vec<(String, Mapped)>,
    /// Names beyond these.
    pub more_files: u64,
    /// Whether it is known what of them is in memory and in swap.
    pub has_resident: bool,
}

impl Mappings {
    /// All classes together; their length is the process's virtual size.
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
