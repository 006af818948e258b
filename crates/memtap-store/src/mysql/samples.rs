//! Samples of usage, of the machine and of its calls: written once a second, rolled up into longer
//! steps, deleted by age, and read.

use std::sync::LazyLock;

use memtap_history::rows::ALL_PROCESSES;
use memtap_history::steps::{Counters, FAULTS, KEPT, STEPS, TickSample};
use memtap_history::{AllProcesses, machine_sizes};
use memtap_ledger::ProcessSummary;
use memtap_model::{CALLS, Call, CallTotals, WallClock};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};

use super::rows::format_time;
use crate::tables::{Dialect, MACHINE, Samples, USAGE, calls};

type Done<T> = mysql_async::Result<T>;

/// Maximum number of rows deleted at once.
const ROWS_AT_ONCE: i64 = 5_000;
/// Maximum number of longer steps written at once.
const STEPS_AT_ONCE: i64 = 60;

/// Calls of all processes.
pub(super) const CALL: Samples = calls("my_call");
const TABLES: [Samples; 3] = [USAGE, MACHINE, CALL];

const MYSQL: Dialect = Dialect {
    larger: "GREATEST",
    smaller: "LEAST",
    on_duplicate: |_| "ON DUPLICATE KEY UPDATE".to_owned(),
    incoming: |column| format!("VALUES({column})"),
};

/// Cached INSERT statements: they are executed at each tick for each process.
static INSERT_USAGE: LazyLock<String> = LazyLock::new(|| USAGE.insert(&MYSQL));
static INSERT_MACHINE: LazyLock<String> = LazyLock::new(|| MACHINE.insert(&MYSQL));
static INSERT_CALL: LazyLock<String> = LazyLock::new(|| CALL.insert(&MYSQL));

/// Returns the second of a sample, but not one before the run's last sample. If the clock is set
/// back by more than a second, another run begins.
pub(super) async fn second(connection: &mut Conn, run: u64, tick: WallClock) -> Done<i64> {
    let at_s = tick.0.div_euclid(1_000_000_000);
    connection
        .exec_drop("UPDATE run SET sampled_s = GREATEST(sampled_s, ?) WHERE id = ?", (at_s, run))
        .await?;
    let known: Option<i64> = connection.exec_first("SELECT sampled_s FROM run WHERE id = ?", (run,)).await?;
    Ok(known.unwrap_or(at_s))
}

/// Writes the sample of a process in the second `at_s`. Call it before updating the process row,
/// which has the previous totals.
pub(super) async fn process(
    connection: &mut Conn,
    run: u64,
    id: u64,
    at_s: i64,
    summary: &ProcessSummary,
) -> Done<()> {
    let sample = TickSample::from(summary);
    let known = "SELECT process.requests, process.refused, process.requested_bytes, \
        process.granted_bytes, process.released_bytes, process.minor_faults, process.major_faults, \
        started_at IS NULL AND ? < began FROM process JOIN run ON run.id = run_id WHERE process.id = ?";
    let known: Option<Row> = connection.exec_first(known, (format_time(summary.started_at), id)).await?;
    let is_old = known.as_ref().and_then(|row| row.get(7)).unwrap_or(false);
    let mut before = counters(known.as_ref());
    // For a process older than the run, page faults before the run do not count in the first step.
    if is_old {
        before[FAULTS].copy_from_slice(&sample.counters[FAULTS]);
    }
    usage_row(connection, (run, at_s, id), &sample, before).await
}

/// Writes the samples of all processes of the run together, of the machine, and of the calls.
pub(super) async fn all(connection: &mut Conn, run: u64, at_s: i64, all: &AllProcesses) -> Done<()> {
    let sample = TickSample::from(all);
    let known = "SELECT requests, refused, requested_bytes, granted_bytes, released_bytes, minor_faults, major_faults, lost FROM run WHERE id = ?";
    let known: Option<Row> = connection.exec_first(known, (run,)).await?;
    let lost = known.as_ref().and_then(|row| row.get(7)).unwrap_or(0);
    let before = counters(known.as_ref());
    usage_row(connection, (run, at_s, ALL_PROCESSES), &sample, before).await?;
    let sql = "UPDATE run SET requests = ?, refused = ?, requested_bytes = ?, granted_bytes = ?, released_bytes = ?, minor_faults = ?, \
        major_faults = ? WHERE id = ?";
    let values: Vec<Value> = sample.counters.into_iter().chain([run]).map(Value::from).collect();
    connection.exec_drop(sql, values).await?;
    if all.has_machine() {
        machine_row(connection, (run, at_s), all, lost).await?;
        call_rows(connection, (run, at_s), all).await?;
    }
    Ok(())
}

