//! Contents of a report: plain data, collected once. Its JSON form has the same structure, with
//! sizes in bytes and times in RFC 3339. `words.rs` has the words that the renderers use.

use std::collections::BTreeMap;

use memtap_api::Measure;
use serde::{Serialize, Serializer};

use super::{At, Span};
use crate::{Severity, Text, Value};

/// A report of one range.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Version of memtap.
    pub memtap: String,
    /// Time at which the report was made.
    pub made: At,
    /// Range and filters of the report.
    pub asked: Asked,
    /// Machines that the report covers.
    pub hosts: Vec<ReportedHost>,
    /// Totals of the range.
    pub totals: Totals,
    /// Totals of the range to compare with, if one was requested.
    pub compared: Option<Totals>,
    /// Findings, most severe first.
    pub findings: Vec<Told>,
    /// Checks that were skipped, and why.
    pub not_looked_at: Vec<Text>,
    /// Memory of the machine; `None` if the history has no machine data.
    pub memory: Option<Memory>,
    /// Requests by call.
    pub calls: Calls,
    /// Programs, ranked by each measure.
    pub programs: Vec<Ranking>,
    /// Resident memory of the largest programs over time.
    pub resident: Resident,
    /// Processes with the highest resident peak.
    pub processes: Vec<Process>,
    /// Processes with the most requests.
    pub requesters: Vec<Process>,
    /// Largest granted requests.
    pub largest: Vec<LargeRequest>,
    /// Most frequently requested sizes.
    pub sizes: Vec<FrequentSize>,
    /// Refused requests.
    pub refusals: Vec<Refusal>,
    /// Processes that the kernel killed because memory ran out.
    pub oom_kills: Vec<OomKill>,
    /// Short-lived processes.
    pub short_lived: ShortLived,
    /// Gaps in the figures.
    pub missing: Missing,
}

impl Report {
    /// Returns whether the range has data, but none for the requested programs or process.
    #[must_use]
    pub fn matches_nothing(&self) -> bool {
        let is_filtered = self.asked.name.is_some() || self.asked.pid.is_some();
        is_filtered && self.totals.has_data && self.totals.is_empty()
    }
}

/// Range and filters of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Name of the machine; `None` for all machines.
    pub host: Option<String>,
    /// Range of the report.
    #[serde(flatten)]
    pub span: Span,
    /// Pattern for the names of programs.
    pub name: Option<String>,
    /// Process id.
    pub pid: Option<u32>,
    /// Range to compare with.
    pub compared: Option<Span>,
}

/// A machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReportedHost {
    /// Name of the machine.
    pub hostname: String,
    /// Kernel release of its latest run.
    pub kernel: String,
    /// Start of its history.
    pub first_time: At,
    /// End of its history.
    pub last_time: At,
}

/// Totals of a range. `None` means that the history cannot report the value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Totals {
    /// True if the history has data of this range, for any program. Otherwise the counts are 0 and
    /// mean nothing.
    pub has_data: bool,
    /// True if the source could see requests, which `procfs` cannot. Otherwise all counts and bytes
    /// of requests, OOM kills and losses are 0 and mean nothing.
    pub requests_visible: bool,
    /// Processes that existed in the range.
    pub processes: u64,
    /// Short-lived processes among them.
    pub short_lived: u64,
    /// Requests.
    pub requests: u64,
    /// Refused requests among them.
    pub refused: u64,
    /// Bytes of the granted requests.
    pub requested_bytes: u64,
    /// Virtual size that requests added, bytes.
    pub granted_bytes: Option<u64>,
    /// Virtual size that requests removed, bytes.
    pub released_bytes: Option<u64>,
    /// Highest sum of virtual sizes at a sample; for a single pid, its peak.
    pub peak_virtual_bytes: Option<u64>,
    /// Highest sum of resident memory at a sample; for a single pid, its peak.
    pub peak_resident_bytes: Option<u64>,
    /// Lowest available memory of the machine.
    pub least_available_bytes: Option<u64>,
    /// Highest memory pressure (some, over ten seconds), percent.
    pub highest_pressure: Option<f64>,
    /// OOM kills.
    pub oom_kills: u64,
    /// Requests whose records were lost in the stream.
    pub lost: u64,
}

impl Totals {
    /// Returns whether the range has neither processes nor requests.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes == 0 && self.requests == 0
    }
}

