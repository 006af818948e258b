//! Requested sizes, refused requests and OOM kills in a range.

use std::time::Duration;

use memtap_model::{Comm, Errno, Resident, Tgid, WallClock};
use rusqlite::{Connection, Row, params, params_from_iter};

use super::filter::Filter;
use super::lives::{call, identities};
use crate::calls::StepCount;
use crate::refusals::{Refusals, RefusedRow};
use crate::sizes::SizeCount;
use crate::{ProcessCalls, Range, Refused, RequestQuery, Sizes, StoreError, StoredMoment, StoredOomKill};

const SIZES: &str = "SELECT what.call_id, request.size, what.errno IS NOT NULL, request.time_ns FROM request \
    CROSS JOIN what ON what.id = request.what_id WHERE 1";

/// The name is NULL for other threads than the first: only the first has the process's name.
const CALLS: &str = "SELECT request.time_ns, what.call_id, what.errno IS NOT NULL, CASE WHEN who.tid = process.pid THEN name.bytes END \
    FROM request CROSS JOIN what ON what.id = request.what_id CROSS JOIN who ON who.id = request.who_id \
    CROSS JOIN process ON process.id = who.process_id CROSS JOIN name ON name.id = who.name_id WHERE 1";

/// Reads the table `refused` first: it has few rows.
const REFUSED: &str = "SELECT who.process_id, what.call_id, what.errno, request.size, request.time_ns, name.bytes FROM refused \
    CROSS JOIN request ON request.id = refused.request_id CROSS JOIN what ON what.id = request.what_id \
    CROSS JOIN who ON who.id = request.who_id CROSS JOIN name ON name.id = who.name_id WHERE what.errno IS NOT NULL";

/// If a kill's process is unknown, the host is taken from the run that started last before it.
const OOM_KILLS: &str = "SELECT oom_kill.id, \
    coalesce(run.hostname, (SELECT hostname FROM run WHERE began_ns <= time_ns ORDER BY began_ns DESC LIMIT 1), '') AS host, \
    time_ns, victim_pid, victim_name, coalesce(command, ''), container, oom_kill.virtual_bytes, anonymous_bytes, file_bytes, shmem_bytes, \
    oom_kill.swap_bytes, asker_pid, asker_name FROM oom_kill LEFT JOIN process ON process.id = process_id \
    LEFT JOIN run ON run.id = process.run_id \
    WHERE time_ns >= ?1 AND time_ns < ?2 AND (?3 IS NULL OR host = ?3) ORDER BY time_ns DESC, oom_kill.id DESC LIMIT ?4";

pub(super) fn sizes(connection: &Connection, query: &RequestQuery) -> Result<Sizes, StoreError> {
    let query = RequestQuery { cursor: None, ..query.clone() };
    let (sql, values) = Filter::new(&query, SIZES, connection)?.finish(query.limit);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut count = SizeCount::default();
    for _ in 0..query.limit {
        let Some(row) = rows.next()? else { return Ok(count.finish(false)) };
        let size: i64 = row.get(1)?;
        count.add(call(row, 0)?, size.cast_unsigned(), row.get(2)?, WallClock(row.get(3)?));
    }
    Ok(count.finish(rows.next()?.is_some()))
}

pub(super) fn calls(
    connection: &Connection,
    query: &RequestQuery,
    step: Duration,
) -> Result<ProcessCalls, StoreError> {
    let query = RequestQuery { cursor: None, ..query.clone() };
    let (sql, values) = Filter::new(&query, CALLS, connection)?.finish(query.limit);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut count = StepCount::new(step);
    for _ in 0..query.limit {
        let Some(row) = rows.next()? else { return Ok(count.finish(false)) };
        let name = row.get_ref(3)?.as_bytes_or_null().map_err(rusqlite::Error::from)?.map(Comm::new);
        count.add(call(row, 1)?, row.get(2)?, WallClock(row.get(0)?), name);
    }
    Ok(count.finish(rows.next()?.is_some()))
}

pub(super) fn refusals(connection: &Connection, query: &RequestQuery) -> Result<Vec<Refused>, StoreError> {
    let query = RequestQuery { cursor: None, ..query.clone() };
    if query.refused == Some(false) {
        return Ok(Vec::new());
    }
    let query = RequestQuery { refused: None, ..query };
    let Filter { mut sql, values, .. } = Filter::with_id("refused.request_id", &query, REFUSED, connection)?;
    sql.push_str(" ORDER BY refused.request_id DESC");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut refusals = Refusals::new(query.limit);
    while let Some(row) = rows.next()? {
        refusals.add(&RefusedRow {
            process: row.get::<_, i64>(0)?.cast_unsigned(),
            call: call(row, 1)?,
            errno: Errno(row.get(2)?),
            size: row.get::<_, i64>(3)?.cast_unsigned(),
            time: WallClock(row.get(4)?),
            name: Comm::new(&row.get::<_, Vec<u8>>(5)?),
        });
    }
    let identities = identities(connection, &refusals.processes())?;
    Ok(refusals.finish(&identities))
}

pub(super) fn oom_kills(
    connection: &Connection,
    range: &Range,
    limit: usize,
) -> Result<Vec<StoredOomKill>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(OOM_KILLS)?;
    let mut rows = statement.query(params![range.from.0, range.to.0, range.host, limit])?;
    let mut kills = Vec::new();
    while let Some(row) = rows.next()? {
        kills.push(StoredOomKill { before: moments(connection, row.get(0)?)?, ..kill(row)? });
    }
    Ok(kills)
}

fn kill(row: &Row<'_>) -> rusqlite::Result<StoredOomKill> {
    let bytes = |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.cast_unsigned());
    Ok(StoredOomKill {
        host: row.get(1)?,
        time: WallClock(row.get(2)?),
        victim: Tgid(row.get(3)?),
        victim_name: row.get(4)?,
        command: row.get(5)?,
        container: row.get(6)?,
        virtual_bytes: bytes(7)?,
        resident: Resident {
            anonymous_bytes: bytes(8)?,
            file_bytes: bytes(9)?,
            shmem_bytes: bytes(10)?,
            swap_bytes: bytes(11)?,
        },
        asker: Tgid(row.get(12)?),
        asker_name: row.get(13)?,
        before: Vec::new(),
    })
}

fn moments(connection: &Connection, kill: i64) -> Result<Vec<StoredMoment>, StoreError> {
    let sql = "SELECT time_ns, available_bytes, pid, name, virtual_bytes, resident_bytes FROM oom_before WHERE oom_id = ?1 \
        ORDER BY time_ns, resident_bytes DESC, pid";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([kill])?;
    let mut moments = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes = |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.cast_unsigned());
        let process = (Tgid(row.get(2)?), row.get(3)?, bytes(4)?, bytes(5)?);
        StoredMoment::add(&mut moments, WallClock(row.get(0)?), bytes(1)?, process);
    }
    Ok(moments)
}
