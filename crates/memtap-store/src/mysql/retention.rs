//! What is too old or too much goes, a bounded piece at a time: of this machine's rows alone, and never the original system's.

use memtap_model::WallClock;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use super::rows::text_of;
use crate::Settings;

type Done<T> = mysql_async::Result<T>;

/// Rows deleted by one statement, at most.
const ROWS_AT_ONCE: u64 = 10_000;
const STATEMENTS: usize = 5;
/// What a row takes with its indexes, about. The server's own figure of a table's size is minutes old and does not shrink with its rows.
const ROW_BYTES: u64 = 200;

#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    max_age_ns: i64,
    max_rows: u64,
}

impl Retention {
    pub(super) fn new(settings: &Settings) -> Self {
        let age = i64::try_from(settings.max_age.as_nanos()).unwrap_or(i64::MAX);
        Self { max_age_ns: age, max_rows: settings.max_bytes / ROW_BYTES }
    }

    /// One step; gives how many requests went. `host` is whose rows they are, `run` who counts them.
    pub(super) async fn step(
        self,
        connection: &mut Conn,
        host: &str,
        run: u64,
        now: WallClock,
        rows: u64,
    ) -> Done<u64> {
        let horizon = text_of(WallClock(now.0.saturating_sub(self.max_age_ns)));
        let mut gone = 0;
        for _ in 0..STATEMENTS {
            let much = rows.saturating_sub(gone) > self.max_rows;
            let deleted = requests(connection, host, &horizon, much).await?;
            gone += deleted;
            if deleted < ROWS_AT_ONCE {
                break;
            }
        }
        if gone > 0 {
            let sql = "UPDATE run SET `rows` = `rows` - ? WHERE id = ?";
            connection.exec_drop(sql, (gone.cast_signed(), run)).await?;
        }
        rest(connection, host, &horizon).await?;
        Ok(gone)
    }
}

async fn requests(connection: &mut Conn, host: &str, horizon: &str, much: bool) -> Done<u64> {
    let ours = "host = ? AND process_id IS NOT NULL AND id > (SELECT original_rows FROM memtap_schema)";
    let sql = match much {
        true => format!("DELETE FROM memory_usage WHERE {ours} ORDER BY id LIMIT {ROWS_AT_ONCE}"),
        false => format!(
            "DELETE FROM memory_usage WHERE timestamp < ? AND {ours} ORDER BY timestamp LIMIT {ROWS_AT_ONCE}"
        ),
    };
    match much {
        true => connection.exec_drop(sql, (host,)).await?,
        false => connection.exec_drop(sql, (horizon, host)).await?,
    }
    Ok(connection.affected_rows())
}

/// Lives that nobody has told of for so long have no requests any more either.
async fn rest(connection: &mut Conn, host: &str, horizon: &str) -> Done<()> {
    let sql = "SELECT process.id FROM process JOIN run ON run.id = process.run_id WHERE seen < ? AND hostname = ? ORDER BY seen LIMIT 500";
    let old: Vec<u64> = connection.exec(sql, (horizon, host)).await?;
    if !old.is_empty() {
        let list = old.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
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
    let samples = "DELETE usage_sample FROM usage_sample JOIN process ON process.id = process_id JOIN run ON run.id = run_id \
        WHERE usage_sample.timestamp < ? AND hostname = ?";
    connection.exec_drop(samples, (horizon, host)).await
}
