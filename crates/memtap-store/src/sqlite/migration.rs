//! Upgrades an old history to the current schema and reports the progress.
//!
//! All changes of a version are one transaction. If it is interrupted, the history is unchanged,
//! and the next start begins again.

use crate::sqlite::error::Done;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::deletion::REQUESTS;

/// Time between two progress messages.
const REPORT_EVERY: Duration = Duration::from_secs(3);
/// Number of SQLite virtual machine steps between two checks of the clock.
const STEPS_AT_ONCE: u32 = 50_000;
/// Approximate number of steps per request for the upgrade from version 2 to 3; used for the
/// progress in percent.
const STEPS_OF_A_REQUEST: u64 = 110;
/// Approximate number of steps per usage sample for the same upgrade.
const STEPS_OF_A_SAMPLE: u64 = 185;
/// Approximate number of steps per process for the upgrades from version 4 on.
const STEPS_OF_A_PROCESS: u64 = 30;

/// Runs the migration and logs its progress. Temporary data is kept in files beside the database,
/// not in memory.
pub(super) fn with_log(
    connection: &mut Connection,
    path: &Path,
    version: i64,
    migrate: impl FnOnce(&Connection) -> Done<()>,
) -> Done<()> {
    let mebibytes = std::fs::metadata(path).map_or(0, |file| file.len()) >> 20;
    tracing::info!(
        "{}: upgrading {mebibytes} MiB to the current schema. An interruption leaves the file unchanged",
        path.display()
    );
    let (name, begin, mut last_report) = (path.display().to_string(), Instant::now(), Instant::now());
    let report = move |percent| {
        if last_report.elapsed() >= REPORT_EVERY {
            last_report = Instant::now();
            tracing::info!("{name}: about {percent} % upgraded after {} s", begin.elapsed().as_secs());
        }
    };
    with_progress(connection, path, version, report, migrate)?;
    tracing::info!("{}: upgraded to the current schema in {} s", path.display(), begin.elapsed().as_secs());
    Ok(())
}

/// Runs the migration and calls `report` with the progress in percent. It stays at 99 until the
/// end.
fn with_progress(
    connection: &mut Connection,
    path: &Path,
    version: i64,
    mut report: impl FnMut(u64) + Send + 'static,
    migrate: impl FnOnce(&Connection) -> Done<()>,
) -> Done<()> {
    let all = steps(connection, version)?.max(1);
    let mut done = 0;
    let on_steps = move || {
        done += u64::from(STEPS_AT_ONCE);
        report((done.saturating_mul(100) / all).min(99));
        false
    };
    let directory = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    set_temp_directory(connection, directory.to_str())?;
    connection.progress_handler(STEPS_AT_ONCE.cast_signed(), Some(on_steps))?;
    let migrated = migrate(connection);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    set_temp_directory(connection, None)?;
    migrated
}

/// Estimated number of steps.
fn steps(connection: &Connection, version: i64) -> Done<u64> {
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned);
    let processes = count("SELECT count(*) FROM process")? * STEPS_OF_A_PROCESS;
    if version > 2 {
        return Ok(processes);
    }
    Ok(processes
        + count(REQUESTS)? * STEPS_OF_A_REQUEST
        + count("SELECT count(*) FROM usage_sample")? * STEPS_OF_A_SAMPLE)
}

/// Sets the directory for temporary files. `None` selects SQLite's default.
fn set_temp_directory(connection: &Connection, folder: Option<&str>) -> Done<()> {
    connection.execute_batch("PRAGMA temp_store = FILE")?;
    Ok(connection.pragma_update(None, "temp_store_directory", folder.unwrap_or_default())?)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::sqlite::schema::{APPLICATION, MIGRATIONS, prepare};

    const REQUESTS: i64 = 40_000;

    /// Creates a history as memtap with schema version 2 left it.
    fn old(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL").unwrap();
        connection.execute_batch(&MIGRATIONS[..2].concat()).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 2; BEGIN;
                 INSERT INTO call VALUES (0, 'mmap'), (1, 'munmap'); INSERT INTO name VALUES (1, x'7065726c', 'perl');
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
                 INSERT INTO process (id, pid, start_ns, started_at_ns, name) SELECT i, i, i, 1, 'perl' FROM n;
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {REQUESTS})
                 INSERT INTO request (id, time_ns, process_id, name_id, tid, call_id, size, address, delta_bytes, errno, virtual_bytes,
                     protection, flags, lost_before)
                 SELECT i, i * 1000, i % 200 + 1, 1, i % 200 + 1, i % 2, i, i, i, iif(i % 100, NULL, 12), i, i % 4, i % 3, i % 50 = 0 FROM n;
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {REQUESTS} / 4)
                 INSERT INTO usage_sample SELECT i % 200 + 1, i * 10000000000, i, i, i, i, i, i, i, i, i, i, i FROM n; COMMIT"
            ))
            .unwrap();
        connection
    }

    fn requests(connection: &Connection) -> (i64, i64, i64) {
        let sql = "SELECT count(*), sum(memory_size), sum(tid) FROM memory_usage";
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
    }

    fn version(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn progress_is_roughly_right_and_a_kill_leaves_the_old_history() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memtap.db");
        let mut connection = old(&path);
        let before = requests(&connection);
        // A copy of the files during the upgrade is what a kill would leave.
        let killed = folder.path().join("killed");
        std::fs::create_dir(&killed).unwrap();
        let percents = Arc::new(Mutex::new(Vec::new()));
        let report = {
            let (percents, folder, killed) =
                (Arc::clone(&percents), folder.path().to_owned(), killed.clone());
            move |percent: u64| {
                let mut percents = percents.lock().unwrap();
                if percent >= 70 && percents.iter().all(|before| *before < 70) {
                    let mut copy = Command::new("sh");
                    copy.arg("-c").arg("cp \"$0\"/memtap.db* \"$1\"").args([&folder, &killed]);
                    assert!(copy.status().unwrap().success());
                }
                percents.push(percent);
            }
        };
        let known = MIGRATIONS.len() as i64;
        with_progress(&mut connection, &path, 2, report, |connection| {
            crate::sqlite::schema::migrate(connection, 2)
        })
        .unwrap();
        let all = percents.lock().unwrap().clone();
        assert!(all.is_sorted() && (85..=99).contains(all.last().unwrap()), "{all:?}");
        assert_eq!((version(&connection), requests(&connection)), (known, before));
        let log = killed.join("memtap.db-wal").metadata().unwrap().len();
        assert!(log > 1 << 20, "it was under way: {log}");
        let mut connection = Connection::open(killed.join("memtap.db")).unwrap();
        assert_eq!((version(&connection), requests(&connection)), (2, before), "as it was");
        prepare(&mut connection, &killed.join("memtap.db")).unwrap();
        assert_eq!((version(&connection), requests(&connection)), (known, before));
    }
}
