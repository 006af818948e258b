//! Reads memtap runs and process rows.

use std::collections::HashMap;

use memtap_history::rows::{Details, ProcessQuery, ProcessRow, RunQuery, RunRow, Take};
use memtap_model::{Tgid, WallClock};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::unsigned;
use crate::sqlite::deletion::LONG_LIFE;
use crate::sqlite::error::Done;

/// SQL for the start of a process. For a process known only from requests, it is the time of the
/// first one.
pub(super) const STARTED: &str =
    "(CASE process.started_at_ns WHEN 0 THEN process.seen_ns ELSE process.started_at_ns END)";

pub(super) fn runs(connection: &Connection, query: &RunQuery) -> Done<Vec<RunRow>> {
    let sql = "SELECT id, hostname, kernel, boot_id, began_ns, sampled_s, rolled_10, rolled_60, rolled_600, rolled_3600, \
        requests, refused, lost FROM run \
        WHERE (?1 IS NULL OR hostname = ?1) AND (sampled_s = 0 OR sampled_s >= ?2 AND began_ns / 1000000000 < ?3) ORDER BY began_ns, sampled_s";
    let mut statement = connection.prepare_cached(sql)?;
    let runs = statement.query_map(params![query.host, query.from_s, query.to_s], |row| {
        Ok(RunRow {
            id: unsigned(row, 0)?,
            host: row.get(1)?,
            kernel: row.get(2)?,
            boot_id: row.get(3)?,
            began: WallClock(row.get(4)?),
            sampled_s: row.get(5)?,
            rolled: [row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?],
            requests: unsigned(row, 10)?,
            refused: unsigned(row, 11)?,
            lost: unsigned(row, 12)?,
        })
    })?;
    Ok(runs.collect::<Result<_, _>>()?)
}

/// Reads process rows that may overlap the range. Without a pid, they are found through indexes
/// that skip most of the history.
pub(super) fn processes(
    connection: &Connection,
    query: &ProcessQuery,
    runs: &[RunRow],
    take: Take<'_, ProcessRow>,
) -> Done<()> {
    if let Some(pid) = query.pid {
        let part = "process WHERE pid = ?4 AND (ended_at_ns IS NULL OR ended_at_ns >= ?1)";
        return part_of(connection, query, part, pid.0.into(), take);
    }
    let living = "process INDEXED BY process_living WHERE ended_at_ns IS NULL AND run_id = ?4";
    for run in runs {
        part_of(connection, query, living, run.id.cast_signed(), take)?;
    }
    // A process that lived for less than an hour and ended more than an hour after the range has
    // started after the range.
    let ended = "ended_at_ns >= ?1 AND ended_at_ns < ?4";
    let short = format!(
        "process INDEXED BY process_short WHERE ended_at_ns - started_at_ns < {LONG_LIFE} AND {ended}"
    );
    part_of(connection, query, &short, query.to.0.saturating_add(LONG_LIFE), take)?;
    let long = format!(
        "process INDEXED BY process_long WHERE ended_at_ns - started_at_ns >= {LONG_LIFE} AND {ended}"
    );
    part_of(connection, query, &long, i64::MAX, take)
}

/// Reads the rows of one part of the table `process`. In `part`, ?1 is the start of the range and
/// ?4 is `bound`.
fn part_of(
    connection: &Connection,
    query: &ProcessQuery,
    part: &str,
    bound: i64,
    take: Take<'_, ProcessRow>,
) -> Done<()> {
    let sql = format!(
        "SELECT id, run_id, pid, start_ns, {STARTED}, ended_at_ns, seen_ns, name FROM {part} AND {STARTED} < ?2 \
         AND (?3 IS NULL OR {STARTED} / 1000000000 = ?3)"
    );
    let started_s = query.started_at.map(|at| at.0.div_euclid(1_000_000_000));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![query.from.0, query.to.0, started_s, bound])?;
    while let Some(row) = rows.next()? {
        take(process(row)?);
    }
    Ok(())
}

fn process(row: &Row<'_>) -> rusqlite::Result<ProcessRow> {
    Ok(ProcessRow {
        id: unsigned(row, 0)?,
        run: unsigned(row, 1)?,
        pid: Tgid(row.get(2)?),
        start: unsigned(row, 3)?,
        started_at: WallClock(row.get(4)?),
        ended_at: row.get::<_, Option<i64>>(5)?.map(WallClock),
        seen: WallClock(row.get(6)?),
        name: row.get(7)?,
    })
}

pub(super) fn details(connection: &Connection, rows: &[u64]) -> Done<HashMap<u64, Details>> {
    let sql = format!(
        "SELECT hostname, CASE boot_id WHEN '' THEN CAST(run.id AS TEXT) ELSE boot_id END, pid, start_ns, {STARTED}, \
         command, user, parent_pid, container, pod, unit FROM process JOIN run ON run.id = process.run_id WHERE process.id = ?1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut details = HashMap::with_capacity(rows.len());
    for id in rows {
        let row = statement.query_row([id.cast_signed()], |row| {
            Ok(Details {
                host: row.get(0)?,
                boot: row.get(1)?,
                pid: Tgid(row.get(2)?),
                start: unsigned(row, 3)?,
                started_at: WallClock(row.get(4)?),
                command: row.get(5)?,
                user: row.get(6)?,
                parent: row.get::<_, Option<u32>>(7)?.map(Tgid),
                container: row.get(8)?,
                pod: row.get(9)?,
                unit: row.get(10)?,
            })
        });
        details.extend(row.optional()?.map(|row| (*id, row)));
    }
    Ok(details)
}
