//! Filters of a request query as SQL.

use memtap_model::CALLS;
use mysql_async::Value;

use memtap_history::{RequestQuery, StoreError};

use super::processes::STARTED;
use crate::mysql::rows::format_time;

/// SQL conditions and their values. Values are always bound parameters.
pub(super) struct Filter {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Filter {
    /// Appends the conditions to `sql`, a statement on `memory_usage` that ends with a condition.
    pub(super) fn new(query: &RequestQuery, sql: &str) -> Result<Self, StoreError> {
        // Rows of the original system may have unknown calls; these are left out.
        let known: Vec<String> = match &query.calls[..] {
            [] => CALLS.iter().map(|row| format!("'{}'", row.name)).collect(),
            calls => calls.iter().map(|call| format!("'{}'", call.name())).collect(),
        };
        let mut filter =
            Self { sql: format!("{sql} AND my_call IN ({})", known.join(", ")), values: Vec::new() };
        if let Some(host) = &query.host {
            filter.add("host = ?", host.as_str());
        }
        if let Some(pid) = query.pid {
            filter.add("pid = ?", pid.0);
        }
        if let Some(started_at) = query.started_at {
            let pid = query.pid.map_or_else(String::new, |pid| format!("pid = {} AND ", pid.0));
            let condition = format!(
                "process_id IN (SELECT process.id FROM process WHERE {pid}TIMESTAMPDIFF(SECOND, '1970-01-01', {STARTED}) = ?)"
            );
            filter.add(&condition, started_at.0.div_euclid(1_000_000_000));
        }
        // MySQL rejects an empty pattern.
        if let Some(name) = query.name.as_deref().filter(|name| !name.is_empty()) {
            filter.add("process_name COLLATE utf8mb4_bin REGEXP ?", pattern(name));
        }
        if let Some(size) = query.min_size {
            // Sizes above 2^63 are stored as the largest number.
            filter.add("memory_size >= ?", i64::try_from(size).unwrap_or(i64::MAX));
        }
        match query.refused {
            Some(true) => filter.sql.push_str(" AND errno IS NOT NULL"),
            Some(false) => filter.sql.push_str(" AND errno IS NULL"),
            None => {}
        }
        if let Some(from) = query.from {
            filter.add("timestamp >= ?", format_time(from));
        }
        if let Some(to) = query.to {
            filter.add("timestamp < ?", format_time(to));
        }
        if let Some(cursor) = &query.cursor {
            let before: u64 = cursor.parse().map_err(|_| StoreError::Cursor(cursor.clone()))?;
            filter.add("id < ?", before);
        }
        Ok(filter)
    }

    /// Returns the statement for the newest requests, at most `limit`, and its values.
    pub(super) fn newest_first(mut self, limit: u64) -> (String, Vec<Value>) {
        self.sql.push_str(" ORDER BY id DESC LIMIT ?");
        self.values.push(limit.into());
        (self.sql, self.values)
    }

    fn add(&mut self, condition: &str, value: impl Into<Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.push(value.into());
    }
}

/// Returns a regular expression that finds this text, ignoring the case of ASCII letters only. The
/// server's collations and LOWER would also fold other characters.
fn pattern(text: &str) -> String {
    let parts = text.chars().map(|c| match c {
        'a'..='z' | 'A'..='Z' => format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase()),
        c => format!("\\x{{{:x}}}", u32::from(c)),
    });
    parts.collect()
}
