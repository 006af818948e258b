//! Deletes rows, a bounded number at a time. Rows that belong together are deleted in one
//! transaction.

use crate::sqlite::error::Done;
use rusqlite::{Connection, OptionalExtension as _, params};

use memtap_history::steps::SHORT_LIFE_S;

/// SQL for the number of requests: ids have no gaps. A single aggregate over both ends would read
/// all rows.
pub(super) const REQUESTS: &str =
    "SELECT coalesce((SELECT max(id) FROM request) - (SELECT min(id) FROM request) + 1, 0)";

/// A process with at least this lifetime, in nanoseconds, is kept as long as its samples.
pub(super) const LONG_LIFE: i64 = SHORT_LIFE_S * 1_000_000_000;

/// Rows of who, what and name that are examined at once.
const SHARED_AT_ONCE: i64 = 5_000;
/// Maximum number of processes deleted by one statement.
const LIVES_AT_ONCE: i64 = 2_000;

/// Deleted rows.
#[derive(Debug, Default)]
pub(super) struct Deletions {
    pub(super) requests: u64,
    /// Ids of process rows.
    pub(super) processes: Vec<i64>,
    /// Rows of who, what and name. The writer may have cached their ids.
    pub(super) shared: usize,
    /// Samples were deleted or rolled up.
    pub(super) samples: bool,
}

impl Deletions {
    pub(super) fn is_any(&self) -> bool {
        self.requests > 0 || !self.processes.is_empty() || self.shared > 0 || self.samples
    }
}

/// A time further in the future than this (a day, in nanoseconds) comes from a clock that was
/// ahead.
const AHEAD: i64 = 86_400 * 1_000_000_000;

/// Returns the first request that is not too old, or `None` if no request is too old. A request
/// counts as old only if it precedes all younger ones: an old recording may have been imported, and
/// deleting it must not delete younger requests. Requests written while the clock was ahead are as
/// old as the next ones.
pub(super) fn first_young(connection: &Connection, now: i64, horizon: i64) -> Done<Option<i64>> {
    let first = |sql: &str, values: [i64; 2]| -> Done<Option<i64>> {
        Ok(connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?)
    };
    let young = "SELECT first_id FROM batch WHERE aged_from_ns >= ?1 AND aged_from_ns <= ?2 ORDER BY first_id LIMIT 1";
    let young = first(young, [horizon, now.saturating_add(AHEAD)])?.unwrap_or(i64::MAX);
    let old =
        "SELECT first_id FROM batch WHERE aged_from_ns < ?1 AND first_id < ?2 ORDER BY first_id DESC LIMIT 1";
    let Some(old) = first(old, [horizon, young])? else { return Ok(None) };
    let next = "SELECT first_id FROM batch WHERE first_id > ?1 AND first_id <= ?2 ORDER BY first_id LIMIT 1";
    Ok(Some(first(next, [old, young])?.unwrap_or(i64::MAX)))
}

/// Returns the time of the first request. Processes that ended before have no requests. Returns the
/// maximum if there are no requests.
pub(super) fn first_time(connection: &Connection) -> Done<i64> {
    let sql = "SELECT time_ns FROM request ORDER BY id LIMIT 1";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(i64::MAX))
}

/// Deletes at most `rows` requests before `end`, oldest first, and the rows that refer to them.
/// Returns the number of deleted requests.
pub(super) fn delete_requests(connection: &Connection, end: i64, rows: i64) -> Done<u64> {
    let first = "SELECT min(id) FROM request";
    let first: Option<i64> = connection.prepare_cached(first)?.query_row([], |row| row.get(0))?;
    let Some(first) = first else { return Ok(0) };
    let end = end.min(first.saturating_add(rows));
    if end <= first {
        return Ok(0);
    }
    in_transaction(connection, || {
        let deleted = connection.prepare_cached("DELETE FROM request WHERE id < ?1")?.execute([end])?;
        for table in ["refused", "gap"] {
            connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE request_id < ?1"))?
                .execute([end])?;
        }
        // Keep the batch row that still has requests.
        let marks =
            "DELETE FROM batch WHERE first_id < (SELECT max(first_id) FROM batch WHERE first_id <= ?1)";
        connection.prepare_cached(marks)?.execute([end])?;
        Ok(deleted as u64)
    })
}

/// Runs `work` in a transaction, or in the caller's transaction if there is one.
fn in_transaction<T>(connection: &Connection, work: impl FnOnce() -> Done<T>) -> Done<T> {
    if !connection.is_autocommit() {
        return work();
    }
    let transaction = connection.unchecked_transaction()?;
    let done = work()?;
    transaction.commit()?;
    Ok(done)
}

/// Position of [`Sweep::step`] in each table.
#[derive(Debug, Default)]
pub(super) struct Sweep([i64; 3]);

