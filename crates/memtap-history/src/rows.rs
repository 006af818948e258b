//! Rows of a database, and the traits that a driver implements for reading. `reading/` computes all
//! answers from these rows, the same for every driver.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use memtap_model::{Call, CallTotals, Comm, Errno, Tgid, WallClock};

use crate::{Range, RequestQuery, StoreError, StoredOomKill, StoredRequest, UsagePoint};

/// Process id of the samples that sum all processes of a run.
pub const ALL_PROCESSES: u64 = 0;

/// Receives rows one by one, so that a large result need not fit in memory.
pub type Take<'a, T> = &'a mut (dyn FnMut(T) + Send);

type Done<T> = Result<T, StoreError>;

/// A database that answers questions.
pub trait Database: Send + Sync + 'static {
    /// Answers a question from one snapshot of the database, so that samples rolled up meanwhile
    /// are not counted twice.
    ///
    /// # Errors
    /// If the database fails.
    fn ask<Q: Question>(&self, question: Q) -> impl Future<Output = Done<Q::Answer>> + Send;
}

/// A question to a database. The driver chooses the thread that answers it.
pub trait Question: Send + 'static {
    /// Type of the answer.
    type Answer: Send + 'static;

    /// Reads the necessary rows and computes the answer.
    fn answer<S: Snapshot>(self, snapshot: &mut S) -> impl Future<Output = Done<Self::Answer>> + Send;
}

/// Consistent snapshot of a database. For an embedded database, the futures are ready at the first
/// poll.
pub trait Snapshot: Send {
    /// Returns the second of the newest sample.
    fn last_sampled_s(&mut self) -> impl Future<Output = Done<Option<i64>>> + Send;

    /// Returns memtap runs, ordered by start.
    fn runs(&mut self, query: &RunQuery) -> impl Future<Output = Done<Vec<RunRow>>> + Send;

    /// Reads the processes of these runs.
    fn processes(
        &mut self,
        query: &ProcessQuery,
        runs: &[RunRow],
        take: Take<'_, ProcessRow>,
    ) -> impl Future<Output = Done<()>> + Send;

    /// Reads the details of process rows. Rows that have just been deleted are missing.
    fn details(&mut self, rows: &[u64]) -> impl Future<Output = Done<HashMap<u64, Details>>> + Send;

    /// Reads usage samples. Samples of one process are in order of time.
    fn samples(
        &mut self,
        query: &SampleQuery<'_>,
        take: Take<'_, SampleRow>,
    ) -> impl Future<Output = Done<()>> + Send;

    /// Reads the last sample of each of these processes that starts at or before `at_s`.
    fn last_samples(
        &mut self,
        run: u64,
        rows: &[u64],
        step_s: i64,
        at_s: i64,
    ) -> impl Future<Output = Done<Vec<SampleRow>>> + Send;

    /// Reads samples of a machine's memory, in order of time.
    fn machine_samples(&mut self, steps: &StepQuery) -> impl Future<Output = Done<Vec<MachineRow>>> + Send;

    /// Reads samples of a machine's requests by call, in order of time.
    fn call_samples(&mut self, steps: &StepQuery) -> impl Future<Output = Done<Vec<CallRow>>> + Send;

    /// Reads requests, newest first, at most `query.limit`, each with its position for the cursor.
    fn requests(
        &mut self,
        query: &RequestQuery,
    ) -> impl Future<Output = Done<Vec<(u64, StoredRequest)>>> + Send;

    /// Reads call and size of requests, newest first, at most `query.limit`. Names are read only if
    /// requested, since they need more work.
    fn sized_requests(
        &mut self,
        query: &RequestQuery,
        names: Names,
        take: Take<'_, SizedRow>,
    ) -> impl Future<Output = Done<()>> + Send;

    /// Reads all refused requests of a query, newest first.
    fn refused_requests(
        &mut self,
        query: &RequestQuery,
        take: Take<'_, RefusedRow>,
    ) -> impl Future<Output = Done<()>> + Send;

    /// Reads requests of these processes of a run, converted to samples. Imports have no samples,
    /// so their requests are used instead.
    fn requests_as_samples(
        &mut self,
        run: u64,
        rows: &[u64],
        range: &Range,
        take: Take<'_, SampleRow>,
    ) -> impl Future<Output = Done<()>> + Send;

    /// Reads OOM kills, latest first, at most `limit`, each with its row id and without the
    /// readings before it.
    fn oom_kills(
        &mut self,
        range: &Range,
        limit: usize,
    ) -> impl Future<Output = Done<Vec<(u64, StoredOomKill)>>> + Send;

    /// Reads the readings before an OOM kill, given its row id. They are in order of time, and by
    /// size within one time, largest first.
    fn oom_readings(&mut self, kill: u64) -> impl Future<Output = Done<Vec<OomReading>>> + Send;
}

/// Selects runs with samples in a range, and all imports, which have no samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunQuery {
    /// Host name; `None` selects all machines.
    pub host: Option<String>,
    /// Only runs whose last sample is at or after this second. Imports are always included.
    pub from_s: i64,
    /// Only runs that started before this second. Imports are always included.
    pub to_s: i64,
}