/// A finding in a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// Name of the rule.
    pub rule: &'static str,
    /// Importance.
    pub severity: Severity,
    /// Description of the problem.
    pub sentence: Text,
    /// Figures that support the finding.
    pub evidence: Vec<ToldFigure>,
    /// Advice on how to fix the problem.
    pub advice: Text,
}

/// A figure of a finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToldFigure {
    /// Description of the figure.
    pub label: Text,
    /// Amount: a number in `unit`, or a time.
    #[serde(flatten)]
    pub value: Amount,
}

/// Amount of a finding with its unit: `value` and `unit` in JSON.
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

/// Memory of the machine in a range.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Memory {
    /// Size of the machine's memory.
    pub total_bytes: u64,
    /// Length of the steps of `points`, seconds.
    pub step_s: f64,
    /// Memory at the end of the first step.
    pub at_start: MemoryPoint,
    /// Memory at the end of the last step.
    pub at_end: MemoryPoint,
    /// Lowest available memory.
    pub least_available_bytes: u64,
    /// Start of the step with the lowest available memory.
    pub least_available_time: At,
    /// Highest pressure; `None` if the kernel has no PSI.
    pub pressure: Option<HighestPressure>,
    /// Steps, oldest first. Steps that memtap did not record are left out.
    pub points: Vec<MemoryPoint>,
}

/// Memory of the machine at the end of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct MemoryPoint {
    /// Start of the step.
    pub timestamp: At,
    /// Memory of programs.
    pub programs_bytes: u64,
    /// Memory of the kernel itself.
    pub kernel_bytes: u64,
    /// Page cache, which can be reclaimed.
    pub cached_bytes: u64,
    /// Unused memory.
    pub free_bytes: u64,
    /// Memory available to programs.
    pub available_bytes: u64,
    /// Swap space in use.
    pub swap_used_bytes: u64,
}

/// Highest pressure of a range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct HighestPressure {
    /// Share of ten seconds in which at least one task waited for memory, percent.
    pub some_avg10: f64,
    /// Share of ten seconds in which all tasks waited, percent.
    pub full_avg10: f64,
    /// Time of the highest pressure.
    pub timestamp: At,
}

/// Requests by call.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Calls {
    /// Sums by call, most frequent first.
    pub calls: Vec<CallSum>,
    /// Length of the steps, seconds.
    pub step_s: f64,
    /// Requests of each call in each step; empty if only single requests are known.
    pub series: Vec<CallPoint>,
    /// Start of the counted records, if there were too many to count all.
    pub counted_since: Option<At>,
}

/// Totals of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallSum {
    /// Name of the call.
    pub call: &'static str,
    /// Requests, including refused ones.
    pub requests: u64,
    /// Refused requests.
    pub refused: u64,
    /// Requested bytes.
    pub requested_bytes: u64,
}

/// Requests of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CallPoint {
    /// Start of the step.
    pub timestamp: At,
    /// Number of requests of each call.
    pub requests: BTreeMap<&'static str, u64>,
}

/// Programs ranked by one measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ranking {
    /// Measure of the ranking.
    pub by: Measure,
    /// Programs, largest value first.
    pub programs: Vec<ProgramSum>,
    /// Number of other programs.
    pub other_programs: u64,
    /// Value of the other programs together.
    pub other_value: u64,
}

/// Totals of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProgramSum {
    /// Name of the program. Untrusted.
    pub name: String,
    /// Number of processes.
    pub processes: u64,
    /// Value of the measure. For a size, the highest sum over the processes at a sample, or the
    /// peak if one pid was requested.
    pub value: u64,
    /// Size at the start of the range, if the measure is a size.
    pub at_start: Option<u64>,
    /// Size at the end of the range, if the measure is a size.
    pub at_end: Option<u64>,
    /// Value in the range to compare with.
    pub compared: Option<u64>,
}

/// Resident memory over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Resident {
    /// Length of a step, seconds.
    pub step_s: f64,
    /// Largest programs, largest first.
    pub programs: Vec<ProgramCourse>,
}

/// A program over time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProgramCourse {
    /// Name of the program. Untrusted.
    pub name: String,
    /// Values by step, oldest first.
    pub series: Vec<(At, u64)>,
}