impl Sweep {
    /// Deletes unused rows (threads, call arguments and names that no request refers to) among the
    /// next rows of each table. After the last row, it starts from the first again.
    pub(super) fn step(&mut self, connection: &Connection) -> Done<usize> {
        let unused = "last_id < coalesce((SELECT min(id) FROM request), 9223372036854775807)";
        let nameless = "NOT EXISTS (SELECT 1 FROM who WHERE name_id = name.id) AND NOT EXISTS (SELECT 1 FROM what WHERE file_id = name.id)";
        let mut deleted = 0;
        let tables = [("who", unused), ("what", unused), ("name", nameless)];
        for ((table, unused), place) in tables.into_iter().zip(&mut self.0) {
            let last = format!(
                "SELECT id FROM {table} WHERE id > ?1 ORDER BY id LIMIT 1 OFFSET {}",
                SHARED_AT_ONCE - 1
            );
            let last: Option<i64> =
                connection.prepare_cached(&last)?.query_row([*place], |row| row.get(0)).optional()?;
            let sql = format!("DELETE FROM {table} WHERE id > ?1 AND id <= ?2 AND {unused}");
            deleted += connection.prepare_cached(&sql)?.execute([*place, last.unwrap_or(i64::MAX)])?;
            *place = last.unwrap_or(0);
        }
        Ok(deleted)
    }
}

/// Deletes processes without requests: short-lived ones whose last time is before `short`, and all
/// whose last time is before `long`. The last time is the end, or, if the end was not observed (for
/// example because memtap was stopped), the last time seen. A process is deleted in one transaction
/// with its samples.
pub(super) fn delete_processes(connection: &Connection, short: i64, long: i64) -> Done<Vec<i64>> {
    let living = "run CROSS JOIN process INDEXED BY process_living ON run_id = run.id WHERE ended_at_ns IS NULL AND seen_ns < ?1";
    let ended = |index: &str, length: &str| {
        format!("process INDEXED BY {index} WHERE ended_at_ns - started_at_ns {length} AND ended_at_ns < ?1")
    };
    let transaction = connection.unchecked_transaction()?;
    let mut deleted = Vec::new();
    for (rows, before) in [
        (ended("process_short", &format!("< {LONG_LIFE}")), short.max(long)),
        (ended("process_long", &format!(">= {LONG_LIFE}")), long),
        (format!("{living} AND seen_ns - started_at_ns < {LONG_LIFE}"), short),
        (living.to_owned(), long),
    ] {
        let sql = format!(
            "DELETE FROM process WHERE id IN (SELECT process.id FROM {rows} \
             AND NOT EXISTS (SELECT 1 FROM who WHERE process_id = process.id) LIMIT {LIVES_AT_ONCE}) RETURNING id"
        );
        let mut statement = transaction.prepare_cached(&sql)?;
        for id in statement.query_map([before], |row| row.get(0))? {
            deleted.push(id?);
        }
    }
    for table in ["process_call", "usage_sample"] {
        let mut rows = transaction.prepare_cached(&format!("DELETE FROM {table} WHERE process_id = ?1"))?;
        for id in &deleted {
            rows.execute([id])?;
        }
    }
    transaction.commit()?;
    Ok(deleted)
}

/// Deletes OOM kills by age alone: they are few and small.
pub(super) fn delete_oom_kills(connection: &Connection, before: i64) -> Done<()> {
    let old = "SELECT id FROM oom_kill WHERE time_ns < ?1";
    let transaction = connection.unchecked_transaction()?;
    transaction
        .prepare_cached(&format!("DELETE FROM oom_before WHERE oom_id IN ({old})"))?
        .execute([before])?;
    transaction.prepare_cached("DELETE FROM oom_kill WHERE time_ns < ?1")?.execute(params![before])?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sqlite::schema;

    /// An error in the middle of a deletion stands for any interruption of memtap.
    #[test]
    fn a_failed_deletion_deletes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::prepare(&mut connection, Path::new("memory")).unwrap();
        connection
            .execute_batch(
                "INSERT INTO process (id, pid, start_ns, started_at_ns, name, ended_at_ns) VALUES (1, 7, 1, 1, 'perl', 2);
                 INSERT INTO usage_sample VALUES (0, 3600, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
                 INSERT INTO request VALUES (1, 1, 1, 1, 1, 1, 1, 1); INSERT INTO gap VALUES (1, 1);
                 INSERT INTO oom_kill VALUES (1, 1, 1, 7, 'perl', 7, 'perl', 0, 0, 0, 0, 0); INSERT INTO oom_before VALUES (1, 1, 0, 7, 'perl', 0, 0)",
            )
            .unwrap();
        let rows = |connection: &Connection| {
            ["process", "usage_sample", "request", "gap", "oom_kill", "oom_before"].map(|table| {
                connection
                    .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
                    .unwrap()
            })
        };
        for table in ["usage_sample", "gap", "oom_kill"] {
            let fail = format!(
                "CREATE TRIGGER fail_{table} BEFORE DELETE ON {table} BEGIN SELECT RAISE(FAIL, 'full'); END"
            );
            connection.execute_batch(&fail).unwrap();
        }
        assert!(delete_processes(&connection, i64::MAX, i64::MAX).is_err());
        assert!(delete_requests(&connection, i64::MAX, 9).is_err());
        assert!(delete_oom_kills(&connection, i64::MAX).is_err());
        assert_eq!(rows(&connection), [1; 6]);
        connection
            .execute_batch(
                "DROP TRIGGER fail_usage_sample; DROP TRIGGER fail_gap; DROP TRIGGER fail_oom_kill",
            )
            .unwrap();
        assert_eq!(delete_processes(&connection, i64::MAX, i64::MAX).unwrap(), [1]);
        assert_eq!(delete_requests(&connection, i64::MAX, 9).unwrap(), 1);
        delete_oom_kills(&connection, i64::MAX).unwrap();
        assert_eq!(rows(&connection), [0; 6]);
    }
}
