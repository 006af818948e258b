//! Pages of requests, through a connection of its own that cannot write.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use memtap_model::{Call, Comm, Errno, Tgid, Tid, WallClock};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};

use super::machine;
use super::usage::usage;
use crate::{
    MachinePoint, Range, Reader, RequestPage, RequestQuery, StoreError, StoredHost, StoredRequest,
    UsagePoint, UsageQuery,
};

/// A query that takes longer is ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// As many rows are sorted in a moment.
const FEW: i64 = 10_000;

const COLUMNS: &str = "SELECT request.id, request.time_ns, process.pid, who.tid, name.bytes, what.call_id, request.size, \
    request.address, request.delta_bytes, what.errno, request.virtual_bytes, what.protection, what.flags, \
    file.text, coalesce(gap.lost, 0), run.hostname FROM request JOIN who ON who.id = request.who_id \
    JOIN process ON process.id = who.process_id JOIN run ON run.id = process.run_id JOIN name ON name.id = who.name_id \
    JOIN what ON what.id = request.what_id LEFT JOIN name AS file ON file.id = what.file_id \
    LEFT JOIN gap ON gap.request_id = request.id WHERE 1";

pub(super) struct SqliteReader {
    connection: Mutex<Connection>,
}

impl SqliteReader {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_secs(2))?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// The connection, for a query that may take its time.
    fn patient(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        // One that panicked left no half-done work behind: reading changes nothing.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = Instant::now();
        connection.progress_handler(10_000, Some(move || begin.elapsed() > PATIENCE))?;
        Ok(connection)
    }
}

fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

impl Reader for SqliteReader {
    fn requests(&self, query: &RequestQuery) -> Result<RequestPage, StoreError> {
        let connection = self.patient()?;
        let (sql, values) = Filter::of(query, &connection)?.finish(query.limit);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows =
            statement.query_map(params_from_iter(values), stored)?.collect::<Result<Vec<_>, _>>()?;
        let more = rows.len() > query.limit;
        rows.truncate(query.limit);
        let next_cursor = rows.last().filter(|_| more).map(|(id, _)| id.to_string());
        Ok(RequestPage { requests: rows.into_iter().map(|(_, request)| request).collect(), next_cursor })
    }

    fn usage(&self, query: &UsageQuery) -> Result<Vec<UsagePoint>, StoreError> {
        usage(&*self.patient()?, query, now_s())
    }

    fn hosts(&self) -> Result<Vec<StoredHost>, StoreError> {
        machine::hosts(&*self.patient()?)
    }

    fn machine(&self, range: &Range, step: Duration) -> Result<Vec<MachinePoint>, StoreError> {
        machine::machine(&*self.patient()?, &range.in_steps(step), now_s())
    }

    fn lives(&self, _: &crate::LifeQuery) -> Result<crate::Lives, StoreError> {
        Ok(crate::Lives::default())
    }

    fn programs(&self, _: &crate::ProgramQuery) -> Result<crate::Programs, StoreError> {
        Ok(crate::Programs::default())
    }

    fn sizes(&self, _: &RequestQuery) -> Result<crate::Sizes, StoreError> {
        Ok(crate::Sizes::default())
    }

    fn refusals(&self, _: &RequestQuery) -> Result<Vec<crate::Refused>, StoreError> {
        Ok(Vec::new())
    }

    fn oom_kills(&self, _: &crate::Range, _: usize) -> Result<Vec<crate::StoredOomKill>, StoreError> {
        Ok(Vec::new())
    }
}

/// Conditions and their values; values are always bound.
struct Filter {
    sql: String,
    values: Vec<Value>,
}

