//! Filters of a request query as SQL.

use crate::sqlite::error::Done;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::processes::STARTED;
use memtap_history::{RequestQuery, StoreError};
use memtap_model::WallClock;

/// Maximum number of rows that are cheap to sort.
const FEW: i64 = 10_000;

/// SQL for the lowest request id that can have this time or a later one, from the table `batch`.
const FIRST: &str = "coalesce((SELECT min(first_id) FROM batch WHERE to_ns >= ?), 9223372036854775807)";
/// SQL for the request id after the last one that can be earlier than this time.
const END: &str = "coalesce((SELECT first_id FROM batch WHERE first_id > \
    (SELECT max(first_id) FROM batch WHERE from_ns < ?) ORDER BY first_id LIMIT 1), 9223372036854775807)";

/// Returns the lowest id (inclusive) and the highest id (exclusive) that requests in the range can
/// have.
pub(super) fn id_bounds(connection: &Connection, from: WallClock, to: WallClock) -> Done<[i64; 2]> {
    let sql = format!("SELECT {FIRST}, {END}");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row([from.0, to.0], |row| Ok([row.get(0)?, row.get(1)?]))?)
}

/// Returns whether there may be requests of other machines. If not, the query needs no condition on
/// the host name. Run 0 stands for rows of an older version; its processes have the lowest ids.
fn has_others(connection: &Connection, host: &str) -> Done<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM run WHERE hostname <> ?1 AND (id <> 0 OR 0 = (SELECT run_id FROM process ORDER BY id LIMIT 1)))";
    Ok(connection.prepare_cached(sql)?.query_row([host], |row| row.get(0))?)
}

/// SQL conditions and their values. Values are always bound parameters.
pub(super) struct Filter {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
    /// Column for conditions on the request id.
    id: &'static str,
}

impl Filter {
    /// Appends the conditions to `sql`, a statement that joins `request` and `what` and ends with a
    /// condition.
    pub(super) fn new(query: &RequestQuery, sql: &str, connection: &Connection) -> Done<Self> {
        Self::with_id("request.id", query, sql, connection)
    }

    /// Like [`Self::new`], but `id` is another column with the request's id, used to find rows by
    /// time.
    pub(super) fn with_id(
        id: &'static str,
        query: &RequestQuery,
        sql: &str,
        connection: &Connection,
    ) -> Done<Self> {
        let mut filter = Self { sql: sql.to_owned(), values: Vec::new(), id };
        if let Some(host) = &query.host
            && has_others(connection, host)?
        {
            let condition = "who_id IN (SELECT who.id FROM who JOIN process ON process.id = who.process_id JOIN run ON run.id = process.run_id \
                WHERE hostname = ?)";
            filter.narrow(connection, condition, host.clone().into())?;
        }
        if let Some(pid) = query.pid {
            let condition = "who_id IN (SELECT who.id FROM who JOIN process ON process.id = who.process_id WHERE pid = ?)";
            filter.narrow(connection, condition, i64::from(pid.0).into())?;
        }
        if let Some(started_at) = query.started_at {
            let pid = query.pid.map_or_else(String::new, |pid| format!("pid = {} AND ", pid.0));
            let condition = format!(
                "who_id IN (SELECT who.id FROM who JOIN process ON process.id = who.process_id WHERE {pid}{STARTED} / 1000000000 = ?)"
            );
            filter.narrow(connection, &condition, started_at.0.div_euclid(1_000_000_000).into())?;
        }
        if let Some(name) = &query.name {
            let pattern = format!("%{}%", name.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
            let condition = "who_id IN (SELECT who.id FROM name CROSS JOIN who ON who.name_id = name.id WHERE text LIKE ? ESCAPE '\\')";
            filter.narrow(connection, condition, pattern.into())?;
        }
        if !query.calls.is_empty() {
            let ids: Vec<String> = query.calls.iter().map(|call| call.index().to_string()).collect();
            filter.sql.push_str(&format!(" AND what.call_id IN ({})", ids.join(", ")));
        }
        if let Some(size) = query.min_size {
            // A negative size is one above 2^63, which is larger than any minimum.
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

    /// The table `batch` narrows down the ids; the condition on the row's own time decides.
    fn times(&mut self, query: &RequestQuery) {
        if let Some(from) = query.from {
            self.add(&format!("{} >= {FIRST}", self.id), from.0);
            self.add("request.time_ns >= ?", from.0);
        }
        if let Some(to) = query.to {
            self.add(&format!("{} < {END}", self.id), to.0);
            self.add("request.time_ns < ?", to.0);
        }
    }

    /// If few rows match, they are found through their index and then sorted. If many match, the
    /// newest are near the end of the table: the `+` stops SQLite from collecting and sorting all
    /// of them.
    fn narrow(&mut self, connection: &Connection, condition: &str, value: Value) -> Done<()> {
        let probe = format!("SELECT count(*) FROM (SELECT 1 FROM request WHERE {condition} LIMIT {FEW})");
        let rows: i64 = connection.prepare_cached(&probe)?.query_row([&value], |row| row.get(0))?;
        let plan = if rows < FEW { "" } else { "+" };
        self.add(&format!("{plan}request.{condition}"), value);
        Ok(())
    }

    fn add(&mut self, condition: &str, value: impl Into<Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.push(value.into());
    }

    /// Returns the statement for the newest requests, at most `limit`, and its values.
    pub(super) fn newest_first(mut self, limit: usize) -> (String, Vec<Value>) {
        self.sql.push_str(" ORDER BY request.id DESC LIMIT ?");
        self.values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
        (self.sql, self.values)
    }
}
