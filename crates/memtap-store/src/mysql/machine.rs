//! Reads the machine's memory, its calls, and the list of machines.

use std::collections::HashMap;

use memtap_model::{Call, CallTotals, WallClock};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

use super::samples::{CALL, SampledRun, sampled_runs};
use crate::machine::{self, point};
use crate::steps::{Sample, choose, merge, parts, seconds, width};
use crate::tables::MACHINE;
use crate::{HostRun, MachinePoint, Range, StoredHost, UsageQuery};

type Done<T> = mysql_async::Result<T>;

/// Returns the machine's samples for the range and step of the query. The process in the query is
/// ignored.
pub(super) async fn machine(
    connection: &mut impl Queryable,
    query: &UsageQuery,
    now_s: i64,
) -> Done<Vec<MachinePoint>> {
    let chosen = choose(query, now_s);
    let width = width(query, chosen);
    let [from, to] = seconds(query, width);
    let mut samples = Vec::new();
    for SampledRun { run, host, rolled, .. } in sampled_runs(connection, query, from, to).await? {
        for (step, begin) in parts(chosen, from, rolled) {
            for (at_s, point) in read(connection, run, step, [begin, to]).await? {
                samples.push(Sample { host: host.clone(), at_s, point });
            }
        }
    }
    samples.sort_by_key(|sample| sample.at_s);
    Ok(merge(samples, width))
}

async fn read(
    connection: &mut impl Queryable,
    run: u64,
    step: i64,
    [from, to]: [i64; 2],
) -> Done<Vec<(i64, MachinePoint)>> {
    let within = "run_id = ? AND step_s = ? AND at_s >= ? AND at_s < ? ORDER BY at_s";
    let sql = format!("SELECT at_s, my_call, {} FROM call_sample WHERE {within}", CALL.columns());
    let rows: Vec<(i64, String, u64, u64, u64)> = connection.exec(sql, (run, step, from, to)).await?;
    let mut calls: HashMap<i64, Vec<(Call, CallTotals)>> = HashMap::new();
    for (at_s, name, count, requested_bytes, refused) in rows {
        // A later version may have stored calls that are unknown here.
        if let Some(call) = Call::from_name(&name) {
            calls.entry(at_s).or_default().push((call, CallTotals { count, requested_bytes, refused }));
        }
    }
    calls.values_mut().for_each(|calls| calls.sort_unstable_by_key(|(call, _)| call.index()));
    let sql = format!("SELECT at_s, {} FROM machine_sample WHERE {within}", MACHINE.columns());
    let rows: Vec<Row> = connection.exec(sql, (run, step, from, to)).await?;
    let points = rows.iter().map(|row| {
        let at_s = row.get(0).unwrap_or(0);
        (at_s, MachinePoint { calls: calls.remove(&at_s).unwrap_or_default(), ..stored(row) })
    });
    Ok(points.collect())
}

/// Reads a sample, from the second column on.
fn stored(row: &Row) -> MachinePoint {
    let number = |index: usize| row.get::<u64, _>(index).unwrap_or(0);
    let share = |index: usize| row.get::<Option<f64>, _>(index).flatten();
    let sizes = std::array::from_fn(|index| number(1 + index));
    point(sizes, [share(9), share(10)], number(11), number(12))
}

pub(super) async fn hosts(connection: &mut impl Queryable) -> Done<Vec<StoredHost>> {
    let microseconds = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', began)";
    let sql = format!(
        "SELECT hostname, kernel, MIN({microseconds}), MAX({microseconds}), MAX(GREATEST({microseconds}, sampled_s * 1000000)) \
         FROM run GROUP BY hostname, kernel"
    );
    let rows: Vec<(String, String, i64, i64, i64)> = connection.query(sql).await?;
    let time = |microseconds: i64| WallClock(microseconds.saturating_mul(1000));
    Ok(machine::hosts(
        rows.into_iter()
            .map(|(hostname, kernel, first, began, last)| (hostname, kernel, [first, began, last].map(time))),
    ))
}

pub(super) async fn runs(connection: &mut impl Queryable, range: &Range, limit: usize) -> Done<Vec<HostRun>> {
    let microseconds = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', began)";
    let mut sql = format!(
        "SELECT hostname, kernel, {microseconds}, sampled_s, requests, refused, lost FROM run \
         WHERE sampled_s > 0 AND sampled_s >= ? AND {microseconds} * 1000 < ?"
    );
    let mut values: Vec<Value> = vec![range.from.0.div_euclid(1_000_000_000).into(), range.to.0.into()];
    if let Some(host) = &range.host {
        sql.push_str(" AND hostname = ?");
        values.push(host.as_str().into());
    }
    sql.push_str(" ORDER BY began DESC, sampled_s DESC LIMIT ?");
    values.push(limit.into());
    type Run = (String, String, i64, i64, u64, u64, u64);
    let rows: Vec<Run> = connection.exec(sql, values).await?;
    let runs = rows.into_iter().map(|(hostname, kernel, began, last_s, requests, refused, lost)| HostRun {
        hostname,
        kernel,
        began: WallClock(began.saturating_mul(1000)),
        last: WallClock(last_s.saturating_mul(1_000_000_000)),
        requests,
        refused,
        lost,
    });
    Ok(runs.collect())
}
