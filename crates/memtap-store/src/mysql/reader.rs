//! Reader of the database, and pages of requests.

use std::time::Duration;

use memtap_model::{Call, Comm, Errno, Tgid, Tid, WallClock};
use mysql_async::prelude::Queryable as _;
use mysql_async::{IsolationLevel, Pool, Row, Transaction, TxOpts};

use super::filter::Filter;
use super::link::Link;
use super::{findings, lives, machine, samples};
use crate::steps::{NEWEST_SAMPLE_S, age_at};
use crate::{
    Clock, HostRun, LifeQuery, Lives, MachinePoint, ProcessCalls, ProgramQuery, Programs, Range, Reader,
    Refused, RequestPage, RequestQuery, Sizes, StoreError, StoredHost, StoredOomKill, StoredRequest,
    UsagePoint, UsageQuery,
};

/// In rows of the original system, values may be NULL, and a time or a pid may be invalid.
const COLUMNS: &str = "SELECT id, COALESCE(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', timestamp), 0), \
    CAST(LEAST(GREATEST(COALESCE(pid, 0), 0), 4294967295) AS UNSIGNED), tid, COALESCE(process_name, ''), name_bytes, my_call, \
    COALESCE(memory_size, 0), requested_bytes, address, delta_bytes, errno, virtual_bytes, protection, flags, file, lost_before, host \
    FROM memory_usage WHERE true";

pub(super) struct MysqlReader {
    link: Link,
    pool: Pool,
    clock: Clock,
}

impl MysqlReader {
    pub(super) fn new(link: &Link, clock: Clock) -> Self {
        Self { link: link.clone(), pool: link.pool(), clock }
    }

    /// Runs a query in one transaction with a consistent snapshot, so that samples rolled up
    /// meanwhile are not counted twice. The query also receives the second from which ages are
    /// counted.
    fn query<T>(
        &self,
        work: impl AsyncFnOnce(&mut Transaction<'_>, i64) -> mysql_async::Result<T>,
    ) -> Result<T, StoreError> {
        self.link.read(async {
            let mut connection = self.pool.get_conn().await?;
            let mut options = TxOpts::default();
            options.with_consistent_snapshot(true);
            options.with_isolation_level(IsolationLevel::RepeatableRead);
            let mut transaction = connection.start_transaction(options).await?;
            let newest_s: Option<Option<i64>> = transaction.query_first(NEWEST_SAMPLE_S).await?;
            let answer = work(&mut transaction, age_at(self.clock, newest_s.flatten())).await?;
            transaction.commit().await?;
            Ok(answer)
        })
    }
}

/// Converts a limit to a number that the server accepts, even plus one.
pub(super) fn limit(asked: usize) -> u64 {
    u64::try_from(asked).unwrap_or(u64::MAX).min(i64::MAX as u64 - 1)
}

impl Reader for MysqlReader {
    fn requests(&self, query: &RequestQuery) -> Result<RequestPage, StoreError> {
        let (sql, values) = Filter::new(query, COLUMNS)?.finish(limit(query.limit));
        let rows: Vec<Row> = self.link.read(async {
            let mut connection = self.pool.get_conn().await?;
            connection.exec(sql, values).await
        })?;
        let more = rows.len() as u64 > limit(query.limit);
        let mut rows = rows
            .into_iter()
            .map(|row| {
                stored(row).ok_or_else(|| {
                    self.link.mysql(
                        false,
                        "a row has a value that memtap does not write".to_owned(),
                        "See docs/stores.md",
                    )
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        rows.truncate(query.limit);
        let next_cursor = rows.last().filter(|_| more).map(|(id, _)| id.to_string());
        Ok(RequestPage { requests: rows.into_iter().map(|(_, request)| request).collect(), next_cursor })
    }

    fn usage(&self, query: &UsageQuery) -> Result<Vec<UsagePoint>, StoreError> {
        self.query(async |connection, now_s| samples::usage(connection, query, now_s).await)
    }

    fn hosts(&self) -> Result<Vec<StoredHost>, StoreError> {
        self.query(async |connection, _| machine::hosts(connection).await)
    }

    fn runs(&self, range: &Range, limit: usize) -> Result<Vec<HostRun>, StoreError> {
        self.query(async |connection, _| machine::runs(connection, range, limit).await)
    }

    fn machine(&self, range: &Range, step: Duration) -> Result<Vec<MachinePoint>, StoreError> {
        self.query(async |connection, now_s| machine::machine(connection, &range.in_steps(step), now_s).await)
    }

    fn lives(&self, query: &LifeQuery) -> Result<Lives, StoreError> {
        self.query(async |connection, now_s| lives::lives(connection, query, now_s).await)
    }

    fn programs(&self, query: &ProgramQuery) -> Result<Programs, StoreError> {
        self.query(async |connection, now_s| lives::programs(connection, query, now_s).await)
    }

    fn sizes(&self, query: &RequestQuery) -> Result<Sizes, StoreError> {
        let filter = findings::sizes_of(query)?;
        self.query(async |connection, _| findings::sizes(connection, filter, limit(query.limit)).await)
    }

    fn calls(&self, query: &RequestQuery, step: Duration) -> Result<ProcessCalls, StoreError> {
        let filter = findings::calls_of(query)?;
        self.query(async |connection, _| findings::calls(connection, filter, limit(query.limit), step).await)
    }

    fn refusals(&self, query: &RequestQuery) -> Result<Vec<Refused>, StoreError> {
        let filter = findings::refusals_of(query)?;
        self.query(async |connection, _| findings::refusals(connection, filter, query.limit).await)
    }

    fn oom_kills(&self, range: &Range, limit: usize) -> Result<Vec<StoredOomKill>, StoreError> {
        self.query(async |connection, _| findings::oom_kills(connection, range, limit).await)
    }
}

/// Reads a request. Returns `None` if a column has a value that memtap does not write.
fn stored(mut row: Row) -> Option<(u64, StoredRequest)> {
    fn get<T: mysql_async::prelude::FromValue>(row: &mut Row, index: usize) -> Option<T> {
        row.take_opt(index)?.ok()
    }
    let name: Vec<u8> = match get::<Option<Vec<u8>>>(&mut row, 5)? {
        Some(bytes) => bytes,
        None => get(&mut row, 4)?,
    };
    let microseconds: i64 = get(&mut row, 1)?;
    let pid: u32 = get(&mut row, 2)?;
    let size: i64 = get(&mut row, 7)?;
    let whole: Option<u64> = get(&mut row, 8)?;
    let request = StoredRequest {
        host: get::<String>(&mut row, 17)?.into(),
        time: WallClock(microseconds.saturating_mul(1000)),
        pid: Tgid(pid),
        tid: Tid(get::<Option<u32>>(&mut row, 3)?.unwrap_or(pid)),
        name: Comm::new(&name),
        call: Call::from_name(&get::<String>(&mut row, 6)?)?,
        protection: get(&mut row, 13)?,
        flags: get(&mut row, 14)?,
        file: get::<Option<String>>(&mut row, 15)?.map(Into::into),
        requested_bytes: whole.unwrap_or(size.max(0).cast_unsigned()),
        address: get::<Option<u64>>(&mut row, 9)?.unwrap_or(0),
        delta_bytes: get::<Option<i64>>(&mut row, 10)?.unwrap_or(0),
        errno: get::<Option<u16>>(&mut row, 11)?.map(Errno),
        virtual_bytes: get::<Option<u64>>(&mut row, 12)?.unwrap_or(0),
        lost_before: get(&mut row, 16)?,
    };
    Some((get(&mut row, 0)?, request))
}
