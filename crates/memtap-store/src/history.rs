//! What may be asked of the history beyond pages of requests, and what it answers: the questions of a page that goes back in time, of
//! findings and of reports. Each answer's work follows from the range and its number of steps, never from how much else is stored.

use std::sync::Arc;
use std::time::Duration;

use memtap_api::Measure;
use memtap_model::{Call, CallTotals, Comm, Errno, HostReading, Resident, Tgid, WallClock};

use crate::{UsagePoint, UsageQuery};

/// A stretch of the history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// Of the machine of this name; `None`: of all.
    pub host: Option<String>,
    /// From this time on.
    pub from: WallClock,
    /// Before this time.
    pub to: WallClock,
}

impl Range {
    /// As a question for the usage of all processes.
    pub(crate) fn in_steps(&self, step: Duration) -> UsageQuery {
        let Self { host, from, to } = self.clone();
        UsageQuery { host, from, to, step, ..UsageQuery::default() }
    }
}

/// A machine that has written into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHost {
    /// Its name.
    pub hostname: String,
    /// The kernel of its latest run.
    pub kernel: String,
    /// When its first run began.
    pub first: WallClock,
    /// The last second that it told of.
    pub last: WallClock,
}

/// A run of memtap on a machine: where there is none, nobody watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRun {
    /// The machine's name.
    pub hostname: String,
    /// Its kernel.
    pub kernel: String,
    /// When it began; of a run of the first versions, the last second that it told of.
    pub began: WallClock,
    /// The last second that it told of.
    pub last: WallClock,
    /// Requests that were made in all of it.
    pub requests: u64,
    /// Those of them that were refused.
    pub refused: u64,
    /// Those of them that did not come in the stream.
    pub lost: u64,
}

/// The machine's memory in one step, and what all its processes asked for. Of several machines sizes are added.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MachinePoint {
    /// Where the step begins.
    pub from: WallClock,
    /// Its length.
    pub step: Duration,
    /// Its memory at the step's end; the pressure is the highest within it.
    pub host: HostReading,
    /// The least memory that was available within it, bytes.
    pub least_available_bytes: u64,
    /// Requests within it by call, in the order of the call table; calls that were not made are left out.
    pub calls: Vec<(Call, CallTotals)>,
    /// Requests within it that did not come in the stream.
    pub lost: u64,
}

impl UsagePoint {
    /// The value of a measure.
    pub(crate) fn amount(&self, by: Measure) -> u64 {
        match by {
            Measure::Requested => self.requested_bytes,
            Measure::Granted => self.granted_bytes,
            Measure::Resident => self.resident_bytes(),
            Measure::Virtual => self.virtual_bytes,
            Measure::Requests => self.requests,
            Measure::Refused => self.refused,
        }
    }
}

/// Which process lives to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LifeQuery {
    /// That overlap with it.
    pub range: Range,
    /// Of this pid.
    pub pid: Option<Tgid>,
    /// That began then, to the second.
    pub started_at: Option<WallClock>,
    /// Whose name contains this (ASCII case folded).
    pub name: Option<String>,
    /// The largest by this first.
    pub by: Measure,
    /// At most so many.
    pub limit: usize,
}

/// The lives of a range, the largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lives {
    /// As many as were asked for.
    pub lives: Vec<Life>,
    /// How many more there are.
    pub more: u64,
}

/// One process life, as far as it lies within a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Life {
    /// The machine's name.
    pub host: Arc<str>,
    /// Its pid.
    pub pid: Tgid,
    /// When it started.
    pub started_at: WallClock,
    /// When it ended; `None` while it lives, or when nobody saw it end.
    pub ended_at: Option<WallClock>,
    /// The last time that was told of it.
    pub seen: WallClock,
    /// Its last name, as text.
    pub name: String,
    /// Its command line.
    pub command: String,
    /// Its user.
    pub user: String,
    /// Its parent.
    pub parent: Option<Tgid>,
    /// Its container, `docker:0123456789ab`.
    pub container: Option<String>,
    /// Its Kubernetes pod.
    pub pod: Option<String>,
    /// Its systemd unit.
    pub unit: Option<String>,
    /// Virtual size where the range begins, bytes; 0 before it was known.
    pub before_virtual_bytes: u64,
    /// Resident set there, bytes.
    pub before_resident_bytes: u64,
    /// The range as one step: sizes at its end (or at the process's), the highest within, what was done within.
    pub within: UsagePoint,
    /// When its virtual size was highest, to the step that is kept.
    pub peak_virtual_at: WallClock,
    /// When its resident set was highest.
    pub peak_resident_at: WallClock,
}

impl Life {
    /// Its virtual size at the range's end, or at its own. Of one that ended within the first step that tells of it, only the highest is known.
    #[must_use]
    pub fn virtual_bytes(&self) -> u64 {
        if self.has_only_peaks() { self.within.peak_virtual_bytes } else { self.within.virtual_bytes }
    }

    /// Its resident set, likewise.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        if self.has_only_peaks() { self.within.peak_resident_bytes } else { self.within.resident_bytes() }
    }

    fn has_only_peaks(&self) -> bool {
        self.ended_at.is_some() && self.within.virtual_bytes == 0
    }
}

