//! Results of queries on the history. The cost of a query depends on its range and number of steps,
//! not on the size of the store.

use std::sync::Arc;
use std::time::Duration;

use memtap_model::{Call, CallTotals, Comm, Errno, HostReading, Resident, Tgid, WallClock};

use crate::StoredRequest;

/// A page of requests, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestPage {
    /// Requests on this page.
    pub requests: Vec<StoredRequest>,
    /// Cursor for the next page; `None` on the last page.
    pub next_cursor: Option<String>,
}

/// Memory usage in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsagePoint {
    /// Start of the step.
    pub from: WallClock,
    /// Length of the step.
    pub step: Duration,
    /// Virtual size at the end of the step, bytes.
    pub virtual_bytes: u64,
    /// Resident anonymous memory at the end of the step, bytes.
    pub anonymous_bytes: u64,
    /// Resident file memory at the end of the step, bytes.
    pub file_bytes: u64,
    /// Resident shared memory at the end of the step, bytes.
    pub shmem_bytes: u64,
    /// Swap usage at the end of the step, bytes.
    pub swap_bytes: u64,
    /// Highest virtual size within the step, bytes. For all processes: the highest sum at any
    /// sample.
    pub peak_virtual_bytes: u64,
    /// Highest resident set within the step, bytes.
    pub peak_resident_bytes: u64,
    /// Requests within the step.
    pub requests: u64,
    /// Refused requests within the step.
    pub refused: u64,
    /// Bytes requested by calls that were granted.
    pub requested_bytes: u64,
    /// Bytes by which requests increased the virtual size.
    pub granted_bytes: u64,
    /// Bytes by which requests decreased the virtual size.
    pub released_bytes: u64,
    /// Minor page faults within the step.
    pub minor_faults: u64,
    /// Major page faults within the step.
    pub major_faults: u64,
}

/// A machine that has written into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHost {
    /// Host name.
    pub hostname: String,
    /// Kernel release of its latest run.
    pub kernel: String,
    /// Start of its first run.
    pub first: WallClock,
    /// Time of its newest sample, or start of its latest run if that is later.
    pub last: WallClock,
}

/// A run of memtap on a machine. Outside of runs, nothing was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRun {
    /// Host name.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// Start of the run. For runs of the first memtap versions, time of the newest sample.
    pub began: WallClock,
    /// Time of its newest sample.
    pub last: WallClock,
    /// Requests made during the whole run.
    pub requests: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests whose records did not reach memtap.
    pub lost: u64,
}

/// The machine's memory in one step, and the requests of all its processes. For several machines,
/// sizes are summed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MachinePoint {
    /// Start of the step.
    pub from: WallClock,
    /// Length of the step.
    pub step: Duration,
    /// Memory at the end of the step. The pressure is the highest within the step.
    pub host: HostReading,
    /// Lowest available memory within the step, bytes.
    pub least_available_bytes: u64,
    /// Requests within the step by call, in the order of the call table, without unused calls.
    pub calls: Vec<(Call, CallTotals)>,
    /// Requests within the step whose records did not reach memtap.
    pub lost: u64,
}

/// Process lifetimes in a range, largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessLifetimes {
    /// The largest lifetimes, at most [`LifetimeQuery::limit`](crate::LifetimeQuery::limit).
    pub lives: Vec<ProcessLifetime>,
    /// Number of further lifetimes.
    pub more: u64,
}

/// Process lifetime, clipped to a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessLifetime {
    /// Host name.
    pub host: Arc<str>,
    /// Pid of the process.
    pub pid: Tgid,
    /// Start of the process.
    pub started_at: WallClock,
    /// End of the process; `None` if it is still running or its end was not observed.
    pub ended_at: Option<WallClock>,
    /// Time of the newest data about the process.
    pub seen: WallClock,
    /// Latest name, as text.
    pub name: String,
    /// Command line.
    pub command: String,
    /// User name.
    pub user: String,
    /// Parent process.
    pub parent: Option<Tgid>,
    /// Container, as in `docker:0123456789ab`.
    pub container: Option<String>,
    /// Kubernetes pod.
    pub pod: Option<String>,
    /// Systemd unit.
    pub unit: Option<String>,
    /// Virtual size at the start of the range, bytes; 0 if it was not yet known.
    pub before_virtual_bytes: u64,
    /// Resident set at the start of the range, bytes.
    pub before_resident_bytes: u64,
    /// The range as one step: sizes at its end (or at the end of the process), peaks and sums
    /// within it.
    pub within: UsagePoint,
    /// Time of the highest virtual size, to the precision of the stored steps.
    pub peak_virtual_at: WallClock,
    /// Time of the highest resident set, to the same precision.
    pub peak_resident_at: WallClock,
}

impl ProcessLifetime {
    /// Virtual size at the end of the range or of the process, bytes. If the process ended within
    /// its first stored step, only the peak is known and returned.
    #[must_use]
    pub fn virtual_bytes(&self) -> u64 {
        if self.has_only_peaks() { self.within.peak_virtual_bytes } else { self.within.virtual_bytes }
    }

