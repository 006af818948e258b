//! Samples of usage: written a second at a time, put together into longer steps, and deleted as they age.

use memtap_ledger::ProcessSummary;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params_from_iter};

use crate::steps::{Counters, FAULTS, KEPT, STEPS, Told};
use crate::{AllProcesses, StoreError};

/// Process 0 of a run: all its processes together.
pub(super) const ALL: i64 = 0;

/// Rows that are put together, or deleted, at once, at most (about).
const ROWS_AT_ONCE: i64 = 5_000;
/// Longer steps that are made at once, at most.
const STEPS_AT_ONCE: i64 = 60;

/// A later row of the same step: its sizes count, what was done adds up.
const INTO: &str = "ON CONFLICT (run_id, step_s, at_s, process_id) DO UPDATE SET \
    virtual_bytes = excluded.virtual_bytes, anonymous_bytes = excluded.anonymous_bytes, file_bytes = excluded.file_bytes, \
    shmem_bytes = excluded.shmem_bytes, swap_bytes = excluded.swap_bytes, \
    peak_virtual_bytes = max(peak_virtual_bytes, excluded.peak_virtual_bytes), \
    peak_resident_bytes = max(peak_resident_bytes, excluded.peak_resident_bytes), \
    requests = requests + excluded.requests, refused = refused + excluded.refused, requested_bytes = requested_bytes + excluded.requested_bytes, \
    granted_bytes = granted_bytes + excluded.granted_bytes, released_bytes = released_bytes + excluded.released_bytes, \
    minor_faults = minor_faults + excluded.minor_faults, major_faults = major_faults + excluded.major_faults";

const INSERT: &str = "INSERT INTO usage_sample (run_id, step_s, at_s, process_id, virtual_bytes, anonymous_bytes, file_bytes, shmem_bytes, \
    swap_bytes, peak_virtual_bytes, peak_resident_bytes, requests, refused, requested_bytes, granted_bytes, released_bytes, \
    minor_faults, major_faults) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

/// The sample of a process at `[run, second, process]`; its row must not have been brought up to date yet.
pub(super) fn process(
    transaction: &Transaction<'_>,
    place: [i64; 3],
    summary: &ProcessSummary,
) -> Result<(), StoreError> {
    let told = Told::from(summary);
    let known = "SELECT requests, refused, requested_bytes, granted_bytes, released_bytes, minor_faults, major_faults, started_at_ns, \
        (SELECT began_ns FROM run WHERE run.id = run_id) FROM process WHERE id = ?1";
    let (mut before, started_at, began): (Counters, i64, i64) = transaction
        .prepare_cached(known)?
        .query_row([place[2]], |row| Ok((counters(row)?, row.get(7)?, row.get(8)?)))?;
    // Of a process that is older than the run, the faults of before are no part of the first step.
    if started_at == 0 && summary.started_at.0 < began {
        before[FAULTS].copy_from_slice(&told.counters[FAULTS]);
    }
    insert(transaction, place, &told, before)
}

/// The sample of all processes of the run together.
pub(super) fn all(
    transaction: &Transaction<'_>,
    run: i64,
    at_s: i64,
    all: &AllProcesses,
) -> Result<(), StoreError> {
    let told = Told::from(all);
    let known = "SELECT requests, refused, requested_bytes, granted_bytes, released_bytes, minor_faults, major_faults FROM run WHERE id = ?1";
    let before = transaction.prepare_cached(known)?.query_row([run], counters)?;
    insert(transaction, [run, at_s, ALL], &told, before)?;
    let sql = "UPDATE run SET requests = ?2, refused = ?3, requested_bytes = ?4, granted_bytes = ?5, released_bytes = ?6, \
        minor_faults = ?7, major_faults = ?8 WHERE id = ?1";
    let values = params_from_iter(std::iter::once(run).chain(told.counters.map(u64::cast_signed)));
    transaction.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

fn counters(row: &Row<'_>) -> rusqlite::Result<Counters> {
    let at = |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.cast_unsigned());
    Ok([at(0)?, at(1)?, at(2)?, at(3)?, at(4)?, at(5)?, at(6)?])
}

/// At `[run, second, process]`.
fn insert(
    transaction: &Transaction<'_>,
    place: [i64; 3],
    told: &Told,
    before: Counters,
) -> Result<(), StoreError> {
    let numbers = told.sizes.into_iter().chain(told.since(before)).map(u64::cast_signed);
    let values = params_from_iter(place.into_iter().chain(numbers));
    transaction.prepare_cached(&format!("{INSERT} {INTO}"))?.execute(values)?;
    Ok(())
}

/// The second of a sample: never before the run's last one, whatever the clock does, so that no step is told of again that has been put
/// together.
pub(super) fn second(transaction: &Transaction<'_>, run: i64, tick_ns: i64) -> Result<i64, StoreError> {
    let sql = "UPDATE run SET sampled_s = max(sampled_s, ?2) WHERE id = ?1 RETURNING sampled_s";
    let at_s = tick_ns.div_euclid(1_000_000_000);
    Ok(transaction.prepare_cached(sql)?.query_row([run, at_s], |row| row.get(0))?)
}