/// Writes the machine's sample. `lost`: number of lost requests at the previous sample.
async fn machine_row(
    connection: &mut Conn,
    (run, at_s): (u64, i64),
    all: &AllProcesses,
    lost: u64,
) -> Done<()> {
    let pressure = all.host.pressure;
    let pressure =
        [pressure.map(|pressure| pressure.some_avg10), pressure.map(|pressure| pressure.full_avg10)];
    let tail = [all.host.available_bytes, all.lost.saturating_sub(lost)];
    let mut values: Vec<Value> = vec![run.into(), 1.into(), at_s.into()];
    values.extend(machine_sizes(&all.host).map(Value::from));
    values.extend(pressure.map(Value::from));
    values.extend(tail.map(Value::from));
    connection.exec_drop(INSERT_MACHINE.as_str(), values).await?;
    connection.exec_drop("UPDATE run SET lost = ? WHERE id = ?", (all.lost, run)).await
}

async fn call_rows(connection: &mut Conn, (run, at_s): (u64, i64), all: &AllProcesses) -> Done<()> {
    let sql = "SELECT my_call, count, requested_bytes, refused FROM run_call WHERE run_id = ?";
    let known: Vec<(String, u64, u64, u64)> = connection.exec(sql, (run,)).await?;
    let mut before = [CallTotals::default(); Call::COUNT];
    for (name, count, requested_bytes, refused) in known {
        if let Some(call) = Call::from_name(&name) {
            before[call.index()] = CallTotals { count, requested_bytes, refused };
        }
    }
    let changed =
        CALLS.iter().zip(all.calls.into_iter().zip(before)).filter(|(_, (now, before))| now != before);
    let (mut done, mut known) = (Vec::new(), Vec::new());
    for (row, (now, before)) in changed {
        known.push((run, row.name, now.count, now.requested_bytes, now.refused));
        let since = now.since(before);
        if since.count > 0 {
            done.push((run, 1, at_s, row.name, since.count, since.requested_bytes, since.refused));
        }
    }
    connection.exec_batch(INSERT_CALL.as_str(), done).await?;
    let sql =
        "REPLACE INTO run_call (run_id, my_call, count, requested_bytes, refused) VALUES (?, ?, ?, ?, ?)";
    connection.exec_batch(sql, known).await
}

/// Reads the first columns of a row; zero without a row.
fn counters(row: Option<&Row>) -> Counters {
    std::array::from_fn(|index| row.and_then(|row| row.get(index)).unwrap_or(0))
}

async fn usage_row(
    connection: &mut Conn,
    (run, at_s, id): (u64, i64, u64),
    sample: &TickSample,
    before: Counters,
) -> Done<()> {
    let mut values: Vec<Value> = vec![run.into(), 1.into(), at_s.into(), id.into()];
    values.extend(sample.sizes.into_iter().chain(sample.since(before)).map(Value::from));
    connection.exec_drop(INSERT_USAGE.as_str(), values).await
}

