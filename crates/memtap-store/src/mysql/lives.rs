//! Process lifetimes and programs in a range, from process rows, the last samples before the range,
//! and the samples in it. For imports, their requests are used instead.

use std::collections::HashMap;
use std::time::Duration;

use memtap_model::{Call, Tgid, WallClock};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

use super::rows::format_time;
use super::samples::{ALL, OF_PROCESS, point};
use crate::carry::{Carry, Details, ProcessRow, is_match};
use crate::cover::{Cover, StoredRun};
use crate::refusals::Identity;
use crate::steps::STEPS;
use crate::tables::USAGE;
use crate::{LifeQuery, Lives, Measure, ProgramQuery, Programs, UsagePoint};

type Done<T> = mysql_async::Result<T>;

/// Start of a process. For a process known only from requests, the time of the first one.
pub(super) const STARTED: &str = "COALESCE(process.started_at, process.seen)";

/// Up to this number of processes, samples are read process by process.
const FEW: usize = 50;
/// Maximum number of processes named in one statement.
const AT_ONCE: usize = 1_000;

pub(super) async fn lives(connection: &mut impl Queryable, query: &LifeQuery, now_s: i64) -> Done<Lives> {
    let cover = Cover::new(&query.range, Duration::ZERO, now_s);
    let carry = read_carry(connection, cover, query, None).await?;
    let (lives, more) = carry.lives(query.by, query.limit);
    let rows: Vec<u64> = lives.iter().map(|(row, _)| *row).collect();
    let mut details = details(connection, &rows).await?;
    let lives = lives.into_iter().map(|(row, life)| details.remove(&row).unwrap_or_default().add_to(life));
    Ok(Lives { lives: lives.collect(), more })
}

pub(super) async fn programs(
    connection: &mut impl Queryable,
    query: &ProgramQuery,
    now_s: i64,
) -> Done<Programs> {
    let cover = Cover::new(&query.range, query.step, now_s);
    let all = LifeQuery { range: query.range.clone(), ..LifeQuery::default() };
    let carry = read_carry(connection, cover, &all, Some(query.by)).await?;
    Ok(carry.programs(query.top, !query.step.is_zero()))
}

async fn read_carry(
    connection: &mut impl Queryable,
    cover: Cover,
    query: &LifeQuery,
    measure: Option<Measure>,
) -> Done<Carry> {
    let runs = runs(connection, &cover).await?;
    let rows = rows(connection, query, &runs).await?;
    let mut carry = Carry::new(cover, runs, rows, measure);
    for (at, run) in carry.runs().to_vec().iter().enumerate() {
        if run.sampled_s == 0 {
            requests(connection, &mut carry, (at, run)).await?;
            continue;
        }
        for older in carry.older_rows(at).chunks(AT_ONCE) {
            before(connection, &mut carry, (at, run), older).await?;
        }
        let rows = carry.rows(at);
        let rows = if rows.len() > FEW { Vec::new() } else { rows };
        samples(connection, &mut carry, (at, run), &rows).await?;
    }
    Ok(carry)
}

async fn runs(connection: &mut impl Queryable, cover: &Cover) -> Done<Vec<StoredRun>> {
    let mut sql =
        "SELECT id, hostname, boot_id, sampled_s, rolled_10, rolled_60, rolled_600, rolled_3600 FROM run \
        WHERE (sampled_s = 0 OR sampled_s >= ? AND TIMESTAMPDIFF(SECOND, '1970-01-01', began) < ?)"
            .to_owned();
    let mut values: Vec<Value> = vec![cover.from_s.into(), cover.to_s.into()];
    if let Some(host) = &cover.range.host {
        sql.push_str(" AND hostname = ?");
        values.push(host.as_str().into());
    }
    sql.push_str(" ORDER BY began, sampled_s");
    type Run = (u64, String, String, i64, i64, i64, i64, i64);
    let runs: Vec<Run> = connection.exec(sql, values).await?;
    let runs = runs.into_iter().map(|(id, host, boot_id, sampled_s, a, b, c, d)| StoredRun {
        id,
        host: host.into(),
        boot_id,
        sampled_s,
        rolled: [a, b, c, d],
    });
    Ok(runs.collect())
}

