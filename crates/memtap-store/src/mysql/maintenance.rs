//! What is done with a whole database of a server on demand. Only the tables that memtap makes are looked at or written anew.

use std::collections::HashSet;
use std::time::Duration;

use memtap_model::WallClock;
use mysql_async::prelude::{FromRow, Queryable as _};
use mysql_async::{Conn, Row};

use super::link::{self, Link};
use super::schema::{self, Expected};
use super::url::MysqlUrl;
use crate::StoreError;
use crate::maintenance::{Checked, Compacted, Contents, Machine, Table};

/// A table of many millions of rows is read from end to end, or written anew.
const WITHIN: Duration = Duration::from_secs(24 * 3600);

/// What the rows rely on, as what is wrong and the rows that are. What has no process told of none: the original's rows are such.
const RELATIONS: &[(&str, &str)] = &[
    (
        "requests without their process",
        "memory_usage AS mine LEFT JOIN process AS other ON other.id = mine.process_id WHERE mine.process_id IS NOT NULL",
    ),
    (
        "processes without their run",
        "process AS mine LEFT JOIN run AS other ON other.id = mine.run_id WHERE true",
    ),
    (
        "sums of calls without their process",
        "process_call AS mine LEFT JOIN process AS other ON other.id = mine.process_id WHERE true",
    ),
    (
        "samples of usage without their run",
        "usage_sample AS mine LEFT JOIN run AS other ON other.id = mine.run_id WHERE true",
    ),
    (
        "samples of usage without their process",
        "usage_sample AS mine LEFT JOIN process AS other ON other.id = mine.process_id WHERE mine.process_id <> 0",
    ),
    (
        "readings before an OOM kill, without the kill itself",
        "oom_before AS mine LEFT JOIN oom_kill AS other ON other.id = mine.oom_id WHERE true",
    ),
];

/// A delivery is there as a whole or not at all: then a machine has as many requests as its runs count.
const COUNTS: &str = "SELECT counted.hostname, counted.requests, COALESCE(found.requests, 0) FROM \
    (SELECT hostname, CAST(SUM(`rows`) AS SIGNED) AS requests FROM run GROUP BY hostname) AS counted LEFT JOIN \
    (SELECT host, COUNT(*) AS requests FROM memory_usage WHERE id > (SELECT original_last_id FROM memtap_schema) GROUP BY host) AS found \
    ON found.host = counted.hostname WHERE counted.requests <> COALESCE(found.requests, 0)";

/// A connection to tables that are this memtap's.
struct Database {
    link: Link,
    connection: Conn,
}

pub(crate) fn contents(url: &MysqlUrl) -> Result<Contents, StoreError> {
    let mut database = Database::open(url)?;
    database.begin()?;
    let times = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', MIN(timestamp)), TIMESTAMPDIFF(MICROSECOND, '1970-01-01', MAX(timestamp)) FROM memory_usage";
    let times: Option<(Option<i64>, Option<i64>)> = database.query(times)?.pop();
    let server: Option<String> = database.query("SELECT VERSION()")?.pop();
    let sizes: Vec<(String, u64, u64)> = database.query(
        "SELECT TABLE_NAME, CAST(COALESCE(DATA_LENGTH + INDEX_LENGTH, 0) AS UNSIGNED), CAST(COALESCE(DATA_FREE, 0) AS UNSIGNED) \
         FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
    )?;
    let mut tables = Vec::new();
    let mut free_bytes = 0;
    for name in tables_of_ours() {
        let rows: Option<u64> = database.query(&format!("SELECT COUNT(*) FROM `{name}`"))?.pop();
        let size = sizes.iter().find(|(table, ..)| table == name);
        let (bytes, free) = size.map_or((0, 0), |(_, bytes, free)| (*bytes, *free));
        free_bytes += free;
        tables.push(Table { name: name.to_owned(), rows: rows.unwrap_or(0), bytes });
    }
    tables.sort_by_key(|table| std::cmp::Reverse(table.bytes));
    Ok(Contents {
        server,
        schema: schema::VERSION,
        bytes: tables.iter().map(|table| table.bytes).sum::<u64>() + free_bytes,
        free_bytes,
        tables,
        times: times.and_then(|(from, to)| Some((time(from?), time(to?)))),
        machines: database.machines()?,
    })
}

