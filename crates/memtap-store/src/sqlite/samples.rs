//! Samples of usage, of the machine and of its calls: written once a second, rolled up into longer
//! steps, and deleted by age.

use crate::sqlite::error::Done;
use std::sync::LazyLock;

use memtap_ledger::ProcessSummary;
use memtap_model::{CALLS, Call, CallTotals};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params, params_from_iter};

use crate::tables::{Dialect, MACHINE, Samples, USAGE, calls};
use memtap_history::rows::ALL_PROCESSES;
use memtap_history::steps::{Counters, FAULTS, KEPT, STEPS, TickSample};
use memtap_history::{AllProcesses, machine_sizes};

/// Process id of the samples that sum all processes.
const ALL: i64 = ALL_PROCESSES.cast_signed();

/// Maximum number of rows deleted at once.
const ROWS_AT_ONCE: i64 = 5_000;
/// Maximum number of longer steps written at once.
const STEPS_AT_ONCE: i64 = 60;

/// Calls of all processes.
pub(super) const CALL: Samples = calls("call_id");
const TABLES: [Samples; 3] = [USAGE, MACHINE, CALL];

const SQLITE: Dialect = Dialect {
    larger: "max",
    smaller: "min",
    on_duplicate: |table| format!("ON CONFLICT ({}) DO UPDATE SET", table.key()),
    incoming: |column| format!("excluded.{column}"),
};

/// Cached INSERT statements: they are executed at each tick for each process.
static INSERT_USAGE: LazyLock<String> = LazyLock::new(|| USAGE.insert(&SQLITE));
static INSERT_MACHINE: LazyLock<String> = LazyLock::new(|| MACHINE.insert(&SQLITE));
static INSERT_CALL: LazyLock<String> = LazyLock::new(|| CALL.insert(&SQLITE));

/// Writes the sample of a process at `[run, second, process]`. Call it before updating the process
/// row, which has the previous totals.
pub(super) fn process(
    transaction: &Transaction<'_>,
    [run, at_s, process]: [i64; 3],
    summary: &ProcessSummary,
) -> Done<()> {
    let sample = TickSample::from(summary);
    let known = "SELECT requests, refused, requested_bytes, granted_bytes, released_bytes, minor_faults, major_faults, started_at_ns, \
        (SELECT began_ns FROM run WHERE run.id = run_id) FROM process WHERE id = ?1";
    let (mut before, started_at, began): (Counters, i64, i64) = transaction
        .prepare_cached(known)?
        .query_row([process], |row| Ok((counters(row)?, row.get(7)?, row.get(8)?)))?;
    // For a process older than the run, page faults before the run do not count in the first step.
    if started_at == 0 && summary.started_at.0 < began {
        before[FAULTS].copy_from_slice(&sample.counters[FAULTS]);
    }
    usage(transaction, [run, at_s, process], &sample, before)
}

/// Writes the samples of all processes of the run together, of the machine, and of the calls.
pub(super) fn all(transaction: &Transaction<'_>, run: i64, at_s: i64, all: &AllProcesses) -> Done<()> {
    let sample = TickSample::from(all);
    let known = "SELECT requests, refused, requested_bytes, granted_bytes, released_bytes, minor_faults, major_faults FROM run WHERE id = ?1";
    let before = transaction.prepare_cached(known)?.query_row([run], counters)?;
    usage(transaction, [run, at_s, ALL], &sample, before)?;
    let sql = "UPDATE run SET requests = ?2, refused = ?3, requested_bytes = ?4, granted_bytes = ?5, released_bytes = ?6, \
        minor_faults = ?7, major_faults = ?8 WHERE id = ?1";
    let values = params_from_iter(std::iter::once(run).chain(sample.counters.map(u64::cast_signed)));
    transaction.prepare_cached(sql)?.execute(values)?;
    if all.has_machine() {
        machine_and_calls(transaction, run, at_s, all)?;
    }
    Ok(())
}