async fn rows(
    connection: &mut impl Queryable,
    query: &LifeQuery,
    runs: &[StoredRun],
) -> Done<Vec<ProcessRow>> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let since = |time: &str| format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {time})");
    // The index skips most of the history: it finds the rows of a pid, or those that ended after
    // the start of the range or have no end.
    let index = if query.pid.is_some() { "life" } else { "ended" };
    let mut sql = format!(
        "SELECT id, run_id, pid, start_ns, {}, {}, {}, name FROM process FORCE INDEX ({index}) WHERE run_id IN ({}) AND {STARTED} <= ? \
         AND (ended_at IS NULL OR ended_at >= ?)",
        since(STARTED),
        since("ended_at"),
        since("seen"),
        list(runs.iter().map(|run| run.id)),
    );
    let mut values: Vec<Value> =
        vec![format_time(query.range.to).into(), format_time(query.range.from).into()];
    if let Some(pid) = query.pid {
        sql.push_str(" AND pid = ?");
        values.push(pid.0.into());
    }
    if let Some(started_at) = query.started_at {
        sql.push_str(&format!(" AND TIMESTAMPDIFF(SECOND, '1970-01-01', {STARTED}) = ?"));
        values.push(started_at.0.div_euclid(1_000_000_000).into());
    }
    let time = |microseconds: i64| WallClock(microseconds.saturating_mul(1000));
    let matching = Vec::new();
    connection
        .exec_fold(
            sql,
            values,
            matching,
            |mut matching, row: (u64, u64, u32, u64, i64, Option<i64>, i64, String)| {
                let (id, run, pid, start, started_at, ended_at, seen, name) = row;
                if is_match(query, &name) {
                    matching.push(ProcessRow {
                        id,
                        run,
                        pid: Tgid(pid),
                        start,
                        started_at: time(started_at),
                        ended_at: ended_at.map(time),
                        seen: time(seen),
                        name,
                    });
                }
                matching
            },
        )
        .await
}

/// Adds the last samples of these processes before the range. The shortest step with a sample is
/// the most exact.
async fn before(
    connection: &mut impl Queryable,
    carry: &mut Carry,
    (at, run): (usize, &StoredRun),
    rows: &[u64],
) -> Done<()> {
    let columns =
        USAGE.columns().split(", ").map(|column| format!("sample.{column}")).collect::<Vec<_>>().join(", ");
    let mut missing = rows.to_vec();
    for step in STEPS {
        if missing.is_empty() {
            break;
        }
        let (run, last, these) = (run.id, carry.cover.from_s - step, list(missing.iter().copied()));
        let sql = format!(
            "SELECT last.id, {columns} FROM (SELECT process.id, (SELECT MAX(at_s) FROM {OF_PROCESS} WHERE process_id = process.id \
             AND run_id = {run} AND step_s = {step} AND at_s <= {last}) AS last_s FROM process WHERE process.id IN ({these})) AS last \
             JOIN usage_sample AS sample ON sample.process_id = last.id AND sample.run_id = {run} AND sample.step_s = {step} \
             AND sample.at_s = last.last_s"
        );
        let samples: Vec<Row> = connection.query(sql).await?;
        for row in samples {
            let id: u64 = row.get(0).unwrap_or(0);
            carry.before(at, id, &point(&row, 1));
            missing.retain(|other| *other != id);
        }
    }
    Ok(())
}

