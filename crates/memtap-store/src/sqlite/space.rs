//! Space on disk: what the history and its log (SQLite's write-ahead log) take, how the limit is shared between them, and how they become
//! smaller.

use crate::sqlite::error::Done;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use memtap_history::StoreError;

/// How long to wait for another program, as `schema::prepare` sets it.
const BUSY: Duration = Duration::from_secs(2);
/// How long to wait for those who read the log, so that it can begin again.
const READERS: Duration = Duration::from_millis(100);
/// Pages given back to the file system in one step, at most.
const PAGES_AT_ONCE: i64 = 2_000;
/// This part of the file may be free: what comes next would only make it grow again.
const SPARE: i64 = 16;
const MIB: u64 = 1 << 20;

/// Bounds of the parts, in bytes; together they are the size limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Pages in use in the file.
    pub(super) data: i64,
    /// The log; from here on it is to begin again.
    log: u64,
    /// The log while somebody reads from it, which keeps it from beginning again; from here on nothing is written.
    log_at_most: u64,
}

impl Bounds {
    pub(super) fn of(max_bytes: u64) -> Self {
        let log = (max_bytes / 16).clamp(4 * MIB, 64 * MIB).min(max_bytes / 4);
        let beyond = (max_bytes / 20).min(1024 * MIB);
        Self {
            data: i64::try_from(max_bytes - log).unwrap_or(i64::MAX),
            log,
            log_at_most: (log + beyond).max(8 * MIB),
        }
    }
}

/// The log's file.
#[derive(Debug)]
pub(super) struct Log {
    database: PathBuf,
    log: PathBuf,
    bounds: Bounds,
}

impl Log {
    pub(super) fn of(database: &Path, max_bytes: u64) -> Self {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        Self { database: database.into(), log: log.into(), bounds: Bounds::of(max_bytes) }
    }

    pub(super) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |file| file.len())
    }

    /// Moves a log that has become large into the file and cuts it to nothing. Where somebody reads from it and it is too large as well,
    /// nothing may be written now.
    pub(super) fn shorten(&self, connection: &Connection) -> Done<()> {
        if self.bytes() <= self.bounds.log {
            return Ok(());
        }
        connection.busy_timeout(READERS)?;
        let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        connection.busy_timeout(BUSY)?;
        done?;
        let bytes = self.bytes();
        if bytes <= self.bounds.log_at_most {
            return Ok(());
        }
        Err(StoreError::LogIsRead { path: self.database.clone(), mebibytes: bytes / MIB }.into())
    }
}

/// Bytes of pages in use.
pub(super) fn used_bytes(connection: &Connection) -> Done<i64> {
    let [pages, free, size] = pages(connection)?;
    Ok((pages - free) * size)
}

fn pages(connection: &Connection) -> Done<[i64; 3]> {
    let sql = "SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?)
}

/// Gives free pages back to the file system, where there are many or the file is too large.
pub(super) fn give_back(connection: &Connection, bounds: Bounds) -> Done<()> {
    let [pages, free, size] = pages(connection)?;
    let most = (pages / SPARE).min((bounds.data / size - (pages - free)).max(0));
    let count = (free - most).min(PAGES_AT_ONCE);
    if count <= 0 {
        return Ok(());
    }
    // The pragma gives back one page per step, so all its rows must be read.
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({count})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_limit_and_the_log_grows_by_a_twentieth_of_it() {
        for mebibytes in [160, 512, 2048, 1 << 20] {
            let max_bytes = mebibytes * MIB;
            let bounds = Bounds::of(max_bytes);
            assert_eq!(bounds.data.cast_unsigned() + bounds.log, max_bytes);
            assert!(bounds.data.cast_unsigned() + bounds.log_at_most <= max_bytes + max_bytes / 20);
        }
    }
}
