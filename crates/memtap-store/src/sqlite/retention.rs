//! What is too old or too much goes, a bounded piece at a time.

use memtap_model::WallClock;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::{Settings, StoreError};

/// Rows deleted in one step, at most.
const ROWS_AT_ONCE: i64 = 20_000;
/// Pages given back to the file system in one step, at most.
const PAGES_AT_ONCE: i64 = 2_000;

#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    max_age_ns: i64,
    max_bytes: i64,
}

impl Retention {
    pub(super) fn new(settings: &Settings) -> Self {
        let age = i64::try_from(settings.max_age.as_nanos()).unwrap_or(i64::MAX);
        Self { max_age_ns: age, max_bytes: i64::try_from(settings.max_bytes).unwrap_or(i64::MAX) }
    }

    /// One step; gives how many requests went.
    pub(super) fn step(self, connection: &Connection, now: WallClock) -> Result<u64, StoreError> {
        let horizon = now.0.saturating_sub(self.max_age_ns);
        let mut deleted = delete_requests(connection, too_old(connection, horizon)?)?;
        if used_bytes(connection)? > self.max_bytes {
            deleted += delete_requests(connection, Some(i64::MAX))?;
            delete_oldest_samples(connection, i64::MAX)?;
        }
        delete_oldest_samples(connection, horizon)?;
        delete_processes(connection)?;
        connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
        Ok(deleted)
    }
}

/// The first request that is young enough; `None` when none is too old.
fn too_old(connection: &Connection, horizon: i64) -> Result<Option<i64>, StoreError> {
    let next = "SELECT first_id FROM batch WHERE first_id > (SELECT max(first_id) FROM batch WHERE to_ns < ?1) ORDER BY first_id LIMIT 1";
    let any = "SELECT 1 FROM batch WHERE to_ns < ?1 ORDER BY first_id LIMIT 1";
    let oldest_is_old =
        connection.prepare_cached(any)?.query_row([horizon], |_| Ok(())).optional()?.is_some();
    if !oldest_is_old {
        return Ok(None);
    }
    let first = connection.prepare_cached(next)?.query_row([horizon], |row| row.get(0)).optional()?;
    Ok(Some(first.unwrap_or(i64::MAX)))
}

/// Deletes requests before `end`, oldest first, a bounded number.
fn delete_requests(connection: &Connection, end: Option<i64>) -> Result<u64, StoreError> {
    let Some(end) = end else { return Ok(0) };
    let first: Option<i64> = connection.query_row("SELECT min(id) FROM request", [], |row| row.get(0))?;
    let Some(first) = first else { return Ok(0) };
    let end = end.min(first.saturating_add(ROWS_AT_ONCE));
    let deleted = connection.prepare_cached("DELETE FROM request WHERE id < ?1")?.execute([end])?;
    // The mark whose rows are only partly gone stays.
    let marks = "DELETE FROM batch WHERE first_id < (SELECT max(first_id) FROM batch WHERE first_id <= ?1)";
    connection.prepare_cached(marks)?.execute([end])?;
    Ok(deleted as u64)
}

fn delete_oldest_samples(connection: &Connection, before: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM usage_sample WHERE (process_id, time_ns) IN \
        (SELECT process_id, time_ns FROM usage_sample WHERE time_ns < ?1 ORDER BY process_id LIMIT ?2)";
    connection.prepare_cached(sql)?.execute(params![before, ROWS_AT_ONCE / 10])?;
    Ok(())
}

/// Lives that ended and of which nothing is left.
fn delete_processes(connection: &Connection) -> Result<(), StoreError> {
    let sql = "DELETE FROM process WHERE id IN (SELECT id FROM process WHERE ended_at_ns IS NOT NULL \
        AND NOT EXISTS (SELECT 1 FROM request WHERE process_id = process.id) \
        AND NOT EXISTS (SELECT 1 FROM usage_sample WHERE process_id = process.id) ORDER BY ended_at_ns LIMIT ?1)";
    connection.prepare_cached(sql)?.execute([ROWS_AT_ONCE / 100])?;
    Ok(())
}

fn used_bytes(connection: &Connection) -> Result<i64, StoreError> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    Ok((number("page_count")? - number("freelist_count")?) * number("page_size")?)
}
