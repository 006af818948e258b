//! Errors of the stores, each with the fix.

use std::path::PathBuf;

/// Why a store cannot be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is invalid. The message does not repeat it, since any part of it may be a password.
    #[error("{0}. Use --store sqlite:PATH, --store mysql://USER:PASSWORD@HOST:PORT/DATABASE or --store none")]
    Url(&'static str),
    /// The directory or the file cannot be created or written.
    #[error(
        "cannot open {path} for the history: {reason}. Choose a writable place with --store sqlite:PATH, or keep no history with --store none"
    )]
    Unwritable {
        /// Path of the database.
        path: PathBuf,
        /// Error text of the operating system.
        reason: String,
    },
    /// The file is not a memtap database.
    #[error(
        "{path} is not a memtap database ({reason}). It was not changed. Move it away, or choose another file with --store sqlite:PATH"
    )]
    Foreign {
        /// Path of the file.
        path: PathBuf,
        /// Reason why the file was rejected.
        reason: String,
    },
    /// The file was written by a newer memtap.
    #[error(
        "{path} has schema version {found}, newer than this memtap's {known}. Use the newer memtap, or choose another file with --store sqlite:PATH"
    )]
    Newer {
        /// Path of the file.
        path: PathBuf,
        /// Schema version of the file.
        found: i64,
        /// Highest schema version that this memtap supports.
        known: i64,
    },
    /// The file was written by an older memtap.
    #[error(
        "{path} has schema version {found}, older than this memtap's {known}. Start memtap once with --store sqlite:{path}: it upgrades the file"
    )]
    Older {
        /// Path of the file.
        path: PathBuf,
        /// Schema version of the file.
        found: i64,
        /// Schema version that this memtap needs.
        known: i64,
    },
    /// The file does not exist.
    #[error("there is no history in {path}. Name its file with --store sqlite:PATH")]
    Missing {
        /// Path of the file.
        path: PathBuf,
    },
    /// The user lacks a permission for the file.
    #[error(
        "cannot {action} the history {path}: {reason}. Run memtap as root, or as the user who owns the file"
    )]
    Denied {
        /// Attempted action: `read` or `rewrite`.
        action: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Missing permission.
        reason: String,
    },
    /// Another program has the file open.
    #[error("{path} is in use. Stop memtap and every other program that has it open, and try again")]
    InUse {
        /// Path of the file.
        path: PathBuf,
    },
    /// The file system has too little space for a copy.
    #[error(
        "not enough disk space beside {path}: {needed} bytes are needed temporarily, and {free} are free. Nothing was changed. Free some space and try again"
    )]
    NoRoom {
        /// Path of the file.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes available.
        free: u64,
    },
    /// Another program keeps a read transaction open, so SQLite's log cannot be reset.
    #[error(
        "the log of {path} has grown to {mebibytes} MiB, because another program keeps reading the history. End that program"
    )]
    LogIsRead {
        /// Path of the database.
        path: PathBuf,
        /// Size of the log, MiB.
        mebibytes: u64,
    },
    /// The database failed. The message contains the database's own text; `source` returns `None`,
    /// so that a report does not repeat it.
    #[error("the history database{} failed: {reason}{}", prefixed(" ", database), prefixed(". ", fix))]
    Database {
        /// URL of the database, without the password; empty for a local file.
        database: String,
        /// True if the failure may be temporary.
        away: bool,
        /// Error text of the database.
        reason: String,
        /// Advice to the user, as an imperative sentence; empty if there is none.
        fix: &'static str,
    },
    /// The tables were created by a newer memtap.
    #[error(
        "the tables in {database} have version {found}, newer than this memtap's {known}. Use the newer memtap, or another database"
    )]
    NewerDatabase {
        /// URL of the database, without the password.
        database: String,
        /// Version of the tables.
        found: i64,
        /// Highest version that this memtap supports.
        known: i64,
    },
    /// The spool directory cannot be used.
    #[error(
        "cannot use the spool in {folder}: {reason}. Choose another directory with --spool DIR, or no spool with --spool-size 0"
    )]
    Spool {
        /// Path of the directory.
        folder: PathBuf,
        /// Error text of the operating system.
        reason: String,
    },
    /// The cursor did not come from a previous page.
    #[error("invalid cursor '{0}'. Use next_cursor of the previous page")]
    Cursor(String),
    /// A thread could not be started.
    #[error("cannot start the store's threads")]
    Thread(#[from] std::io::Error),
}

impl StoreError {
    /// Returns whether the failure may be temporary.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Database { away: true, .. })
    }
}

/// Returns the text with a prefix, or nothing if the text is empty.
fn prefixed(prefix: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{prefix}{text}") }
}
