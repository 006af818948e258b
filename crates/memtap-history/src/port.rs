//! The port: what a store must do, and what can be asked of its history.

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use memtap_model::WallClock;

use crate::maintenance::Maintenance;
use crate::{
    Appended, Delivery, HostRun, LifeQuery, Lives, MachinePoint, ProcessCalls, ProgramQuery, Programs, Range,
    Refused, RequestPage, RequestQuery, Sizes, StoreError, StoredHost, StoredOomKill, UsagePoint, UsageQuery,
};

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Older requests go, and processes that lived shortly.
    pub max_age: Duration,
    /// Older samples of usage go, and the processes that they are of.
    pub max_sample_age: Duration,
    /// When the database is larger, the oldest requests go.
    pub max_bytes: u64,
    /// What ages are counted from.
    pub clock: Clock,
}

/// What the ages of a history are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// This machine's clock.
    #[default]
    Machine,
    /// The last second that it was told of: of a recording, whose time is its own.
    Told,
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

/// An answer that is still to come.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The writing side of a store. It does one thing at a time.
pub trait Store: Send {
    /// Writes a delivery in one transaction; the run becomes known by its first.
    ///
    /// # Errors
    /// When the database cannot take it now; the caller keeps it and tries again.
    fn append(&mut self, delivery: Arc<Delivery>) -> Pending<'_, Appended>;

    /// Retention by age and by size, samples put together: does a bounded piece of work, and gives whether there was any. It is called again
    /// in a second then, or when much has been written; else only a while later.
    ///
    /// # Errors
    /// When the database fails; nothing is lost by it.
    fn housekeeping(&mut self, now: WallClock) -> Pending<'_, bool>;

    /// A reader of the same database, independent of the writer.
    ///
    /// # Errors
    /// When the database cannot be opened for reading.
    fn reader(&self) -> Result<Arc<dyn Reader>, StoreError>;

    /// Its kind as in the API: `sqlite`.
    fn kind(&self) -> &'static str;

    /// Rows of requests and bytes on disk, from what the writer knows (cheap).
    fn size(&self) -> (u64, u64);
}

/// The reading side of a store.
pub trait Reader: Send + Sync {
    /// A page of requests, newest first.
    ///
    /// # Errors
    /// When the database cannot answer, or the cursor is none of its own.
    fn requests<'a>(&'a self, query: &'a RequestQuery) -> Pending<'a, RequestPage>;

    /// What one process or all of them had, in steps of equal length, oldest first; steps without a sample are left out. The work
    /// depends on the number of steps, not on how much history there is.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn usage<'a>(&'a self, query: &'a UsageQuery) -> Pending<'a, Vec<UsagePoint>>;

    /// The machines that have written into the store, by name.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn hosts(&self) -> Pending<'_, Vec<StoredHost>>;

    /// The runs of memtap that told of a range, the latest first, at most `limit`; imports tell of no second.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn runs<'a>(&'a self, range: &'a Range, limit: usize) -> Pending<'a, Vec<HostRun>>;

    /// The machine's memory and its requests by call, in steps of equal length, oldest first; steps without a sample are left out.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn machine<'a>(&'a self, range: &'a Range, step: Duration) -> Pending<'a, Vec<MachinePoint>>;

    /// The processes that lived within a range, also those that did nothing in it.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn lives<'a>(&'a self, query: &'a LifeQuery) -> Pending<'a, Lives>;

    /// The programs of a range, with their series.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn programs<'a>(&'a self, query: &'a ProgramQuery) -> Pending<'a, Programs>;

    /// Which sizes were asked for, of the newest `query.limit` requests of a query (its cursor is not read).
    ///
    /// # Errors
    /// When the database cannot answer.
    fn sizes<'a>(&'a self, query: &'a RequestQuery) -> Pending<'a, Sizes>;

    /// Requests by call in steps of that length, and the names that they were made under, of the newest `query.limit` requests of a query (its
    /// cursor is not read). It is meant for one process: names of several would alternate.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn calls<'a>(&'a self, query: &'a RequestQuery, step: Duration) -> Pending<'a, ProcessCalls>;

    /// Refused requests by process, call and errno, the latest first, at most `query.limit` (its cursor is not read).
    ///
    /// # Errors
    /// When the database cannot answer.
    fn refusals<'a>(&'a self, query: &'a RequestQuery) -> Pending<'a, Vec<Refused>>;

    /// OOM kills of a range, latest first, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot answer.
    fn oom_kills<'a>(&'a self, range: &'a Range, limit: usize) -> Pending<'a, Vec<StoredOomKill>>;
}

/// A database that a URL names. It is shown ([`Display`](fmt::Display)) without its password.
pub trait Location: Maintenance + fmt::Display + fmt::Debug + Send + Sync {
    /// Opens the store for writing, and creates it or upgrades its tables where that is needed.
    ///
    /// # Errors
    /// When it cannot be opened for writing, or is not a memtap store.
    fn open<'a>(&'a self, settings: &'a Settings) -> Pending<'a, Box<dyn Store>>;

    /// Opens the store for reading alone. Nothing in it is changed.
    ///
    /// # Errors
    /// When it does not exist, or is not a memtap store.
    fn open_reader(&self, clock: Clock) -> Pending<'_, Arc<dyn Reader>>;

    /// The file of the database, where it is one on this machine.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// The file with the certificate that the server must have, where one was named.
    fn certificate(&self) -> Option<&Path> {
        None
    }

    /// A name for this database among all others, made of letters, digits, dots and dashes.
    fn slug(&self) -> String;
}
