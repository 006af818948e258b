//! Reads usage of one pid or of all processes, from the steps that fit the query.

use std::time::Duration;

use memtap_model::WallClock;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::samples::ALL;
use crate::steps::{STEPS, Sample, choose, merge, parts, seconds, width};
use crate::tables::USAGE;
use crate::{StoreError, UsagePoint, UsageQuery};

/// A run with samples in the range, and the row of the process in it.
pub(super) struct SampledRun {
    pub(super) run: i64,
    process: i64,
    pub(super) host: String,
    /// For each step length but the first: the second up to which samples have been rolled up into
    /// it.
    pub(super) rolled: [i64; 4],
    ended_s: Option<i64>,
}

/// Samples of one process. Without the index hint, SQLite chooses the primary key, which has the
/// same number of known columns, and reads the samples of all processes.
pub(super) const OF_PROCESS: &str = "usage_sample INDEXED BY usage_sample_process";

/// Returns the last sample of a process before this second. The shortest step with a sample is the
/// most exact.
pub(super) fn last_before(
    connection: &Connection,
    run: i64,
    process: i64,
    from_s: i64,
) -> Result<Option<UsagePoint>, StoreError> {
    let sql = format!(
        "SELECT {} FROM {OF_PROCESS} WHERE process_id = ?1 AND run_id = ?2 AND step_s = ?3 AND at_s <= ?4 ORDER BY at_s DESC LIMIT 1",
        USAGE.columns()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    for step in STEPS {
        let sample =
            statement.query_row([process, run, step, from_s - step], |row| point(row, 0)).optional()?;
        if sample.is_some() {
            return Ok(sample);
        }
    }
    Ok(None)
}

pub(super) fn usage(
    connection: &Connection,
    query: &UsageQuery,
    now_s: i64,
) -> Result<Vec<UsagePoint>, StoreError> {
    let chosen = choose(query, now_s);
    let width = width(query, chosen);
    let [from, to] = seconds(query, width);
    let mut samples = Vec::new();
    for sampled in sampled_runs(connection, query, from, to)? {
        if query.carried && sampled.ended_s.is_none_or(|ended_s| ended_s >= from) {
            let had = last_before(connection, sampled.run, sampled.process, from)?;
            let first =
                |point: UsagePoint| Sample { host: sampled.host.clone(), at_s: from, point: point.carried() };
            samples.extend(had.map(first));
        }
        for (step, begin) in parts(chosen, from, sampled.rolled) {
            read(connection, &sampled, step, [begin, to], &mut samples)?;
        }
    }
    // A pid may belong to several processes, one after the other. Within each, the rows are already
    // in order.
    samples.sort_by_key(|sample| sample.at_s);
    Ok(merge(samples, width))
}

fn read(
    connection: &Connection,
    sampled: &SampledRun,
    step: i64,
    [from, to]: [i64; 2],
    samples: &mut Vec<Sample>,
) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT at_s, {} FROM {OF_PROCESS} WHERE process_id = ?1 AND run_id = ?2 AND step_s = ?3 AND at_s >= ?4 AND at_s < ?5 ORDER BY at_s",
        USAGE.columns()
    );
    let mut rows = connection.prepare_cached(&sql)?;
    let stored = rows.query_map(params![sampled.process, sampled.run, step, from, to], |row| {
        let point = point(row, 1)?;
        Ok(Sample { host: sampled.host.clone(), at_s: row.get(0)?, point })
    })?;
    for sample in stored {
        samples.push(sample?);
    }
    Ok(())
}

/// Reads a sample, from column `first` on.
pub(super) fn point(row: &Row<'_>, first: usize) -> rusqlite::Result<UsagePoint> {
    let unsigned = |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(first + index)?.cast_unsigned());
    Ok(UsagePoint {
        from: WallClock(0),
        step: Duration::ZERO,
        virtual_bytes: unsigned(0)?,
        anonymous_bytes: unsigned(1)?,
        file_bytes: unsigned(2)?,
        shmem_bytes: unsigned(3)?,
        swap_bytes: unsigned(4)?,
        peak_virtual_bytes: unsigned(5)?,
        peak_resident_bytes: unsigned(6)?,
        requests: unsigned(7)?,
        refused: unsigned(8)?,
        requested_bytes: unsigned(9)?,
        granted_bytes: unsigned(10)?,
        released_bytes: unsigned(11)?,
        minor_faults: unsigned(12)?,
        major_faults: unsigned(13)?,
    })
}

pub(super) fn sampled_runs(
    connection: &Connection,
    query: &UsageQuery,
    from: i64,
    to: i64,
) -> Result<Vec<SampledRun>, StoreError> {
    let rolled = "run.rolled_10, run.rolled_60, run.rolled_600, run.rolled_3600";
    let sql = match query.pid {
        None => format!(
            "SELECT run.id, {ALL}, run.hostname, {rolled}, NULL FROM run WHERE ?1 IS NULL AND (?2 IS NULL OR hostname = ?2) AND ?3 IS NULL \
             AND sampled_s >= ?4 AND began_ns / 1000000000 < ?5"
        ),
        Some(_) => format!(
            "SELECT run.id, process.id, run.hostname, {rolled}, ended_at_ns / 1000000000 FROM process JOIN run ON run.id = process.run_id \
             WHERE pid = ?1 AND (?2 IS NULL OR hostname = ?2) AND (?3 IS NULL OR started_at_ns / 1000000000 = ?3) \
             AND sampled_s >= ?4 AND began_ns / 1000000000 < ?5"
        ),
    };
    let started = query.started_at.filter(|_| query.pid.is_some()).map(|at| at.0.div_euclid(1_000_000_000));
    let values = params![query.pid.map(|pid| pid.0), query.host, started, from, to];
    let mut statement = connection.prepare_cached(&sql)?;
    let runs = statement.query_map(values, |row| {
        Ok(SampledRun {
            run: row.get(0)?,
            process: row.get(1)?,
            host: row.get(2)?,
            rolled: [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?],
            ended_s: row.get(7)?,
        })
    })?;
    Ok(runs.collect::<Result<_, _>>()?)
}