/// Which programs to read: processes of one name, together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramQuery {
    /// In this range.
    pub range: Range,
    /// The largest by this.
    pub by: Measure,
    /// So many of them; what the others have comes together.
    pub top: usize,
    /// Length of a step; a store may widen it. Zero: no series is wanted.
    pub step: Duration,
}

/// The programs of a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Programs {
    /// Length of the steps.
    pub step: Duration,
    /// The largest, largest first.
    pub programs: Vec<Program>,
    /// All others together (its name is empty).
    pub others: Program,
    /// How many names those are.
    pub other_names: u64,
}

/// Processes of one name, together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// Their name, as text.
    pub name: String,
    /// How many lives.
    pub lives: u64,
    /// What it comes to in the range: sums of what was done; of sizes, the highest that they had together at the end of a step.
    pub value: u64,
    /// The same by step, oldest first, each step of the range (0: nothing). Empty when no series was asked for, and of `others`.
    pub series: Vec<(WallClock, u64)>,
}

/// Requests of one process by call, in steps: of the requests of a query, of which the newest `rows` are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessCalls {
    /// Length of a step.
    pub step: Duration,
    /// Oldest first; steps without a request are left out.
    pub steps: Vec<CallStep>,
    /// The names that its first thread made requests under, oldest first. From the second on, an exec or a new name that it gave itself.
    pub names: Vec<NameSince>,
    /// How many requests were counted.
    pub rows: u64,
    /// The oldest of them; where there were more, the steps begin there.
    pub since: Option<WallClock>,
    /// Whether there were more.
    pub cut: bool,
}

/// What was requested within one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallStep {
    /// Where it begins.
    pub from: WallClock,
    /// In the order of the call table; calls that were not made are left out.
    pub calls: Vec<(Call, CallCount)>,
}

/// How many requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallCount {
    /// All of them.
    pub count: u64,
    /// Those that were refused.
    pub refused: u64,
}

/// A name, and the first request under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameSince {
    /// The name.
    pub name: Comm,
    /// When that request came back.
    pub since: WallClock,
}

/// Which sizes were asked for: of the requests of a query, of which the newest `rows` are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sizes {
    /// By call and power of two, in that order.
    pub buckets: Vec<SizeBucket>,
    /// The sizes that came most often, most frequent first; at most 20.
    pub frequent: Vec<FrequentSize>,
    /// How many requests were counted.
    pub rows: u64,
    /// The oldest of them; where there were more, the histogram begins there.
    pub since: Option<WallClock>,
    /// Whether there were more.
    pub cut: bool,
}

/// Requests of `from_bytes <= size < 2 * from_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeBucket {
    /// Which call.
    pub call: Call,
    /// A power of two, or 0 for requests of nothing.
    pub from_bytes: u64,
    /// How many, refused ones too.
    pub count: u64,
    /// How many of them were refused.
    pub refused: u64,
    /// What they asked for together.
    pub bytes: u64,
}

/// Requests of one call and one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrequentSize {
    /// Which call.
    pub call: Call,
    /// Bytes.
    pub size: u64,
    /// How many; at least so many, where there are more than 65,536 different sizes.
    pub count: u64,
}

/// Refused requests of one process, call and errno.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The machine's name.
    pub host: Arc<str>,
    /// The process.
    pub pid: Tgid,
    /// When it started.
    pub started_at: WallClock,
    /// Its name at the latest of them.
    pub name: Comm,
    /// Which call.
    pub call: Call,
    /// Why.
    pub errno: Errno,
    /// How many.
    pub count: u64,
    /// The largest, bytes.
    pub largest_bytes: u64,
    /// The first.
    pub first: WallClock,
    /// The latest.
    pub last: WallClock,
}

/// An OOM kill, as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOomKill {
    /// The machine's name.
    pub host: Arc<str>,
    /// When.
    pub time: WallClock,
    /// Who was killed.
    pub victim: Tgid,
    /// Its name, as text.
    pub victim_name: String,
    /// Its command line, where it is known.
    pub command: String,
    /// Its container.
    pub container: Option<String>,
    /// Its virtual size, bytes.
    pub virtual_bytes: u64,
    /// What it had in memory.
    pub resident: Resident,
    /// Whose request for a page came too many.
    pub asker: Tgid,
    /// Its name, as text.
    pub asker_name: String,
    /// Who had most in the seconds before, earliest first.
    pub before: Vec<StoredMoment>,
}

/// One of those seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMoment {
    /// When.
    pub time: WallClock,
    /// What was available, bytes.
    pub available_bytes: u64,
    /// Pid, name, virtual size and resident set of the largest, largest first.
    pub largest: Vec<(Tgid, String, u64, u64)>,
}

impl StoredMoment {
    /// Adds a process to the moment of `time`, which is the last one or comes after it.
    pub(crate) fn add(
        moments: &mut Vec<Self>,
        time: WallClock,
        available_bytes: u64,
        process: (Tgid, String, u64, u64),
    ) {
        match moments.last_mut().filter(|moment| moment.time == time) {
            Some(moment) => moment.largest.push(process),
            None => moments.push(Self { time, available_bytes, largest: vec![process] }),
        }
    }
}
