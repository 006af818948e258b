//! What is done with a whole database file on demand. Telling and checking only read, each in one transaction, beside a memtap that writes.
//! What a database must have is not written down here: it is what this memtap makes in an empty one.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use memtap_model::WallClock;
use rusqlite::{Connection, ErrorCode};

use super::access;
use super::reader::SqliteReader;
use super::schema;
use crate::maintenance::{Checked, Compacted, Contents, Machine, Table};
use crate::{Clock, Reader, StoreError};

/// For another program's lock.
const PATIENCE: Duration = Duration::from_secs(2);
/// Damaged places that are told, at most.
const SHOWN: u32 = 20;
/// Pages that a check may keep in memory.
const CHECK_CACHE_KIB: i64 = 64 << 10;

/// What the rows rely on, as what is wrong and how many: a reader joins these tables, and a row without its partner would be in
/// no answer. Rows that only wait for retention (a thread without requests, a mark of a deleted request) are not wrong.
const RELATIONS: &[(&str, &str)] = &[
    ("requests without the thread that made them", "request WHERE who_id NOT IN (SELECT id FROM who)"),
    ("requests without their call and outcome", "request WHERE what_id NOT IN (SELECT id FROM what)"),
    (
        "refused requests that are missing from the table refused",
        "request JOIN what ON what.id = what_id WHERE errno IS NOT NULL AND request.id NOT IN (SELECT request_id FROM refused)",
    ),
    (
        "threads with requests but without their process",
        "who WHERE process_id NOT IN (SELECT id FROM process) AND EXISTS (SELECT 1 FROM request WHERE who_id = who.id)",
    ),
    ("threads without their name", "who WHERE name_id NOT IN (SELECT id FROM name)"),
    ("outcomes of unknown calls", "what WHERE call_id NOT IN (SELECT id FROM call)"),
    (
        "outcomes without the name of their file",
        "what WHERE file_id IS NOT NULL AND file_id NOT IN (SELECT id FROM name)",
    ),
    ("processes without their run", "process WHERE run_id NOT IN (SELECT id FROM run)"),
];

/// Adds what it finds.
type Step = fn(&Connection, &Expected, &mut Checked) -> rusqlite::Result<()>;

/// Pages of requests, without a writer.
pub(crate) fn reader(path: &Path, clock: Clock) -> Result<Arc<dyn Reader>, StoreError> {
    reading(path, |_, _| Ok(()))?;
    Ok(Arc::new(SqliteReader::on(access::to_read(path)?, clock)?))
}

pub(crate) fn contents(path: &Path) -> Result<Contents, StoreError> {
    reading(path, |connection, expected| {
        let bounds = "SELECT min(time_ns), max(time_ns) FROM request";
        let bounds: (Option<i64>, Option<i64>) =
            connection.query_row(bounds, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Contents {
            server: None,
            schema: expected.schema,
            bytes: bytes_on_disk(path),
            free_bytes: (pragma(connection, "freelist_count")? * pragma(connection, "page_size")?)
                .cast_unsigned(),
            tables: tables(connection, expected)?,
            times: bounds.0.zip(bounds.1).map(|(from, to)| (WallClock(from), WallClock(to))),
            machines: machines(connection)?,
        })
    })
}

/// What is there, in words.
pub(crate) fn reach(path: &Path) -> Result<String, StoreError> {
    let name = path.display();
    match reading(path, |_, _| Ok(())) {
        Ok(()) => Ok(format!("{name} is a history of this memtap's version")),
        Err(StoreError::Missing { .. }) => Ok(format!("none yet; memtap serve creates {name}")),
        Err(StoreError::Older { .. }) => Ok(format!("{name} is an older history; memtap serve upgrades it")),
        Err(error) => Err(error),
    }
}

