//! Errors of SQLite, with advice to the user.

use memtap_history::StoreError;
use rusqlite::ErrorCode;

/// Error within the driver. At the port, it is converted to a [`StoreError`].
#[derive(Debug)]
pub(crate) enum Error {
    /// SQLite failed.
    Sqlite(rusqlite::Error),
    /// Any other failure.
    Store(StoreError),
}

/// Result within the driver.
pub(super) type Done<T> = Result<T, Error>;

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error {
            Error::Sqlite(error) => Self::Database {
                database: String::new(),
                away: false,
                fix: fix(&error),
                reason: error.to_string(),
            },
            Error::Store(error) => error,
        }
    }
}

/// Advice on a damaged file.
pub const AFTER_DAMAGE: &str = "Stop memtap, save what can still be read with memtap store export, move the file away, and start memtap again";

fn fix(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "Free some disk space",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "Make the file and its directory writable for memtap's user"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "Another program holds a lock on the database. End that program or its transaction"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => AFTER_DAMAGE,
        Some(ErrorCode::OperationInterrupted) => "The query took too long. Narrow it by pid or time",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_message_of_the_database_is_printed_once() {
        let failed =
            rusqlite::Connection::open("/nowhere/memtap.db").map(drop).map_err(Error::from).unwrap_err();
        let error = StoreError::from(failed);
        assert!(error.to_string().contains("unable to open database file"), "{error}");
        assert!(
            error.to_string().contains(". Make the file and its directory writable")
                && error.source().is_none()
        );
    }
}