/// Puts together and deletes a bounded piece; gives whether there was something to do. `current` is the run that still writes.
pub(super) fn keep(
    connection: &Connection,
    current: i64,
    now_s: i64,
    max_age_s: i64,
) -> Result<bool, StoreError> {
    let unfinished = "SELECT id, sampled_s FROM run WHERE sampled_s > 0 AND (id = ?1 OR rolled_3600 <= sampled_s) LIMIT 20";
    let runs = connection
        .prepare_cached(unfinished)?
        .query_map([current], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, i64)>, _>>()?;
    let mut worked = false;
    for (run, sampled_s) in runs {
        for index in 0..STEPS.len() - 1 {
            worked |= put_together(connection, run, index, (run != current).then_some(sampled_s))?;
        }
    }
    for (index, step) in STEPS.iter().enumerate() {
        let age = KEPT.get(index).copied().unwrap_or(max_age_s).min(max_age_s);
        // What is not yet in the next longer step stays.
        let safe = STEPS.get(index + 1).map_or("?2".to_owned(), |longer| {
            format!("min(?2, (SELECT rolled_{longer} FROM run WHERE run.id = usage_sample.run_id))")
        });
        let sql = format!(
            "DELETE FROM usage_sample WHERE (run_id, step_s, at_s, process_id) IN (SELECT run_id, step_s, at_s, process_id \
             FROM run CROSS JOIN usage_sample ON run_id = run.id WHERE step_s = ?1 AND at_s < {safe} LIMIT {ROWS_AT_ONCE})"
        );
        worked |= connection.prepare_cached(&sql)?.execute([*step, now_s.saturating_sub(age)])? > 0;
    }
    Ok(worked)
}

/// Deletes the oldest samples of single processes, of the shortest steps first: what else is there is too much. What is not yet in the
/// next longer step stays.
pub(super) fn delete_oldest(connection: &Connection) -> Result<usize, StoreError> {
    for (index, step) in STEPS.iter().enumerate() {
        let safe = STEPS
            .get(index + 1)
            .map_or("9223372036854775807".to_owned(), |longer| format!("rolled_{longer}"));
        let sql = format!(
            "DELETE FROM usage_sample WHERE (run_id, step_s, at_s, process_id) IN (SELECT run_id, step_s, at_s, process_id \
             FROM run CROSS JOIN usage_sample ON run_id = run.id WHERE step_s = ?1 AND process_id <> {ALL} AND at_s < {safe} \
             ORDER BY run.began_ns, at_s LIMIT {ROWS_AT_ONCE})"
        );
        let gone = connection.prepare_cached(&sql)?.execute([*step])?;
        if gone > 0 {
            return Ok(gone);
        }
    }
    Ok(0)
}

/// Adds a run's samples of one length, as far as they were not yet, to those of the next. Of a run that has ended (`end`: its last
/// second) the rest too, of one that goes on only whole steps.
fn put_together(
    connection: &Connection,
    run: i64,
    index: usize,
    end: Option<i64>,
) -> Result<bool, StoreError> {
    let (step, longer) = (STEPS[index], STEPS[index + 1]);
    // What of this length is complete: in the first, all seconds before the last; in others, what has been put together.
    let complete = if index == 0 { "sampled_s".to_owned() } else { format!("rolled_{step}") };
    let sql = format!("SELECT rolled_{longer}, {complete} FROM run WHERE id = ?1");
    let (rolled, complete): (i64, i64) =
        connection.prepare_cached(&sql)?.query_row([run], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let complete = match end {
        Some(last) if index == 0 => last + 1,
        Some(_) => complete,
        None => complete - complete.rem_euclid(longer),
    };
    let first =
        "SELECT min(at_s) FROM usage_sample WHERE run_id = ?1 AND step_s = ?2 AND at_s >= ?3 AND at_s < ?4";
    let first: Option<i64> = connection
        .prepare_cached(first)?
        .query_row([run, step, rolled, complete], |row| row.get::<_, Option<i64>>(0))
        .optional()?
        .flatten();
    let Some(first) = first else {
        if complete > rolled {
            let sql = format!("UPDATE run SET rolled_{longer} = ?2 WHERE id = ?1");
            connection.prepare_cached(&sql)?.execute([run, complete])?;
        }
        return Ok(false);
    };
    let until = complete.min(first - first.rem_euclid(longer) + STEPS_AT_ONCE * longer);
    let sql = format!(
        "INSERT INTO usage_sample (run_id, step_s, at_s, process_id, virtual_bytes, anonymous_bytes, file_bytes, shmem_bytes, swap_bytes, \
         peak_virtual_bytes, peak_resident_bytes, requests, refused, requested_bytes, granted_bytes, released_bytes, minor_faults, major_faults) \
         SELECT last.run_id, ?5, step.begin_s, last.process_id, last.virtual_bytes, last.anonymous_bytes, \
         last.file_bytes, last.shmem_bytes, last.swap_bytes, step.peak_virtual, step.peak_resident, step.requests, step.refused, \
         step.requested, step.granted, step.released, step.minor, step.major FROM (SELECT process_id, at_s - at_s % ?5 AS begin_s, max(at_s) AS last_s, \
         max(peak_virtual_bytes) AS peak_virtual, max(peak_resident_bytes) AS peak_resident, sum(requests) AS requests, \
         sum(refused) AS refused, sum(requested_bytes) AS requested, sum(granted_bytes) AS granted, \
         sum(released_bytes) AS released, sum(minor_faults) AS minor, sum(major_faults) AS major \
         FROM usage_sample WHERE run_id = ?1 AND step_s = ?2 AND at_s >= ?3 AND at_s < ?4 GROUP BY 1, 2) AS step \
         CROSS JOIN usage_sample AS last ON last.run_id = ?1 AND last.step_s = ?2 AND last.at_s = step.last_s \
         AND last.process_id = step.process_id WHERE true {INTO}"
    );
    let pointer = format!("UPDATE run SET rolled_{longer} = ?2 WHERE id = ?1");
    // Both or none: what was added is not added again.
    let savepoint = connection.unchecked_transaction()?;
    savepoint.prepare_cached(&sql)?.execute([run, step, rolled, until, longer])?;
    savepoint.prepare_cached(&pointer)?.execute([run, until])?;
    savepoint.commit()?;
    Ok(true)
}
