//! Read-only connection to the database, and pages of requests.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use memtap_model::{Comm, Errno, Tgid, Tid, WallClock};
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};

use super::filter::Filter;
use super::lives::call;
use super::usage::usage;
use super::{findings, lives, machine};
use crate::steps::{NEWEST_SAMPLE_S, age_at};
use crate::{
    Clock, HostRun, LifeQuery, Lives, MachinePoint, ProcessCalls, ProgramQuery, Programs, Range, Reader,
    Refused, RequestPage, RequestQuery, Sizes, StoreError, StoredHost, StoredOomKill, StoredRequest,
    UsagePoint, UsageQuery,
};

/// Time limit of a query.
const PATIENCE: Duration = Duration::from_secs(10);

/// CROSS JOIN fixes the join order: requests first, whatever statistics SQLite has.
const COLUMNS: &str = "SELECT request.id, request.time_ns, process.pid, who.tid, name.bytes, what.call_id, request.size, \
    request.address, request.delta_bytes, what.errno, request.virtual_bytes, what.protection, what.flags, \
    file.text, coalesce(gap.lost, 0), run.hostname FROM request CROSS JOIN who ON who.id = request.who_id \
    CROSS JOIN process ON process.id = who.process_id CROSS JOIN run ON run.id = process.run_id \
    CROSS JOIN name ON name.id = who.name_id CROSS JOIN what ON what.id = request.what_id LEFT JOIN name AS file ON file.id = what.file_id \
    LEFT JOIN gap ON gap.request_id = request.id WHERE 1";

pub(super) struct SqliteReader {
    connection: Mutex<Connection>,
    clock: Clock,
}

impl SqliteReader {
    pub(super) fn open(path: &Path, clock: Clock) -> Result<Self, StoreError> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_secs(2))?;
        Ok(Self { connection: Mutex::new(connection), clock })
    }

    /// Runs a query in one read transaction, so that samples rolled up meanwhile are not counted
    /// twice. The query also receives the second from which ages are counted.
    fn query<T>(
        &self,
        work: impl FnOnce(&Connection, i64) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // After a panic the connection is still usable: reading changes nothing.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = Instant::now();
        connection.progress_handler(10_000, Some(move || begin.elapsed() > PATIENCE))?;
        let transaction = connection.transaction()?;
        let newest_s = transaction.query_one(NEWEST_SAMPLE_S, [], |row| row.get(0))?;
        work(&transaction, age_at(self.clock, newest_s))
    }
}

impl Reader for SqliteReader {
    fn requests(&self, query: &RequestQuery) -> Result<RequestPage, StoreError> {
        self.query(|connection, _| page(connection, query))
    }

    fn usage(&self, query: &UsageQuery) -> Result<Vec<UsagePoint>, StoreError> {
        self.query(|connection, now_s| usage(connection, query, now_s))
    }

    fn hosts(&self) -> Result<Vec<StoredHost>, StoreError> {
        self.query(|connection, _| machine::hosts(connection))
    }

    fn runs(&self, range: &Range, limit: usize) -> Result<Vec<HostRun>, StoreError> {
        self.query(|connection, _| machine::runs(connection, range, limit))
    }

    fn machine(&self, range: &Range, step: Duration) -> Result<Vec<MachinePoint>, StoreError> {
        self.query(|connection, now_s| machine::machine(connection, &range.in_steps(step), now_s))
    }

    fn lives(&self, query: &LifeQuery) -> Result<Lives, StoreError> {
        self.query(|connection, now_s| lives::lives(connection, query, now_s))
    }

    fn programs(&self, query: &ProgramQuery) -> Result<Programs, StoreError> {
        self.query(|connection, now_s| lives::programs(connection, query, now_s))
    }

    fn sizes(&self, query: &RequestQuery) -> Result<Sizes, StoreError> {
        self.query(|connection, _| findings::sizes(connection, query))
    }

    fn calls(&self, query: &RequestQuery, step: Duration) -> Result<ProcessCalls, StoreError> {
        self.query(|connection, _| findings::calls(connection, query, step))
    }

    fn refusals(&self, query: &RequestQuery) -> Result<Vec<Refused>, StoreError> {
        self.query(|connection, _| findings::refusals(connection, query))
    }

    fn oom_kills(&self, range: &Range, limit: usize) -> Result<Vec<StoredOomKill>, StoreError> {
        self.query(|connection, _| findings::oom_kills(connection, range, limit))
    }
}

fn page(connection: &Connection, query: &RequestQuery) -> Result<RequestPage, StoreError> {
    let (sql, values) = Filter::new(query, COLUMNS, connection)?.finish(query.limit);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query_map(params_from_iter(values), stored)?.collect::<Result<Vec<_>, _>>()?;
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let next_cursor = rows.last().filter(|_| more).map(|(id, _)| id.to_string());
    Ok(RequestPage { requests: rows.into_iter().map(|(_, request)| request).collect(), next_cursor })
}

fn stored(row: &Row<'_>) -> rusqlite::Result<(i64, StoredRequest)> {
    let word =
        |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(i64::cast_unsigned));
    let unsigned = |index: usize| Ok::<_, rusqlite::Error>(word(index)?.unwrap_or(0));
    let request = StoredRequest {
        host: row.get::<_, String>(15)?.into(),
        time: WallClock(row.get(1)?),
        pid: Tgid(row.get(2)?),
        tid: Tid(row.get(3)?),
        name: Comm::new(&row.get::<_, Vec<u8>>(4)?),
        call: call(row, 5)?,
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
