//! What is too old or too much goes, a bounded piece at a time.

use std::time::Duration;

use memtap_model::WallClock;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::samples;
use crate::steps::SHORT_LIFE_S;
use crate::{Settings, StoreError};

/// Rows deleted in one step, at most.
const ROWS_AT_ONCE: i64 = 20_000;
/// Where requests go at each step, one of so many looks for what belongs to none: that reads whole tables.
const REST_EVERY: u64 = 8;
/// Nanoseconds from now on from which a time is one of a clock that was ahead: a day.
const AHEAD: i64 = 86_400 * 1_000_000_000;
/// How long to wait for another program, as `schema::prepare` sets it.
const BUSY: Duration = Duration::from_secs(2);
/// Pages given back to the file system in one step, at most.
const PAGES_AT_ONCE: i64 = 2_000;

#[derive(Debug)]
pub(super) struct Retention {
    max_age_ns: i64,
    max_sample_age_ns: i64,
    max_bytes: i64,
    steps: u64,
}

/// What a step did.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub(super) requests: u64,
    /// Rows of processes.
    pub(super) processes: Vec<i64>,
    /// Rows of who, what and name: the writer may have them in mind.
    pub(super) shared: usize,
    /// Samples were put together or deleted.
    samples: bool,
}

impl Gone {
    pub(super) fn is_something(&self) -> bool {
        self.requests > 0 || !self.processes.is_empty() || self.shared > 0 || self.samples
    }
}

impl Retention {
    pub(super) fn new(settings: &Settings) -> Self {
        let nanoseconds = |age: Duration| i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        Self {
            max_age_ns: nanoseconds(settings.max_age),
            max_sample_age_ns: nanoseconds(settings.max_sample_age),
            max_bytes: i64::try_from(settings.max_bytes).unwrap_or(i64::MAX),
            steps: 0,
        }
    }

    /// One step, after `written` requests came since the last one: deletes faster than what comes. `run` is the one that writes.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        now: WallClock,
        run: i64,
        written: u64,
    ) -> Result<Gone, StoreError> {
        let horizon = now.0.saturating_sub(self.max_age_ns);
        // Every other step may go to leftovers.
        let chunks = 1 + 4 * written / ROWS_AT_ONCE.unsigned_abs();
        let mut gone = Gone::default();
        for _ in 0..chunks {
            let much = used_bytes(connection)? > self.max_bytes;
            if much && leftovers(connection, &mut gone)? {
                break;
            }
            let deleted = match much {
                true => make_room(connection, self.max_bytes)?,
                false => delete_requests(connection, too_old(connection, now.0, horizon)?)?,
            };
            give_back(connection)?;
            gone.requests += deleted;
            if deleted == 0 {
                break;
            }
        }
        let to_seconds = |ns: i64| ns.div_euclid(1_000_000_000);
        gone.samples = samples::keep(connection, run, to_seconds(now.0), to_seconds(self.max_sample_age_ns))?;
        self.steps += 1;
        if gone.requests == 0 || self.steps.is_multiple_of(REST_EVERY) {
            let long = now.0.saturating_sub(self.max_sample_age_ns.max(self.max_age_ns));
            gone.processes.extend(delete_processes(connection, horizon, long)?);
            gone.shared += delete_shared(connection)?;
            delete_oom_kills(connection, horizon)?;
        }
        give_back(connection)?;
        if gone.requests > 0 {
            shorten_log(connection)?;
        }
        Ok(gone)
    }
}

