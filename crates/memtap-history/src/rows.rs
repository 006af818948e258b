//! The rows that a database gives: what a driver implements for reading. Everything that is computed
//! from rows is computed once, in `reading/`.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use memtap_model::{Call, CallTotals, Comm, Errno, Tgid, WallClock};

use crate::{Range, RequestQuery, StoreError, StoredOomKill, StoredRequest, UsagePoint};

/// The row of process 0 of a run has the sums of all its processes.
pub const ALL_PROCESSES: u64 = 0;

/// Receives rows one by one, so that a large result is never held in memory.
pub type Take<'a, T> = &'a mut (dyn FnMut(T) + Send);

type Done<T> = Result<T, StoreError>;

/// A database that answers questions.
pub trait Database: Send + Sync + 'static {
    /// Answers a question from the database as it is at one moment: samples that are merged into
    /// longer steps meanwhile are not counted twice.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn ask<Q: Question>(&self, question: Q) -> impl Future<Output = Done<Q::Answer>> + Send;
}

/// A question to a database. A driver decides where it is answered.
pub trait Question: Send + 'static {
    /// The answer.
    type Answer: Send + 'static;

    /// Reads the rows that the answer needs, and computes it.
    fn answer<S: Snapshot>(self, snapshot: &mut S) -> impl Future<Output = Done<Self::Answer>> + Send;
}

/// A database at one moment. The futures of an embedded database are ready when they are first
/// polled.
pub trait Snapshot: Send {
    /// The last second of which there is a sample.
    fn last_sampled_s(&mut self) -> impl Future<Output = Done<Option<i64>>> + Send;

    /// Runs of memtap in the order in which they began.
    fn runs(&mut self, query: &RunQuery) -> impl Future<Output = Done<Vec<RunRow>>> + Send;

    /// Processes of these runs.
    fn processes(
        &mut self,
        query: &ProcessQuery,
        runs: &[RunRow],
        take: Take<'_, ProcessRow>,
    ) -> impl Future<Output = Done<()>> + Send;

    /// Further columns of these rows of processes. A row that has been deleted is missing.
    fn details(&mut self, rows: &[u64]) -> impl Future<Output = Done<HashMap<u64, Details>>> + Send;

    /// Samples of usage; those of one process in the order of time.
    fn samples(
        &mut self,
        query: &SampleQuery<'_>,
        take: Take<'_, SampleRow>,
    ) -> impl Future<Output = Done<()>> + Send;

    /// The last sample of each of these processes that begins at `at_s` or before.
    fn last_samples(
        &mut self,
        run: u64,
        rows: &[u64],
        step_s: i64,
        at_s: i64,
    ) -> impl Future<Output = Done<Vec<SampleRow>>> + Send;

    /// Samples of a machine's memory, in the order of time.
    fn machine_samples(&mut self, steps: &StepQuery) -> impl Future<Output = Done<Vec<MachineRow>>> + Send;

    /// Samples of a machine's requests by call, in the order of time.
    fn call_samples(&mut self, steps: &StepQuery) -> impl Future<Output = Done<Vec<CallRow>>> + Send;

    /// Requests, newest first, at most `query.limit`; each with its place, which becomes a cursor.
    fn requests(
        &mut self,
        query: &RequestQuery,
    ) -> impl Future<Output = Done<Vec<(u64, StoredRequest)>>> + Send;

    /// Call and size of requests, newest first, at most `query.limit`. Names cost a driver more, so
    /// they are read only when they are needed.
    fn sized_requests(
        &mut self,
        query: &RequestQuery,
        names: Names,
        take: Take<'_, SizedRow>,
    ) -> impl Future<Output = Done<()>> + Send;

    /// All refused requests of a query, newest first.
    fn refused_requests(
        &mut self,
        query: &RequestQuery,
        take: Take<'_, RefusedRow>,
    ) -> impl Future<Output = Done<()>> + Send;

    /// Requests of these processes of a run, as samples. This is how imported requests, of which
    /// there are no samples, are summed up.
    fn requests_as_samples(
        &mut self,
        run: u64,
        rows: &[u64],
        range: &Range,
        take: Take<'_, SampleRow>,
    ) -> impl Future<Output = Done<()>> + Send;

    /// OOM kills, latest first, at most `limit`; each with its place, without the readings before it.
    fn oom_kills(
        &mut self,
        range: &Range,
        limit: usize,
    ) -> impl Future<Output = Done<Vec<(u64, StoredOomKill)>>> + Send;

    /// Readings before the OOM kill at that place, in the order of time, each time's largest process
    /// first.
    fn oom_readings(&mut self, kill: u64) -> impl Future<Output = Done<Vec<OomReading>>> + Send;
}

/// Which runs to read: those with samples in a range, and those that never have samples (imports).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunQuery {
    /// Only runs on the machine of this name.
    pub host: Option<String>,
    /// Only runs whose last sample is of this second or later; imports have none and always count.
    pub from_s: i64,
    /// Only runs that began before this second; imports always count.
    pub to_s: i64,
}

