//! Reads memtap runs and process rows.

use std::collections::HashMap;

use memtap_history::rows::{Details, ProcessQuery, ProcessRow, RunQuery, RunRow, Take};
use memtap_model::Tgid;
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

use super::{Done, list, since_1970, time};
use crate::mysql::rows::format_time;

/// SQL for the start of a process. For a process known only from requests, it is the time of the
/// first one.
pub(super) const STARTED: &str = "COALESCE(process.started_at, process.seen)";

/// Maximum number of processes named in one statement.
pub(super) const AT_ONCE: usize = 1_000;

pub(super) async fn runs(connection: &mut impl Queryable, query: &RunQuery) -> Done<Vec<RunRow>> {
    let mut sql = format!(
        "SELECT id, hostname, kernel, boot_id, {}, sampled_s, rolled_10, rolled_60, rolled_600, rolled_3600, requests, refused, lost \
         FROM run WHERE (sampled_s = 0 OR sampled_s >= ? AND TIMESTAMPDIFF(SECOND, '1970-01-01', began) < ?)",
        since_1970("began")
    );
    let mut values: Vec<Value> = vec![query.from_s.into(), query.to_s.into()];
    if let Some(host) = &query.host {
        sql.push_str(" AND hostname = ?");
        values.push(host.as_str().into());
    }
    sql.push_str(" ORDER BY began, sampled_s");
    let rows: Vec<Row> = connection.exec(sql, values).await?;
    Ok(rows.iter().filter_map(run).collect())
}

/// Reads a run. Returns `None` if a column has a value that memtap does not write.
fn run(row: &Row) -> Option<RunRow> {
    Some(RunRow {
        id: row.get(0)?,
        host: row.get::<String, _>(1)?.into(),
        kernel: row.get(2)?,
        boot_id: row.get(3)?,
        began: time(row.get(4)?),
        sampled_s: row.get(5)?,
        rolled: [row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?],
        requests: row.get(10)?,
        refused: row.get(11)?,
        lost: row.get(12)?,
    })
}

/// Reads process rows. They are found by pid or by end, through an index that skips most of the
/// history.
pub(super) async fn processes(
    connection: &mut impl Queryable,
    query: &ProcessQuery,
    runs: &[RunRow],
    take: Take<'_, ProcessRow>,
) -> Done<()> {
    if runs.is_empty() {
        return Ok(());
    }
    let index = if query.pid.is_some() { "life" } else { "ended" };
    let mut sql = format!(
        "SELECT id, run_id, pid, start_ns, {}, {}, {}, name FROM process FORCE INDEX ({index}) WHERE run_id IN ({}) AND {STARTED} <= ? \
         AND (ended_at IS NULL OR ended_at >= ?)",
        since_1970(STARTED),
        since_1970("ended_at"),
        since_1970("seen"),
        list(runs.iter().map(|run| run.id)),
    );
    let mut values: Vec<Value> = vec![format_time(query.to).into(), format_time(query.from).into()];
    if let Some(pid) = query.pid {
        sql.push_str(" AND pid = ?");
        values.push(pid.0.into());
    }
    if let Some(started_at) = query.started_at {
        sql.push_str(&format!(" AND TIMESTAMPDIFF(SECOND, '1970-01-01', {STARTED}) = ?"));
        values.push(started_at.0.div_euclid(1_000_000_000).into());
    }
    type Process = (u64, u64, u32, u64, i64, Option<i64>, i64, String);
    let each = |(), row: Process| {
        let (id, run, pid, start, started_at, ended_at, seen, name) = row;
        take(ProcessRow {
            id,
            run,
            pid: Tgid(pid),
            start,
            started_at: time(started_at),
            ended_at: ended_at.map(time),
            seen: time(seen),
            name,
        });
    };
    connection.exec_fold(sql, values, (), each).await
}

pub(super) async fn details(connection: &mut impl Queryable, rows: &[u64]) -> Done<HashMap<u64, Details>> {
    let mut details = HashMap::with_capacity(rows.len());
    for rows in rows.chunks(AT_ONCE) {
        let sql = format!(
            "SELECT process.id, hostname, IF(boot_id = '', CAST(run.id AS CHAR), boot_id), pid, start_ns, {}, \
             command, user, parent_pid, container, pod, unit FROM process JOIN run ON run.id = run_id WHERE process.id IN ({})",
            since_1970(STARTED),
            list(rows.iter().copied())
        );
        let rows: Vec<Row> = connection.query(sql).await?;
        details.extend(rows.iter().filter_map(|row| Some((row.get(0)?, detail(row)?))));
    }
    Ok(details)
}

/// Reads the details of a process. Returns `None` if a column has a value that memtap does not
/// write.
fn detail(row: &Row) -> Option<Details> {
    Some(Details {
        host: row.get::<String, _>(1)?.into(),
        boot: row.get(2)?,
        pid: Tgid(row.get(3)?),
        start: row.get(4)?,
        started_at: time(row.get(5)?),
        command: row.get::<Option<String>, _>(6)?.unwrap_or_default(),
        user: row.get(7)?,
        parent: row.get::<Option<u32>, _>(8)?.map(Tgid),
        container: row.get(9)?,
        pod: row.get(10)?,
        unit: row.get(11)?,
    })
}
