//! Pages of requests, through a connection of its own that cannot write.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use memtap_model::{Comm, Errno, Tgid, Tid, WallClock};
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};

use super::filter::Filter;
use super::lives::call;
use super::usage::usage;
use super::{findings, lives, machine};
use crate::steps::{TOLD_S, age_at};
use crate::{
    Clock, HostRun, LifeQuery, Lives, MachinePoint, ProcessCalls, ProgramQuery, Programs, Range, Reader,
    Refused, RequestPage, RequestQuery, Sizes, StoreError, StoredHost, StoredOomKill, StoredRequest,
    UsagePoint, UsageQuery,
};

/// A query that takes longer is ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// CROSS JOIN keeps the order: requests come first, whatever statistics somebody may have had SQLite make.
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
        Self::on(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?, clock)
    }

    /// Reads through a connection that is open already.
    pub(super) fn on(connection: Connection, clock: Clock) -> Result<Self, StoreError> {
        connection.busy_timeout(Duration::from_secs(2))?;
        Ok(Self { connection: Mutex::new(connection), clock })
    }

    /// Answers a question, told the second up to which the history has aged, from the database as it is at one moment: what is put together meanwhile is not told
    /// twice.
    fn ask<T>(
        &self,
        answer: impl FnOnce(&Connection, i64) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // One that panicked left no half-done work behind: reading changes nothing.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = Instant::now();
        connection.progress_handler(10_000, Some(move || begin.elapsed() > PATIENCE))?;
        let moment = connection.transaction()?;
        let told_s = moment.query_one(TOLD_S, [], |row| row.get(0))?;
        answer(&moment, age_at(self.clock, told_s))
    }
}

impl Reader for SqliteReader {
    fn requests(&self, query: &RequestQuery) -> Result<RequestPage, StoreError> {
        self.ask(|connection, _| page(connection, query))
    }

    fn usage(&self, query: &UsageQuery) -> Result<Vec<UsagePoint>, StoreError> {
        self.ask(|connection, now_s| usage(connection, query, now_s))
    }

    fn hosts(&self) -> Result<Vec<StoredHost>, StoreError> {
        self.ask(|connection, _| machine::hosts(connection))
    }

    fn runs(&self, range: &Range, limit: usize) -> Result<Vec<HostRun>, StoreError> {
        self.ask(|connection, _| machine::runs(connection, range, limit))
    }

    fn machine(&self, range: &Range, step: Duration) -> Result<Vec<MachinePoint>, StoreError> {
        self.ask(|connection, now_s| machine::machine(connection, &range.in_steps(step), now_s))
    }

    fn lives(&self, query: &LifeQuery) -> Result<Lives, StoreError> {
        self.ask(|connection, now_s| lives::lives(connection, query, now_s))
    }

    fn programs(&self, query: &ProgramQuery) -> Result<Programs, StoreError> {
        self.ask(|connection, now_s| lives::programs(connection, query, now_s))
    }

    fn sizes(&self, query: &RequestQuery) -> Result<Sizes, StoreError> {
        self.ask(|connection, _| findings::sizes(connection, query))
    }

    fn calls(&self, query: &RequestQuery, step: Duration) -> Result<ProcessCalls, StoreError> {
        self.ask(|connection, _| findings::calls(connection, query, step))
    }

    fn refusals(&self, query: &RequestQuery) -> Result<Vec<Refused>, StoreError> {
        self.ask(|connection, _| findings::refusals(connection, query))
    }

    fn oom_kills(&self, range: &Range, limit: usize) -> Result<Vec<StoredOomKill>, StoreError> {
        self.ask(|connection, _| findings::oom_kills(connection, range, limit))
    }
}

fn page(connection: &Connection, query: &RequestQuery) -> Result<RequestPage, StoreError> {
    let (sql, values) = Filter::of(query, COLUMNS, connection)?.finish(query.limit);
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