/// The first request that is not too old. Only what comes before every younger one counts as old: an old recording may have been
/// imported, and nothing younger may go with it. What was written while the clock was ahead says nothing of its age; it is as old as what
/// comes next. `None` when nothing is too old.
fn too_old(connection: &Connection, now: i64, horizon: i64) -> Result<Option<i64>, StoreError> {
    let first = |sql: &str, values: [i64; 2]| -> Result<Option<i64>, StoreError> {
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

/// When there is too much, what requests have left behind goes first: names and words, and short lives without requests. Gives whether
/// there was some.
fn leftovers(connection: &Connection, gone: &mut Gone) -> Result<bool, StoreError> {
    let shared = delete_shared(connection)?;
    let lives = delete_processes(connection, first_time(connection)?, i64::MIN)?;
    let some = shared > 0 || !lives.is_empty();
    gone.shared += shared;
    gone.processes.extend(lives);
    give_back(connection)?;
    Ok(some)
}

/// Then requests, down to half of what is allowed; then samples of single processes; and when those are at their least, requests all the
/// same. Gives how many requests.
fn make_room(connection: &Connection, max_bytes: i64) -> Result<u64, StoreError> {
    let few = request_bytes(connection)? < max_bytes / 2;
    if few && samples::delete_oldest(connection)? > 0 {
        return Ok(0);
    }
    delete_requests(connection, Some(i64::MAX))
}

/// Of the first request: lives that ended before have none. Without requests, the end of time.
fn first_time(connection: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT time_ns FROM request ORDER BY id LIMIT 1";
    Ok(connection.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or(i64::MAX))
}

/// What a captured request takes, about.
const REQUEST_BYTES: i64 = 60;

fn request_bytes(connection: &Connection) -> Result<i64, StoreError> {
    let rows = "SELECT coalesce(max(id) - min(id) + 1, 0) FROM request";
    Ok(connection.query_row(rows, [], |row| row.get::<_, i64>(0))?.saturating_mul(REQUEST_BYTES))
}

/// Deletes requests before `end`, oldest first, a bounded number, with all that is told of them.
fn delete_requests(connection: &Connection, end: Option<i64>) -> Result<u64, StoreError> {
    let Some(end) = end else { return Ok(0) };
    let first = "SELECT min(id) FROM request";
    let first: Option<i64> = connection.prepare_cached(first)?.query_row([], |row| row.get(0))?;
    let Some(first) = first else { return Ok(0) };
    let end = end.min(first.saturating_add(ROWS_AT_ONCE));
    if end <= first {
        return Ok(0);
    }
    let together = connection.unchecked_transaction()?;
    let deleted = together.prepare_cached("DELETE FROM request WHERE id < ?1")?.execute([end])?;
    for table in ["refused", "gap"] {
        together.prepare_cached(&format!("DELETE FROM {table} WHERE request_id < ?1"))?.execute([end])?;
    }
    // The mark whose rows are only partly gone stays.
    let marks = "DELETE FROM batch WHERE first_id < (SELECT max(first_id) FROM batch WHERE first_id <= ?1)";
    together.prepare_cached(marks)?.execute([end])?;
    together.commit()?;
    Ok(deleted as u64)
}

/// Threads, words of calls and names that no request is of any more: among the first, and among all by chance, so that in time each is
/// looked at.
fn delete_shared(connection: &Connection) -> Result<usize, StoreError> {
    let unused = "last_id < coalesce((SELECT min(id) FROM request), 9223372036854775807)";
    let mut gone = 0;
    for (table, unused) in [
        ("who", unused),
        ("what", unused),
        (
            "name",
            "NOT EXISTS (SELECT 1 FROM who WHERE name_id = name.id) AND NOT EXISTS (SELECT 1 FROM what WHERE file_id = name.id)",
        ),
    ] {
        let chance =
            format!("SELECT min(id), min(id) + abs(random()) % (max(id) - min(id) + 1) FROM {table}");
        let bounds: [Option<i64>; 2] =
            connection.prepare_cached(&chance)?.query_row([], |row| Ok([row.get(0)?, row.get(1)?]))?;
        let sql = format!("DELETE FROM {table} WHERE id BETWEEN ?1 AND ?1 + ?2 AND {unused}");
        for from in bounds.into_iter().flatten() {
            gone += connection.prepare_cached(&sql)?.execute([from, ROWS_AT_ONCE / 4])?;
        }
    }
    Ok(gone)
}

/// Lives of which nothing is left to tell: short ones when their requests are too old, all when their samples are. One whose end was not
/// seen (as when memtap itself was ended) counts from when it was told of last. A life goes with its samples, or not at all.
fn delete_processes(connection: &Connection, short: i64, long: i64) -> Result<Vec<i64>, StoreError> {
    let no_request = "NOT EXISTS (SELECT 1 FROM who WHERE process_id = process.id)";
    let length = format!("coalesce(ended_at_ns, seen_ns) - started_at_ns < {SHORT_LIFE_S} * 1000000000");
    let together = connection.unchecked_transaction()?;
    let mut gone = Vec::new();
    for (which, before) in [
        (format!("ended_at_ns < ?1 AND {length}"), short),
        (format!("ended_at_ns IS NULL AND seen_ns < ?1 AND {length}"), short),
        ("ended_at_ns < ?1".to_owned(), long),
        ("ended_at_ns IS NULL AND seen_ns < ?1".to_owned(), long),
    ] {
        let sql = format!(
            "DELETE FROM process WHERE id IN (SELECT id FROM process WHERE {which} AND {no_request} LIMIT ?2) RETURNING id"
        );
        let mut statement = together.prepare_cached(&sql)?;
        for id in statement.query_map(params![before, ROWS_AT_ONCE / 10], |row| row.get(0))? {
            gone.push(id?);
        }
    }
    for table in ["process_call", "usage_sample"] {
        let mut rows = together.prepare_cached(&format!("DELETE FROM {table} WHERE process_id = ?1"))?;
        for id in &gone {
            rows.execute([id])?;
        }
    }
    together.commit()?;
    Ok(gone)
}

/// Kills are few and small: only their age counts.
fn delete_oom_kills(connection: &Connection, before: i64) -> Result<(), StoreError> {
    let old = "SELECT id FROM oom_kill WHERE time_ns < ?1";
    let together = connection.unchecked_transaction()?;
    together.prepare_cached(&format!("DELETE FROM oom_before WHERE oom_id IN ({old})"))?.execute([before])?;
    together.prepare_cached("DELETE FROM oom_kill WHERE time_ns < ?1")?.execute([before])?;
    Ok(together.commit()?)
}

/// Gives free pages back to the file system. The pragma gives back one page per step, so all its rows must be read.
fn give_back(connection: &Connection) -> Result<(), StoreError> {
    let free = "SELECT freelist_count FROM pragma_freelist_count";
    if connection.prepare_cached(free)?.query_row([], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(());
    }
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Moves the log into the file and cuts it to nothing, unless someone reads just now: then at another time.
fn shorten_log(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::ZERO)?;
    let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    connection.busy_timeout(BUSY)?;
    Ok(done?)
}

fn used_bytes(connection: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sqlite::schema;

    /// What fails on the way stands for whatever ends memtap there.
    #[test]
    fn what_belongs_together_goes_together_or_stays() {
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
        assert!(delete_requests(&connection, Some(i64::MAX)).is_err());
        assert!(delete_oom_kills(&connection, i64::MAX).is_err());
        assert_eq!(rows(&connection), [1; 6]);
        connection
            .execute_batch(
                "DROP TRIGGER fail_usage_sample; DROP TRIGGER fail_gap; DROP TRIGGER fail_oom_kill",
            )
            .unwrap();
        assert_eq!(delete_processes(&connection, i64::MAX, i64::MAX).unwrap(), [1]);
        assert_eq!(delete_requests(&connection, Some(i64::MAX)).unwrap(), 1);
        delete_oom_kills(&connection, i64::MAX).unwrap();
        assert_eq!(rows(&connection), [0; 6]);
    }
}
