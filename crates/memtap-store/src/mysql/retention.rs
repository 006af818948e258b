//! What is too old or too much goes, a bounded piece at a time: of this machine's rows alone, and never the original system's.

use std::time::{Duration, Instant};

use memtap_model::WallClock;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Transaction, TxOpts};

use super::rows::text_of;
use super::samples;
use memtap_history::Settings;
use memtap_history::steps::SHORT_LIFE_S;

type Done<T> = mysql_async::Result<T>;

/// Rows deleted by one statement, at most.
const ROWS_AT_ONCE: u64 = 10_000;
/// Nanoseconds from now on from which a time is one of a clock that was ahead: a day.
const AHEAD: i64 = 86_400 * 1_000_000_000;
/// How long one step may go on with requests: what comes meanwhile waits.
const PATIENCE: Duration = Duration::from_millis(500);
/// What a row takes with its indexes, about. The server's own figure of a table's size is minutes old and does not shrink with its rows.
const ROW_BYTES: u64 = 200;

#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    max_age_ns: i64,
    max_sample_age_ns: i64,
    max_rows: u64,
}

/// What a step did.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub(super) requests: u64,
    /// Lives have gone, or samples were put together or have gone.
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

    /// One step. `host` is whose rows they are, `run` who counts them.
    pub(super) async fn step(
        self,
        connection: &mut Conn,
        host: &str,
        run: u64,
        now: WallClock,
    ) -> Done<Gone> {
        let begin = Instant::now();
        let horizon = text_of(WallClock(now.0.saturating_sub(self.max_age_ns)));
        let ahead = text_of(WallClock(now.0.saturating_add(AHEAD)));
        let mut beyond = rows(connection, host).await?.saturating_sub(self.max_rows);
        let (mut gone, mut more) = (Gone::default(), true);
        while more && begin.elapsed() < PATIENCE {
            let deleted =
                piece(connection, (host, run), [&horizon, &ahead], beyond.min(ROWS_AT_ONCE)).await?;
            gone.requests += deleted;
            beyond = beyond.saturating_sub(deleted);
            more = deleted == ROWS_AT_ONCE;
        }
        let to_seconds = |ns: i64| ns.div_euclid(1_000_000_000);
        gone.others =
            samples::keep(connection, host, run, to_seconds(now.0), to_seconds(self.max_sample_age_ns))
                .await?;
        let long = text_of(WallClock(now.0.saturating_sub(self.max_sample_age_ns.max(self.max_age_ns))));
        // No life goes before its requests.
        if !more {
            gone.others |= rest(connection, host, &horizon, &long).await?;
        }
        Ok(gone)
    }
}

impl Retention {
    /// Makes room for requests that come now: at most about twice as many go. Gives how many went.
    pub(super) async fn make_room(
        self,
        connection: &mut Conn,
        host: &str,
        run: u64,
        requests: u64,
    ) -> Done<u64> {
        let beyond = (rows(connection, host).await? + requests).saturating_sub(self.max_rows);
        let (most, mut gone) = (beyond.min(2 * requests), 0);
        while gone < most {
            let deleted =
                piece(connection, (host, run), ["1970-01-01", "9999-12-31"], (most - gone).min(ROWS_AT_ONCE))
                    .await?;
            if deleted == 0 {
                break;
            }
            gone += deleted;
        }
        Ok(gone)
    }
}

/// Requests of a host.
async fn rows(connection: &mut Conn, host: &str) -> Done<u64> {
    let sql = "SELECT CAST(COALESCE(SUM(`rows`), 0) AS SIGNED) FROM run WHERE hostname = ?";
    let rows: i64 = connection.exec_first(sql, (host,)).await?.unwrap_or(0);
    Ok(rows.max(0).cast_unsigned())
}

/// One piece of [`requests`]; the count of what is there goes with the rows.
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

/// Deletes the oldest rows of the host: `beyond` of them, or when that is none, those that are too old. The first that is young
/// enough keeps all that come after it. What was written while the clock was ahead says nothing of its age; it is as old as what comes next.
/// Only the piece is locked.
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
    // Without an old one in it, the whole piece was written while the clock was ahead, before the first that is old.
    let old = "SELECT MAX(id) FROM memory_usage WHERE host = ? AND id BETWEEN ? AND ? AND timestamp < ?";
    let old: Option<Option<u64>> = connection.exec_first(old, (host, first, last, horizon)).await?;
    let sql =
        "DELETE FROM memory_usage WHERE host = ? AND id BETWEEN ? AND ? AND (timestamp < ? OR timestamp > ?)";
    let values = (host, first, old.flatten().unwrap_or(last), horizon, ahead);
    connection.exec_drop(sql, values).await?;
    Ok(connection.affected_rows())
}

/// Whether the first row after those of a clock that was ahead is too old.
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

/// Lives that nobody has told of for so long have no requests any more either: short ones go with them, all with their samples. Gives whether
/// any went.
async fn rest(connection: &mut Conn, host: &str, horizon: &str, long: &str) -> Done<bool> {
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