/// A run of memtap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunRow {
    /// Its id, drawn at random.
    pub id: u64,
    /// Name of the machine.
    pub host: Arc<str>,
    /// Release of the machine's kernel; empty for an import.
    pub kernel: String,
    /// The kernel's id of the boot; empty for an import.
    pub boot_id: String,
    /// Start of the run; 0 when it is unknown.
    pub began: WallClock,
    /// The last second with a sample; 0 when there are no samples, only requests.
    pub sampled_s: i64,
    /// The second up to which samples are merged into each step length but the first.
    pub rolled: [i64; 4],
    /// Requests in the whole run.
    pub requests: u64,
    /// How many of them were refused.
    pub refused: u64,
    /// How many of them did not arrive in the stream.
    pub lost: u64,
}

/// Which processes to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessQuery {
    /// Only processes that started before this time.
    pub to: WallClock,
    /// Only processes that had not ended before this time.
    pub from: WallClock,
    /// Only processes with this pid.
    pub pid: Option<Tgid>,
    /// Only processes that started then, to the second.
    pub started_at: Option<WallClock>,
}

/// The columns of a process that decide whether and where it counts. A process that is known from its
/// requests alone started when it was first seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessRow {
    /// Its row.
    pub id: u64,
    /// Its run.
    pub run: u64,
    /// Its pid.
    pub pid: Tgid,
    /// The kernel's start time; with the pid it identifies the process within one boot.
    pub start: u64,
    /// Wall clock time of its start.
    pub started_at: WallClock,
    /// Its end; `None` while it lives, or when its end was not seen.
    pub ended_at: Option<WallClock>,
    /// The last time at which it was observed.
    pub seen: WallClock,
    /// Its last name, as text.
    pub name: String,
}

/// Further columns of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Name of its machine.
    pub host: Arc<str>,
    /// The kernel's id of the boot; the run's id for an import.
    pub boot: String,
    /// Its pid.
    pub pid: Tgid,
    /// The kernel's start time.
    pub start: u64,
    /// Wall clock time of its start.
    pub started_at: WallClock,
    /// Its command line.
    pub command: String,
    /// Its user.
    pub user: String,
    /// Its parent.
    pub parent: Option<Tgid>,
    /// Its container.
    pub container: Option<String>,
    /// Its Kubernetes pod.
    pub pod: Option<String>,
    /// Its systemd unit.
    pub unit: Option<String>,
}

/// Which steps of one run to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepQuery {
    /// The run.
    pub run: u64,
    /// Length of the steps, seconds.
    pub step_s: i64,
    /// Only steps that begin at this second or later.
    pub from_s: i64,
    /// Only steps that begin before this second.
    pub to_s: i64,
}

/// Which samples of usage to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleQuery<'a> {
    /// In these steps.
    pub steps: StepQuery,
    /// Only samples of these processes; `None`: of every process, but not the sums of all.
    pub rows: Option<&'a [u64]>,
}

/// A sample of usage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SampleRow {
    /// The row of its process, or [`ALL_PROCESSES`].
    pub process: u64,
    /// The second at which its step begins.
    pub at_s: i64,
    /// Its values.
    pub point: UsagePoint,
}

/// A sample of a machine's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MachineRow {
    /// The second at which its step begins.
    pub at_s: i64,
    /// Sizes in bytes, in the order of [`machine_sizes`](crate::machine_sizes).
    pub sizes: [u64; 8],
    /// Highest pressure on some and on all tasks, percent.
    pub pressure: [Option<f64>; 2],
    /// Least available memory, bytes.
    pub least_available_bytes: u64,
    /// Requests that did not arrive in the stream.
    pub lost: u64,
}

/// A sample of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRow {
    /// The second at which its step begins.
    pub at_s: i64,
    /// The call.
    pub call: Call,
    /// Requests of this call within the step.
    pub totals: CallTotals,
}

/// Whether rows of requests come with names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Without.
    Omitted,
    /// With the name of the process, where the request was made by its first thread. Other threads
    /// have names of their own.
    OfProcess,
}

/// Call and size of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizedRow {
    /// The call.
    pub call: Call,
    /// Requested bytes.
    pub size: u64,
    /// Whether it was refused.
    pub is_refused: bool,
    /// When it returned.
    pub time: WallClock,
    /// See [`Names`].
    pub name: Option<Comm>,
}

/// A refused request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedRow {
    /// The row of its process.
    pub process: u64,
    /// The call.
    pub call: Call,
    /// The reason that the kernel gave.
    pub errno: Errno,
    /// Requested bytes.
    pub size: u64,
    /// When it returned.
    pub time: WallClock,
    /// Name of its thread.
    pub name: Comm,
}

/// One large process at a moment before an OOM kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OomReading {
    /// The moment.
    pub time: WallClock,
    /// Memory that was available then, bytes.
    pub available_bytes: u64,
    /// The process.
    pub pid: Tgid,
    /// Its name, as text.
    pub name: String,
    /// Its virtual size, bytes.
    pub virtual_bytes: u64,
    /// Its resident set, bytes.
    pub resident_bytes: u64,
}
