//! Reads the machine's memory, its calls, and the list of machines.

use std::collections::HashMap;

use memtap_model::{Call, CallTotals, WallClock};
use rusqlite::{Connection, Row, params};

use super::samples::{CALL, call_totals};
use super::usage::{SampledRun, sampled_runs};
use crate::machine::{self, point};
use crate::steps::{Sample, choose, merge, parts, seconds, width};
use crate::tables::MACHINE;
use crate::{HostRun, MachinePoint, Range, StoreError, StoredHost, UsageQuery};

/// Returns the machine's samples for the range and step of the query. The process in the query is
/// ignored.
pub(super) fn machine(
    connection: &Connection,
    query: &UsageQuery,
    now_s: i64,
) -> Result<Vec<MachinePoint>, StoreError> {
    let chosen = choose(query, now_s);
    let width = width(query, chosen);
    let [from, to] = seconds(query, width);
    let mut samples = Vec::new();
    for sampled in sampled_runs(connection, query, from, to)? {
        for (step, begin) in parts(chosen, from, sampled.rolled) {
            read(connection, &sampled, step, [begin, to], &mut samples)?;
        }
    }
    samples.sort_by_key(|sample| sample.at_s);
    Ok(merge(samples, width))
}

fn read(
    connection: &Connection,
    sampled: &SampledRun,
    step: i64,
    [from, to]: [i64; 2],
    samples: &mut Vec<Sample<MachinePoint>>,
) -> Result<(), StoreError> {
    let within = "run_id = ?1 AND step_s = ?2 AND at_s >= ?3 AND at_s < ?4 ORDER BY at_s";
    let place = params![sampled.run, step, from, to];
    let sql = format!("SELECT at_s, call_id, {} FROM call_sample WHERE {within}, call_id", CALL.columns());
    let mut calls: HashMap<i64, Vec<(Call, CallTotals)>> = HashMap::new();
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(place)?;
    while let Some(row) = rows.next()? {
        if let Some(call) = Call::from_index(usize::from(row.get::<_, u16>(1)?)) {
            calls.entry(row.get(0)?).or_default().push((call, call_totals(row, 2)?));
        }
    }
    let sql = format!("SELECT at_s, {} FROM machine_sample WHERE {within}", MACHINE.columns());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(place)?;
    while let Some(row) = rows.next()? {
        let at_s = row.get(0)?;
        let point = MachinePoint { calls: calls.remove(&at_s).unwrap_or_default(), ..stored(row)? };
        samples.push(Sample { host: sampled.host.clone(), at_s, point });
    }
    Ok(())
}

/// Reads a sample, from the second column on.
fn stored(row: &Row<'_>) -> rusqlite::Result<MachinePoint> {
    let unsigned = |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.cast_unsigned());
    let mut sizes = [0; 8];
    for (index, size) in sizes.iter_mut().enumerate() {
        *size = unsigned(1 + index)?;
    }
    Ok(point(sizes, [row.get(9)?, row.get(10)?], unsigned(11)?, unsigned(12)?))
}

pub(super) fn hosts(connection: &Connection) -> Result<Vec<StoredHost>, StoreError> {
    // For runs written by an older version, only the samples have a time.
    let sql = "SELECT hostname, kernel, min(coalesce(nullif(began_ns, 0), sampled_s * 1000000000)), max(began_ns), \
        max(max(began_ns, sampled_s * 1000000000)) FROM run WHERE began_ns > 0 OR sampled_s > 0 GROUP BY hostname, kernel";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        let time = |index: usize| Ok::<_, rusqlite::Error>(WallClock(row.get(index)?));
        Ok((row.get(0)?, row.get(1)?, [time(2)?, time(3)?, time(4)?]))
    })?;
    Ok(machine::hosts(rows.collect::<Result<Vec<_>, _>>()?))
}

pub(super) fn runs(connection: &Connection, range: &Range, limit: usize) -> Result<Vec<HostRun>, StoreError> {
    let sql = "SELECT hostname, kernel, coalesce(nullif(began_ns, 0), sampled_s * 1000000000), sampled_s, requests, refused, lost \
        FROM run WHERE sampled_s > 0 AND (?1 IS NULL OR hostname = ?1) AND sampled_s >= ?2 AND began_ns < ?3 \
        ORDER BY began_ns DESC, sampled_s DESC LIMIT ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let from_s = range.from.0.div_euclid(1_000_000_000);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![range.host, from_s, range.to.0, limit], |row| {
        let count = |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.cast_unsigned());
        Ok(HostRun {
            hostname: row.get(0)?,
            kernel: row.get(1)?,
            began: WallClock(row.get(2)?),
            last: WallClock(row.get::<_, i64>(3)?.saturating_mul(1_000_000_000)),
            requests: count(4)?,
            refused: count(5)?,
            lost: count(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
