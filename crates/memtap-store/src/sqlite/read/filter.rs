//! Which requests are meant: the filters of a query as SQL.

use crate::sqlite::error::Done;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::processes::STARTED;
use memtap_history::{RequestQuery, StoreError};
use memtap_model::WallClock;

/// As many rows are sorted in a moment.
const FEW: i64 = 10_000;

/// The first request of that time or later, as far as the marks tell.
const FIRST: &str = "coalesce((SELECT min(first_id) FROM batch WHERE to_ns >= ?), 9223372036854775807)";
/// The one after the last before that time.
const END: &str = "coalesce((SELECT first_id FROM batch WHERE first_id > \
    (SELECT max(first_id) FROM batch WHERE from_ns < ?) ORDER BY first_id LIMIT 1), 9223372036854775807)";

/// Between which requests those of a range are.
pub(super) fn places(connection: &Connection, from: WallClock, to: WallClock) -> Done<[i64; 2]> {
    let sql = format!("SELECT {FIRST}, {END}");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row([from.0, to.0], |row| Ok([row.get(0)?, row.get(1)?]))?)
}

/// Whether requests of other machines may be there. Where all are of one, nothing has to be looked for by its name. Run 0 is of an older
/// version's rows, which are the first if there are any.
fn has_others(connection: &Connection, host: &str) -> Done<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM run WHERE hostname <> ?1 AND (id <> 0 OR 0 = (SELECT run_id FROM process ORDER BY id LIMIT 1)))";
    Ok(connection.prepare_cached(sql)?.query_row([host], |row| row.get(0))?)
}

/// Conditions and their values; values are always bound.
pub(super) struct Filter {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
    /// The id that bounds of time are put on.
    id: &'static str,
}

impl Filter {
    /// Added to `sql`, a statement that ends with a condition on `request` and `what`.
    pub(super) fn of(query: &RequestQuery, sql: &str, connection: &Connection) -> Done<Self> {
        Self::by("request.id", query, sql, connection)
    }

    /// Of which `id`, the same as the request's, is looked for.
    pub(super) fn by(
        id: &'static str,
        query: &RequestQuery,
        sql: &str,
        connection: &Connection,
    ) -> Done<Self> {
        let mut filter = Self { sql: sql.to_owned(), values: Vec::new(), id };
        if let Some(host) = &query.host
            && has_others(connection, host)?
        {
            let these = "who_id IN (SELECT who.id FROM who JOIN process ON process.id = who.process_id JOIN run ON run.id = process.run_id \
                WHERE hostname = ?)";
            filter.narrow(connection, these, host.clone().into())?;
        }
        if let Some(pid) = query.pid {
            let these = "who_id IN (SELECT who.id FROM who JOIN process ON process.id = who.process_id WHERE pid = ?)";
            filter.narrow(connection, these, i64::from(pid.0).into())?;
        }
        if let Some(started_at) = query.started_at {
            let pid = query.pid.map_or_else(String::new, |pid| format!("pid = {} AND ", pid.0));
            let these = format!(
                "who_id IN (SELECT who.id FROM who JOIN process ON process.id = who.process_id WHERE {pid}{STARTED} / 1000000000 = ?)"
            );
            filter.narrow(connection, &these, started_at.0.div_euclid(1_000_000_000).into())?;
        }
        if let Some(name) = &query.name {
            let pattern = format!("%{}%", name.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
            let these = "who_id IN (SELECT who.id FROM name CROSS JOIN who ON who.name_id = name.id WHERE text LIKE ? ESCAPE '\\')";
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
            self.add(&format!("{} >= {FIRST}", self.id), from.0);
            self.add("request.time_ns >= ?", from.0);
        }
        if let Some(to) = query.to {
            self.add(&format!("{} < {END}", self.id), to.0);
            self.add("request.time_ns < ?", to.0);
        }
    }

    /// Few rows are found by their index and then sorted. Where there are many, the newest are near the end of the table: the
    /// `+` keeps SQLite from collecting and sorting them all.
    fn narrow(&mut self, connection: &Connection, these: &str, value: Value) -> Done<()> {
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

    /// The newest requests, at most `limit`.
    pub(super) fn newest_first(mut self, limit: usize) -> (String, Vec<Value>) {
        self.sql.push_str(" ORDER BY request.id DESC LIMIT ?");
        self.values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
        (self.sql, self.values)
    }
}
