//! Reads samples of usage, of the machine's memory and of its calls.

use std::time::Duration;

use memtap_history::UsagePoint;
use memtap_history::rows::{ALL_PROCESSES, CallRow, MachineRow, SampleQuery, SampleRow, StepQuery, Take};
use memtap_model::{Call, CallTotals, WallClock};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

use super::processes::AT_ONCE;
use super::{Done, list};
use crate::mysql::samples::CALL;
use crate::tables::{MACHINE, USAGE};

/// Samples of some processes. The index hint overrides the server's statistics.
const OF_PROCESS: &str = "usage_sample FORCE INDEX (`process`)";

pub(super) async fn samples(
    connection: &mut impl Queryable,
    query: &SampleQuery<'_>,
    take: Take<'_, SampleRow>,
) -> Done<()> {
    let (table, which) = match query.rows {
        None => ("usage_sample", format!("process_id <> {ALL_PROCESSES}")),
        Some([]) => return Ok(()),
        Some(rows) => (OF_PROCESS, format!("process_id IN ({})", list(rows.iter().copied()))),
    };
    let sql = format!(
        "SELECT process_id, at_s, {} FROM {table} WHERE run_id = ? AND step_s = ? AND at_s >= ? AND at_s < ? AND {which} \
         ORDER BY at_s",
        USAGE.columns()
    );
    connection.exec_fold(sql, place(&query.steps), (), |(), row: Row| take(sample(&row))).await
}

pub(super) async fn last_samples(
    connection: &mut impl Queryable,
    run: u64,
    rows: &[u64],
    [step_s, at_s]: [i64; 2],
) -> Done<Vec<SampleRow>> {
    let columns =
        USAGE.columns().split(", ").map(|column| format!("sample.{column}")).collect::<Vec<_>>().join(", ");
    let mut samples = Vec::new();
    if let [process] = rows {
        // The join leaves out the sums of all processes, which have no process row.
        let sql = format!(
            "SELECT process_id, at_s, {} FROM {OF_PROCESS} WHERE process_id = ? AND run_id = ? AND step_s = ? AND at_s <= ? \
             ORDER BY at_s DESC LIMIT 1",
            USAGE.columns()
        );
        let last: Option<Row> = connection.exec_first(sql, (process, run, step_s, at_s)).await?;
        return Ok(last.iter().map(sample).collect());
    }
    for rows in rows.chunks(AT_ONCE) {
        let ids = list(rows.iter().copied());
        let sql = format!(
            "SELECT last.id, last.last_s, {columns} FROM (SELECT process.id, (SELECT MAX(at_s) FROM {OF_PROCESS} WHERE process_id = process.id \
             AND run_id = {run} AND step_s = {step_s} AND at_s <= {at_s}) AS last_s FROM process WHERE process.id IN ({ids})) AS last \
             JOIN usage_sample AS sample ON sample.process_id = last.id AND sample.run_id = {run} AND sample.step_s = {step_s} \
             AND sample.at_s = last.last_s"
        );
        let rows: Vec<Row> = connection.query(sql).await?;
        samples.extend(rows.iter().map(sample));
    }
    Ok(samples)
}

/// Reads a sample: process, second, and the sample's columns.
fn sample(row: &Row) -> SampleRow {
    let number = |index: usize| row.get::<u64, _>(2 + index).unwrap_or(0);
    let point = UsagePoint {
        from: WallClock(0),
        step: Duration::ZERO,
        virtual_bytes: number(0),
        anonymous_bytes: number(1),
        file_bytes: number(2),
        shmem_bytes: number(3),
        swap_bytes: number(4),
        peak_virtual_bytes: number(5),
        peak_resident_bytes: number(6),
        requests: number(7),
        refused: number(8),
        requested_bytes: number(9),
        granted_bytes: number(10),
        released_bytes: number(11),
        minor_faults: number(12),
        major_faults: number(13),
    };
    SampleRow { process: row.get(0).unwrap_or(0), at_s: row.get(1).unwrap_or(0), point }
}

/// SQL condition for the steps of a [`StepQuery`], in order of time.
const STEPS: &str = "run_id = ? AND step_s = ? AND at_s >= ? AND at_s < ? ORDER BY at_s";

fn place(steps: &StepQuery) -> Vec<Value> {
    vec![steps.run.into(), steps.step_s.into(), steps.from_s.into(), steps.to_s.into()]
}

pub(super) async fn machine_samples(
    connection: &mut impl Queryable,
    steps: &StepQuery,
) -> Done<Vec<MachineRow>> {
    let sql = format!("SELECT at_s, {} FROM machine_sample WHERE {STEPS}", MACHINE.columns());
    let rows: Vec<Row> = connection.exec(sql, place(steps)).await?;
    Ok(rows.iter().map(machine_sample).collect())
}

fn machine_sample(row: &Row) -> MachineRow {
    let number = |index: usize| row.get::<u64, _>(index).unwrap_or(0);
    let share = |index: usize| row.get::<Option<f64>, _>(index).flatten();
    MachineRow {
        at_s: row.get(0).unwrap_or(0),
        sizes: std::array::from_fn(|index| number(1 + index)),
        pressure: [share(9), share(10)],
        least_available_bytes: number(11),
        lost: number(12),
    }
}

pub(super) async fn call_samples(connection: &mut impl Queryable, steps: &StepQuery) -> Done<Vec<CallRow>> {
    let sql = format!("SELECT at_s, my_call, {} FROM call_sample WHERE {STEPS}", CALL.columns());
    let rows: Vec<(i64, String, u64, u64, u64)> = connection.exec(sql, place(steps)).await?;
    // A later version may have stored calls that are unknown here.
    let samples = rows.into_iter().filter_map(|(at_s, name, count, requested_bytes, refused)| {
        let totals = CallTotals { count, requested_bytes, refused };
        Some(CallRow { at_s, call: Call::from_name(&name)?, totals })
    });
    Ok(samples.collect())
}