fn machine_and_calls(transaction: &Transaction<'_>, run: i64, at_s: i64, all: &AllProcesses) -> Done<()> {
    let mut lost = transaction.prepare_cached("SELECT lost FROM run WHERE id = ?1")?;
    let lost: i64 = lost.query_row([run], |row| row.get(0))?;
    let pressure = all.host.pressure;
    let pressure =
        [pressure.map(|pressure| pressure.some_avg10), pressure.map(|pressure| pressure.full_avg10)];
    let sizes = machine_sizes(&all.host).map(|size| Value::Integer(size.cast_signed()));
    let tail = [all.host.available_bytes, all.lost.saturating_sub(lost.cast_unsigned())];
    let values = sizes.into_iter().chain(pressure.map(Value::from));
    insert(
        transaction,
        &INSERT_MACHINE,
        &[run, 1, at_s],
        values.chain(tail.map(|n| Value::Integer(n.cast_signed()))),
    )?;
    transaction
        .prepare_cached("UPDATE run SET lost = ?2 WHERE id = ?1")?
        .execute([run, all.lost.cast_signed()])?;
    let before = last_call_totals(transaction, run)?;
    for row in CALLS {
        let (now, before) = (all.calls[row.call.index()], before[row.call.index()]);
        if now == before {
            continue;
        }
        let done = now.since(before);
        let numbers =
            |totals: CallTotals| [totals.count, totals.requested_bytes, totals.refused].map(u64::cast_signed);
        if done.count > 0 {
            let place = [run, 1, at_s, row.call.index() as i64];
            insert(transaction, &INSERT_CALL, &place, numbers(done).map(Value::Integer))?;
        }
        let sql = "INSERT OR REPLACE INTO run_call (run_id, call_id, count, requested_bytes, refused) VALUES (?1, ?2, ?3, ?4, ?5)";
        let [count, requested, refused] = numbers(now);
        transaction.prepare_cached(sql)?.execute(params![
            run,
            row.call.index() as i64,
            count,
            requested,
            refused
        ])?;
    }
    Ok(())
}

fn last_call_totals(transaction: &Transaction<'_>, run: i64) -> Done<[CallTotals; Call::COUNT]> {
    let mut calls = [CallTotals::default(); Call::COUNT];
    let sql = "SELECT call_id, count, requested_bytes, refused FROM run_call WHERE run_id = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let mut rows = statement.query([run])?;
    while let Some(row) = rows.next()? {
        if let Some(call) = calls.get_mut(usize::from(row.get::<_, u16>(0)?)) {
            *call = call_totals(row, 1)?;
        }
    }
    Ok(calls)
}

/// Reads count, requested bytes and refused requests, from column `at` on.
pub(super) fn call_totals(row: &Row<'_>, at: usize) -> rusqlite::Result<CallTotals> {
    let unsigned = |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.cast_unsigned());
    Ok(CallTotals { count: unsigned(at)?, requested_bytes: unsigned(at + 1)?, refused: unsigned(at + 2)? })
}

fn counters(row: &Row<'_>) -> rusqlite::Result<Counters> {
    let mut counters = Counters::default();
    for (index, counter) in counters.iter_mut().enumerate() {
        *counter = row.get::<_, i64>(index)?.cast_unsigned();
    }
    Ok(counters)
}

/// Writes a usage sample at `[run, second, process]`.
fn usage(
    transaction: &Transaction<'_>,
    [run, at_s, process]: [i64; 3],
    sample: &TickSample,
    before: Counters,
) -> Done<()> {
    let numbers = sample.sizes.into_iter().chain(sample.since(before));
    insert(
        transaction,
        &INSERT_USAGE,
        &[run, 1, at_s, process],
        numbers.map(|number| Value::Integer(number.cast_signed())),
    )
}

/// Inserts a row: key, then columns.
fn insert(
    transaction: &Transaction<'_>,
    sql: &str,
    key: &[i64],
    columns: impl IntoIterator<Item = Value>,
) -> Done<()> {
    let values = key.iter().map(|part| Value::Integer(*part)).chain(columns);
    transaction.prepare_cached(sql)?.execute(params_from_iter(values))?;
    Ok(())
}

/// Returns the second of a sample, but not one before the run's last sample: steps that have been
/// rolled up must not change. If the clock is set back by more than a second, another run begins.
pub(super) fn second(transaction: &Transaction<'_>, run: i64, tick_ns: i64) -> Done<i64> {
    let sql = "UPDATE run SET sampled_s = max(sampled_s, ?2) WHERE id = ?1 RETURNING sampled_s";
    let at_s = tick_ns.div_euclid(1_000_000_000);
    Ok(transaction.prepare_cached(sql)?.query_row([run, at_s], |row| row.get(0))?)
}