/// What is there, in words.
pub(crate) fn reach(url: &MysqlUrl) -> Result<String, StoreError> {
    let link = Link::new(url)?;
    let mut connection = match link.connect(true) {
        Err(error) if link::is_unknown_database(&error) => {
            return Ok(format!("the server of {url} answers; memtap serve creates the database"));
        }
        connected => connected?,
    };
    let server: Option<String> = link.write(connection.query_first("SELECT VERSION()"))?;
    link::close(&link, connection);
    match Database::open(url) {
        Err(newer @ StoreError::NewerDatabase { .. }) => Err(newer),
        // Tables that are missing or older are made by the next `memtap serve`.
        _ => Ok(format!("{url} answers (version {})", server.unwrap_or_default())),
    }
}

pub(crate) fn check(url: &MysqlUrl, tell: &dyn Fn(&str)) -> Result<Checked, StoreError> {
    let mut database = Database::open(url)?;
    let mut checked = Checked { requests: 0, findings: database.missing_parts()? };
    // Each relies on what was looked at before.
    if checked.findings.is_empty() {
        checked.findings = database.damaged_tables(tell)?;
    }
    if checked.findings.is_empty() {
        tell("references between rows");
        checked.findings = database.broken_relations()?;
        checked.requests = database.query("SELECT COUNT(*) FROM memory_usage")?.pop().unwrap_or(0);
    }
    Ok(checked)
}

/// The server writes each table anew beside the old one, which stays in use meanwhile.
pub(crate) fn compact(url: &MysqlUrl, tell: &dyn Fn(&str)) -> Result<Compacted, StoreError> {
    let mut database = Database::open(url)?;
    let before = database.bytes()?;
    for name in tables_of_ours() {
        tell(name);
        let failed = database.administer(&format!("OPTIMIZE TABLE `{name}`"))?;
        if let Some(reason) = failed.into_iter().next() {
            return Err(database.link.mysql(false, reason, "See the server's log"));
        }
    }
    Ok(Compacted { before, after: database.bytes()? })
}

impl Database {
    /// Makes and changes nothing.
    fn open(url: &MysqlUrl) -> Result<Self, StoreError> {
        let link = Link::new(url)?;
        let connection = link.connect(true)?;
        let mut database = Self { link, connection };
        let marked = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'memtap_schema'";
        let version: Option<i64> = match database.query::<i64>(marked)?.pop() {
            Some(1) => database.query("SELECT version FROM memtap_schema")?.pop(),
            _ => None,
        };
        let of_another = |reason: String, fix| Err(database.link.mysql(false, reason, fix));
        let known = schema::VERSION;
        match version {
            None => of_another("it has no memtap tables".to_owned(), "Name the history with --store"),
            Some(found) if found < known => of_another(
                format!("its tables have version {found}, older than this memtap's {known}"),
                "Start memtap once with this --store: it upgrades them",
            ),
            Some(found) if found > known => {
                Err(StoreError::NewerDatabase { database: database.link.name(), found, known })
            }
            Some(_) => Ok(database),
        }
    }

    /// What follows sees one state of the database, whoever writes meanwhile.
    fn begin(&mut self) -> Result<(), StoreError> {
        self.link.write(self.connection.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT"))
    }

    fn query<T: FromRow + Send + 'static>(&mut self, sql: &str) -> Result<Vec<T>, StoreError> {
        self.link.run(WITHIN, self.connection.query(sql))
    }

    /// What a statement on a whole table complains of.
    fn administer(&mut self, sql: &str) -> Result<Vec<String>, StoreError> {
        let rows: Vec<Row> = self.query(sql)?;
        let rows = rows.into_iter().map(mysql_async::from_row::<(String, String, String, String)>);
        let complaints = rows.filter(|(_, _, kind, _)| kind.eq_ignore_ascii_case("error"));
        Ok(complaints.map(|(table, _, _, text)| format!("{table}: {text}")).collect())
    }

