//! Maintenance of a whole history on demand: show its contents, check it, compact it.

use memtap_model::WallClock;

use crate::Pending;

/// Receives the name of each table as the work proceeds.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// Maintenance of a whole history. All methods except `compact` only read, and may run while memtap
/// writes.
pub trait Maintenance {
    /// Describes the state of the database in words, without changing anything.
    ///
    /// # Errors
    /// If the database is unreachable, access is denied, or it is not a memtap database.
    fn reach(&self) -> Pending<'_, String>;

    /// Reads the contents of the history.
    ///
    /// # Errors
    /// If the history does not exist, is not a memtap database, or cannot be read.
    fn contents(&self) -> Pending<'_, Contents>;

    /// Checks the history: the database's own integrity check, the tables, and the consistency of
    /// rows.
    ///
    /// # Errors
    /// If the history does not exist, is not a memtap database, or cannot be read for a reason
    /// other than damage.
    fn check<'a>(&'a self, progress: Progress<'a>) -> Pending<'a, Checked>;

    /// Rewrites the history without free space. If this is interrupted, the history is unchanged.
    ///
    /// # Errors
    /// If another program has the file open, disk space is insufficient, or the history is not a
    /// memtap database.
    fn compact<'a>(&'a self, progress: Progress<'a>) -> Pending<'a, Compacted>;
}

/// Contents of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Version of the database server; `None` for a file.
    pub server: Option<String>,
    /// Version of the tables.
    pub schema: i64,
    /// Size on disk; for a file, including its log.
    pub bytes: u64,
    /// Unused bytes within `bytes`.
    pub free_bytes: u64,
    /// Tables, largest first.
    pub tables: Vec<Table>,
    /// Times of the first and the last request; `None` without requests.
    pub times: Option<(WallClock, WallClock)>,
    /// Machines that made the requests.
    pub machines: Vec<Machine>,
}

/// A table of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name of the table.
    pub name: String,
    /// Number of rows.
    pub rows: u64,
    /// Size of the table and its indexes, bytes.
    pub bytes: u64,
}

/// A machine with one kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Host name. It is not trusted input.
    pub hostname: String,
    /// Kernel release; empty for an import.
    pub kernel: String,
    /// Number of memtap runs and imports.
    pub runs: u64,
    /// Start of the first and of the last run.
    pub began: (WallClock, WallClock),
}

/// Result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Number of checked requests.
    pub requests: u64,
    /// Problems found, one line each. Empty if the database is sound.
    pub findings: Vec<String>,
}

/// Sizes on disk before and after compacting, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Size before compacting.
    pub before: u64,
    /// Size after compacting.
    pub after: u64,
}