/// Rolls up and deletes a bounded number of samples. Returns whether there was anything to do.
/// `current` is the run that is being written.
pub(super) fn keep(connection: &Connection, current: i64, now_s: i64, max_age_s: i64) -> Done<bool> {
    let unfinished = "SELECT id, sampled_s FROM run WHERE sampled_s > 0 AND (id = ?1 OR rolled_3600 <= sampled_s) LIMIT 20";
    let runs = connection
        .prepare_cached(unfinished)?
        .query_map([current], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, i64)>, _>>()?;
    let mut worked = false;
    for (run, sampled_s) in runs {
        for index in 0..STEPS.len() - 1 {
            worked |= roll_up(connection, run, index, (run != current).then_some(sampled_s))?;
        }
    }
    for table in TABLES {
        for (index, step) in STEPS.iter().enumerate() {
            let age = KEPT.get(index).copied().unwrap_or(max_age_s).min(max_age_s);
            worked |= delete_old(connection, &table, index, [*step, now_s, age])?;
        }
    }
    Ok(worked)
}

/// Deletes a bounded number of rows of one step length that are older than `age`, if they have been
/// rolled up. If a run's clock is ahead of `now_s`, ages count from the run's last sample, since
/// times within a run only increase.
fn delete_old(
    connection: &Connection,
    table: &Samples,
    index: usize,
    [step, now_s, age]: [i64; 3],
) -> Done<bool> {
    let before = "max(?2, sampled_s) - ?3";
    let safe =
        STEPS.get(index + 1).map_or(before.to_owned(), |longer| format!("min({before}, rolled_{longer})"));
    let (key, table) = (table.key(), table.table);
    let sql = format!(
        "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM run CROSS JOIN {table} ON run_id = run.id \
         WHERE step_s = ?1 AND at_s < {safe} LIMIT {ROWS_AT_ONCE})"
    );
    Ok(connection.prepare_cached(&sql)?.execute([step, now_s, age])? > 0)
}

/// Deletes the oldest samples of individual processes, shortest steps first, because the history is
/// too large. Samples that are not rolled up yet are kept.
pub(super) fn delete_oldest(connection: &Connection) -> Done<usize> {
    let runs = "SELECT id FROM run WHERE sampled_s > 0 ORDER BY began_ns";
    let runs =
        connection.prepare_cached(runs)?.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    for (index, step) in STEPS.iter().enumerate() {
        let safe = STEPS
            .get(index + 1)
            .map_or("9223372036854775807".to_owned(), |longer| format!("rolled_{longer}"));
        // Run by run, so no sorting is needed: within a run, the key is in order of time.
        let oldest = format!(
            "DELETE FROM usage_sample WHERE (run_id, step_s, at_s, process_id) IN (SELECT run_id, step_s, at_s, process_id \
             FROM usage_sample WHERE run_id = ?1 AND step_s = ?2 AND process_id <> {ALL} \
             AND at_s < (SELECT {safe} FROM run WHERE id = ?1) ORDER BY at_s LIMIT {ROWS_AT_ONCE})"
        );
        for run in &runs {
            let deleted = connection.prepare_cached(&oldest)?.execute([run, step])?;
            if deleted > 0 {
                return Ok(deleted);
            }
        }
    }
    Ok(0)
}

/// Rolls up new samples of one step length into the next longer one. For a run that has ended,
/// `end` is its last second and everything is rolled up. For a running one, only complete steps
/// are rolled up.
fn roll_up(connection: &Connection, run: i64, index: usize, end: Option<i64>) -> Done<bool> {
    let (step, longer) = (STEPS[index], STEPS[index + 1]);
    // End of the complete samples, exclusive: for the shortest length, the last second; for others,
    // the end of what was rolled up.
    let complete = if index == 0 { "sampled_s".to_owned() } else { format!("rolled_{step}") };
    let sql = format!("SELECT rolled_{longer}, {complete} FROM run WHERE id = ?1");
    let (rolled, complete): (i64, i64) =
        connection.prepare_cached(&sql)?.query_row([run], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let complete = match end {
        Some(last) if index == 0 => last + 1,
        Some(_) => complete,
        None => complete - complete.rem_euclid(longer),
    };
    // Each second with a machine sample also has a usage sample.
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
    let pointer = format!("UPDATE run SET rolled_{longer} = ?2 WHERE id = ?1");
    // One transaction, so that nothing is added twice.
    let savepoint = connection.unchecked_transaction()?;
    for table in TABLES {
        let sql = table.roll_up(&SQLITE, ["?1", "?2", "?3", "?4", "?5"]);
        savepoint.prepare_cached(&sql)?.execute([run, step, rolled, until, longer])?;
    }
    savepoint.prepare_cached(&pointer)?.execute([run, until])?;
    savepoint.commit()?;
    Ok(true)
}