/// Rolls up and deletes a bounded number of this machine's samples. Returns whether there was
/// anything to do. `current` is the run that is being written.
pub(super) async fn keep(
    connection: &mut Conn,
    host: &str,
    current: u64,
    now_s: i64,
    max_age_s: i64,
) -> Done<bool> {
    let mut worked = false;
    let sql = "SELECT id, sampled_s FROM run WHERE hostname = ? AND sampled_s > 0 AND (id = ? OR rolled_3600 <= sampled_s) LIMIT 20";
    let runs: Vec<(u64, i64)> = connection.exec(sql, (host, current)).await?;
    for (run, sampled_s) in runs {
        for index in 0..STEPS.len() - 1 {
            worked |= roll_up(connection, run, index, (run != current).then_some(sampled_s)).await?;
        }
    }
    for Samples { table, .. } in TABLES {
        for (index, step) in STEPS.iter().enumerate() {
            let age = KEPT.get(index).copied().unwrap_or(max_age_s).min(max_age_s);
            worked |= delete_old(connection, table, host, index, [*step, now_s, age]).await?;
        }
    }
    Ok(worked)
}

/// Deletes a bounded number of rows of one step length that are older than `age`, from all runs of
/// this machine, if they have been rolled up. If a run's clock is ahead of `now_s`, ages count from
/// the run's last sample, since times within a run only increase.
async fn delete_old(
    connection: &mut Conn,
    table: &str,
    host: &str,
    index: usize,
    [step, now_s, age]: [i64; 3],
) -> Done<bool> {
    let before = format!("GREATEST({now_s}, sampled_s) - {age}");
    let safe =
        STEPS.get(index + 1).map_or(before.clone(), |longer| format!("LEAST({before}, rolled_{longer})"));
    let runs = format!(
        "SELECT run.id, CAST({safe} AS SIGNED) FROM run WHERE hostname = ? AND \
         (SELECT at_s FROM {table} WHERE run_id = run.id AND step_s = {step} ORDER BY at_s LIMIT 1) < {safe} LIMIT 20"
    );
    let runs: Vec<(u64, i64)> = connection.exec(runs, (host,)).await?;
    let mut left = ROWS_AT_ONCE.unsigned_abs();
    for (run, end) in &runs {
        let sql = format!(
            "DELETE FROM {table} WHERE run_id = {run} AND step_s = {step} AND at_s < {end} LIMIT {left}"
        );
        connection.query_drop(sql).await?;
        left = left.saturating_sub(connection.affected_rows());
        if left == 0 {
            break;
        }
    }
    Ok(!runs.is_empty())
}

/// Rolls up new samples of one step length into the next longer one. For a run that has ended,
/// `end` is its last second and everything is rolled up. For a running one, only complete steps
/// are rolled up.
async fn roll_up(connection: &mut Conn, run: u64, index: usize, end: Option<i64>) -> Done<bool> {
    let (step, longer) = (STEPS[index], STEPS[index + 1]);
    let complete = if index == 0 { "sampled_s".to_owned() } else { format!("rolled_{step}") };
    let sql = format!("SELECT rolled_{longer}, {complete} FROM run WHERE id = ?");
    let known: Option<(i64, i64)> = connection.exec_first(sql, (run,)).await?;
    let (rolled, complete) = known.unwrap_or_default();
    let complete = match end {
        Some(last) if index == 0 => last + 1,
        Some(_) => complete,
        None => complete - complete.rem_euclid(longer),
    };
    // Each second with a machine sample also has a usage sample.
    let sql = "SELECT MIN(at_s) FROM usage_sample WHERE run_id = ? AND step_s = ? AND at_s >= ? AND at_s < ?";
    let first: Option<Option<i64>> = connection.exec_first(sql, (run, step, rolled, complete)).await?;
    let pointer = format!("UPDATE run SET rolled_{longer} = ? WHERE id = ?");
    let Some(first) = first.flatten() else {
        if complete > rolled {
            connection.exec_drop(pointer, (complete, run)).await?;
        }
        return Ok(false);
    };
    let until = complete.min(first - first.rem_euclid(longer) + STEPS_AT_ONCE * longer);
    // One transaction, so that nothing is added twice.
    connection.query_drop("START TRANSACTION").await?;
    let numbers =
        [run.to_string(), step.to_string(), rolled.to_string(), until.to_string(), longer.to_string()];
    for table in TABLES {
        let sql = table.roll_up(&MYSQL, numbers.each_ref().map(String::as_str));
        connection.query_drop(sql).await?;
    }
    connection.exec_drop(pointer, (until, run)).await?;
    connection.query_drop("COMMIT").await?;
    Ok(true)
}
