//! What a source observes, decoded: the ledger's input.

use crate::{Call, Comm, Errno, HostReading, ProcessId, SpaceId, StartTime, Tgid, Tid, WallClock};

/// One thing that a source saw. A stream of these, in the order given, is all that the ledger needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// A memory request came back from the kernel.
    Request(MemoryRequest),
    /// The state of a process as read now; opens its account when it has none.
    Snapshot(ProcessState),
    /// A process was born as the copy of its parent (or, after vfork, sharing its space).
    Fork(ProcessState),
    /// A process replaced its image; the state is that of the new one.
    Exec(ProcessState),
    /// A process ended.
    Exit {
        /// Which process.
        process: ProcessId,
        /// When.
        time: WallClock,
    },
    /// What only /proc tells of a process.
    Details(ProcessDetails),
    /// The machine's memory.
    Host(HostReading),
    /// The source has read all processes once: from now on a request of an unknown process is a loss.
    Opened,
    /// Requests that did not reach user space since the last such observation.
    Lost {
        /// Why.
        cause: LossCause,
        /// How many.
        count: u64,
    },
}

/// Why request records were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LossCause {
    /// The kernel's ring had no room: user space did not read fast enough.
    RingFull,
    /// The same for a fork, exec, exit or reading, although the last part of the ring is theirs.
    LifecycleRingFull,
    /// The record did not decode: kernel side and user space disagree.
    Undecodable,
    /// The process had no account.
    UnknownProcess,
}

impl LossCause {
    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::LifecycleRingFull => "lifecycle_ring_full",
            Self::Undecodable => "undecodable",
            Self::UnknownProcess => "unknown_process",
        }
    }
}

/// What the kernel answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Granted; the value that the call returned.
    Granted(u64),
    /// Refused with this errno.
    Refused(Errno),
}

/// One memory system call of one thread, with its arguments and its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryRequest {
    /// When the call returned.
    pub time: WallClock,
    /// The process.
    pub tgid: Tgid,
    /// The thread.
    pub tid: Tid,
    /// The address space it acted on.
    pub space: SpaceId,
    /// The thread's name at that moment.
    pub name: Comm,
    /// Which call.
    pub call: Call,
    /// The arguments as given, in the order of the 64-bit call.
    pub arguments: [u64; 5],
    /// What the kernel answered.
    pub outcome: Outcome,
    /// Virtual size after the call, bytes.
    pub virtual_bytes: u64,
    /// The part of it that is stack, bytes.
    pub stack_bytes: u64,
    /// End of the heap after the call, an address.
    pub brk: u64,
}

/// Resident memory and swap, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resident {
    /// Pages of no file.
    pub anonymous_bytes: u64,
    /// Pages of files.
    pub file_bytes: u64,
    /// Shared memory and tmpfs.
    pub shmem_bytes: u64,
    /// Swapped out.
    pub swap_bytes: u64,
}

impl Resident {
    /// The resident set: anonymous + file + shmem, as `VmRSS` of /proc/PID/status.
    #[must_use]
    pub fn set_bytes(self) -> u64 {
        self.anonymous_bytes + self.file_bytes + self.shmem_bytes
    }
}

/// A process as the kernel has it at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessState {
    /// When it was read.
    pub time: WallClock,
    /// Whether the source sees its requests too. Without them nothing explains a change, so each reading reopens its books.
    pub followed: bool,
    /// The process.
    pub tgid: Tgid,
    /// Its start, for its identity.
    pub start: StartTime,
    /// Its start, for people.
    pub started_at: WallClock,
    /// Its parent.
    pub parent: Tgid,
    /// Its real user id.
    pub uid: u32,
    /// Its address space.
    pub space: SpaceId,
    /// Its name.
    pub name: Comm,
    /// Virtual size, bytes.
    pub virtual_bytes: u64,
    /// The part of it that is stack, bytes.
    pub stack_bytes: u64,
    /// End of the heap, an address; 0 when the source cannot tell.
    pub brk: u64,
    /// Resident memory.
    pub resident: Resident,
}

impl ProcessState {
    /// The process life this is about.
    #[must_use]
    pub fn process(&self) -> ProcessId {
        ProcessId { tgid: self.tgid, start: self.start }
    }
}

/// What /proc tells of a process beyond the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessDetails {
    /// Which process.
    pub process: ProcessId,
    /// Its command line, arguments joined by blanks; at most 1 KiB, bytes that are not UTF-8 as `\xNN`.
    pub command: String,
    /// Its user's name, or the number where there is none.
    pub user: String,
}