/// Its pages, its tables, and what its rows rely on.
pub(crate) fn check(path: &Path) -> Result<Checked, StoreError> {
    let done = reading(path, |connection, expected| {
        // An index is compared with its table row by row.
        connection.pragma_update(None, "cache_size", -CHECK_CACHE_KIB)?;
        let mut checked = Checked::default();
        // Each relies on what the one before has looked at.
        let steps: [Step; 3] = [damaged_pages, missing_parts, broken_relations];
        for step in steps {
            match step(connection, expected, &mut checked) {
                Err(error) if is_damage(&error) => checked.findings.push(error.to_string()),
                done => done?,
            }
            if !checked.findings.is_empty() {
                break;
            }
        }
        Ok(checked)
    });
    match done {
        // Its first page already, or its length.
        Err(StoreError::Sqlite(error)) if is_damage(&error) => {
            Ok(Checked { requests: 0, findings: vec![error.to_string()] })
        }
        done => done,
    }
}

/// Writes the file anew, without the pages that hold nothing.
pub(crate) fn compact(path: &Path) -> Result<Compacted, StoreError> {
    let connection = access::to_rewrite(path)?;
    connection.busy_timeout(PATIENCE)?;
    let before = bytes_on_disk(path);
    // Taken with the first access and kept to the end. It is not given while another program has the file open, whether or not that
    // is writing just now.
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    let alone = |error: StoreError| match error {
        StoreError::Sqlite(error) if is_busy(&error) => StoreError::InUse { path: path.into() },
        error => error,
    };
    verify(&connection, path, &Expected::new()?).map_err(alone)?;
    connection.execute_batch("BEGIN EXCLUSIVE; COMMIT").map_err(|error| alone(error.into()))?;
    shorten_log(&connection)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let pages = pragma(&connection, "page_count")? - pragma(&connection, "freelist_count")?;
    make_sure_of_room(path, folder, (pages * pragma(&connection, "page_size")?).cast_unsigned())?;
    // The copy is made where the room was looked for, not wherever temporary files go.
    if let Some(folder) = folder.to_str() {
        connection.pragma_update(None, "temp_store_directory", folder)?;
    }
    connection.execute_batch("VACUUM")?;
    shorten_log(&connection)?;
    drop(connection);
    Ok(Compacted { before, after: bytes_on_disk(path) })
}

/// What this memtap makes in an empty database.
struct Expected {
    application: i64,
    schema: i64,
    /// Kind and name of its tables, views and indexes.
    parts: Vec<(String, String)>,
}

impl Expected {
    fn new() -> Result<Self, StoreError> {
        let mut fresh = Connection::open_in_memory()?;
        schema::prepare(&mut fresh, Path::new(":memory:"))?;
        Ok(Self {
            application: pragma(&fresh, "application_id")?,
            schema: pragma(&fresh, "user_version")?,
            parts: parts(&fresh)?,
        })
    }

    fn tables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(|(kind, _)| kind == "table").map(|(_, name)| name.as_str())
    }
}

/// Works on one state of the database, whoever writes meanwhile.
fn reading<T>(
    path: &Path,
    work: impl FnOnce(&Connection, &Expected) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let connection = access::to_read(path)?;
    connection.busy_timeout(PATIENCE)?;
    let expected = Expected::new()?;
    connection.execute_batch("BEGIN")?;
    verify(&connection, path, &expected)?;
    work(&connection, &expected)
}

/// Only what has exactly our tables is told of or changed.
fn verify(connection: &Connection, path: &Path, expected: &Expected) -> Result<(), StoreError> {
    let foreign = |reason: String| StoreError::Foreign { path: path.into(), reason };
    let application =
        pragma(connection, "application_id").map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => foreign(error.to_string()),
            _ => error.into(),
        })?;
    if application != expected.application {
        return Err(foreign("it is empty, or another program's SQLite database".to_owned()));
    }
    let (path, found, known) = (path.into(), pragma(connection, "user_version")?, expected.schema);
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(StoreError::Older { path, found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::Newer { path, found, known }),
    }
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn parts(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let sql =
        "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid";
    connection.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn tables(connection: &Connection, expected: &Expected) -> Result<Vec<Table>, StoreError> {
    let sizes = "SELECT part.tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_schema AS part ON part.name = dbstat.name \
        WHERE aggregate = TRUE GROUP BY 1";
    let sizes: HashMap<String, i64> = connection
        .prepare(sizes)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut tables = Vec::new();
    for name in expected.tables() {
        let rows: i64 =
            connection.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0))?;
        let bytes = sizes.get(name).copied().unwrap_or(0).cast_unsigned();
        tables.push(Table { name: name.to_owned(), rows: rows.cast_unsigned(), bytes });
    }
    tables.sort_by_key(|table| std::cmp::Reverse(table.bytes));
    Ok(tables)
}

