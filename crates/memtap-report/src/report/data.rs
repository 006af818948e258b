//! What a report holds: plain data, made once. Its JSON form is this, sizes in bytes and times in RFC 3339; `words.rs` says what the
//! renderers call it.

use std::collections::BTreeMap;

use memtap_api::Measure;
use serde::{Serialize, Serializer};

use super::{At, Span};
use crate::{Severity, Text, Value};

/// A report of one range.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// memtap's version.
    pub memtap: String,
    /// When it was made.
    pub made: At,
    /// What was asked.
    pub asked: Asked,
    /// The machines that it tells of.
    pub hosts: Vec<ReportedHost>,
    /// What it all comes to.
    pub totals: Totals,
    /// The same of the range that was asked to be compared.
    pub compared: Option<Totals>,
    /// What should be known.
    pub findings: Vec<Told>,
    /// What no finding could be about, and why.
    pub not_looked_at: Vec<Text>,
    /// The machine's memory; `None` where the history has none of it.
    pub memory: Option<Memory>,
    /// Requests by call.
    pub calls: Calls,
    /// Programs, by each measure.
    pub programs: Vec<Ranking>,
    /// Resident memory of the largest programs over time.
    pub resident: Resident,
    /// The processes with the highest resident peak.
    pub processes: Vec<Process>,
    /// The processes with the most requests.
    pub requesters: Vec<Process>,
    /// The largest requests that were granted.
    pub largest: Vec<LargeRequest>,
    /// The sizes that were asked for most often.
    pub sizes: Vec<FrequentSize>,
    /// What was refused.
    pub refusals: Vec<Refusal>,
    /// Processes that the kernel killed for want of memory.
    pub oom_kills: Vec<OomKill>,
    /// Processes that lived shortly.
    pub short_lived: ShortLived,
    /// What is missing in the figures.
    pub missing: Missing,
}

impl Report {
    /// Whether the range has data, and none of it is of the programs or the process that were asked for.
    #[must_use]
    pub fn matches_nothing(&self) -> bool {
        let is_filtered = self.asked.name.is_some() || self.asked.pid.is_some();
        is_filtered && self.totals.has_data && self.totals.is_empty()
    }
}

/// What was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Of this machine; `None`: of all.
    pub host: Option<String>,
    /// The range.
    #[serde(flatten)]
    pub span: Span,
    /// Of programs of this name (a pattern).
    pub name: Option<String>,
    /// Of this pid.
    pub pid: Option<u32>,
    /// The range to compare with.
    pub compared: Option<Span>,
}

/// A machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReportedHost {
    /// Its name.
    pub hostname: String,
    /// The kernel of its latest run.
    pub kernel: String,
    /// Since when the history tells of it.
    pub first_time: At,
    /// The last that it told.
    pub last_time: At,
}

/// What a range comes to. `None`: the history does not tell it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Whether the history has data of this range, of whatever program. Without, the counts are 0 and mean nothing.
    pub has_data: bool,
    /// Whether the source could see requests: `procfs` cannot. Without, all counts and bytes of requests are 0 and mean nothing, as do OOM
    /// kills and losses.
    pub requests_visible: bool,
    /// Processes that lived in it.
    pub processes: u64,
    /// Those of them that lived shortly.
    pub short_lived: u64,
    /// Requests.
    pub requests: u64,
    /// Those of them that were refused.
    pub refused: u64,
    /// What was asked for and granted.
    pub requested_bytes: u64,
    /// What requests truly added.
    pub granted_bytes: Option<u64>,
    /// What they took away.
    pub released_bytes: Option<u64>,
    /// The highest sum of virtual sizes at a sample; of one pid, its peak.
    pub peak_virtual_bytes: Option<u64>,
    /// The highest sum of resident memory at a sample; of one pid, its peak.
    pub peak_resident_bytes: Option<u64>,
    /// The least available memory of the machine.
    pub least_available_bytes: Option<u64>,
    /// The highest memory pressure (some, over ten seconds), percent.
    pub highest_pressure: Option<f64>,
    /// OOM kills.
    pub oom_kills: u64,
    /// Requests that did not come in the stream.
    pub lost: u64,
}

impl Totals {
    /// Whether there is neither a process nor a request in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes == 0 && self.requests == 0
    }
}

/// A finding, as a report tells it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// The rule's name.
    pub rule: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What was found.
    pub sentence: Text,
    /// On what it rests.
    pub evidence: Vec<ToldFigure>,
    /// What can be done.
    pub advice: Text,
}

