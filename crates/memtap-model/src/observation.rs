//! Decoded observations of a source, which are the input of the ledger.
//!
//! A recording contains these types as they are. A change here therefore changes the format of
//! recordings (`FORM` in memtap-capture's `recording/frame.rs`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Call, Comm, Errno, HostReading, Placement, ProcessId, SizeRule, SpaceId, StartTime, Tgid, Tid, WallClock,
};

/// One observation of a source. The ledger needs nothing else than a stream of these in the given
/// order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Observation {
    /// A memory request returned from the kernel.
    Request(MemoryRequest),
    /// Totals of a process's calls. The state that they belong to, or a change of name, follows.
    Tally(Box<Tally>),
    /// State of a process as just read. It opens an account if the process has none.
    Snapshot(Box<ProcessState>),
    /// A new process: a copy of its parent, or, after vfork, a process that shares the parent's
    /// address space.
    Fork(Box<ProcessState>),
    /// A process replaced its image. The state is the one after exec.
    Exec(Box<ProcessState>),
    /// A process ended. The state is its last one.
    Exit(Box<ProcessState>),
    /// A process changed its name.
    Rename {
        /// The process.
        tgid: Tgid,
        /// The new name.
        name: Comm,
    },
    /// The kernel killed a process because memory ran out.
    Oom(OomKill),
    /// Details of a process that only /proc has.
    Details(ProcessDetails),
    /// Memory of the machine.
    Host(HostReading),
    /// All processes have been read. A process that is missing in the reading has ended.
    AllRead,
    /// Records that did not reach user space since the last observation of this kind.
    Lost {
        /// Cause of the loss.
        cause: LossCause,
        /// Number of lost records.
        count: u64,
    },
}

/// Cause of lost records. Only the stream lacks them, because the kernel side's accounts include
/// their effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LossCause {
    /// Requests for which the kernel's ring was full, because user space read too slowly.
    RingFull,
    /// Forks, execs, exits or readings for which the ring was full, although its last part is
    /// reserved for them. The next reading corrects the accounts.
    LifecycleRingFull,
    /// Changes of name for which the ring was full. The shares by name are then less exact.
    NamesRingFull,
    /// Requests of processes for which the kernel side had no free account.
    NoAccount,
    /// Records that could not be decoded, because kernel side and user space disagree.
    Undecodable,
    /// Requests of processes that have no account in the ledger.
    UnknownProcess,
    /// Damaged lines of a SystemTap script.
    DamagedLine,
    /// Output of a SystemTap script whose stream could not be opened or read. It counts once,
    /// because the number of lines is unknown.
    UnreadableInput,
    /// Ended processes beyond the limit for one tick. They are missing in the history.
    TooManyEnds,
    /// Requests in a damaged part of a recording.
    DamagedRecording,
}

impl LossCause {
    /// Name in the API.
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

    /// Returns whether the lost records are requests.
    #[must_use]
    pub fn is_requests(self) -> bool {
        !matches!(self, Self::LifecycleRingFull | Self::NamesRingFull | Self::TooManyEnds)
    }
}

/// Outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Granted, with the value that the call returned.
    Granted(u64),
    /// Refused with this errno.
    Refused(Errno),
}

impl Outcome {
    /// Interprets the value that a call returned. brk has no errno and returns the current break,
    /// so it was refused if that is not the requested one. brk(0) only asks for the current break
    /// (`mm/mmap.c`, all versions).
    #[must_use]
    pub fn from_return_value(call: Call, arguments: &[u64; 5], value: u64) -> Self {
        if call.row().size == SizeRule::Break {
            let requested = arguments[0];
            return if requested == 0 || requested == value {
                Self::Granted(value)
            } else {
                Self::Refused(Errno::ENOMEM)
            };
        }
        let negated = value.wrapping_neg();
        if (1..=4095).contains(&negated) {
            Self::Refused(Errno(negated as u16))
        } else {
            Self::Granted(value)
        }
    }
}

/// One memory system call of one thread, with its arguments and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRequest {
    /// Time at which the call returned.
    pub time: WallClock,
    /// The process.
    pub tgid: Tgid,
    /// The thread.
    pub tid: Tid,
    /// Name of the thread at that time.
    pub name: Comm,
    /// The system call.
    pub call: Call,
    /// True if arguments, outcome and delta are all known. A line of a SystemTap script has only
    /// the length.
    pub whole: bool,
    /// Arguments as passed, in the order of the 64-bit call.
    pub arguments: [u64; 5],
    /// Outcome of the call.
    pub outcome: Outcome,
    /// Requested bytes, rounded up to pages as the kernel does.
    pub requested_bytes: u64,
    /// Change of the virtual size, bytes.
    pub delta_bytes: i64,
    /// Virtual size after the call, bytes.
    pub virtual_bytes: u64,
    /// Name of the mapped file, without its directories, as text.
    pub file: Option<Arc<str>>,
    /// Number of this process's requests that were lost before this one, modulo 2^32.
    pub lost: u32,
}

impl MemoryRequest {
    /// Returns the arguments that are a protection and flags, if the call has them and the request
    /// is complete.
    #[must_use]
    pub fn words(&self) -> (Option<u64>, Option<u64>) {
        if self.whole { self.call.words(&self.arguments) } else { (None, None) }
    }
}

