//! Process lifetimes and programs in a range, from process rows, the last samples before the range,
//! and the samples in it. For imports, their requests are used instead.

use std::collections::HashMap;

use memtap_model::{Call, Tgid, WallClock};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::deletion::LONG_LIFE;
use super::filter::id_bounds;
use super::samples::ALL;
use super::usage::{OF_PROCESS, last_before, point};
use crate::carry::{Carry, Details, ProcessRow, is_match};
use crate::cover::{Cover, StoredRun};
use crate::refusals::Identity;
use crate::steps::STEPS;
use crate::tables::USAGE;
use crate::{LifeQuery, Lives, Measure, ProgramQuery, Programs, Range, StoreError, UsagePoint};

/// Start of a process. For a process known only from requests, the time of the first one.
pub(super) const STARTED: &str =
    "(CASE process.started_at_ns WHEN 0 THEN process.seen_ns ELSE process.started_at_ns END)";

/// Up to this number of processes, samples are read process by process.
const FEW: usize = 50;

pub(super) fn lives(connection: &Connection, query: &LifeQuery, now_s: i64) -> Result<Lives, StoreError> {
    let cover = Cover::new(&query.range, std::time::Duration::ZERO, now_s);
    let carry = read_carry(connection, cover, query, None)?;
    let (lives, more) = carry.lives(query.by, query.limit);
    let lives = lives.into_iter().map(|(row, life)| Ok(details(connection, row)?.add_to(life)));
    Ok(Lives { lives: lives.collect::<Result<_, StoreError>>()?, more })
}

pub(super) fn programs(
    connection: &Connection,
    query: &ProgramQuery,
    now_s: i64,
) -> Result<Programs, StoreError> {
    let cover = Cover::new(&query.range, query.step, now_s);
    let all = LifeQuery { range: query.range.clone(), ..LifeQuery::default() };
    let carry = read_carry(connection, cover, &all, Some(query.by))?;
    Ok(carry.programs(query.top, !query.step.is_zero()))
}

fn read_carry(
    connection: &Connection,
    cover: Cover,
    query: &LifeQuery,
    measure: Option<Measure>,
) -> Result<Carry, StoreError> {
    let runs = runs(connection, &cover)?;
    let rows = rows(connection, query, &runs)?;
    let mut carry = Carry::new(cover, runs, rows, measure);
    for (at, run) in carry.runs().to_vec().iter().enumerate() {
        if run.sampled_s == 0 {
            requests(connection, &mut carry, at)?;
            continue;
        }
        for row in carry.older_rows(at) {
            let (run, process) = (run.id.cast_signed(), row.cast_signed());
            if let Some(had) = last_before(connection, run, process, carry.cover.from_s)? {
                carry.before(at, row, &had);
            }
        }
        let rows = carry.rows(at);
        if rows.len() > FEW {
            samples(connection, &mut carry, (at, run), None)?;
        } else {
            rows.into_iter().try_for_each(|row| samples(connection, &mut carry, (at, run), Some(row)))?;
        }
    }
    Ok(carry)
}

fn runs(connection: &Connection, cover: &Cover) -> Result<Vec<StoredRun>, StoreError> {
    let sql = "SELECT id, hostname, boot_id, sampled_s, rolled_10, rolled_60, rolled_600, rolled_3600 FROM run \
        WHERE (?1 IS NULL OR hostname = ?1) AND (sampled_s = 0 OR sampled_s >= ?2 AND began_ns / 1000000000 < ?3) ORDER BY began_ns, sampled_s";
    let values = params![cover.range.host, cover.from_s, cover.to_s];
    let mut statement = connection.prepare_cached(sql)?;
    let runs = statement.query_map(values, |row| {
        Ok(StoredRun {
            id: row.get::<_, i64>(0)?.cast_unsigned(),
            host: row.get(1)?,
            boot_id: row.get(2)?,
            sampled_s: row.get(3)?,
            rolled: [row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?],
        })
    })?;
    Ok(runs.collect::<Result<_, _>>()?)
}

/// Returns process rows that may overlap the range. Without a pid, they are found through indexes
/// that skip most of the history.
fn rows(
    connection: &Connection,
    query: &LifeQuery,
    runs: &[StoredRun],
) -> Result<Vec<ProcessRow>, StoreError> {
    let mut rows = Vec::new();
    if let Some(pid) = query.pid {
        rows_of(
            connection,
            query,
            "process WHERE pid = ?4 AND (ended_at_ns IS NULL OR ended_at_ns >= ?1)",
            pid.0.into(),
            &mut rows,
        )?;
        return Ok(rows);
    }
    let living = "process INDEXED BY process_living WHERE ended_at_ns IS NULL AND run_id = ?4";
    for run in runs {
        rows_of(connection, query, living, run.id.cast_signed(), &mut rows)?;
    }
    // A process that lived for less than an hour and ended more than an hour after the range has
    // started after the range.
    let ended = "ended_at_ns >= ?1 AND ended_at_ns < ?4";
    let short = format!(
        "process INDEXED BY process_short WHERE ended_at_ns - started_at_ns < {LONG_LIFE} AND {ended}"
    );
    rows_of(connection, query, &short, query.range.to.0.saturating_add(LONG_LIFE), &mut rows)?;
    let long = format!(
        "process INDEXED BY process_long WHERE ended_at_ns - started_at_ns >= {LONG_LIFE} AND {ended}"
    );
    rows_of(connection, query, &long, i64::MAX, &mut rows)?;
    Ok(rows)
}

