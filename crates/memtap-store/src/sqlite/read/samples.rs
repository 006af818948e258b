//! Reads samples of usage, of the machine's memory and of its calls.

use std::time::Duration;

use memtap_history::UsagePoint;
use memtap_history::rows::{ALL_PROCESSES, CallRow, MachineRow, SampleQuery, SampleRow, StepQuery, Take};
use memtap_model::{Call, WallClock};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::unsigned;
use crate::sqlite::error::Done;
use crate::sqlite::samples::{CALL, call_totals};
use crate::tables::{MACHINE, USAGE};

/// Samples of one process. Without the index hint, SQLite chooses the primary key, which has the
/// same number of known columns, and reads the samples of all processes.
const OF_PROCESS: &str = "usage_sample INDEXED BY usage_sample_process";

pub(super) fn samples(
    connection: &Connection,
    query: &SampleQuery<'_>,
    take: Take<'_, SampleRow>,
) -> Done<()> {
    match query.rows {
        None => read(connection, &query.steps, ("usage_sample", "process_id <>", ALL_PROCESSES), take),
        Some(rows) => rows
            .iter()
            .try_for_each(|row| read(connection, &query.steps, (OF_PROCESS, "process_id =", *row), take)),
    }
}

fn read(
    connection: &Connection,
    steps: &StepQuery,
    (table, which, process): (&str, &str, u64),
    take: Take<'_, SampleRow>,
) -> Done<()> {
    let sql = format!(
        "SELECT process_id, at_s, {} FROM {table} WHERE run_id = ?1 AND step_s = ?2 AND at_s >= ?3 AND at_s < ?4 \
         AND {which} ?5 ORDER BY at_s",
        USAGE.columns()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let [run, process] = [steps.run, process].map(u64::cast_signed);
    let mut rows = statement.query([run, steps.step_s, steps.from_s, steps.to_s, process])?;
    while let Some(row) = rows.next()? {
        take(SampleRow { process: unsigned(row, 0)?, at_s: row.get(1)?, point: point(row, 2)? });
    }
    Ok(())
}

pub(super) fn last_samples(
    connection: &Connection,
    run: u64,
    rows: &[u64],
    [step_s, at_s]: [i64; 2],
) -> Done<Vec<SampleRow>> {
    let sql = format!(
        "SELECT at_s, {} FROM {OF_PROCESS} WHERE process_id = ?1 AND run_id = ?2 AND step_s = ?3 AND at_s <= ?4 \
         ORDER BY at_s DESC LIMIT 1",
        USAGE.columns()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut samples = Vec::new();
    for process in rows {
        let last = statement.query_row([process.cast_signed(), run.cast_signed(), step_s, at_s], |row| {
            Ok(SampleRow { process: *process, at_s: row.get(0)?, point: point(row, 1)? })
        });
        samples.extend(last.optional()?);
    }
    Ok(samples)
}

/// Reads a sample, from column `first` on.
fn point(row: &Row<'_>, first: usize) -> rusqlite::Result<UsagePoint> {
    let number = |index: usize| unsigned(row, first + index);
    Ok(UsagePoint {
        from: WallClock(0),
        step: Duration::ZERO,
        virtual_bytes: number(0)?,
        anonymous_bytes: number(1)?,
        file_bytes: number(2)?,
        shmem_bytes: number(3)?,
        swap_bytes: number(4)?,
        peak_virtual_bytes: number(5)?,
        peak_resident_bytes: number(6)?,
        requests: number(7)?,
        refused: number(8)?,
        requested_bytes: number(9)?,
        granted_bytes: number(10)?,
        released_bytes: number(11)?,
        minor_faults: number(12)?,
        major_faults: number(13)?,
    })
}

/// SQL condition for the steps of a [`StepQuery`], in order of time.
const STEPS: &str = "run_id = ?1 AND step_s = ?2 AND at_s >= ?3 AND at_s < ?4 ORDER BY at_s";

pub(super) fn machine_samples(connection: &Connection, steps: &StepQuery) -> Done<Vec<MachineRow>> {
    let sql = format!("SELECT at_s, {} FROM machine_sample WHERE {STEPS}", MACHINE.columns());
    let mut statement = connection.prepare_cached(&sql)?;
    let values = params![steps.run.cast_signed(), steps.step_s, steps.from_s, steps.to_s];
    let rows = statement.query_map(values, |row| {
        let mut sizes = [0; 8];
        for (index, size) in sizes.iter_mut().enumerate() {
            *size = unsigned(row, 1 + index)?;
        }
        Ok(MachineRow {
            at_s: row.get(0)?,
            sizes,
            pressure: [row.get(9)?, row.get(10)?],
            least_available_bytes: unsigned(row, 11)?,
            lost: unsigned(row, 12)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn call_samples(connection: &Connection, steps: &StepQuery) -> Done<Vec<CallRow>> {
    let sql = format!("SELECT at_s, call_id, {} FROM call_sample WHERE {STEPS}, call_id", CALL.columns());
    let mut statement = connection.prepare_cached(&sql)?;
    let values = params![steps.run.cast_signed(), steps.step_s, steps.from_s, steps.to_s];
    let mut rows = statement.query(values)?;
    let mut samples = Vec::new();
    while let Some(row) = rows.next()? {
        // A later version may have stored calls that are unknown here.
        if let Some(call) = Call::from_index(usize::from(row.get::<_, u16>(1)?)) {
            samples.push(CallRow { at_s: row.get(0)?, call, totals: call_totals(row, 2)? });
        }
    }
    Ok(samples)
}