impl Filter {
    fn of(query: &RequestQuery, connection: &Connection) -> Result<Self, StoreError> {
        let mut filter = Self { sql: COLUMNS.to_owned(), values: Vec::new() };
        if let Some(host) = &query.host {
            let these = "who_id IN (SELECT who.id FROM who JOIN process ON process.id = who.process_id JOIN run ON run.id = process.run_id \
                WHERE hostname = ?)";
            filter.narrow(connection, these, host.clone().into())?;
        }
        if let Some(pid) = query.pid {
            let these = "who_id IN (SELECT who.id FROM who JOIN process ON process.id = who.process_id WHERE pid = ?)";
            filter.narrow(connection, these, i64::from(pid.0).into())?;
        }
        if let Some(name) = &query.name {
            let pattern = format!("%{}%", name.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
            let these = "who_id IN (SELECT who.id FROM who JOIN name ON name.id = who.name_id WHERE text LIKE ? ESCAPE '\\')";
            filter.narrow(connection, these, pattern.into())?;
        }
        if !query.calls.is_empty() {
            let ids: Vec<String> = query.calls.iter().map(|call| call.index().to_string()).collect();
            filter.sql.push_str(&format!(" AND what.call_id IN ({})", ids.join(", ")));
        }
        if let Some(size) = query.min_size {
            // A negative size is one above 2^63: larger than any that was asked for.
            filter.add("(request.size >= ? OR request.size < 0)", i64::try_from(size).unwrap_or(i64::MAX));
        }
        match query.refused {
            Some(true) => filter.sql.push_str(" AND request.id IN (SELECT request_id FROM refused)"),
            Some(false) => filter.sql.push_str(" AND what.errno IS NULL"),
            None => {}
        }
        filter.times(query);
        if let Some(cursor) = &query.cursor {
            let before: i64 = cursor.parse().map_err(|_| StoreError::Cursor(cursor.clone()))?;
            filter.add("request.id < ?", before);
        }
        Ok(filter)
    }

    /// The marks say where in the table the times are; the rows' own times decide.
    fn times(&mut self, query: &RequestQuery) {
        if let Some(from) = query.from {
            self.add("request.id >= coalesce((SELECT min(first_id) FROM batch WHERE to_ns >= ?), 9223372036854775807)", from.0);
            self.add("request.time_ns >= ?", from.0);
        }
        if let Some(to) = query.to {
            let end = "request.id < coalesce((SELECT first_id FROM batch WHERE first_id > \
                (SELECT max(first_id) FROM batch WHERE from_ns < ?) ORDER BY first_id LIMIT 1), 9223372036854775807)";
            self.add(end, to.0);
            self.add("request.time_ns < ?", to.0);
        }
    }

    /// Few rows are found by their index and then sorted. Where there are many, the newest are near the end of the table: the
    /// `+` keeps SQLite from collecting and sorting them all.
    fn narrow(&mut self, connection: &Connection, these: &str, value: Value) -> Result<(), StoreError> {
        let probe = format!("SELECT count(*) FROM (SELECT 1 FROM request WHERE {these} LIMIT {FEW})");
        let found: i64 = connection.prepare_cached(&probe)?.query_row([&value], |row| row.get(0))?;
        let plan = if found < FEW { "" } else { "+" };
        self.add(&format!("{plan}request.{these}"), value);
        Ok(())
    }

    fn add(&mut self, condition: &str, value: impl Into<Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.push(value.into());
    }

    /// One row more than asked for tells whether there is a next page.
    fn finish(mut self, limit: usize) -> (String, Vec<Value>) {
        self.sql.push_str(" ORDER BY request.id DESC LIMIT ?");
        self.values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1));
        (self.sql, self.values)
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<(i64, StoredRequest)> {
    let word =
        |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(i64::cast_unsigned));
    let unsigned = |index: usize| Ok::<_, rusqlite::Error>(word(index)?.unwrap_or(0));
    let call: i64 = row.get(5)?;
    let call = usize::try_from(call)
        .ok()
        .and_then(Call::from_index)
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(5, call))?;
    let request = StoredRequest {
        host: row.get::<_, String>(15)?.into(),
        time: WallClock(row.get(1)?),
        pid: Tgid(row.get(2)?),
        tid: Tid(row.get(3)?),
        name: Comm::new(&row.get::<_, Vec<u8>>(4)?),
        call,
        protection: word(11)?,
        flags: word(12)?,
        file: row.get::<_, Option<String>>(13)?.map(Into::into),
        requested_bytes: unsigned(6)?,
        address: unsigned(7)?,
        delta_bytes: row.get(8)?,
        errno: row.get::<_, Option<u16>>(9)?.map(Errno),
        virtual_bytes: unsigned(10)?,
        lost_before: row.get(14)?,
    };
    Ok((row.get(0)?, request))
}