/// A memtap run, or an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunRow {
    /// Random id of the run.
    pub id: u64,
    /// Host name.
    pub host: Arc<str>,
    /// Kernel release; empty for an import.
    pub kernel: String,
    /// The kernel's boot id; empty for an import.
    pub boot_id: String,
    /// Start of the run; 0 if unknown.
    pub began: WallClock,
    /// Last second with a sample; 0 if the run has only requests.
    pub sampled_s: i64,
    /// For each step length but the first: the second up to which samples have been rolled up into
    /// it.
    pub rolled: [i64; 4],
    /// Number of requests in the run.
    pub requests: u64,
    /// Number of refused requests.
    pub refused: u64,
    /// Requests whose records did not reach memtap.
    pub lost: u64,
}

/// Selects processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessQuery {
    /// Only processes that started before this time.
    pub to: WallClock,
    /// Only processes that did not end before this time.
    pub from: WallClock,
    /// Only this pid.
    pub pid: Option<Tgid>,
    /// Only processes that started at this time, to the second.
    pub started_at: Option<WallClock>,
}

/// Main columns of a process row. For a process known only from requests, the start is the time of
/// the first one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessRow {
    /// Row id of the process.
    pub id: u64,
    /// Id of the run.
    pub run: u64,
    /// Pid of the process.
    pub pid: Tgid,
    /// The kernel's start time. Within one boot, it identifies the process together with the pid.
    pub start: u64,
    /// Start of the process, wall clock time.
    pub started_at: WallClock,
    /// End of the process; `None` if it is running or its end was not observed.
    pub ended_at: Option<WallClock>,
    /// Time of the last observation.
    pub seen: WallClock,
    /// Latest name, as text.
    pub name: String,
}

/// Further columns of a process row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Host name.
    pub host: Arc<str>,
    /// The kernel's boot id; for an import, the run's id.
    pub boot: String,
    /// Pid of the process.
    pub pid: Tgid,
    /// The kernel's start time.
    pub start: u64,
    /// Start of the process, wall clock time.
    pub started_at: WallClock,
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
}

/// Selects steps of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepQuery {
    /// Id of the run.
    pub run: u64,
    /// Length of the steps, seconds.
    pub step_s: i64,
    /// Only steps that start at or after this second.
    pub from_s: i64,
    /// Only steps that start before this second.
    pub to_s: i64,
}

/// Selects usage samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleQuery<'a> {
    /// Steps to read.
    pub steps: StepQuery,
    /// Only these process rows. `None` selects each process, without the sum of all processes.
    pub rows: Option<&'a [u64]>,
}

/// A usage sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SampleRow {
    /// Row id of the process, or [`ALL_PROCESSES`].
    pub process: u64,
    /// Start of the step, seconds.
    pub at_s: i64,
    /// Values of the sample.
    pub point: UsagePoint,
}

/// A sample of a machine's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MachineRow {
    /// Start of the step, seconds.
    pub at_s: i64,
    /// Sizes in bytes, in the order of [`machine_sizes`](crate::machine_sizes).
    pub sizes: [u64; 8],
    /// Highest memory pressure on some tasks and on all tasks, percent.
    pub pressure: [Option<f64>; 2],
    /// Lowest available memory, bytes.
    pub least_available_bytes: u64,
    /// Requests whose records did not reach memtap.
    pub lost: u64,
}

/// A sample of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRow {
    /// Start of the step, seconds.
    pub at_s: i64,
    /// Call of the requests.
    pub call: Call,
    /// Requests of this call within the step.
    pub totals: CallTotals,
}

/// Selects whether request rows contain names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// No names.
    Omitted,
    /// Name of the process if its first thread made the request. Other threads have names of their
    /// own.
    OfProcess,
}

/// Call and size of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizedRow {
    /// The call.
    pub call: Call,
    /// Requested bytes.
    pub size: u64,
    /// True if the request was refused.
    pub is_refused: bool,
    /// Time at which the call returned.
    pub time: WallClock,
    /// Name of the process, if selected by [`Names`].
    pub name: Option<Comm>,
}

/// A refused request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedRow {
    /// Row id of the process.
    pub process: u64,
    /// The call.
    pub call: Call,
    /// Errno returned by the kernel.
    pub errno: Errno,
    /// Requested bytes.
    pub size: u64,
    /// Time at which the call returned.
    pub time: WallClock,
    /// Name of the thread.
    pub name: Comm,
}

/// One of the largest processes at a reading before an OOM kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OomReading {
    /// Time of the reading.
    pub time: WallClock,
    /// Available memory at that time, bytes.
    pub available_bytes: u64,
    /// Pid of the process.
    pub pid: Tgid,
    /// Name of the process, as text.
    pub name: String,
    /// Virtual size, bytes.
    pub virtual_bytes: u64,
    /// Resident set, bytes.
    pub resident_bytes: u64,
}
