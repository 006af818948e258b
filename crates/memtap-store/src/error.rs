//! What can go wrong with a store, each with the fix.

use std::path::PathBuf;

/// Why a store cannot be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no store. It is not repeated, since any part of it may be a password.
    #[error("{0}. Use --store sqlite:PATH, --store mysql://USER:PASSWORD@HOST:PORT/DATABASE or --store none")]
    Url(&'static str),
    /// The folder or the file cannot be made or written.
    #[error(
        "cannot open {path} for the history: {reason}. Choose a writable place with --store sqlite:PATH, or keep no history with --store none"
    )]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The file is something else.
    #[error(
        "{path} is not a memtap database ({reason}). It was not changed. Move it away, or choose another file with --store sqlite:PATH"
    )]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file was written by a newer memtap.
    #[error(
        "{path} has schema version {found}, newer than this memtap's {known}. Use the newer memtap, or choose another file with --store sqlite:PATH"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The highest that we know.
        known: i64,
    },
    /// The file was written by an older memtap.
    #[error(
        "{path} has schema version {found}, older than this memtap's {known}. Start memtap once with --store sqlite:{path}: it upgrades the file"
    )]
    Older {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The one that we need.
        known: i64,
    },
    /// There is no such file.
    #[error("there is no history in {path}. Name its file with --store sqlite:PATH")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is there, and this user may not use it so.
    #[error(
        "cannot {action} the history {path}: {reason}. Run memtap as root, or as the user who owns the file"
    )]
    Denied {
        /// What was to be done: `read` or `rewrite`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Which permission is missing.
        reason: String,
    },
    /// Another program has the file open.
    #[error("{path} is in use. Stop memtap and every other program that has it open, and try again")]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// The file system lacks the room for a copy.
    #[error(
        "not enough disk space beside {path}: {needed} bytes are needed temporarily, and {free} are free. Nothing was changed. Free some space and try again"
    )]
    NoRoom {
        /// Which file.
        path: PathBuf,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// Somebody reads from SQLite's log without end, so that it cannot begin again.
    #[error(
        "the log of {path} has grown to {mebibytes} MiB, because another program keeps reading the history. End that program"
    )]
    LogIsRead {
        /// Which database.
        path: PathBuf,
        /// The log's size.
        mebibytes: u64,
    },
    /// The database could not do it now. Its words stand in the midst of ours, so it is no source that would tell them again.
    #[error("the history database failed: {0}{fix}", fix = fix(.0))]
    Sqlite(rusqlite::Error),
    /// The MySQL or MariaDB server could not do it now.
    #[error("the history database {database} failed: {reason}. {fix}")]
    Mysql {
        /// Which, without its password.
        database: String,
        /// It may come back by itself.
        away: bool,
        /// The server's words.
        reason: String,
        /// What mends it.
        fix: &'static str,
    },
    /// The tables were made by a newer memtap.
    #[error(
        "the tables in {database} have version {found}, newer than this memtap's {known}. Use the newer memtap, or another database"
    )]
    NewerDatabase {
        /// Which, without its password.
        database: String,
        /// Its version.
        found: i64,
        /// The highest that we know.
        known: i64,
    },
    /// The folder for what waits cannot be used.
    #[error(
        "cannot use the spool in {folder}: {reason}. Choose another directory with --spool DIR, or no spool with --spool-size 0"
    )]
    Spool {
        /// Where.
        folder: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A cursor that no page gave.
    #[error("invalid cursor '{0}'. Use next_cursor of the previous page")]
    Cursor(String),
    /// The system gives no thread.
    #[error("cannot start the store's threads")]
    Thread(#[from] std::io::Error),
}

impl StoreError {
    /// Whether the database may come back by itself.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self, Self::Mysql { away: true, .. })
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// What to do with a damaged file.
macro_rules! after_damage {
    () => {
        "Stop memtap, save what can still be read with memtap store export, move the file away, and start memtap again"
    };
}

/// How to fix a damaged SQLite file.
pub const AFTER_DAMAGE: &str = after_damage!();

fn fix(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ". Free some disk space",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            ". Make the file and its directory writable for memtap's user"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ". Another program holds a lock on the database. End that program or its transaction"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => concat!(". ", after_damage!()),
        Some(ErrorCode::OperationInterrupted) => ". The query took too long. Narrow it by pid or time",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_databases_words_are_told_once() {
        let error =
            rusqlite::Connection::open("/nowhere/memtap.db").map(drop).map_err(StoreError::from).unwrap_err();
        assert!(error.to_string().contains("unable to open database file"), "{error}");
        assert!(
            error.to_string().contains(". Make the file and its directory writable")
                && error.source().is_none()
        );
    }
}
