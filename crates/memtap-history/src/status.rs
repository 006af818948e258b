//! How a store is doing.

use std::collections::BTreeMap;

/// Why requests are not in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropCause {
    /// More came than could wait in memory.
    QueueFull,
    /// The database was away, and the spool on disk had its full size.
    SpoolFull,
    /// The database was away, and the spool could not be written.
    SpoolFailed,
    /// What was spooled could not be read back whole.
    SpoolDamaged,
    /// The database refused the row for what is in it.
    Refused,
    /// memtap ended before the database had taken them, and there was no spool.
    Ended,
}

impl DropCause {
    /// Its name in the API.
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

/// How a store is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// Its kind: `sqlite`, or `none`.
    pub kind: &'static str,
    /// Rows of requests in it.
    pub rows: u64,
    /// Age of the oldest batch that is not yet committed, seconds.
    pub lag_s: f64,
    /// Requests that wait to be written, in memory or on disk.
    pub spooled: u64,
    /// Bytes that wait on disk.
    pub spool_bytes: u64,
    /// Requests that were dropped, by cause.
    pub dropped: BTreeMap<DropCause, u64>,
    /// Causes for which some were dropped within the last minute.
    pub dropping: Vec<DropCause>,
    /// Bytes on disk.
    pub bytes: u64,
    /// What is wrong, if anything, with the fix.
    pub error: Option<String>,
}

impl Status {
    /// Requests that were dropped, for whatever cause.
    #[must_use]
    pub fn dropped_requests(&self) -> u64 {
        self.dropped.values().sum()
    }
}
