//! What is done with a whole history on demand: telling what is in it, checking it, making it smaller.
//!
//! URLs go in; facts and findings come out. Telling and checking only read, beside a memtap that writes.

use memtap_model::WallClock;

use crate::{StoreError, StoreUrl, mysql, sqlite};

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

/// What is in the history.
///
/// # Errors
/// When it is not there, is none of this memtap's, or cannot be read.
pub fn contents(url: &StoreUrl) -> Result<Contents, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::maintenance::contents(path),
        StoreUrl::Mysql(url) => mysql::maintenance::contents(url),
        StoreUrl::None => Err(nothing()),
    }
}

/// Whether the history is whole: what the database itself finds, its tables, and what its rows rely on. `tell` gets what is looked at.
///
/// # Errors
/// When it is not there, is none of this memtap's, or cannot be read for another reason than damage.
pub fn check(url: &StoreUrl, tell: &dyn Fn(&str)) -> Result<Checked, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::maintenance::check(path),
        StoreUrl::Mysql(url) => mysql::maintenance::check(url, tell),
        StoreUrl::None => Err(nothing()),
    }
}

/// Writes the history anew, without the room that holds nothing. Whatever ends it early, the history stays as it was. `tell` gets what is
/// written.
///
/// # Errors
/// When another program has a file open, or the file system lacks the room, or it is none of this memtap's.
pub fn compact(url: &StoreUrl, tell: &dyn Fn(&str)) -> Result<Compacted, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::maintenance::compact(path),
        StoreUrl::Mysql(url) => mysql::maintenance::compact(url, tell),
        StoreUrl::None => Err(nothing()),
    }
}

/// Whether the history can be opened as it is now: what is there, in words. Changes nothing.
///
/// # Errors
/// When it cannot be reached, is not permitted, or is something else.
pub fn reach(url: &StoreUrl) -> Result<String, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::maintenance::reach(path),
        StoreUrl::Mysql(url) => mysql::maintenance::reach(url),
        StoreUrl::None => Err(nothing()),
    }
}

fn nothing() -> StoreError {
    StoreError::Url("--store none keeps no history")
}
