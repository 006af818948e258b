//! Work on a whole history on demand: list its contents, check it, compact it.

use memtap_model::WallClock;

use crate::Pending;

/// Receives the name of the part that is being worked on.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// Work on a whole history. All but the last only read, beside a memtap that writes.
pub trait Maintenance {
    /// Says in words what is there, without changing anything.
    ///
    /// # Errors
    /// When it cannot be reached, is not permitted, or is something else.
    fn reach(&self) -> Pending<'_, String>;

    /// Returns what is in the history.
    ///
    /// # Errors
    /// When there is no history, it is not this memtap's, or it cannot be read.
    fn contents(&self) -> Pending<'_, Contents>;

    /// Checks that the history is whole: the database's own check, its tables, and the references
    /// between rows.
    ///
    /// # Errors
    /// When there is no history, it is not this memtap's, or it cannot be read for another reason than
    /// damage.
    fn check<'a>(&'a self, progress: Progress<'a>) -> Pending<'a, Checked>;

    /// Rewrites the history without free space. When it is interrupted, the history stays as it was.
    ///
    /// # Errors
    /// When another program has a file open, disk space is short, or the history is not this memtap's.
    fn compact<'a>(&'a self, progress: Progress<'a>) -> Pending<'a, Compacted>;
}

/// What is in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The version of the server that has it; `None` of a file.
    pub server: Option<String>,
    /// Version of its tables.
    pub schema: i64,
    /// On disk; of a file, its log included.
    pub bytes: u64,
    /// Of these, what holds nothing.
    pub free_bytes: u64,
    /// Its tables, the largest first.
    pub tables: Vec<Table>,
    /// When the first and the last request were made; `None` without requests.
    pub times: Option<(WallClock, WallClock)>,
    /// Where the requests were made.
    pub machines: Vec<Machine>,
}

/// A table of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Bytes of its pages and those of its indexes.
    pub bytes: u64,
}

/// A machine under one kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name, as a stranger chose it.
    pub hostname: String,
    /// Its kernel's release; empty for an import.
    pub kernel: String,
    /// Runs of memtap, and imports.
    pub runs: u64,
    /// When the first of them began, and the last.
    pub began: (WallClock, WallClock),
}

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Requests that were looked at.
    pub requests: u64,
    /// What is wrong, a line each; none: the database is sound.
    pub findings: Vec<String>,
}

/// What compacting has come to: bytes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// How many it had.
    pub before: u64,
    /// How many it has.
    pub after: u64,
}