/// Adds the matching rows of one part of the table `process`. In `part`, ?1 is the start of the
/// range and ?4 is `bound`.
fn rows_of(
    connection: &Connection,
    query: &LifeQuery,
    part: &str,
    bound: i64,
    matching: &mut Vec<ProcessRow>,
) -> Result<(), StoreError> {
    let Range { from, to, .. } = &query.range;
    let sql = format!(
        "SELECT id, run_id, pid, start_ns, {STARTED}, ended_at_ns, seen_ns, name FROM {part} AND {STARTED} < ?2 \
         AND (?3 IS NULL OR {STARTED} / 1000000000 = ?3)"
    );
    let started_s = query.started_at.map(|at| at.0.div_euclid(1_000_000_000));
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![from.0, to.0, started_s, bound], |row| {
        Ok(ProcessRow {
            id: row.get::<_, i64>(0)?.cast_unsigned(),
            run: row.get::<_, i64>(1)?.cast_unsigned(),
            pid: Tgid(row.get(2)?),
            start: row.get::<_, i64>(3)?.cast_unsigned(),
            started_at: WallClock(row.get(4)?),
            ended_at: row.get::<_, Option<i64>>(5)?.map(WallClock),
            seen: WallClock(row.get(6)?),
            name: row.get(7)?,
        })
    })?;
    for row in rows {
        matching.extend(Some(row?).filter(|row| is_match(query, &row.name)));
    }
    Ok(())
}

/// Adds the samples of one process, or of all processes if `row` is `None`.
fn samples(
    connection: &Connection,
    carry: &mut Carry,
    (at, run): (usize, &StoredRun),
    row: Option<u64>,
) -> Result<(), StoreError> {
    let (samples, which, id) = match row {
        Some(row) => (OF_PROCESS, "process_id =", row.cast_signed()),
        None => ("usage_sample", "process_id <>", ALL),
    };
    let sql = format!(
        "SELECT process_id, at_s, {} FROM {samples} WHERE run_id = ?1 AND step_s = ?2 AND at_s >= ?3 AND at_s < ?4 \
         AND {which} ?5 ORDER BY at_s",
        USAGE.columns()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    for (step, [from, to]) in carry.cover.pieces(run) {
        let mut rows = statement.query([run.id.cast_signed(), STEPS[step], from, to, id])?;
        while let Some(row) = rows.next()? {
            carry.sample(at, row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?, &point(row, 2)?);
        }
    }
    Ok(())
}

/// Adds the requests of a run without samples.
fn requests(connection: &Connection, carry: &mut Carry, at: usize) -> Result<(), StoreError> {
    let Range { from, to, .. } = carry.cover.range;
    let [first, end] = id_bounds(connection, from, to)?;
    let sql = "SELECT request.time_ns, what.call_id, what.errno, request.size, request.delta_bytes, request.virtual_bytes \
        FROM who CROSS JOIN request ON request.who_id = who.id AND request.id >= ?2 AND request.id < ?3 \
        JOIN what ON what.id = request.what_id WHERE who.process_id = ?1 AND time_ns >= ?4 AND time_ns < ?5";
    let mut statement = connection.prepare_cached(sql)?;
    for process in carry.rows(at) {
        let mut rows = statement.query([process.cast_signed(), first, end, from.0, to.0])?;
        while let Some(row) = rows.next()? {
            let time: i64 = row.get(0)?;
            let point = UsagePoint::from_request(
                call(row, 1)?,
                row.get::<_, Option<i64>>(2)?.is_some(),
                row.get::<_, i64>(3)?.cast_unsigned(),
                row.get(4)?,
                row.get::<_, i64>(5)?.cast_unsigned(),
            );
            carry.sample(at, process, time.div_euclid(1_000_000_000), &point);
        }
    }
    Ok(())
}

/// Reads the call in column `index`.
pub(super) fn call(row: &Row<'_>, index: usize) -> rusqlite::Result<Call> {
    let call: i64 = row.get(index)?;
    let known = usize::try_from(call).ok().and_then(Call::from_index);
    known.ok_or(rusqlite::Error::IntegralValueOutOfRange(index, call))
}

/// Returns empty details if the process has just been deleted.
fn details(connection: &Connection, row: u64) -> Result<Details, StoreError> {
    let sql = "SELECT command, user, parent_pid, container, pod, unit FROM process WHERE id = ?1";
    let details = connection.prepare_cached(sql)?.query_row([row.cast_signed()], |row| {
        Ok(Details {
            command: row.get(0)?,
            user: row.get(1)?,
            parent: row.get::<_, Option<u32>>(2)?.map(Tgid),
            container: row.get(3)?,
            pod: row.get(4)?,
            unit: row.get(5)?,
        })
    });
    Ok(details.optional()?.unwrap_or_default())
}

/// Returns the identities of process rows.
pub(super) fn identities(
    connection: &Connection,
    rows: &[u64],
) -> Result<HashMap<u64, Identity>, StoreError> {
    let sql = format!(
        "SELECT hostname, CASE boot_id WHEN '' THEN CAST(run.id AS TEXT) ELSE boot_id END, pid, start_ns, {STARTED} \
         FROM process JOIN run ON run.id = process.run_id WHERE process.id = ?1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut identities = HashMap::new();
    for row in rows {
        let one = statement.query_row([row.cast_signed()], |row| {
            Ok(Identity {
                host: row.get(0)?,
                boot: row.get(1)?,
                pid: Tgid(row.get(2)?),
                start: row.get::<_, i64>(3)?.cast_unsigned(),
                started_at: WallClock(row.get(4)?),
            })
        });
        if let Some(one) = one.optional()? {
            identities.insert(*row, one);
        }
    }
    Ok(identities)
}
