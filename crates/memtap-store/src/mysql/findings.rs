//! Requested sizes, refused requests and OOM kills in a range.

use std::time::Duration;

use memtap_model::{Call, Comm, Errno, Resident, Tgid, WallClock};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

use super::filter::Filter;
use super::lives::identities;
use super::rows::format_time;
use crate::calls::StepCount;
use crate::refusals::{Refusals, RefusedRow};
use crate::sizes::SizeCount;
use crate::{ProcessCalls, Range, Refused, RequestQuery, Sizes, StoreError, StoredMoment, StoredOomKill};

type Done<T> = mysql_async::Result<T>;

/// Columns that [`sized`] reads. In rows of the original system they may be NULL.
const SIZED: &str = "my_call, COALESCE(memory_size, 0), requested_bytes, COALESCE(errno, 0), \
    COALESCE(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', timestamp), 0)";

/// Reads the columns [`SIZED`]: call, size, errno and time. Returns `None` for an unknown call.
fn sized(row: &Row) -> Option<(Call, u64, u16, WallClock)> {
    let call = Call::from_name(&row.get::<String, _>(0)?)?;
    let size: i64 = row.get(1)?;
    let whole: Option<u64> = row.get(2)?;
    let microseconds: i64 = row.get(4)?;
    let size = whole.unwrap_or(size.max(0).cast_unsigned());
    Some((call, size, row.get(3)?, WallClock(microseconds.saturating_mul(1000))))
}

pub(super) fn sizes_of(query: &RequestQuery) -> Result<Filter, StoreError> {
    let query = RequestQuery { cursor: None, ..query.clone() };
    Filter::new(&query, &format!("SELECT {SIZED} FROM memory_usage WHERE true"))
}

pub(super) async fn sizes(connection: &mut impl Queryable, filter: Filter, limit: u64) -> Done<Sizes> {
    let (sql, values) = filter.finish(limit);
    let begin = (SizeCount::default(), 0);
    let add = |(mut count, rows): (SizeCount, u64), row: Row| {
        if let Some((call, size, errno, time)) = sized(&row).filter(|_| rows < limit) {
            count.add(call, size, errno != 0, time);
        }
        (count, rows + 1)
    };
    let (count, rows) = connection.exec_fold(sql, values, begin, add).await?;
    Ok(count.finish(rows > limit))
}

/// The process name is included only for the first thread, or if the row has no thread id: other
/// threads have names of their own.
pub(super) fn calls_of(query: &RequestQuery) -> Result<Filter, StoreError> {
    let query = RequestQuery { cursor: None, ..query.clone() };
    let sql = format!(
        "SELECT {SIZED}, COALESCE(tid = pid, true), process_name, name_bytes FROM memory_usage WHERE true"
    );
    Filter::new(&query, &sql)
}

pub(super) async fn calls(
    connection: &mut impl Queryable,
    filter: Filter,
    limit: u64,
    step: Duration,
) -> Done<ProcessCalls> {
    let (sql, values) = filter.finish(limit);
    let begin = (StepCount::new(step), 0);
    let add = |(mut count, rows): (StepCount, u64), row: Row| {
        if let Some((call, _, errno, time)) = sized(&row).filter(|_| rows < limit) {
            let name = if row.get(5) == Some(true) { name(&row, 6) } else { None };
            count.add(call, errno != 0, time, name);
        }
        (count, rows + 1)
    };
    let (count, rows) = connection.exec_fold(sql, values, begin, add).await?;
    Ok(count.finish(rows > limit))
}

/// Reads a process name: from its bytes if the text is not exact, otherwise from the text.
fn name(row: &Row, text: usize) -> Option<Comm> {
    let bytes: Vec<u8> = match row.get::<Option<Vec<u8>>, _>(text + 1)? {
        Some(bytes) => bytes,
        None => row.get::<Option<Vec<u8>>, _>(text)??,
    };
    Some(Comm::new(&bytes))
}

