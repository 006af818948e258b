//! What a source observes, decoded: the ledger's input.
//!
//! A recording holds these as they are: a change here is a new form of recordings (`FORM` in memtap-capture's `recording/frame.rs`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Call, Comm, Errno, HostReading, Placement, ProcessId, SizeRule, SpaceId, StartTime, Tgid, Tid, WallClock,
};

/// One thing that a source saw. A stream of these, in the order given, is all that the ledger needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Observation {
    /// A memory request came back from the kernel.
    Request(MemoryRequest),
    /// What a process's calls have come to; stands before the state that it belongs to, or before a new name.
    Tally(Box<Tally>),
    /// The state of a process as read now; opens its account when it has none.
    Snapshot(Box<ProcessState>),
    /// A process was born as the copy of its parent (or, after vfork, sharing its space).
    Fork(Box<ProcessState>),
    /// A process replaced its image; the state is that of the new one.
    Exec(Box<ProcessState>),
    /// A process ended; the state is its last.
    Exit(Box<ProcessState>),
    /// A process has another name from here on.
    Rename {
        /// Which process.
        tgid: Tgid,
        /// The new name.
        name: Comm,
    },
    /// The kernel killed a process for want of memory.
    Oom(OomKill),
    /// What only /proc tells of a process.
    Details(ProcessDetails),
    /// The machine's memory.
    Host(HostReading),
    /// All processes have been read: one that was not has gone.
    AllRead,
    /// Records that did not reach user space since the last such observation.
    Lost {
        /// Why.
        cause: LossCause,
        /// How many.
        count: u64,
    },
}

/// Why records were lost. What was lost is missing in the stream only: the books are kept by the kernel side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LossCause {
    /// Requests: the kernel's ring had no room, user space did not read fast enough.
    RingFull,
    /// The same for a fork, exec, exit or reading, although the last part of the ring is theirs. The next reading makes it good.
    LifecycleRingFull,
    /// The same for a change of name: the share by name is then less exact.
    NamesRingFull,
    /// Requests of processes for which there was no room among the accounts.
    NoAccount,
    /// The record did not decode: kernel side and user space disagree.
    Undecodable,
    /// Requests whose process had no account here.
    UnknownProcess,
    /// Lines of a SystemTap script that are damaged.
    DamagedLine,
    /// What a SystemTap script goes on to print, since its stream could not be opened or read: counted once, for how many lines it is
    /// nobody knows.
    UnreadableInput,
    /// Processes that ended, of too many within one tick: they are missing in the history.
    TooManyEnds,
    /// Requests in a damaged part of a recording.
    DamagedRecording,
}

impl LossCause {
    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::LifecycleRingFull => "lifecycle_ring_full",
            Self::NamesRingFull => "names_ring_full",
            Self::NoAccount => "no_account",
            Self::Undecodable => "undecodable",
            Self::UnknownProcess => "unknown_process",
            Self::DamagedLine => "damaged_line",
            Self::UnreadableInput => "unreadable_input",
            Self::TooManyEnds => "too_many_ends",
            Self::DamagedRecording => "damaged_recording",
        }
    }

    /// Whether what is lost are requests.
    #[must_use]
    pub fn is_requests(self) -> bool {
        !matches!(self, Self::LifecycleRingFull | Self::NamesRingFull | Self::TooManyEnds)
    }
}

/// What the kernel answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Granted; the value that the call returned.
    Granted(u64),
    /// Refused with this errno.
    Refused(Errno),
}

impl Outcome {
    /// What the answer means. brk has no errno: it returns the break as it is now, so it was refused when that is not what was asked
    /// for; brk(0) only asks where the break is (`mm/mmap.c`, all versions).
    #[must_use]
    pub fn of(call: Call, arguments: &[u64; 5], answer: u64) -> Self {
        if call.row().size == SizeRule::Break {
            let asked = arguments[0];
            return if asked == 0 || asked == answer {
                Self::Granted(answer)
            } else {
                Self::Refused(Errno::ENOMEM)
            };
        }
        let negated = answer.wrapping_neg();
        if (1..=4095).contains(&negated) {
            Self::Refused(Errno(negated as u16))
        } else {
            Self::Granted(answer)
        }
    }
}

/// One memory system call of one thread, with its arguments and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRequest {
    /// When the call returned.
    pub time: WallClock,
    /// The process.
    pub tgid: Tgid,
    /// The thread.
    pub tid: Tid,
    /// The thread's name at that moment.
    pub name: Comm,
    /// Which call.
    pub call: Call,
    /// Whether all its arguments, its answer and what it changed are known; of a line of SystemTap, only its length is.
    pub whole: bool,
    /// The arguments as given, in the order of the 64-bit call.
    pub arguments: [u64; 5],
    /// What the kernel answered.
    pub outcome: Outcome,
    /// What it asked for, rounded up to pages as the kernel does, bytes.
    pub requested_bytes: u64,
    /// What it changed the virtual size by, bytes.
    pub delta_bytes: i64,
    /// Virtual size after the call, bytes.
    pub virtual_bytes: u64,
    /// Of a mapped file, its own name without folders, as text.
    pub file: Option<Arc<str>>,
    /// How many requests of this process were lost before this one, modulo 2^32.
    pub lost: u32,
}

