//! Maintenance of a database file. Showing and checking run in one read transaction each, and may
//! run while memtap writes. The expected tables are not listed here: they are read from an empty
//! database that this memtap creates.

use crate::sqlite::error::{Done, Error};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use memtap_model::WallClock;
use rusqlite::{Connection, ErrorCode};

use super::access;
use super::schema;
use memtap_history::StoreError;
use memtap_history::maintenance::{Checked, Compacted, Contents, Machine, Table};

/// Time to wait for another program's lock.
const PATIENCE: Duration = Duration::from_secs(2);
/// Maximum number of damaged places reported.
const SHOWN: u32 = 20;
/// Cache size for a check.
const CHECK_CACHE_KIB: i64 = 64 << 10;

/// References between rows, as a description and the rows that break it. A reader joins these
/// tables, so a row without its partner would never be returned. Rows that only wait for retention
/// (a thread without requests, a batch row of deleted requests) are not errors.
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

/// A step of a check. It adds its findings.
type Step = fn(&Connection, &Expected, &mut Checked) -> rusqlite::Result<()>;

/// Fails if the history does not exist or its tables are not this version's.
pub(super) fn verify_file(path: &Path) -> Done<()> {
    reading(path, |_, _| Ok(()))
}

pub(super) fn contents(path: &Path) -> Done<Contents> {
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

/// Describes the state of the file in words.
pub(super) fn reach(path: &Path) -> Done<String> {
    let name = path.display();
    match reading(path, |_, _| Ok(())) {
        Ok(()) => Ok(format!("{name} has the current schema version")),
        Err(Error::Store(StoreError::Missing { .. })) => Ok(format!("none yet; memtap serve creates {name}")),
        Err(Error::Store(StoreError::Older { .. })) => {
            Ok(format!("{name} has an older schema version; memtap serve upgrades it"))
        }
        Err(error) => Err(error),
    }
}

/// Checks the pages, the tables, and the references between rows.
pub(super) fn check(path: &Path) -> Done<Checked> {
    let done = reading(path, |connection, expected| {
        // The integrity check compares an index with its table row by row.
        connection.pragma_update(None, "cache_size", -CHECK_CACHE_KIB)?;
        let mut checked = Checked::default();
        // Each step relies on the ones before.
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
        // The first page or the file length is damaged.
        Err(Error::Sqlite(error)) if is_damage(&error) => {
            Ok(Checked { requests: 0, findings: vec![error.to_string()] })
        }
        done => done,
    }
}

/// Rewrites the file without unused pages.
pub(super) fn compact(path: &Path) -> Done<Compacted> {
    let connection = access::to_rewrite(path)?;
    connection.busy_timeout(PATIENCE)?;
    let before = bytes_on_disk(path);
    // The lock is taken at the first access and held to the end. It fails while another program has
    // the file open, even if that does not write.
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    let alone = |error: Error| match error {
        Error::Sqlite(error) if is_busy(&error) => StoreError::InUse { path: path.into() }.into(),
        error => error,
    };
    verify(&connection, path, &Expected::new()?).map_err(alone)?;
    connection.execute_batch("BEGIN EXCLUSIVE; COMMIT").map_err(|error| alone(error.into()))?;
    truncate_log(&connection)?;
    let directory =
        path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let pages = pragma(&connection, "page_count")? - pragma(&connection, "freelist_count")?;
    check_free_space(path, directory, (pages * pragma(&connection, "page_size")?).cast_unsigned())?;
    // Create the copy where the free space was checked, not in the directory for temporary files.
    if let Some(directory) = directory.to_str() {
        connection.pragma_update(None, "temp_store_directory", directory)?;
    }
    connection.execute_batch("VACUUM")?;
    truncate_log(&connection)?;
    drop(connection);
    Ok(Compacted { before, after: bytes_on_disk(path) })
}

/// Tables that this memtap creates in an empty database.
struct Expected {
    application: i64,
    schema: i64,
    /// Kind and name of tables, views and indexes.
    parts: Vec<(String, String)>,
}

impl Expected {
    fn new() -> Done<Self> {
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

/// Runs `work` in one read transaction, so that concurrent writes do not matter.
fn reading<T>(path: &Path, work: impl FnOnce(&Connection, &Expected) -> Done<T>) -> Done<T> {
    let connection = access::to_read(path)?;
    connection.busy_timeout(PATIENCE)?;
    let expected = Expected::new()?;
    connection.execute_batch("BEGIN")?;
    verify(&connection, path, &expected)?;
    work(&connection, &expected)
}

/// Rejects foreign files, and files with another schema version.
fn verify(connection: &Connection, path: &Path, expected: &Expected) -> Done<()> {
    let foreign = |reason: String| Error::from(StoreError::Foreign { path: path.into(), reason });
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
        std::cmp::Ordering::Less => Err(StoreError::Older { path, found, known }.into()),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::Newer { path, found, known }.into()),
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

fn tables(connection: &Connection, expected: &Expected) -> Done<Vec<Table>> {
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
    // Run 0 holds rows from before there were runs. It exists even without such rows.
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
    let existing: HashSet<_> = parts(connection)?.into_iter().collect();
    let missing = expected.parts.iter().filter(|part| !existing.contains(part));
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
fn truncate_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Checks the space for the copy, and for the log that moves it into the file.
fn check_free_space(path: &Path, directory: &Path, used: u64) -> Done<()> {
    let needed = 2 * used + used / 32 + (1 << 20);
    let unknown = |error: nix::Error| StoreError::Unwritable { path: path.into(), reason: error.to_string() };
    let free = nix::sys::statvfs::statvfs(directory).map_err(unknown)?;
    let free = free.blocks_available().saturating_mul(free.fragment_size());
    if free < needed { Err(StoreError::NoRoom { path: path.into(), needed, free }.into()) } else { Ok(()) }
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
    fn free_space_is_checked_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("memtap.db");
        check_free_space(&path, directory.path(), 4096).unwrap();
        let error = check_free_space(&path, directory.path(), 1 << 60).unwrap_err();
        let error = StoreError::from(error).to_string();
        assert!(error.contains("memtap.db") && error.contains("Nothing was changed."), "{error}");
        let nowhere = directory.path().join("nowhere");
        assert!(check_free_space(&path, &nowhere, 4096).is_err());
    }
}