/// A figure of a finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToldFigure {
    /// What it is.
    pub label: Text,
    /// How much: a number in `unit`, or a time.
    #[serde(flatten)]
    pub value: Amount,
}

/// A finding's amount with its unit, in JSON a `value` and a `unit`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Amount(pub Value);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut amount = serializer.serialize_struct("Amount", 2)?;
        match self.0 {
            Value::Bytes(whole) | Value::Count(whole) => amount.serialize_field("value", &whole)?,
            Value::BytesPerSecond(real)
            | Value::PerSecond(real)
            | Value::Percent(real)
            | Value::Seconds(real) => {
                amount.serialize_field("value", &real)?;
            }
            Value::Time(at) => amount.serialize_field("value", &At(at))?,
        }
        amount.serialize_field("unit", self.0.unit())?;
        amount.end()
    }
}

/// The machine's memory in a range.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Memory {
    /// All of it.
    pub total_bytes: u64,
    /// Length of the steps of `points`, seconds.
    pub step_s: f64,
    /// At the end of the first step.
    pub at_start: MemoryPoint,
    /// At the end of the last.
    pub at_end: MemoryPoint,
    /// The least that was available.
    pub least_available_bytes: u64,
    /// In which step.
    pub least_available_time: At,
    /// The highest pressure; `None` where the kernel has no PSI.
    pub pressure: Option<HighestPressure>,
    /// In steps, oldest first; steps that memtap did not see are left out.
    pub points: Vec<MemoryPoint>,
}

/// The machine's memory at the end of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct MemoryPoint {
    /// Where the step begins.
    pub timestamp: At,
    /// What programs have.
    pub programs_bytes: u64,
    /// What the kernel has for itself.
    pub kernel_bytes: u64,
    /// Copies of files, which can be given back.
    pub cached_bytes: u64,
    /// Unused.
    pub free_bytes: u64,
    /// What programs could still get.
    pub available_bytes: u64,
    /// Swap space in use.
    pub swap_used_bytes: u64,
}

/// The highest pressure of a range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct HighestPressure {
    /// Part of ten seconds in which at least one task waited for memory, percent.
    pub some_avg10: f64,
    /// In which all waited.
    pub full_avg10: f64,
    /// When.
    pub timestamp: At,
}

/// Requests by call.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Calls {
    /// By call, the most frequent first.
    pub calls: Vec<CallSum>,
    /// Length of the steps, seconds.
    pub step_s: f64,
    /// How many of each call in each step; empty where only single requests are known.
    pub series: Vec<CallPoint>,
    /// The records were counted from here on only: there were more than are counted.
    pub counted_since: Option<At>,
}

/// What one call comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallSum {
    /// Its name.
    pub call: &'static str,
    /// Requests, refused ones too.
    pub requests: u64,
    /// How many were refused.
    pub refused: u64,
    /// What they asked for.
    pub requested_bytes: u64,
}

/// Requests of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CallPoint {
    /// Where the step begins.
    pub timestamp: At,
    /// How many of each call.
    pub requests: BTreeMap<&'static str, u64>,
}

/// The programs with the most of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ranking {
    /// Of what.
    pub by: Measure,
    /// The most first.
    pub programs: Vec<ProgramSum>,
    /// How many other programs there are.
    pub other_programs: u64,
    /// What those have.
    pub other_value: u64,
}

/// What a program comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProgramSum {
    /// Its name: a stranger's text.
    pub name: String,
    /// How many processes.
    pub processes: u64,
    /// Sums of what was done; of sizes, the highest that its processes had together at a sample (of one pid: its peak).
    pub value: u64,
    /// Of sizes: where the range begins.
    pub at_start: Option<u64>,
    /// Of sizes: at its end.
    pub at_end: Option<u64>,
    /// In the compared range.
    pub compared: Option<u64>,
}

/// Resident memory over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Resident {
    /// Length of a step, seconds.
    pub step_s: f64,
    /// The largest programs, largest first.
    pub programs: Vec<ProgramCourse>,
}

/// A program over time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProgramCourse {
    /// Its name: a stranger's text.
    pub name: String,
    /// By step, oldest first.
    pub series: Vec<(At, u64)>,
}