impl MemoryRequest {
    /// The words among its arguments: protection and flags, where it has them and they are known.
    #[must_use]
    pub fn words(&self) -> (Option<u64>, Option<u64>) {
        if self.whole { self.call.words(&self.arguments) } else { (None, None) }
    }
}

/// Resident memory and swap, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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

/// Why a process has what it has, as the kernel side has booked it since it opened the account. Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Causes {
    /// What it had when the account was opened.
    pub opening_bytes: u64,
    /// What requests added.
    pub granted_bytes: u64,
    /// What requests took away.
    pub released_bytes: u64,
    /// New images less old images, over all execs.
    pub exec_bytes: i64,
    /// Growth of stacks outside any call.
    pub stack_bytes: i64,
    /// By calls that are not followed, and by the kernel on its own.
    pub kernel_bytes: i64,
    /// By other processes with the same address space.
    pub shared_bytes: i64,
}

impl Causes {
    /// What the process has by these.
    #[must_use]
    pub fn balance(&self) -> i64 {
        self.opening_bytes.cast_signed() + self.granted_bytes.cast_signed()
            - self.released_bytes.cast_signed()
            + self.exec_bytes
            + self.stack_bytes
            + self.kernel_bytes
            + self.shared_bytes
    }
}

/// Page faults of all threads of a process in all its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Faults {
    /// Those that needed no disk.
    pub minor: u64,
    /// Those that did.
    pub major: u64,
}

impl Faults {
    /// What came on top of `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            minor: self.minor.saturating_sub(before.minor),
            major: self.major.saturating_sub(before.major),
        }
    }
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, more: Self) {
        self.minor = self.minor.saturating_add(more.minor);
        self.major = self.major.saturating_add(more.major);
    }
}

/// A process as the kernel has it at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessState {
    /// When it was read.
    pub time: WallClock,
    /// What the kernel side has booked. `None` when the source does not follow the process: nothing explains a change then, so each
    /// reading reopens its books.
    pub causes: Option<Causes>,
    /// Requests of it that are missing in the stream.
    pub lost: u64,
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
    /// Virtual size, bytes; `None` when the memory had gone already.
    pub virtual_bytes: Option<u64>,
    /// Resident memory.
    pub resident: Resident,
    /// The highest virtual size since the last reading, bytes.
    pub peak_virtual_bytes: u64,
    /// The highest resident set since the last reading, bytes.
    pub peak_resident_bytes: u64,
    /// Page faults.
    pub faults: Faults,
    /// A number that changes when the process is moved to another cgroup.
    pub placement: u64,
    /// Its pid inside its own pid namespace, when that is not the machine's.
    pub inner_pid: Option<u32>,
    /// Its session id.
    pub session: u32,
    /// How many threads it has.
    pub threads: u32,
}

impl ProcessState {
    /// The process life this is about.
    #[must_use]
    pub fn process(&self) -> ProcessId {
        ProcessId { tgid: self.tgid, start: self.start }
    }
}

/// Refused requests of one call with one errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// Which call.
    pub call: Call,
    /// Why.
    pub errno: Errno,
    /// How many.
    pub count: u64,
}

/// What one call has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallTotals {
    /// Requests, refused ones too.
    pub count: u64,
    /// Sum of what the granted ones asked for, bytes (of brk, growth only).
    pub requested_bytes: u64,
    /// How many were refused.
    pub refused: u64,
}

impl CallTotals {
    /// What came since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            count: self.count.saturating_sub(before.count),
            requested_bytes: self.requested_bytes.saturating_sub(before.requested_bytes),
            refused: self.refused.saturating_sub(before.refused),
        }
    }
}

impl std::ops::AddAssign for CallTotals {
    fn add_assign(&mut self, more: Self) {
        self.count = self.count.saturating_add(more.count);
        self.requested_bytes = self.requested_bytes.saturating_add(more.requested_bytes);
        self.refused = self.refused.saturating_add(more.refused);
    }
}

/// What a process's calls have come to since its account was opened; exact whatever the stream loses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Which process.
    pub process: ProcessId,
    /// By call, in the order of the call table.
    pub calls: [CallTotals; Call::COUNT],
    /// Refused requests by call and errno.
    pub refusals: Vec<Refusals>,
    /// Further ones, of pairs beyond those that are told apart.
    pub refusals_beyond: u64,
}

/// An OOM kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomKill {
    /// When.
    pub time: WallClock,
    /// Who was killed.
    pub victim: Tgid,
    /// Its name.
    pub victim_name: Comm,
    /// Its virtual size, bytes.
    pub virtual_bytes: u64,
    /// What it had in memory.
    pub resident: Resident,
    /// Whose request for a page came too many.
    pub asker: Tgid,
    /// Its name.
    pub asker_name: Comm,
}

/// What /proc tells of a process beyond the records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessDetails {
    /// Which process.
    pub process: ProcessId,
    /// Its command line, arguments joined by blanks; at most 1 KiB, bytes that are not UTF-8 as `\xNN`.
    pub command: Arc<str>,
    /// Its user's name, or the number where there is none.
    pub user: Arc<str>,
    /// Where it runs.
    pub runs_in: Arc<Placement>,
}
