//! Disk space of the history and its log (SQLite's write-ahead log): how the size limit is divided
//! between them, and how they shrink.

use crate::sqlite::error::Done;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use memtap_history::StoreError;

/// Time to wait for another program's lock, the same as in `schema::prepare`.
const BUSY: Duration = Duration::from_secs(2);
/// Time to wait for readers of the log before it can be reset.
const READERS: Duration = Duration::from_millis(100);
/// Maximum number of pages returned to the file system in one step.
const PAGES_AT_ONCE: i64 = 2_000;
/// One part in this many of the file may be free: new data would only make it grow again.
const SPARE: i64 = 16;
const MIB: u64 = 1 << 20;

/// Limits in bytes. `data` and `log` add up to the size limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Limit for used pages in the file.
    pub(super) data: i64,
    /// Size from which the log is reset.
    log: u64,
    /// Size of the log from which nothing is written, if a reader keeps it from being reset.
    log_max: u64,
}

impl Bounds {
    pub(super) fn new(max_bytes: u64) -> Self {
        let log = (max_bytes / 16).clamp(4 * MIB, 64 * MIB).min(max_bytes / 4);
        let beyond = (max_bytes / 20).min(1024 * MIB);
        Self {
            data: i64::try_from(max_bytes - log).unwrap_or(i64::MAX),
            log,
            log_max: (log + beyond).max(8 * MIB),
        }
    }
}

/// The log file.
#[derive(Debug)]
pub(super) struct Log {
    database: PathBuf,
    log: PathBuf,
    bounds: Bounds,
}

impl Log {
    pub(super) fn new(database: &Path, max_bytes: u64) -> Self {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        Self { database: database.into(), log: log.into(), bounds: Bounds::new(max_bytes) }
    }

    pub(super) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |file| file.len())
    }

    /// Moves a large log into the file and truncates it. Fails if a reader prevents this and the
    /// log is over its hard limit; then nothing may be written.
    pub(super) fn shorten(&self, connection: &Connection) -> Done<()> {
        if self.bytes() <= self.bounds.log {
            return Ok(());
        }
        connection.busy_timeout(READERS)?;
        let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        connection.busy_timeout(BUSY)?;
        done?;
        let bytes = self.bytes();
        if bytes <= self.bounds.log_max {
            return Ok(());
        }
        Err(StoreError::LogIsRead { path: self.database.clone(), mebibytes: bytes / MIB }.into())
    }
}

/// Size of the used pages, bytes.
pub(super) fn used_bytes(connection: &Connection) -> Done<i64> {
    let [pages, free, size] = pages(connection)?;
    Ok((pages - free) * size)
}

fn pages(connection: &Connection) -> Done<[i64; 3]> {
    let sql = "SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?)
}

/// Returns free pages to the file system if there are many, or if the file is too large.
pub(super) fn give_back(connection: &Connection, bounds: Bounds) -> Done<()> {
    let [pages, free, size] = pages(connection)?;
    let most = (pages / SPARE).min((bounds.data / size - (pages - free)).max(0));
    let count = (free - most).min(PAGES_AT_ONCE);
    if count <= 0 {
        return Ok(());
    }
    // The pragma frees one page per row, so all rows must be read.
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
            let bounds = Bounds::new(max_bytes);
            assert_eq!(bounds.data.cast_unsigned() + bounds.log, max_bytes);
            assert!(bounds.data.cast_unsigned() + bounds.log_max <= max_bytes + max_bytes / 20);
        }
    }
}