fn machines(connection: &Connection) -> rusqlite::Result<Vec<Machine>> {
    // Run 0 is of rows from before there were runs, and stands there without such rows too.
    let sql = "SELECT hostname, kernel, count(*), min(began_ns), max(began_ns) FROM run \
        WHERE id <> 0 OR EXISTS (SELECT 1 FROM process WHERE run_id = 0) GROUP BY 1, 2 ORDER BY 1, 5";
    let machine = |row: &rusqlite::Row<'_>| {
        Ok(Machine {
            hostname: row.get(0)?,
            kernel: row.get(1)?,
            runs: row.get::<_, i64>(2)?.cast_unsigned(),
            began: (WallClock(row.get(3)?), WallClock(row.get(4)?)),
        })
    };
    connection.prepare(sql)?.query_map([], machine)?.collect()
}

fn damaged_pages(connection: &Connection, _: &Expected, checked: &mut Checked) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({SHOWN})"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        checked.findings.extend(text.lines().filter(|line| *line != "ok").map(str::to_owned));
    }
    Ok(())
}

fn missing_parts(
    connection: &Connection,
    expected: &Expected,
    checked: &mut Checked,
) -> rusqlite::Result<()> {
    let found: HashSet<_> = parts(connection)?.into_iter().collect();
    let missing = expected.parts.iter().filter(|part| !found.contains(part));
    checked.findings.extend(missing.map(|(kind, name)| format!("the {kind} {name} is missing")));
    Ok(())
}

fn broken_relations(connection: &Connection, _: &Expected, checked: &mut Checked) -> rusqlite::Result<()> {
    let count = |rows: &str| {
        connection.query_row(&format!("SELECT count(*) FROM {rows}"), [], |row| row.get::<_, i64>(0))
    };
    for (what, rows) in RELATIONS {
        let found = count(rows)?;
        if found > 0 {
            checked.findings.push(format!("{found} {what}"));
        }
    }
    checked.requests = count("request")?.cast_unsigned();
    Ok(())
}

/// Moves the log into the file.
fn shorten_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// The copy, and the log that brings it into the file.
fn make_sure_of_room(path: &Path, folder: &Path, used: u64) -> Result<(), StoreError> {
    let needed = 2 * used + used / 32 + (1 << 20);
    let unknown = |error: nix::Error| StoreError::Unwritable { path: path.into(), reason: error.to_string() };
    let free = nix::sys::statvfs::statvfs(folder).map_err(unknown)?;
    let free = free.blocks_available().saturating_mul(free.fragment_size());
    if free < needed { Err(StoreError::NoRoom { path: path.into(), needed, free }) } else { Ok(()) }
}

fn bytes_on_disk(path: &Path) -> u64 {
    let bytes = |suffix: &str| {
        let mut path = path.as_os_str().to_owned();
        path.push(suffix);
        std::fs::metadata(path).map_or(0, |file| file.len())
    };
    bytes("") + bytes("-wal")
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_looked_for_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memtap.db");
        make_sure_of_room(&path, folder.path(), 4096).unwrap();
        let error = make_sure_of_room(&path, folder.path(), 1 << 60).unwrap_err().to_string();
        assert!(error.contains("memtap.db") && error.contains("Nothing was changed."), "{error}");
        let nowhere = folder.path().join("nowhere");
        assert!(make_sure_of_room(&path, &nowhere, 4096).is_err());
    }
}
