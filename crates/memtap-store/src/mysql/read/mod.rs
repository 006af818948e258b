//! Reading side of the store, with a small pool of connections.

mod filter;
mod oom;
mod processes;
mod requests;
mod samples;

use std::collections::HashMap;
use std::sync::OnceLock;

use memtap_history::rows::{
    CallRow, Database, Details, MachineRow, Names, OomReading, ProcessQuery, ProcessRow, Question,
    RefusedRow, RunQuery, RunRow, SampleQuery, SampleRow, SizedRow, Snapshot, StepQuery, Take,
};
use memtap_history::{Range, RequestQuery, StoreError, StoredOomKill, StoredRequest};
use memtap_model::WallClock;
use mysql_async::prelude::Queryable as _;
use mysql_async::{IsolationLevel, Pool, Transaction, TxOpts};

use super::link::Link;
use crate::tables::LAST_SAMPLED;

/// Result of the client library. [`Link::error`] converts its errors to errors of the port.
type Done<T> = mysql_async::Result<T>;

/// A database opened for reading.
pub(super) struct MysqlReader {
    link: Link,
    /// Created by the first query, in its runtime.
    pool: OnceLock<Pool>,
}

impl MysqlReader {
    pub(super) fn new(link: &Link) -> Self {
        Self { link: link.clone(), pool: OnceLock::new() }
    }

    async fn begin(&self) -> Result<Moment<'_>, StoreError> {
        let mut options = TxOpts::default();
        options.with_consistent_snapshot(true);
        options.with_isolation_level(IsolationLevel::RepeatableRead);
        let pool = self.pool.get_or_init(|| self.link.pool());
        let transaction = pool.start_transaction(options).await;
        Ok(Moment { link: &self.link, transaction: transaction.map_err(|error| self.link.error(&error))? })
    }
}

impl Database for MysqlReader {
    async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, StoreError> {
        let answer = self.link.read(async {
            let mut moment = self.begin().await?;
            let answer = question.answer(&mut moment).await?;
            moment.transaction.commit().await.map_err(|error| self.link.error(&error))?;
            Ok(answer)
        });
        answer.await
    }
}

/// Consistent snapshot of the database.
struct Moment<'l> {
    link: &'l Link,
    transaction: Transaction<'static>,
}

impl Moment<'_> {
    fn done<T>(&self, result: Done<T>) -> Result<T, StoreError> {
        result.map_err(|error| self.link.error(&error))
    }
}

impl Snapshot for Moment<'_> {
    async fn last_sampled_s(&mut self) -> Result<Option<i64>, StoreError> {
        let last: Done<Option<Option<i64>>> = self.transaction.query_first(LAST_SAMPLED).await;
        Ok(self.done(last)?.flatten())
    }

    async fn runs(&mut self, query: &RunQuery) -> Result<Vec<RunRow>, StoreError> {
        let runs = processes::runs(&mut self.transaction, query).await;
        self.done(runs)
    }

    async fn processes(
        &mut self,
        query: &ProcessQuery,
        runs: &[RunRow],
        take: Take<'_, ProcessRow>,
    ) -> Result<(), StoreError> {
        let read = processes::processes(&mut self.transaction, query, runs, take).await;
        self.done(read)
    }

    async fn details(&mut self, rows: &[u64]) -> Result<HashMap<u64, Details>, StoreError> {
        let details = processes::details(&mut self.transaction, rows).await;
        self.done(details)
    }

    async fn samples(
        &mut self,
        query: &SampleQuery<'_>,
        take: Take<'_, SampleRow>,
    ) -> Result<(), StoreError> {
        let read = samples::samples(&mut self.transaction, query, take).await;
        self.done(read)
    }

    async fn last_samples(
        &mut self,
        run: u64,
        rows: &[u64],
        step_s: i64,
        at_s: i64,
    ) -> Result<Vec<SampleRow>, StoreError> {
        let samples = samples::last_samples(&mut self.transaction, run, rows, [step_s, at_s]).await;
        self.done(samples)
    }

    async fn machine_samples(&mut self, steps: &StepQuery) -> Result<Vec<MachineRow>, StoreError> {
        let samples = samples::machine_samples(&mut self.transaction, steps).await;
        self.done(samples)
    }

    async fn call_samples(&mut self, steps: &StepQuery) -> Result<Vec<CallRow>, StoreError> {
        let samples = samples::call_samples(&mut self.transaction, steps).await;
        self.done(samples)
    }

    async fn requests(&mut self, query: &RequestQuery) -> Result<Vec<(u64, StoredRequest)>, StoreError> {
        let rows = requests::requests(&mut self.transaction, query).await?;
        let Some(rows) = self.done(rows)? else {
            let reason = "a row has a value that memtap does not write".to_owned();
            return Err(self.link.mysql(false, reason, "See docs/stores.md"));
        };
        Ok(rows)
    }

    async fn sized_requests(
        &mut self,
        query: &RequestQuery,
        names: Names,
        take: Take<'_, SizedRow>,
    ) -> Result<(), StoreError> {
        let read = requests::sized(&mut self.transaction, query, names, take).await?;
        self.done(read)
    }

    async fn refused_requests(
        &mut self,
        query: &RequestQuery,
        take: Take<'_, RefusedRow>,
    ) -> Result<(), StoreError> {
        let read = requests::refused(&mut self.transaction, query, take).await?;
        self.done(read)
    }

    async fn requests_as_samples(
        &mut self,
        run: u64,
        rows: &[u64],
        range: &Range,
        take: Take<'_, SampleRow>,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let read = requests::as_samples(&mut self.transaction, run, range, take).await;
        self.done(read)
    }

    async fn oom_kills(
        &mut self,
        range: &Range,
        limit: usize,
    ) -> Result<Vec<(u64, StoredOomKill)>, StoreError> {
        let kills = oom::kills(&mut self.transaction, range, limit).await;
        self.done(kills)
    }

    async fn oom_readings(&mut self, kill: u64) -> Result<Vec<OomReading>, StoreError> {
        let readings = oom::readings(&mut self.transaction, kill).await;
        self.done(readings)
    }
}

/// Converts a limit to a number that the server accepts.
fn limit(asked: usize) -> u64 {
    u64::try_from(asked).unwrap_or(u64::MAX).min(i64::MAX as u64)
}

/// Returns ids as the list of an IN condition.
fn list(ids: impl IntoIterator<Item = u64>) -> String {
    ids.into_iter().map(|id| id.to_string()).collect::<Vec<_>>().join(", ")
}

/// Converts microseconds since 1970 to a time.
fn time(microseconds: i64) -> WallClock {
    WallClock(microseconds.saturating_mul(1000))
}

/// Returns SQL for a column's microseconds since 1970.
fn since_1970(column: &str) -> String {
    format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {column})")
}
