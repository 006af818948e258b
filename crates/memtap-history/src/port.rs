//! The port: operations that every store implements.

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use memtap_model::WallClock;

use crate::maintenance::Maintenance;
use crate::{
    Appended, Delivery, HostRun, LifetimeQuery, MachinePoint, ProcessCalls, ProcessLifetimes, ProgramQuery,
    Programs, Range, Refused, RequestPage, RequestQuery, Sizes, StoreError, StoredHost, StoredOomKill,
    UsagePoint, UsageQuery,
};

/// Limits on what a store keeps.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Maximum age of requests, and of processes that lived for less than an hour.
    pub max_age: Duration,
    /// Maximum age of usage samples and of the processes they belong to.
    pub max_sample_age: Duration,
    /// Maximum size of the database, bytes. Beyond it, the oldest requests are deleted.
    pub max_bytes: u64,
    /// Time base for ages.
    pub clock: Clock,
}

/// Time base for the ages of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// Clock of this machine.
    #[default]
    Machine,
    /// Newest sample in the history: the time base for recordings, which have their own time.
    LastSample,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(7 * 24 * 3600),
            max_sample_age: Duration::from_secs(2 * 365 * 24 * 3600),
            max_bytes: 2 << 30,
            clock: Clock::default(),
        }
    }
}

/// Future answer of a store.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Writing side of a store. It does one thing at a time.
pub trait Store: Send {
    /// Writes a delivery in one transaction. The first delivery of a run also creates the run's
    /// row.
    ///
    /// # Errors
    /// If the database cannot write now. The caller keeps the delivery and tries again.
    fn append(&mut self, delivery: Arc<Delivery>) -> Pending<'_, Appended>;

    /// Does a bounded amount of maintenance: deletes data beyond the age and size limits, and rolls
    /// up samples. Returns whether there was anything to do. If so, or after many writes, it is
    /// called again after a second, otherwise later.
    ///
    /// # Errors
    /// If the database fails. No data is lost.
    fn housekeeping(&mut self, now: WallClock) -> Pending<'_, bool>;

    /// Opens a reader of the same database, independent of the writer.
    ///
    /// # Errors
    /// If the database cannot be opened for reading.
    fn reader(&self) -> Result<Arc<dyn Reader>, StoreError>;

    /// Kind as in the API, such as `sqlite`.
    fn kind(&self) -> &'static str;

    /// Returns the number of requests and the bytes on disk, without querying the database.
    fn size(&self) -> (u64, u64);
}

/// Reading side of a store.
pub trait Reader: Send + Sync {
    /// Returns a page of requests, newest first.
    ///
    /// # Errors
    /// If the query fails, or the cursor is invalid.
    fn requests<'a>(&'a self, query: &'a RequestQuery) -> Pending<'a, RequestPage>;

    /// Returns the usage of one process or of all processes, in steps of equal length, oldest
    /// first, without steps that have no sample. The cost depends on the number of steps, not on
    /// the size of the history.
    ///
    /// # Errors
    /// If the query fails.
    fn usage<'a>(&'a self, query: &'a UsageQuery) -> Pending<'a, Vec<UsagePoint>>;

    /// Returns the machines that have written into the store, sorted by name.
    ///
    /// # Errors
    /// If the query fails.
    fn hosts(&self) -> Pending<'_, Vec<StoredHost>>;

    /// Returns the memtap runs that have samples in a range, latest first, at most `limit`. Imports
    /// have no samples and are left out.
    ///
    /// # Errors
    /// If the query fails.
    fn runs<'a>(&'a self, range: &'a Range, limit: usize) -> Pending<'a, Vec<HostRun>>;

    /// Returns the machine's memory and its requests by call, in steps of equal length, oldest
    /// first, without steps that have no sample.
    ///
    /// # Errors
    /// If the query fails.
    fn machine<'a>(&'a self, range: &'a Range, step: Duration) -> Pending<'a, Vec<MachinePoint>>;

    /// Returns the processes that existed within a range, including those without activity in it.
    ///
    /// # Errors
    /// If the query fails.
    fn lifetimes<'a>(&'a self, query: &'a LifetimeQuery) -> Pending<'a, ProcessLifetimes>;

    /// Returns the programs of a range with their series.
    ///
    /// # Errors
    /// If the query fails.
    fn programs<'a>(&'a self, query: &'a ProgramQuery) -> Pending<'a, Programs>;

    /// Returns the sizes requested by the newest `query.limit` requests of a query (the cursor is
    /// ignored).
    ///
    /// # Errors
    /// If the query fails.
    fn sizes<'a>(&'a self, query: &'a RequestQuery) -> Pending<'a, Sizes>;

    /// Returns the newest `query.limit` requests of a query by call, in steps of the given length,
    /// and the process names they were made under (the cursor is ignored). The query should select
    /// one process: with several, their names would alternate.
    ///
    /// # Errors
    /// If the query fails.
    fn calls<'a>(&'a self, query: &'a RequestQuery, step: Duration) -> Pending<'a, ProcessCalls>;

    /// Returns refused requests grouped by process, call and errno, latest first, at most
    /// `query.limit` groups (the cursor is ignored).
    ///
    /// # Errors
    /// If the query fails.
    fn refusals<'a>(&'a self, query: &'a RequestQuery) -> Pending<'a, Vec<Refused>>;

    /// Returns the OOM kills in a range, latest first, at most `limit`.
    ///
    /// # Errors
    /// If the query fails.
    fn oom_kills<'a>(&'a self, range: &'a Range, limit: usize) -> Pending<'a, Vec<StoredOomKill>>;
}

/// A database given by a URL. [`Display`](fmt::Display) shows the URL without its password.
pub trait Location: Maintenance + fmt::Display + fmt::Debug + Send + Sync {
    /// Opens the store for writing. Creates it or upgrades its tables if necessary.
    ///
    /// # Errors
    /// If the store cannot be opened for writing, or is not a memtap database.
    fn open<'a>(&'a self, settings: &'a Settings) -> Pending<'a, Box<dyn Store>>;

    /// Opens a read-only reader. The store is not changed.
    ///
    /// # Errors
    /// If the store does not exist, or is not a memtap database.
    fn open_reader(&self, clock: Clock) -> Pending<'_, Arc<dyn Reader>>;

    /// Path of the database, if it is a file on this machine.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// File with the certificate of the authority that the server's certificate is verified
    /// against, if the URL gives one.
    fn certificate(&self) -> Option<&Path> {
        None
    }

    /// Unique name of this database, made of letters, digits, dots and dashes.
    fn slug(&self) -> String;
}
