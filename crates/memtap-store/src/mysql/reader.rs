//! Pages of requests.

use std::time::SystemTime;

use memtap_model::{CALLS, Call, Comm, Errno, Tgid, Tid, WallClock};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Pool, Row, Value};

use super::link::Link;
use super::rows::text_of;
use super::samples;
use crate::{Reader, RequestPage, RequestQuery, StoreError, StoredRequest, UsagePoint, UsageQuery};

/// The original's rows may have NULL, and a time or a pid that is none.
const COLUMNS: &str = "SELECT id, COALESCE(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', timestamp), 0), \
    CAST(LEAST(GREATEST(COALESCE(pid, 0), 0), 4294967295) AS UNSIGNED), tid, COALESCE(process_name, ''), name_bytes, my_call, \
    COALESCE(memory_size, 0), requested_bytes, address, delta_bytes, errno, virtual_bytes, protection, flags, file, lost_before, host \
    FROM memory_usage WHERE ";

pub(super) struct MysqlReader {
    link: Link,
    pool: Pool,
}

impl MysqlReader {
    pub(super) fn new(link: &Link) -> Self {
        Self { link: link.clone(), pool: link.pool() }
    }
}

impl Reader for MysqlReader {
    fn requests(&self, query: &RequestQuery) -> Result<RequestPage, StoreError> {
        let limit = u64::try_from(query.limit).unwrap_or(u64::MAX).min(i64::MAX as u64 - 1);
        let mut filter = Filter::of(query)?;
        filter.sql.push_str(" ORDER BY id DESC LIMIT ?");
        filter.values.push((limit + 1).into());
        let Filter { sql, values } = filter;
        let rows: Vec<Row> = self.link.read(async {
            let mut connection = self.pool.get_conn().await?;
            connection.exec(sql, values).await
        })?;
        let more = rows.len() as u64 > limit;
        let mut rows = rows
            .into_iter()
            .map(|row| {
                stored(row).ok_or_else(|| {
                    self.link.mysql(false, "a row is none of memtap's".to_owned(), "see docs/stores.md")
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        rows.truncate(query.limit);
        let next_cursor = rows.last().filter(|_| more).map(|(id, _)| id.to_string());
        Ok(RequestPage { requests: rows.into_iter().map(|(_, request)| request).collect(), next_cursor })
    }

    fn usage(&self, query: &UsageQuery) -> Result<Vec<UsagePoint>, StoreError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        self.link.read(async {
            let mut connection = self.pool.get_conn().await?;
            samples::usage(&mut connection, query, now_s).await
        })
    }
}

/// Conditions and their values; values are always bound.
struct Filter {
    sql: String,
    values: Vec<Value>,
}

impl Filter {
    fn of(query: &RequestQuery) -> Result<Self, StoreError> {
        // The original's rows may name calls that nobody knows.
        let known: Vec<String> = match &query.calls[..] {
            [] => CALLS.iter().map(|row| format!("'{}'", row.name)).collect(),
            calls => calls.iter().map(|call| format!("'{}'", call.name())).collect(),
        };
        let mut filter =
            Self { sql: format!("{COLUMNS}my_call IN ({})", known.join(", ")), values: Vec::new() };
        if let Some(host) = &query.host {
            filter.add("host = ?", host.as_str());
        }
        if let Some(pid) = query.pid {
            filter.add("pid = ?", pid.0);
        }
        // An empty pattern is none to MySQL.
        if let Some(name) = query.name.as_deref().filter(|name| !name.is_empty()) {
            filter.add("process_name COLLATE utf8mb4_bin REGEXP ?", pattern(name));
        }
        if let Some(size) = query.min_size {
            // One above 2^63 is kept as the largest number.
            filter.add("memory_size >= ?", i64::try_from(size).unwrap_or(i64::MAX));
        }
        match query.refused {
            Some(true) => filter.sql.push_str(" AND errno IS NOT NULL"),
            Some(false) => filter.sql.push_str(" AND errno IS NULL"),
            None => {}
        }
        if let Some(from) = query.from {
            filter.add("timestamp >= ?", text_of(from));
        }
        if let Some(to) = query.to {
            filter.add("timestamp < ?", text_of(to));
        }
        if let Some(cursor) = &query.cursor {
            let before: u64 = cursor.parse().map_err(|_| StoreError::Cursor(cursor.clone()))?;
            filter.add("id < ?", before);
        }
        Ok(filter)
    }

    fn add(&mut self, condition: &str, value: impl Into<Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.push(value.into());
    }
}

/// What finds that text whatever the case of its ASCII letters: of all others the server's collations and LOWER have ideas of their own.
fn pattern(text: &str) -> String {
    let parts = text.chars().map(|c| match c {
        'a'..='z' | 'A'..='Z' => format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase()),
        c => format!("\\x{{{:x}}}", u32::from(c)),
    });
    parts.collect()
}

/// `None` when a column has what memtap writes into none.
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