/// Adds the samples of these processes, or of all processes if `rows` is empty.
async fn samples(
    connection: &mut impl Queryable,
    carry: &mut Carry,
    (at, run): (usize, &StoredRun),
    rows: &[u64],
) -> Done<()> {
    let (samples, which) = match rows {
        [] => ("usage_sample", format!("process_id <> {ALL}")),
        rows => (OF_PROCESS, format!("process_id IN ({})", list(rows.iter().copied()))),
    };
    let sql = format!(
        "SELECT process_id, at_s, {} FROM {samples} WHERE run_id = ? AND step_s = ? AND at_s >= ? AND at_s < ? AND {which} \
         ORDER BY at_s",
        USAGE.columns()
    );
    for (step, [from, to]) in carry.cover.pieces(run) {
        let values = (run.id, STEPS[step], from, to);
        let add = |(), row: Row| {
            let (id, at_s) = (row.get(0).unwrap_or(0), row.get(1).unwrap_or(0));
            carry.sample(at, id, at_s, &point(&row, 2));
        };
        connection.exec_fold(&sql, values, (), add).await?;
    }
    Ok(())
}

/// Adds the requests of a run without samples.
async fn requests(
    connection: &mut impl Queryable,
    carry: &mut Carry,
    (at, run): (usize, &StoredRun),
) -> Done<()> {
    if carry.rows(at).is_empty() {
        return Ok(());
    }
    let sql = "SELECT process_id, TIMESTAMPDIFF(SECOND, '1970-01-01', timestamp), my_call, errno IS NOT NULL, memory_size, \
        memory_usage.requested_bytes, delta_bytes, memory_usage.virtual_bytes FROM memory_usage JOIN process ON process.id = process_id \
        WHERE run_id = ? AND timestamp >= ? AND timestamp < ?";
    let values = (run.id, format_time(carry.cover.range.from), format_time(carry.cover.range.to));
    type Request = (u64, i64, String, bool, i64, Option<u64>, Option<i64>, Option<u64>);
    let add = |(), row: Request| {
        let (id, at_s, call, is_refused, size, whole, delta, virtual_bytes) = row;
        let Some(call) = Call::from_name(&call) else { return };
        let size = whole.unwrap_or(size.max(0).cast_unsigned());
        let (delta, virtual_bytes) = (delta.unwrap_or(0), virtual_bytes.unwrap_or(0));
        carry.sample(at, id, at_s, &UsagePoint::from_request(call, is_refused, size, delta, virtual_bytes));
    };
    connection.exec_fold(sql, values, (), add).await
}

fn list(ids: impl Iterator<Item = u64>) -> String {
    ids.map(|id| id.to_string()).collect::<Vec<_>>().join(", ")
}

/// Reads the details of process rows. Rows that have just been deleted are missing.
async fn details(connection: &mut impl Queryable, rows: &[u64]) -> Done<HashMap<u64, Details>> {
    let mut details = HashMap::new();
    type Detail = (u64, Option<String>, String, Option<u32>, Option<String>, Option<String>, Option<String>);
    for rows in rows.chunks(AT_ONCE) {
        let these = list(rows.iter().copied());
        let sql = format!(
            "SELECT id, command, user, parent_pid, container, pod, unit FROM process WHERE id IN ({these})"
        );
        let some: Vec<Detail> = connection.query(sql).await?;
        details.extend(some.into_iter().map(|(id, command, user, parent, container, pod, unit)| {
            let command = command.unwrap_or_default();
            (id, Details { command, user, parent: parent.map(Tgid), container, pod, unit })
        }));
    }
    Ok(details)
}

/// Returns the identities of process rows.
pub(super) async fn identities(
    connection: &mut impl Queryable,
    rows: &[u64],
) -> Done<HashMap<u64, Identity>> {
    let mut identities = HashMap::new();
    for rows in rows.chunks(AT_ONCE) {
        let these = list(rows.iter().copied());
        let sql = format!(
            "SELECT process.id, hostname, IF(boot_id = '', CAST(run.id AS CHAR), boot_id), pid, start_ns, \
             TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {STARTED}) FROM process JOIN run ON run.id = run_id WHERE process.id IN ({these})"
        );
        let some: Vec<(u64, String, String, u32, u64, i64)> = connection.query(sql).await?;
        identities.extend(some.into_iter().map(|(id, host, boot, pid, start, started_at)| {
            let started_at = WallClock(started_at.saturating_mul(1000));
            (id, Identity { host: host.into(), boot, pid: Tgid(pid), start, started_at })
        }));
    }
    Ok(identities)
}
