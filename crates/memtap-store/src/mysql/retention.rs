//! Deletes requests, samples and processes that exceed the age or size limit, a bounded number at a
//! time. Only rows of this machine are deleted, and never rows of the original system.

use std::time::{Duration, Instant};

use memtap_model::WallClock;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Transaction, TxOpts};

use super::rows::format_time;
use super::samples;
use memtap_history::Settings;
use memtap_history::steps::SHORT_LIFE_S;

type Done<T> = mysql_async::Result<T>;

/// Maximum number of rows deleted by one statement.
const ROWS_AT_ONCE: u64 = 10_000;
/// A time further in the future than this (a day, in nanoseconds) comes from a clock that was
/// ahead.
const AHEAD: i64 = 86_400 * 1_000_000_000;
/// Time limit for deleting requests in one step: new data waits meanwhile.
const PATIENCE: Duration = Duration::from_millis(500);
/// Approximate size of a row with its index entries. The server's own figure for a table is minutes
/// old and does not shrink when rows are deleted.
const ROW_BYTES: u64 = 200;

#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    max_age_ns: i64,
    max_sample_age_ns: i64,
    max_rows: u64,
}

/// Rows deleted in one step.
#[derive(Debug, Default)]
pub(super) struct Deletions {
    pub(super) requests: u64,
    /// Processes or samples were deleted, or samples were rolled up.
    pub(super) others: bool,
}

impl Retention {
    pub(super) fn new(settings: &Settings) -> Self {
        let nanoseconds = |age: Duration| i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        Self {
            max_age_ns: nanoseconds(settings.max_age),
            max_sample_age_ns: nanoseconds(settings.max_sample_age),
            max_rows: settings.max_bytes / ROW_BYTES,
        }
    }

    /// Runs one step. `host` selects the rows; `run` is the run whose row count is updated.
    pub(super) async fn step(
        self,
        connection: &mut Conn,
        host: &str,
        run: u64,
        now: WallClock,
    ) -> Done<Deletions> {
        let begin = Instant::now();
        let horizon = format_time(WallClock(now.0.saturating_sub(self.max_age_ns)));
        let ahead = format_time(WallClock(now.0.saturating_add(AHEAD)));
        let mut beyond = rows(connection, host).await?.saturating_sub(self.max_rows);
        let (mut deletions, mut more) = (Deletions::default(), true);
        while more && begin.elapsed() < PATIENCE {
            let deleted =
                piece(connection, (host, run), [&horizon, &ahead], beyond.min(ROWS_AT_ONCE)).await?;
            deletions.requests += deleted;
            beyond = beyond.saturating_sub(deleted);
            more = deleted == ROWS_AT_ONCE;
        }
        let to_seconds = |ns: i64| ns.div_euclid(1_000_000_000);
        deletions.others =
            samples::keep(connection, host, run, to_seconds(now.0), to_seconds(self.max_sample_age_ns))
                .await?;
        let long = format_time(WallClock(now.0.saturating_sub(self.max_sample_age_ns.max(self.max_age_ns))));
        // A process is never deleted before its requests.
        if !more {
            deletions.others |= delete_processes(connection, host, &horizon, &long).await?;
        }
        Ok(deletions)
    }
}

impl Retention {
    /// Deletes old requests to make room for new ones, at most about twice as many. Returns the
    /// number of deleted requests.
    pub(super) async fn make_room(
        self,
        connection: &mut Conn,
        host: &str,
        run: u64,
        requests: u64,
    ) -> Done<u64> {
        let beyond = (rows(connection, host).await? + requests).saturating_sub(self.max_rows);
        let (most, mut deleted_rows) = (beyond.min(2 * requests), 0);
        while deleted_rows < most {
            let deleted = piece(
                connection,
                (host, run),
                ["1970-01-01", "9999-12-31"],
                (most - deleted_rows).min(ROWS_AT_ONCE),
            )
            .await?;
            if deleted == 0 {
                break;
            }
            deleted_rows += deleted;
        }
        Ok(deleted_rows)
    }
}

/// Number of a host's requests.
async fn rows(connection: &mut Conn, host: &str) -> Done<u64> {
    let sql = "SELECT CAST(COALESCE(SUM(`rows`), 0) AS SIGNED) FROM run WHERE hostname = ?";
    let rows: i64 = connection.exec_first(sql, (host,)).await?.unwrap_or(0);
    Ok(rows.max(0).cast_unsigned())
}

/// Deletes one piece with [`requests`], and updates the row count in the same transaction.
async fn piece(connection: &mut Conn, (host, run): (&str, u64), times: [&str; 2], beyond: u64) -> Done<u64> {
    let mut together = connection.start_transaction(TxOpts::default()).await?;
    let deleted = requests(&mut together, host, times, beyond).await?;
    if deleted > 0 {
        let sql = "UPDATE run SET `rows` = `rows` - ? WHERE id = ?";
        together.exec_drop(sql, (deleted.cast_signed(), run)).await?;
    }
    together.commit().await?;
    Ok(deleted)
}

