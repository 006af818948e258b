//! State of a store, and causes of dropped requests.

use std::collections::BTreeMap;

/// Cause for which requests are missing from the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropCause {
    /// The queue in memory was full.
    QueueFull,
    /// The database was unavailable, and the spool had reached its size limit.
    SpoolFull,
    /// The database was unavailable, and writing to the spool failed.
    SpoolFailed,
    /// Spooled records were damaged.
    SpoolDamaged,
    /// The database refused the row because of its content.
    Refused,
    /// memtap exited before the database had written them, and there was no spool.
    Ended,
}

impl DropCause {
    /// Name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::SpoolFull => "spool_full",
            Self::SpoolFailed => "spool_failed",
            Self::SpoolDamaged => "spool_damaged",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

/// State of a store and its writer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// Kind of the store, such as `sqlite`, or `none`.
    pub kind: &'static str,
    /// Number of stored requests.
    pub rows: u64,
    /// Age of the oldest uncommitted batch, seconds.
    pub lag_s: f64,
    /// Requests waiting to be written, in memory or on disk.
    pub spooled: u64,
    /// Size of the spool, bytes.
    pub spool_bytes: u64,
    /// Dropped requests by cause.
    pub dropped: BTreeMap<DropCause, u64>,
    /// Causes for which requests were dropped within the last minute.
    pub dropping: Vec<DropCause>,
    /// Size on disk, bytes.
    pub bytes: u64,
    /// Current problem with its fix, if any.
    pub error: Option<String>,
}

impl Status {
    /// Returns the number of requests dropped for any cause.
    #[must_use]
    pub fn dropped_requests(&self) -> u64 {
        self.dropped.values().sum()
    }
}