/// A process life, as far as it lies within the range.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Process {
    /// Its machine.
    pub host: String,
    /// Its pid.
    pub pid: u32,
    /// When it started.
    pub start_time: At,
    /// When it ended, if it did.
    pub end_time: Option<At>,
    /// How long it lived within the range, seconds.
    pub lived_s: f64,
    /// Its name: a stranger's text.
    pub name: String,
    /// Its user.
    pub user: String,
    /// Its container.
    pub container: Option<String>,
    /// Its systemd unit.
    pub unit: Option<String>,
    /// Resident set where the range begins.
    pub before_resident_bytes: u64,
    /// Resident set at the end.
    pub resident_bytes: u64,
    /// The peak of its resident set: the kernel's high-water mark, which also covers the time between samples.
    pub peak_resident_bytes: u64,
    /// When.
    pub peak_resident_time: At,
    /// Virtual size at the end.
    pub virtual_bytes: u64,
    /// The peak of its virtual size, likewise.
    pub peak_virtual_bytes: u64,
    /// Requests.
    pub requests: u64,
    /// How many were refused.
    pub refused: u64,
    /// What was asked for and granted.
    pub requested_bytes: u64,
    /// What requests truly added.
    pub granted_bytes: u64,
}

/// One request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LargeRequest {
    /// When.
    pub timestamp: At,
    /// Its machine.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// The process's name: a stranger's text.
    pub name: String,
    /// Which call.
    pub call: &'static str,
    /// What it asked for.
    pub requested_bytes: u64,
    /// Its protection and flags.
    pub arguments: String,
}

/// Requests of one call and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FrequentSize {
    /// Which call.
    pub call: &'static str,
    /// Bytes.
    pub size_bytes: u64,
    /// How many.
    pub requests: u64,
}

/// Refused requests of one program, call and errno.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Its machine.
    pub host: String,
    /// The program's name: a stranger's text.
    pub name: String,
    /// How many of its processes.
    pub processes: u64,
    /// Which call.
    pub call: &'static str,
    /// The errno's name.
    pub error: String,
    /// What it means for this call.
    pub meaning: Text,
    /// How many.
    pub requests: u64,
    /// The largest.
    pub largest_bytes: u64,
    /// The first.
    pub first_time: At,
    /// The latest.
    pub last_time: At,
}

/// A process that the kernel killed for want of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OomKill {
    /// When.
    pub timestamp: At,
    /// Its machine.
    pub host: String,
    /// Who was killed.
    pub pid: u32,
    /// Its name: a stranger's text.
    pub name: String,
    /// Its container.
    pub container: Option<String>,
    /// What it had in memory.
    pub resident_bytes: u64,
    /// Its virtual size.
    pub virtual_bytes: u64,
    /// Whose request for a page came too many.
    pub asker_pid: u32,
    /// Its name: a stranger's text.
    pub asker_name: String,
}

/// Processes that began and ended within the range and lived shortly.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ShortLived {
    /// What counts as shortly, seconds.
    pub below_s: f64,
    /// How many.
    pub processes: u64,
    /// Their requests.
    pub requests: u64,
    /// What they asked for and were granted.
    pub requested_bytes: u64,
    /// The programs with the most of them.
    pub programs: Vec<ShortLivedProgram>,
}

/// Short lives of one program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ShortLivedProgram {
    /// Its name: a stranger's text.
    pub name: String,
    /// How many.
    pub processes: u64,
    /// Their requests.
    pub requests: u64,
    /// What they asked for and were granted.
    pub requested_bytes: u64,
}

/// What is missing in the figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Requests whose records did not come in the stream: they are in the sums, not among the single requests.
    pub lost: u64,
    /// The recording that the report is of is damaged; so many requests of it, in all its time, cannot be read. They are part of `lost` where
    /// they lie in the range.
    pub damaged_recording: Option<u64>,
    /// Where the source (`procfs`) could not see requests.
    pub requests_not_visible: Vec<NotVisible>,
    /// Processes that are not among those looked at one by one: the smaller ones.
    pub processes: u64,
    /// The history begins only here, within the range.
    pub before: Option<At>,
    /// The history ends already here, within the range.
    pub after: Option<At>,
    /// The largest requests are those of the latest ones only: there were too many of that size.
    pub largest_since: Option<At>,
    /// Single requests are kept only from here on: what tells of them begins there.
    pub requests_since: Option<At>,
}

/// A time in which requests could not be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NotVisible {
    /// On which machine.
    pub host: String,
    /// When.
    #[serde(flatten)]
    pub span: Span,
}