    /// Resident set, by the same rule as [`Self::virtual_bytes`].
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        if self.has_only_peaks() { self.within.peak_resident_bytes } else { self.within.resident_bytes() }
    }

    fn has_only_peaks(&self) -> bool {
        self.ended_at.is_some() && self.within.virtual_bytes == 0
    }
}

/// Programs in a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Programs {
    /// Length of a step.
    pub step: Duration,
    /// The largest programs, largest first.
    pub programs: Vec<Program>,
    /// Sum of all other programs (its name is empty).
    pub others: Program,
    /// Number of other programs.
    pub other_names: u64,
}

/// All processes with one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// Name of the processes, as text.
    pub name: String,
    /// Number of process lifetimes.
    pub lives: u64,
    /// Value of the measure in the range. Sizes are the highest sum over the processes at the end
    /// of a step; other measures are sums over the range.
    pub value: u64,
    /// Value in each step of the range, oldest first (0: nothing). Empty if no series was
    /// requested, and for [`Programs::others`].
    pub series: Vec<(WallClock, u64)>,
}

/// Requests of one process by call and step. Only the newest `rows` requests are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessCalls {
    /// Length of a step.
    pub step: Duration,
    /// Oldest first, without steps that have no request.
    pub steps: Vec<CallStep>,
    /// Names under which the first thread made requests, oldest first. Each name after the first
    /// means an exec, or that the process renamed itself.
    pub names: Vec<NameSince>,
    /// Number of counted requests.
    pub rows: u64,
    /// Time of the oldest counted request. If there were more requests, the steps begin here.
    pub since: Option<WallClock>,
    /// True if there were more requests than were counted.
    pub cut: bool,
}

/// Requests within one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallStep {
    /// Start of the step.
    pub from: WallClock,
    /// In the order of the call table, without calls that were not made.
    pub calls: Vec<(Call, CallCount)>,
}

/// Number of requests of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallCount {
    /// All requests.
    pub count: u64,
    /// Refused requests.
    pub refused: u64,
}

/// A process name and the first request made under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameSince {
    /// Process name.
    pub name: Comm,
    /// Time at which that request returned.
    pub since: WallClock,
}

/// Requested sizes. Only the newest `rows` requests of the query are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sizes {
    /// By call and power of two, in that order.
    pub buckets: Vec<SizeBucket>,
    /// Most frequent sizes, most frequent first; at most 20.
    pub frequent: Vec<FrequentSize>,
    /// Number of counted requests.
    pub rows: u64,
    /// Time of the oldest counted request. If there were more requests, the histogram begins here.
    pub since: Option<WallClock>,
    /// True if there were more requests than were counted.
    pub cut: bool,
}

/// Requests with `from_bytes <= size < 2 * from_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeBucket {
    /// System call.
    pub call: Call,
    /// A power of two, or 0 for requests of 0 bytes.
    pub from_bytes: u64,
    /// Number of requests, including refused ones.
    pub count: u64,
    /// Number of refused requests.
    pub refused: u64,
    /// Sum of the requested sizes, bytes.
    pub bytes: u64,
}

/// Requests of one call and one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrequentSize {
    /// System call.
    pub call: Call,
    /// Requested size, bytes.
    pub size: u64,
    /// Number of requests. A lower bound if there are more than 65,536 different sizes.
    pub count: u64,
}

/// Refused requests of one process, call and errno.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Host name.
    pub host: Arc<str>,
    /// Pid of the process.
    pub pid: Tgid,
    /// Start of the process.
    pub started_at: WallClock,
    /// Name of the process at the latest of these requests.
    pub name: Comm,
    /// System call.
    pub call: Call,
    /// Error that the kernel returned.
    pub errno: Errno,
    /// Number of requests.
    pub count: u64,
    /// Largest requested size, bytes.
    pub largest_bytes: u64,
    /// Time of the first request.
    pub first: WallClock,
    /// Time of the latest request.
    pub last: WallClock,
}

/// OOM kill as stored in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOomKill {
    /// Host name.
    pub host: Arc<str>,
    /// Time of the kill.
    pub time: WallClock,
    /// Process that was killed.
    pub victim: Tgid,
    /// Name of the victim, as text.
    pub victim_name: String,
    /// Command line of the victim; empty if unknown.
    pub command: String,
    /// Container of the victim.
    pub container: Option<String>,
    /// Virtual size of the victim, bytes.
    pub virtual_bytes: u64,
    /// Resident memory of the victim.
    pub resident: Resident,
    /// Process whose page allocation triggered the OOM killer.
    pub asker: Tgid,
    /// Name of that process, as text.
    pub asker_name: String,
    /// Largest processes in the seconds before the kill, earliest second first.
    pub before: Vec<StoredMoment>,
}

/// Largest processes in one second before an OOM kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMoment {
    /// Time of the reading.
    pub time: WallClock,
    /// Available memory, bytes.
    pub available_bytes: u64,
    /// Pid, name, virtual size and resident set, largest first.
    pub largest: Vec<(Tgid, String, u64, u64)>,
}