/// Deletes the oldest rows of the host: `beyond` rows, or if that is 0, the rows that are too old.
/// A row counts as old only if it precedes all younger ones. Rows written while the clock was ahead
/// are as old as the next ones. Only the deleted rows are locked.
async fn requests(
    connection: &mut Transaction<'_>,
    host: &str,
    [horizon, ahead]: [&str; 2],
    beyond: u64,
) -> Done<u64> {
    let ours = "host = ? AND id > (SELECT original_last_id FROM memtap_schema)";
    let first =
        format!("SELECT id, timestamp < ?, timestamp > ? FROM memory_usage WHERE {ours} ORDER BY id LIMIT 1");
    let first: Option<(u64, bool, bool)> = connection.exec_first(first, (horizon, ahead, host)).await?;
    let Some((first, is_old, is_ahead)) = first else { return Ok(0) };
    if beyond > 0 {
        let sql = format!("DELETE FROM memory_usage WHERE host = ? AND id >= ? ORDER BY id LIMIT {beyond}");
        connection.exec_drop(sql, (host, first)).await?;
        return Ok(connection.affected_rows());
    }
    let is_old = is_old || is_ahead && next_is_old(connection, host, first, [horizon, ahead]).await?;
    if !is_old {
        return Ok(0);
    }
    let last = format!(
        "SELECT MAX(id) FROM (SELECT id FROM memory_usage WHERE host = ? AND id >= ? ORDER BY id LIMIT {ROWS_AT_ONCE}) AS piece"
    );
    let last: Option<Option<u64>> = connection.exec_first(last, (host, first)).await?;
    let last = last.flatten().unwrap_or(first);
    // If the piece has no old row, all of it was written while the clock was ahead.
    let old = "SELECT MAX(id) FROM memory_usage WHERE host = ? AND id BETWEEN ? AND ? AND timestamp < ?";
    let old: Option<Option<u64>> = connection.exec_first(old, (host, first, last, horizon)).await?;
    let sql =
        "DELETE FROM memory_usage WHERE host = ? AND id BETWEEN ? AND ? AND (timestamp < ? OR timestamp > ?)";
    let values = (host, first, old.flatten().unwrap_or(last), horizon, ahead);
    connection.exec_drop(sql, values).await?;
    Ok(connection.affected_rows())
}

/// Returns whether the first row after those of a clock that was ahead is too old.
async fn next_is_old(
    connection: &mut Transaction<'_>,
    host: &str,
    first: u64,
    [horizon, ahead]: [&str; 2],
) -> Done<bool> {
    let sql = "SELECT timestamp < ? FROM memory_usage FORCE INDEX (PRIMARY) WHERE host = ? AND id >= ? AND timestamp <= ? ORDER BY id LIMIT 1";
    let is_old: Option<bool> = connection.exec_first(sql, (horizon, host, first, ahead)).await?;
    Ok(is_old.unwrap_or(false))
}

/// Deletes processes not seen since `horizon`: short-lived ones, and all not seen since `long`.
/// Their samples are deleted too; their requests are already gone. Also deletes old OOM kills.
/// Returns whether any process was deleted.
async fn delete_processes(connection: &mut Conn, host: &str, horizon: &str, long: &str) -> Done<bool> {
    let length = format!(
        "TIMESTAMPDIFF(SECOND, COALESCE(started_at, seen), COALESCE(ended_at, seen)) < {SHORT_LIFE_S}"
    );
    let sql = format!(
        "SELECT process.id FROM process JOIN run ON run.id = process.run_id WHERE seen < ? AND hostname = ? AND ({length} OR seen < ?) \
         ORDER BY seen LIMIT 500"
    );
    let old_lives: Vec<u64> = connection.exec(sql, (horizon, host, long)).await?;
    if !old_lives.is_empty() {
        let list = old_lives.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        for (table, column) in
            [("usage_sample", "process_id"), ("process_call", "process_id"), ("process", "id")]
        {
            connection.query_drop(format!("DELETE FROM {table} WHERE {column} IN ({list})")).await?;
        }
    }
    let kills = "oom_before USING oom_before JOIN oom_kill ON oom_kill.id = oom_id";
    let old = "oom_kill.timestamp < ? AND oom_kill.host = ?";
    connection.exec_drop(format!("DELETE FROM {kills} WHERE {old}"), (horizon, host)).await?;
    connection.exec_drop("DELETE FROM oom_kill WHERE timestamp < ? AND host = ?", (horizon, host)).await?;
    Ok(!old_lives.is_empty())
}