/// A process, as far as its lifetime lies within the range.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Process {
    /// Name of the machine.
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// Start time.
    pub start_time: At,
    /// End time, if the process ended.
    pub end_time: Option<At>,
    /// Lifetime within the range, seconds.
    pub lived_s: f64,
    /// Name of the program. Untrusted.
    pub name: String,
    /// User.
    pub user: String,
    /// Container.
    pub container: Option<String>,
    /// Systemd unit.
    pub unit: Option<String>,
    /// Resident set at the start of the range.
    pub before_resident_bytes: u64,
    /// Resident set at the end of the range or of the process.
    pub resident_bytes: u64,
    /// Peak of the resident set: the kernel's high-water mark, which also covers the time between
    /// samples.
    pub peak_resident_bytes: u64,
    /// Time of the resident peak.
    pub peak_resident_time: At,
    /// Virtual size at the end of the range or of the process.
    pub virtual_bytes: u64,
    /// Peak of the virtual size: the kernel's high-water mark.
    pub peak_virtual_bytes: u64,
    /// Requests.
    pub requests: u64,
    /// Refused requests.
    pub refused: u64,
    /// Bytes of the granted requests.
    pub requested_bytes: u64,
    /// Virtual size that requests added, bytes.
    pub granted_bytes: u64,
}

/// A single request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LargeRequest {
    /// Time of the request.
    pub timestamp: At,
    /// Name of the machine.
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// Name of the process. Untrusted.
    pub name: String,
    /// Name of the call.
    pub call: &'static str,
    /// Requested bytes.
    pub requested_bytes: u64,
    /// Protection and flags.
    pub arguments: String,
}

/// Requests of one call and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FrequentSize {
    /// Name of the call.
    pub call: &'static str,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Number of requests.
    pub requests: u64,
}

/// Refused requests of one program, call and errno.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Name of the machine.
    pub host: String,
    /// Name of the program. Untrusted.
    pub name: String,
    /// Number of processes with such refusals.
    pub processes: u64,
    /// Name of the call.
    pub call: &'static str,
    /// Name of the errno.
    pub error: String,
    /// Meaning of the errno for this call.
    pub meaning: Text,
    /// Number of refused requests.
    pub requests: u64,
    /// Size of the largest refused request.
    pub largest_bytes: u64,
    /// Time of the first refusal.
    pub first_time: At,
    /// Time of the latest refusal.
    pub last_time: At,
}

/// A process that the kernel killed because memory ran out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OomKill {
    /// Time of the kill.
    pub timestamp: At,
    /// Name of the machine.
    pub host: String,
    /// Process id of the victim.
    pub pid: u32,
    /// Name of the victim. Untrusted.
    pub name: String,
    /// Container of the victim.
    pub container: Option<String>,
    /// Resident set of the victim.
    pub resident_bytes: u64,
    /// Virtual size of the victim.
    pub virtual_bytes: u64,
    /// Process id whose page allocation triggered the kill.
    pub asker_pid: u32,
    /// Name of that process. Untrusted.
    pub asker_name: String,
}

/// Processes that started and ended within the range and had a short lifetime.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ShortLived {
    /// Lifetime below which a process counts as short-lived, seconds.
    pub below_s: f64,
    /// Number of processes.
    pub processes: u64,
    /// Requests of these processes.
    pub requests: u64,
    /// Bytes of the granted requests.
    pub requested_bytes: u64,
    /// Programs with the most short-lived processes.
    pub programs: Vec<ShortLivedProgram>,
}

/// Short-lived processes of one program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ShortLivedProgram {
    /// Name of the program. Untrusted.
    pub name: String,
    /// Number of processes.
    pub processes: u64,
    /// Requests of these processes.
    pub requests: u64,
    /// Bytes of the granted requests.
    pub requested_bytes: u64,
}

/// Gaps in the figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Requests whose records were lost in the stream. The totals include them; the lists of single
    /// requests do not.
    pub lost: u64,
    /// Number of requests that cannot be read because the recording is damaged, over its whole
    /// time. Those within the range are part of `lost`.
    pub damaged_recording: Option<u64>,
    /// Periods in which the source (`procfs`) could not see requests.
    pub requests_not_visible: Vec<NotVisible>,
    /// Processes that were not read one by one: the smaller ones.
    pub processes: u64,
    /// Start of the history, if it lies within the range.
    pub before: Option<At>,
    /// End of the history, if it lies within the range.
    pub after: Option<At>,
    /// Start of the records that were searched for the largest requests, if there were too many of
    /// that size.
    pub largest_since: Option<At>,
    /// Start of the counted records, if there were too many to count all. Figures from single
    /// requests begin there.
    pub requests_since: Option<At>,
}

/// A period in which requests could not be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NotVisible {
    /// Name of the machine.
    pub host: String,
    /// The period.
    #[serde(flatten)]
    pub span: Span,
}