/// Resident memory and swap, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resident {
    /// Anonymous memory.
    pub anonymous_bytes: u64,
    /// Memory backed by files.
    pub file_bytes: u64,
    /// Shared memory and tmpfs.
    pub shmem_bytes: u64,
    /// Memory in swap.
    pub swap_bytes: u64,
}

impl Resident {
    /// Size of the resident set: anonymous + file + shmem, like `VmRSS` of /proc/PID/status.
    #[must_use]
    pub fn set_bytes(self) -> u64 {
        self.anonymous_bytes + self.file_bytes + self.shmem_bytes
    }
}

/// Virtual size of a process by cause, counted by the kernel side since it opened the account.
/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Causes {
    /// Virtual size when the account was opened.
    pub opening_bytes: u64,
    /// Bytes added by requests.
    pub granted_bytes: u64,
    /// Bytes removed by requests.
    pub released_bytes: u64,
    /// Size of the new image less that of the old one, summed over all execs.
    pub exec_bytes: i64,
    /// Growth of stacks outside calls.
    pub stack_bytes: i64,
    /// Change by calls that memtap does not follow, and by the kernel itself.
    pub kernel_bytes: i64,
    /// Change by other processes that share the address space.
    pub shared_bytes: i64,
}

impl Causes {
    /// Returns the virtual size that the causes add up to, bytes.
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

/// Page faults of all threads of a process since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Faults {
    /// Faults that needed no disk access.
    pub minor: u64,
    /// Faults that needed disk access.
    pub major: u64,
}

impl Faults {
    /// Returns the faults since `before`.
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

/// State of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessState {
    /// Time of the reading.
    pub time: WallClock,
    /// Virtual size by cause. `None` if the source does not follow the process. Nothing explains a
    /// change then, so each reading opens the account again.
    pub causes: Option<Causes>,
    /// Number of its requests that are missing in the stream.
    pub lost: u64,
    /// The process.
    pub tgid: Tgid,
    /// Start time, as part of the identity.
    pub start: StartTime,
    /// Start time for display.
    pub started_at: WallClock,
    /// The parent process.
    pub parent: Tgid,
    /// Real user id.
    pub uid: u32,
    /// The address space.
    pub space: SpaceId,
    /// Name of the first thread.
    pub name: Comm,
    /// Virtual size, bytes; `None` if the kernel has released the address space already.
    pub virtual_bytes: Option<u64>,
    /// Resident memory.
    pub resident: Resident,
    /// Highest virtual size since the last reading, bytes.
    pub peak_virtual_bytes: u64,
    /// Highest resident set since the last reading, bytes.
    pub peak_resident_bytes: u64,
    /// Page faults.
    pub faults: Faults,
    /// Number that changes when the process moves to another cgroup.
    pub placement: u64,
    /// Pid in the process's own pid namespace; `None` in the machine's namespace.
    pub inner_pid: Option<u32>,
    /// Session id.
    pub session: u32,
    /// Number of threads.
    pub threads: u32,
}

impl ProcessState {
    /// Identity of the process.
    #[must_use]
    pub fn process(&self) -> ProcessId {
        ProcessId { tgid: self.tgid, start: self.start }
    }
}

/// Refused requests of one call with one errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// The system call.
    pub call: Call,
    /// Reason for the refusal.
    pub errno: Errno,
    /// Number of refused requests.
    pub count: u64,
}

/// Totals of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallTotals {
    /// Number of requests, including refused ones.
    pub count: u64,
    /// Bytes requested by granted requests; for brk, growth only.
    pub requested_bytes: u64,
    /// Number of refused requests.
    pub refused: u64,
}

impl CallTotals {
    /// Returns the totals since `before`.
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

/// Totals of a process's calls since its account was opened. They are exact even if the stream
/// loses records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The process.
    pub process: ProcessId,
    /// Totals by call, in the order of the call table.
    pub calls: [CallTotals; Call::COUNT],
    /// Refused requests by call and errno.
    pub refusals: Vec<Refusals>,
    /// Refused requests with other pairs of call and errno, which are not counted by pair.
    pub refusals_beyond: u64,
}

/// An OOM kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomKill {
    /// Time of the kill.
    pub time: WallClock,
    /// The killed process.
    pub victim: Tgid,
    /// Name of the killed process.
    pub victim_name: Comm,
    /// Virtual size of the killed process, bytes.
    pub virtual_bytes: u64,
    /// Resident memory of the killed process.
    pub resident: Resident,
    /// Process whose page allocation caused the kill.
    pub asker: Tgid,
    /// Name of that process.
    pub asker_name: Comm,
}

/// Details of a process that only /proc has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessDetails {
    /// The process.
    pub process: ProcessId,
    /// Command line with arguments joined by blanks, at most 1 KiB. Bytes that are not UTF-8 become
    /// `\xNN`.
    pub command: Arc<str>,
    /// Name of the user, or the user id if it has no name.
    pub user: Arc<str>,
    /// Cgroup, container, unit and session of the process.
    pub runs_in: Arc<Placement>,
}
