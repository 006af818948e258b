//! Reads requests: pages, sizes, refused requests, and requests of imports as samples.

use memtap_history::rows::{Names, RefusedRow, SampleRow, SizedRow, Take};
use memtap_history::{Range, RequestQuery, StoredRequest, UsagePoint};
use memtap_model::{Comm, Errno, Tgid, Tid, WallClock};
use rusqlite::{Connection, Row, params_from_iter};

use super::filter::{Filter, id_bounds};
use super::{call, unsigned};
use crate::sqlite::error::Done;

/// CROSS JOIN fixes the join order: requests first, whatever statistics SQLite has.
const COLUMNS: &str = "SELECT request.id, request.time_ns, process.pid, who.tid, name.bytes, what.call_id, request.size, \
    request.address, request.delta_bytes, what.errno, request.virtual_bytes, what.protection, what.flags, \
    file.text, coalesce(gap.lost, 0), run.hostname FROM request CROSS JOIN who ON who.id = request.who_id \
    CROSS JOIN process ON process.id = who.process_id CROSS JOIN run ON run.id = process.run_id \
    CROSS JOIN name ON name.id = who.name_id CROSS JOIN what ON what.id = request.what_id LEFT JOIN name AS file ON file.id = what.file_id \
    LEFT JOIN gap ON gap.request_id = request.id WHERE 1";

const SIZES: &str = "SELECT what.call_id, request.size, what.errno IS NOT NULL, request.time_ns FROM request \
    CROSS JOIN what ON what.id = request.what_id WHERE 1";

/// The name is NULL for other threads than the first: only the first has the process's name.
const NAMED_SIZES: &str = "SELECT what.call_id, request.size, what.errno IS NOT NULL, request.time_ns, \
    CASE WHEN who.tid = process.pid THEN name.bytes END \
    FROM request CROSS JOIN what ON what.id = request.what_id CROSS JOIN who ON who.id = request.who_id \
    CROSS JOIN process ON process.id = who.process_id CROSS JOIN name ON name.id = who.name_id WHERE 1";

/// Reads the table `refused` first: it has few rows.
const REFUSED: &str = "SELECT who.process_id, what.call_id, what.errno, request.size, request.time_ns, name.bytes FROM refused \
    CROSS JOIN request ON request.id = refused.request_id CROSS JOIN what ON what.id = request.what_id \
    CROSS JOIN who ON who.id = request.who_id CROSS JOIN name ON name.id = who.name_id WHERE what.errno IS NOT NULL";

pub(super) fn requests(connection: &Connection, query: &RequestQuery) -> Done<Vec<(u64, StoredRequest)>> {
    let (sql, values) = Filter::new(query, COLUMNS, connection)?.newest_first(query.limit);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), stored)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn stored(row: &Row<'_>) -> rusqlite::Result<(u64, StoredRequest)> {
    let word =
        |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(i64::cast_unsigned));
    let request = StoredRequest {
        host: row.get(15)?,
        time: WallClock(row.get(1)?),
        pid: Tgid(row.get(2)?),
        tid: Tid(row.get(3)?),
        name: Comm::new(&row.get::<_, Vec<u8>>(4)?),
        call: call(row, 5)?,
        protection: word(11)?,
        flags: word(12)?,
        file: row.get(13)?,
        requested_bytes: word(6)?.unwrap_or(0),
        address: word(7)?.unwrap_or(0),
        delta_bytes: row.get(8)?,
        errno: row.get::<_, Option<u16>>(9)?.map(Errno),
        virtual_bytes: word(10)?.unwrap_or(0),
        lost_before: row.get(14)?,
    };
    Ok((unsigned(row, 0)?, request))
}

pub(super) fn sized(
    connection: &Connection,
    query: &RequestQuery,
    names: Names,
    take: Take<'_, SizedRow>,
) -> Done<()> {
    let (columns, has_name) = match names {
        Names::Omitted => (SIZES, false),
        Names::OfProcess => (NAMED_SIZES, true),
    };
    let (sql, values) = Filter::new(query, columns, connection)?.newest_first(query.limit);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let name = match has_name {
            true => row.get_ref(4)?.as_bytes_or_null().map_err(rusqlite::Error::from)?.map(Comm::new),
            false => None,
        };
        take(SizedRow {
            call: call(row, 0)?,
            size: unsigned(row, 1)?,
            is_refused: row.get(2)?,
            time: WallClock(row.get(3)?),
            name,
        });
    }
    Ok(())
}

pub(super) fn refused(connection: &Connection, query: &RequestQuery, take: Take<'_, RefusedRow>) -> Done<()> {
    let query = RequestQuery { refused: None, ..query.clone() };
    let Filter { mut sql, values, .. } = Filter::with_id("refused.request_id", &query, REFUSED, connection)?;
    sql.push_str(" ORDER BY refused.request_id DESC");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        take(RefusedRow {
            process: unsigned(row, 0)?,
            call: call(row, 1)?,
            errno: Errno(row.get(2)?),
            size: unsigned(row, 3)?,
            time: WallClock(row.get(4)?),
            name: Comm::new(&row.get::<_, Vec<u8>>(5)?),
        });
    }
    Ok(())
}

pub(super) fn as_samples(
    connection: &Connection,
    processes: &[u64],
    range: &Range,
    take: Take<'_, SampleRow>,
) -> Done<()> {
    let [first, end] = id_bounds(connection, range.from, range.to)?;
    let sql = "SELECT request.time_ns, what.call_id, what.errno, request.size, request.delta_bytes, request.virtual_bytes \
        FROM who CROSS JOIN request ON request.who_id = who.id AND request.id >= ?2 AND request.id < ?3 \
        JOIN what ON what.id = request.what_id WHERE who.process_id = ?1 AND time_ns >= ?4 AND time_ns < ?5";
    let mut statement = connection.prepare_cached(sql)?;
    for process in processes {
        let mut rows = statement.query([process.cast_signed(), first, end, range.from.0, range.to.0])?;
        while let Some(row) = rows.next()? {
            let is_refused = row.get::<_, Option<i64>>(2)?.is_some();
            let (size, virtual_bytes) = (unsigned(row, 3)?, unsigned(row, 5)?);
            let point = UsagePoint::from_request(call(row, 1)?, is_refused, size, row.get(4)?, virtual_bytes);
            let at_s = row.get::<_, i64>(0)?.div_euclid(1_000_000_000);
            take(SampleRow { process: *process, at_s, point });
        }
    }
    Ok(())
}
