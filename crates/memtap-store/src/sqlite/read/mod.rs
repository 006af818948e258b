//! Reading side of the store, with its own read-only connection.

mod filter;
mod oom;
mod processes;
mod requests;
mod samples;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use memtap_history::rows::{
    CallRow, Database, Details, MachineRow, Names, OomReading, ProcessQuery, ProcessRow, Question,
    RefusedRow, RunQuery, RunRow, SampleQuery, SampleRow, SizedRow, Snapshot, StepQuery, Take,
};
use memtap_history::{Range, RequestQuery, StoreError, StoredOomKill, StoredRequest};
use memtap_model::Call;
use rusqlite::{Connection, Row};

use super::access;
use super::error::Done;
use super::worker::Worker;
use crate::tables::LAST_SAMPLED;

/// Time limit of a query.
const PATIENCE: Duration = Duration::from_secs(10);

/// A database file opened for reading. A separate thread works on it.
pub(super) struct SqliteReader {
    worker: Worker<File>,
}

/// The file. The first query opens it.
struct File {
    path: PathBuf,
    connection: Option<Connection>,
}

impl SqliteReader {
    pub(super) fn new(path: &Path) -> Result<Self, StoreError> {
        let file = File { path: path.to_owned(), connection: None };
        Ok(Self { worker: Worker::start("memtap-reader", file)? })
    }
}

impl File {
    fn connection(&mut self) -> Done<&mut Connection> {
        if self.connection.is_none() {
            let connection = access::to_read(&self.path)?;
            connection.busy_timeout(Duration::from_secs(2))?;
            self.connection = Some(connection);
        }
        // The connection always exists here.
        self.connection.as_mut().ok_or_else(|| rusqlite::Error::InvalidQuery.into())
    }
}

impl Database for SqliteReader {
    async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, StoreError> {
        // After a panic the connection is still usable: reading changes nothing.
        let answer = self.worker.run(|file| {
            let mut moment = Moment::begin(file.connection()?)?;
            let answer = question.answer(&mut moment).now_or_never();
            answer.unwrap_or_else(|| unreachable!("every future of a SQLite snapshot is ready at once"))
        });
        answer.await
    }
}

/// Consistent snapshot of the database.
struct Moment<'c> {
    connection: &'c mut Connection,
}

impl<'c> Moment<'c> {
    fn begin(connection: &'c mut Connection) -> Done<Self> {
        let begin = Instant::now();
        connection.progress_handler(10_000, Some(move || begin.elapsed() > PATIENCE))?;
        connection.execute_batch("BEGIN")?;
        Ok(Self { connection })
    }
}

impl Drop for Moment<'_> {
    fn drop(&mut self) {
        // A failed statement may have ended the transaction already.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!("cannot end a reading transaction: {error}");
        }
    }
}

impl Snapshot for Moment<'_> {
    async fn last_sampled_s(&mut self) -> Result<Option<i64>, StoreError> {
        Ok(last_sampled_s(self.connection)?)
    }

    async fn runs(&mut self, query: &RunQuery) -> Result<Vec<RunRow>, StoreError> {
        Ok(processes::runs(self.connection, query)?)
    }

    async fn processes(
        &mut self,
        query: &ProcessQuery,
        runs: &[RunRow],
        take: Take<'_, ProcessRow>,
    ) -> Result<(), StoreError> {
        Ok(processes::processes(self.connection, query, runs, take)?)
    }

    async fn details(&mut self, rows: &[u64]) -> Result<HashMap<u64, Details>, StoreError> {
        Ok(processes::details(self.connection, rows)?)
    }

    async fn samples(
        &mut self,
        query: &SampleQuery<'_>,
        take: Take<'_, SampleRow>,
    ) -> Result<(), StoreError> {
        Ok(samples::samples(self.connection, query, take)?)
    }

    async fn last_samples(
        &mut self,
        run: u64,
        rows: &[u64],
        step_s: i64,
        at_s: i64,
    ) -> Result<Vec<SampleRow>, StoreError> {
        Ok(samples::last_samples(self.connection, run, rows, [step_s, at_s])?)
    }

    async fn machine_samples(&mut self, steps: &StepQuery) -> Result<Vec<MachineRow>, StoreError> {
        Ok(samples::machine_samples(self.connection, steps)?)
    }

    async fn call_samples(&mut self, steps: &StepQuery) -> Result<Vec<CallRow>, StoreError> {
        Ok(samples::call_samples(self.connection, steps)?)
    }

    async fn requests(&mut self, query: &RequestQuery) -> Result<Vec<(u64, StoredRequest)>, StoreError> {
        Ok(requests::requests(self.connection, query)?)
    }

    async fn sized_requests(
        &mut self,
        query: &RequestQuery,
        names: Names,
        take: Take<'_, SizedRow>,
    ) -> Result<(), StoreError> {
        Ok(requests::sized(self.connection, query, names, take)?)
    }

    async fn refused_requests(
        &mut self,
        query: &RequestQuery,
        take: Take<'_, RefusedRow>,
    ) -> Result<(), StoreError> {
        Ok(requests::refused(self.connection, query, take)?)
    }

    async fn requests_as_samples(
        &mut self,
        _run: u64,
        rows: &[u64],
        range: &Range,
        take: Take<'_, SampleRow>,
    ) -> Result<(), StoreError> {
        Ok(requests::as_samples(self.connection, rows, range, take)?)
    }

    async fn oom_kills(
        &mut self,
        range: &Range,
        limit: usize,
    ) -> Result<Vec<(u64, StoredOomKill)>, StoreError> {
        Ok(oom::kills(self.connection, range, limit)?)
    }

    async fn oom_readings(&mut self, kill: u64) -> Result<Vec<OomReading>, StoreError> {
        Ok(oom::readings(self.connection, kill)?)
    }
}

fn last_sampled_s(connection: &Connection) -> Done<Option<i64>> {
    Ok(connection.query_one(LAST_SAMPLED, [], |row| row.get(0))?)
}

/// Reads the call in column `index`.
fn call(row: &Row<'_>, index: usize) -> rusqlite::Result<Call> {
    let call: i64 = row.get(index)?;
    let known = usize::try_from(call).ok().and_then(Call::from_index);
    known.ok_or(rusqlite::Error::IntegralValueOutOfRange(index, call))
}

/// Reads an unsigned number. SQLite stores it as the signed number with the same bits.
fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(i64::cast_unsigned)
}