pub(super) fn refusals_of(query: &RequestQuery) -> Result<Option<Filter>, StoreError> {
    if query.refused == Some(false) {
        return Ok(None);
    }
    let query = RequestQuery { cursor: None, refused: Some(true), ..query.clone() };
    let sql = format!(
        "SELECT {SIZED}, process_id, process_name, name_bytes FROM memory_usage WHERE process_id IS NOT NULL"
    );
    Filter::new(&query, &sql).map(Some)
}

pub(super) async fn refusals(
    connection: &mut impl Queryable,
    filter: Option<Filter>,
    limit: usize,
) -> Done<Vec<Refused>> {
    let Some(Filter { sql, values }) = filter else { return Ok(Vec::new()) };
    let refusals = connection
        .exec_fold(format!("{sql} ORDER BY id DESC"), values, Refusals::new(limit), |mut all, row: Row| {
            if let Some(row) = refused(&row) {
                all.add(&row);
            }
            all
        })
        .await?;
    let identities = identities(connection, &refusals.processes()).await?;
    Ok(refusals.finish(&identities))
}

fn refused(row: &Row) -> Option<RefusedRow> {
    let (call, size, errno, time) = sized(row)?;
    Some(RefusedRow { process: row.get(5)?, call, errno: Errno(errno), size, time, name: name(row, 6)? })
}

pub(super) async fn oom_kills(
    connection: &mut impl Queryable,
    range: &Range,
    limit: usize,
) -> Done<Vec<StoredOomKill>> {
    let mut sql = "SELECT oom_kill.id, host, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', timestamp), victim_pid, victim_name, command, \
        container, oom_kill.virtual_bytes, anonymous_bytes, file_bytes, shmem_bytes, oom_kill.swap_bytes, asker_pid, asker_name \
        FROM oom_kill LEFT JOIN process ON process.id = process_id WHERE timestamp >= ? AND timestamp < ?"
        .to_owned();
    let mut values: Vec<Value> = vec![format_time(range.from).into(), format_time(range.to).into()];
    if let Some(host) = &range.host {
        sql.push_str(" AND host = ?");
        values.push(host.as_str().into());
    }
    sql.push_str(" ORDER BY timestamp DESC, oom_kill.id DESC LIMIT ?");
    values.push(super::reader::limit(limit).into());
    let rows: Vec<Row> = connection.exec(sql, values).await?;
    let mut kills = Vec::new();
    for row in rows {
        let before = moments(connection, row.get(0).unwrap_or(0)).await?;
        kills.extend(kill(&row).map(|kill| StoredOomKill { before, ..kill }));
    }
    Ok(kills)
}

fn kill(row: &Row) -> Option<StoredOomKill> {
    Some(StoredOomKill {
        host: row.get::<String, _>(1)?.into(),
        time: WallClock(row.get::<i64, _>(2)?.saturating_mul(1000)),
        victim: Tgid(row.get(3)?),
        victim_name: row.get(4)?,
        command: row.get::<Option<String>, _>(5)?.unwrap_or_default(),
        container: row.get(6)?,
        virtual_bytes: row.get(7)?,
        resident: Resident {
            anonymous_bytes: row.get(8)?,
            file_bytes: row.get(9)?,
            shmem_bytes: row.get(10)?,
            swap_bytes: row.get(11)?,
        },
        asker: Tgid(row.get(12)?),
        asker_name: row.get(13)?,
        before: Vec::new(),
    })
}

async fn moments(connection: &mut impl Queryable, kill: u64) -> Done<Vec<StoredMoment>> {
    let sql = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', timestamp), available_bytes, pid, name, virtual_bytes, resident_bytes \
        FROM oom_before WHERE oom_id = ? ORDER BY timestamp, resident_bytes DESC, pid";
    let rows: Vec<(i64, u64, u32, String, u64, u64)> = connection.exec(sql, (kill,)).await?;
    let mut moments = Vec::new();
    for (microseconds, available_bytes, pid, name, virtual_bytes, resident_bytes) in rows {
        let time = WallClock(microseconds.saturating_mul(1000));
        StoredMoment::add(
            &mut moments,
            time,
            available_bytes,
            (Tgid(pid), name, virtual_bytes, resident_bytes),
        );
    }
    Ok(moments)
}