    fn bytes(&mut self) -> Result<u64, StoreError> {
        let names = tables_of_ours().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH + DATA_FREE), 0) AS UNSIGNED) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({names})"
        );
        Ok(self.query(&sql)?.pop().unwrap_or(0))
    }

    fn machines(&mut self) -> Result<Vec<Machine>, StoreError> {
        let began = |which| format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {which}(began))");
        let sql = format!(
            "SELECT hostname, kernel, COUNT(*), {}, {} FROM run GROUP BY 1, 2 ORDER BY 1, MAX(began)",
            began("MIN"),
            began("MAX")
        );
        let rows: Vec<(String, String, u64, i64, i64)> = self.query(&sql)?;
        let machine = |(hostname, kernel, runs, first, last)| Machine {
            hostname,
            kernel,
            runs,
            began: (time(first), time(last)),
        };
        Ok(rows.into_iter().map(machine).collect())
    }

    /// Tables, views, columns and indexes; and the engine, without which a delivery that is cut short would leave a part.
    fn missing_parts(&mut self) -> Result<Vec<String>, StoreError> {
        let tables: Vec<(String, Option<String>)> = self.query(
            "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
        )?;
        let columns: Vec<(String, String)> = self.query(
            "SELECT TABLE_NAME, LOWER(COLUMN_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()",
        )?;
        let indexes: Vec<(String, String)> = self.query(
            "SELECT TABLE_NAME, INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE()",
        )?;
        let columns: HashSet<_> = columns.into_iter().collect();
        let indexes: HashSet<_> = indexes.into_iter().collect();
        let mut findings = Vec::new();
        for Expected { name, columns: wanted, indexes: wanted_indexes, is_table } in schema::expected() {
            let Some((_, engine)) = tables.iter().find(|(table, _)| table == name) else {
                findings.push(format!("the {} {name} is missing", if is_table { "table" } else { "view" }));
                continue;
            };
            if is_table && engine.as_deref() != Some("InnoDB") {
                findings.push(format!("the table {name} has an engine without transactions"));
            }
            let has = |found: &HashSet<(String, String)>, part: &str| {
                found.contains(&(name.to_owned(), part.to_owned()))
            };
            let absent = wanted.into_iter().filter(|column| !has(&columns, column));
            findings.extend(absent.map(|column| format!("the column {name}.{column} is missing")));
            let absent = wanted_indexes.into_iter().filter(|index| !has(&indexes, index));
            findings.extend(absent.map(|index| format!("the index {index} of {name} is missing")));
        }
        Ok(findings)
    }

    fn damaged_tables(&mut self, tell: &dyn Fn(&str)) -> Result<Vec<String>, StoreError> {
        let mut findings = Vec::new();
        for name in tables_of_ours() {
            tell(name);
            findings.extend(self.administer(&format!("CHECK TABLE `{name}`"))?);
        }
        Ok(findings)
    }

    fn broken_relations(&mut self) -> Result<Vec<String>, StoreError> {
        self.begin()?;
        let mut findings = Vec::new();
        for (what, rows) in RELATIONS {
            let sql = format!("SELECT COUNT(*) FROM {rows} AND other.id IS NULL");
            let found: u64 = self.query(&sql)?.pop().unwrap_or(0);
            if found > 0 {
                findings.push(format!("{found} {what}"));
            }
        }
        let counts: Vec<(String, i64, i64)> = self.query(COUNTS)?;
        findings.extend(counts.into_iter().map(|(host, counted, found)| {
            format!("{found} requests of the machine {host}, but its runs count {counted}: a delivery is stored in part")
        }));
        Ok(findings)
    }
}

fn tables_of_ours() -> impl Iterator<Item = &'static str> {
    schema::expected().into_iter().filter(|part| part.is_table).map(|part| part.name)
}

fn time(microseconds: i64) -> WallClock {
    WallClock(microseconds.saturating_mul(1000))
}
