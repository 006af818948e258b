//! Tables, and the migrations from older schema versions.
//!
//! Amounts are bytes, times are nanoseconds since 1970-01-01 UTC. SQLite's integers are signed:
//! addresses and lengths above 2^63, which only hostile arguments have, are stored as the same 64
//! bits and read back unchanged. The view `memory_usage` shows such a length as the largest
//! integer.

use crate::sqlite::error::{Done, Error};
use std::path::Path;

use memtap_model::CALLS;
use rusqlite::{Connection, params};

use super::migration;
use memtap_history::StoreError;

/// "mtap". Identifies the file as memtap's, also for `file`.
pub(super) const APPLICATION: i64 = 0x6d74_6170;

/// Each migration upgrades a database from the version that equals its index to the next one.
pub(super) const MIGRATIONS: &[&str] = &["
    -- Machines, one row per kernel.
    CREATE TABLE host (hostname TEXT NOT NULL, kernel TEXT NOT NULL, page_size INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL,
        PRIMARY KEY (hostname, kernel)) WITHOUT ROWID;

    -- One row per process.
    CREATE TABLE process (
        id INTEGER PRIMARY KEY,
        pid INTEGER NOT NULL,
        start_ns INTEGER NOT NULL,          -- since boot, identifies the process within one boot together with the pid
        started_at_ns INTEGER NOT NULL,
        name TEXT NOT NULL,
        command TEXT NOT NULL DEFAULT '',
        user TEXT NOT NULL DEFAULT '',
        parent_pid INTEGER,
        ended_at_ns INTEGER,
        seen_ns INTEGER NOT NULL DEFAULT 0, -- time of the newest data about the process
        virtual_bytes INTEGER NOT NULL DEFAULT 0,
        resident_bytes INTEGER NOT NULL DEFAULT 0,
        swap_bytes INTEGER NOT NULL DEFAULT 0,
        requests INTEGER NOT NULL DEFAULT 0,
        refused INTEGER NOT NULL DEFAULT 0,
        requested_bytes INTEGER NOT NULL DEFAULT 0,
        granted_bytes INTEGER NOT NULL DEFAULT 0,
        released_bytes INTEGER NOT NULL DEFAULT 0,
        unexplained_bytes INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX process_pid ON process (pid);
    CREATE INDEX process_ended ON process (ended_at_ns) WHERE ended_at_ns IS NOT NULL;

    CREATE TABLE name (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL UNIQUE, text TEXT NOT NULL);
    CREATE INDEX name_text ON name (text);
    CREATE TABLE call (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

    -- One row per request, in the order of the stream. Read it through memory_usage.
    CREATE TABLE request (
        id INTEGER PRIMARY KEY,
        time_ns INTEGER NOT NULL,
        process_id INTEGER NOT NULL,
        name_id INTEGER NOT NULL,
        tid INTEGER NOT NULL,
        call_id INTEGER NOT NULL,
        size INTEGER NOT NULL,
        address INTEGER NOT NULL,
        delta_bytes INTEGER NOT NULL,
        errno INTEGER,
        virtual_bytes INTEGER NOT NULL,
        protection INTEGER,
        flags INTEGER
    );
    CREATE INDEX request_process ON request (process_id, time_ns);
    CREATE INDEX request_name ON request (name_id, time_ns);

    -- One row per transaction: maps times to request ids without an index on every row's time.
    CREATE TABLE batch (first_id INTEGER PRIMARY KEY, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL);

    -- One row per process and interval in which something changed.
    CREATE TABLE usage_sample (
        process_id INTEGER NOT NULL,
        time_ns INTEGER NOT NULL,
        virtual_bytes INTEGER NOT NULL,
        anonymous_bytes INTEGER NOT NULL,
        file_bytes INTEGER NOT NULL,
        shmem_bytes INTEGER NOT NULL,
        swap_bytes INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        requested_bytes INTEGER NOT NULL,
        PRIMARY KEY (process_id, time_ns)
    ) WITHOUT ROWID;

    CREATE INDEX usage_sample_time ON usage_sample (time_ns);

    -- The original system's table, its columns first and under their names.
    CREATE VIEW memory_usage AS SELECT
        process.pid AS pid,
        name.text AS process_name,
        call.name AS my_call,
        CASE WHEN request.size < 0 THEN 9223372036854775807 ELSE request.size END AS memory_size,
        strftime('%Y-%m-%d %H:%M:%f', request.time_ns / 1000000000.0, 'unixepoch') AS timestamp,
        request.tid AS tid,
        request.address AS address,
        request.delta_bytes AS delta_bytes,
        request.errno AS errno,
        request.virtual_bytes AS virtual_bytes,
        request.time_ns AS time_ns,
        request.process_id AS process_id,
        request.id AS id
    FROM request
    JOIN process ON process.id = request.process_id
    JOIN name ON name.id = request.name_id
    JOIN call ON call.id = request.call_id;
", "
    ALTER TABLE request ADD COLUMN file_id INTEGER;                         -- name of the mapped file, in name
    ALTER TABLE request ADD COLUMN lost_before INTEGER NOT NULL DEFAULT 0;  -- requests of this process missing before this row
    DROP VIEW memory_usage;
    CREATE VIEW memory_usage AS SELECT
        process.pid AS pid,
        name.text AS process_name,
        call.name AS my_call,
        CASE WHEN request.size < 0 THEN 9223372036854775807 ELSE request.size END AS memory_size,
        strftime('%Y-%m-%d %H:%M:%f', request.time_ns / 1000000000.0, 'unixepoch') AS timestamp,
        request.tid AS tid,
        request.address AS address,
        request.delta_bytes AS delta_bytes,
        request.errno AS errno,
        request.virtual_bytes AS virtual_bytes,
        file.text AS file,
        request.lost_before AS lost_before,
        request.time_ns AS time_ns,
        request.process_id AS process_id,
        request.id AS id
    FROM request
    JOIN process ON process.id = request.process_id
    JOIN name ON name.id = request.name_id
    JOIN call ON call.id = request.call_id
    LEFT JOIN name AS file ON file.id = request.file_id;

    -- Further columns of the account, cgroup and container of the process, and its peaks.
    ALTER TABLE process ADD COLUMN opening_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE process ADD COLUMN exec_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE process ADD COLUMN stack_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE process ADD COLUMN kernel_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE process ADD COLUMN shared_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE process ADD COLUMN ended_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE process ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;         -- requests counted in the totals without a row
    ALTER TABLE process ADD COLUMN peak_virtual_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE process ADD COLUMN peak_resident_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE process ADD COLUMN minor_faults INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE process ADD COLUMN major_faults INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE process ADD COLUMN cgroup TEXT NOT NULL DEFAULT '';
    ALTER TABLE process ADD COLUMN container TEXT;
    ALTER TABLE process ADD COLUMN pod TEXT;
    ALTER TABLE process ADD COLUMN unit TEXT;
    ALTER TABLE process ADD COLUMN session TEXT;
    ALTER TABLE process ADD COLUMN inner_pid INTEGER;

    -- Highest sizes since the previous sample, and page faults since the start of the process.
    ALTER TABLE usage_sample ADD COLUMN peak_virtual_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE usage_sample ADD COLUMN peak_resident_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE usage_sample ADD COLUMN minor_faults INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE usage_sample ADD COLUMN major_faults INTEGER NOT NULL DEFAULT 0;

    -- Totals of each process by call.
    CREATE TABLE process_call (process_id INTEGER NOT NULL, call_id INTEGER NOT NULL, count INTEGER NOT NULL,
        requested_bytes INTEGER NOT NULL, refused INTEGER NOT NULL, PRIMARY KEY (process_id, call_id)) WITHOUT ROWID;

    -- OOM kills, the process whose allocation triggered each one, and the largest processes in the seconds before.
    CREATE TABLE oom_kill (
        id INTEGER PRIMARY KEY,
        time_ns INTEGER NOT NULL,
        process_id INTEGER,
        victim_pid INTEGER NOT NULL,
        victim_name TEXT NOT NULL,
        asker_pid INTEGER NOT NULL,
        asker_name TEXT NOT NULL,
        virtual_bytes INTEGER NOT NULL,
        anonymous_bytes INTEGER NOT NULL,
        file_bytes INTEGER NOT NULL,
        shmem_bytes INTEGER NOT NULL,
        swap_bytes INTEGER NOT NULL
    );
    CREATE INDEX oom_kill_time ON oom_kill (time_ns);
    CREATE TABLE oom_before (
        oom_id INTEGER NOT NULL,
        time_ns INTEGER NOT NULL,
        available_bytes INTEGER NOT NULL,   -- of the machine
        pid INTEGER NOT NULL,
        name TEXT NOT NULL,
        virtual_bytes INTEGER NOT NULL,
        resident_bytes INTEGER NOT NULL
    );
    CREATE INDEX oom_before_oom ON oom_before (oom_id, time_ns);
", "
    -- One row per run of memtap (or import), with its machine, boot and last stored delivery.
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        hostname TEXT NOT NULL,
        kernel TEXT NOT NULL,
        boot_id TEXT NOT NULL,
        page_size INTEGER NOT NULL,
        began_ns INTEGER NOT NULL,
        last_sequence INTEGER NOT NULL,
        sampled_s INTEGER NOT NULL DEFAULT 0,   -- second of its newest sample
        rolled_10 INTEGER NOT NULL DEFAULT 0,   -- samples before this second are rolled up into 10 s (below: 60, 600, 3600 s)
        rolled_60 INTEGER NOT NULL DEFAULT 0,
        rolled_600 INTEGER NOT NULL DEFAULT 0,
        rolled_3600 INTEGER NOT NULL DEFAULT 0,
        requests INTEGER NOT NULL DEFAULT 0,    -- totals of all its processes at that sample
        refused INTEGER NOT NULL DEFAULT 0,
        requested_bytes INTEGER NOT NULL DEFAULT 0,
        minor_faults INTEGER NOT NULL DEFAULT 0,
        major_faults INTEGER NOT NULL DEFAULT 0
    );
    -- Run 0 holds the rows from before, of which only the machine is known.
    INSERT INTO run (id, hostname, kernel, boot_id, page_size, began_ns, last_sequence)
        SELECT 0, hostname, kernel, '', page_size, 0, 0 FROM host ORDER BY last_seen_ns DESC LIMIT 1;
    INSERT OR IGNORE INTO run (id, hostname, kernel, boot_id, page_size, began_ns, last_sequence) VALUES (0, '', '', '', 0, 0, 0);
    DROP TABLE host;
    CREATE VIEW host AS SELECT hostname, kernel, page_size, max(began_ns) AS last_began_ns FROM run GROUP BY hostname, kernel;
    ALTER TABLE process ADD COLUMN run_id INTEGER NOT NULL DEFAULT 0;
    -- Time from which ages count: the latest request, but not before the start of the run, so that imported data is kept as long as new data.
    ALTER TABLE batch ADD COLUMN aged_from_ns INTEGER NOT NULL DEFAULT 0;
    UPDATE batch SET aged_from_ns = to_ns;

    -- Requests in half the space: values shared by many requests are in who and what, and rare values in tables of their own.
    CREATE TABLE who (                          -- process, name and thread of a request
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        process_id INTEGER NOT NULL,
        name_id INTEGER NOT NULL,
        tid INTEGER NOT NULL,
        last_id INTEGER NOT NULL DEFAULT 0,     -- last request that uses the row, or a slightly later one
        UNIQUE (process_id, name_id, tid)
    );
    CREATE INDEX who_name ON who (name_id);
    CREATE TABLE what (                         -- call, arguments, file and errno of a request
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        call_id INTEGER NOT NULL,
        protection INTEGER,
        flags INTEGER,
        file_id INTEGER,                        -- in name
        errno INTEGER,
        last_id INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX what_file ON what (file_id) WHERE file_id IS NOT NULL;
    CREATE TABLE refused (request_id INTEGER PRIMARY KEY);
    CREATE TABLE gap (request_id INTEGER PRIMARY KEY, lost INTEGER NOT NULL); -- requests of the process missing before this one
    INSERT INTO who (process_id, name_id, tid, last_id) SELECT process_id, name_id, tid, max(id) FROM request GROUP BY 1, 2, 3;
    INSERT INTO what (call_id, protection, flags, file_id, errno, last_id)
        SELECT call_id, protection, flags, file_id, errno, max(id) FROM request GROUP BY 1, 2, 3, 4, 5;
    CREATE INDEX what_words ON what (call_id, protection, flags, file_id, errno);
    INSERT INTO refused SELECT id FROM request WHERE errno IS NOT NULL;
    INSERT INTO gap SELECT id, lost_before FROM request WHERE lost_before > 0;
    DROP VIEW memory_usage;
    DROP INDEX request_process;
    DROP INDEX request_name;
    ALTER TABLE request RENAME TO wide;
    CREATE TABLE request (
        id INTEGER PRIMARY KEY,
        time_ns INTEGER NOT NULL,
        who_id INTEGER NOT NULL,
        what_id INTEGER NOT NULL,
        size INTEGER NOT NULL,
        address INTEGER NOT NULL,
        delta_bytes INTEGER NOT NULL,
        virtual_bytes INTEGER NOT NULL
    );
    INSERT INTO request SELECT wide.id, wide.time_ns, who.id, what.id, wide.size, wide.address, wide.delta_bytes, wide.virtual_bytes FROM wide
        JOIN who ON who.process_id = wide.process_id AND who.name_id = wide.name_id AND who.tid = wide.tid
        JOIN what ON what.call_id = wide.call_id AND what.protection IS wide.protection AND what.flags IS wide.flags
            AND what.file_id IS wide.file_id AND what.errno IS wide.errno
        ORDER BY wide.id;
    DROP TABLE wide;
    CREATE INDEX request_who ON request (who_id);
    CREATE VIEW memory_usage AS SELECT
        process.pid AS pid,
        name.text AS process_name,
        call.name AS my_call,
        CASE WHEN request.size < 0 THEN 9223372036854775807 ELSE request.size END AS memory_size,
        strftime('%Y-%m-%d %H:%M:%f', request.time_ns / 1000000000.0, 'unixepoch') AS timestamp,
        who.tid AS tid,
        request.address AS address,
        request.delta_bytes AS delta_bytes,
        what.errno AS errno,
        request.virtual_bytes AS virtual_bytes,
        file.text AS file,
        coalesce(gap.lost, 0) AS lost_before,
        run.hostname AS host,
        request.time_ns AS time_ns,
        who.process_id AS process_id,
        request.id AS id
    FROM request
    JOIN who ON who.id = request.who_id
    JOIN process ON process.id = who.process_id
    JOIN run ON run.id = process.run_id
    JOIN name ON name.id = who.name_id
    JOIN what ON what.id = request.what_id
    JOIN call ON call.id = what.call_id
    LEFT JOIN name AS file ON file.id = what.file_id
    LEFT JOIN gap ON gap.request_id = request.id;

    -- Usage in steps of 1, 10, 60, 600 and 3600 s: sizes at the end of the step, peaks and activity within it. Process 0 is the
    -- sum over all processes of the run.
    ALTER TABLE usage_sample RENAME TO old_sample;
    DROP INDEX usage_sample_time;
    CREATE TABLE usage_sample (
        run_id INTEGER NOT NULL,
        step_s INTEGER NOT NULL,
        at_s INTEGER NOT NULL,              -- start of the step, seconds since 1970-01-01 UTC
        process_id INTEGER NOT NULL,
        virtual_bytes INTEGER NOT NULL,
        anonymous_bytes INTEGER NOT NULL,
        file_bytes INTEGER NOT NULL,
        shmem_bytes INTEGER NOT NULL,
        swap_bytes INTEGER NOT NULL,
        peak_virtual_bytes INTEGER NOT NULL,
        peak_resident_bytes INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        requested_bytes INTEGER NOT NULL,
        minor_faults INTEGER NOT NULL,
        major_faults INTEGER NOT NULL,
        PRIMARY KEY (run_id, step_s, at_s, process_id)
    ) WITHOUT ROWID;
    CREATE INDEX usage_sample_process ON usage_sample (process_id, run_id, step_s, at_s);
    -- The old samples have totals since the start of the process, about every 10 s.
    INSERT OR REPLACE INTO usage_sample SELECT run_id, 10, time_ns / 10000000000 * 10, process_id, old_sample.virtual_bytes, anonymous_bytes,
        file_bytes, shmem_bytes, old_sample.swap_bytes, max(old_sample.virtual_bytes, old_sample.peak_virtual_bytes),
        max(anonymous_bytes + file_bytes + shmem_bytes, old_sample.peak_resident_bytes),
        max(0, old_sample.requests - lag(old_sample.requests, 1, 0) OVER life), 0,
        max(0, old_sample.requested_bytes - lag(old_sample.requested_bytes, 1, 0) OVER life),
        max(0, old_sample.minor_faults - lag(old_sample.minor_faults, 1, old_sample.minor_faults) OVER life),
        max(0, old_sample.major_faults - lag(old_sample.major_faults, 1, old_sample.major_faults) OVER life)
        FROM old_sample JOIN process ON process.id = process_id WINDOW life AS (PARTITION BY process_id ORDER BY time_ns);
    DROP TABLE old_sample;
    UPDATE run SET sampled_s = coalesce((SELECT max(at_s) + 10 FROM usage_sample WHERE run_id = run.id), 0);
    UPDATE run SET rolled_10 = sampled_s;
", "
    -- Bytes added and removed by requests within a step. In run: totals over its processes.
    ALTER TABLE usage_sample ADD COLUMN granted_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE usage_sample ADD COLUMN released_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE run ADD COLUMN granted_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE run ADD COLUMN released_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE run ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;

    -- The machine's memory, in the same steps as usage.
    CREATE TABLE machine_sample (
        run_id INTEGER NOT NULL,
        step_s INTEGER NOT NULL,
        at_s INTEGER NOT NULL,
        total_bytes INTEGER NOT NULL,       -- sizes at the end of the step
        available_bytes INTEGER NOT NULL,
        free_bytes INTEGER NOT NULL,
        cached_bytes INTEGER NOT NULL,
        kernel_bytes INTEGER NOT NULL,
        programs_bytes INTEGER NOT NULL,
        swap_total_bytes INTEGER NOT NULL,
        swap_free_bytes INTEGER NOT NULL,
        pressure_some REAL,                 -- highest within the step, percent, NULL if the kernel has no PSI
        pressure_full REAL,
        least_available_bytes INTEGER NOT NULL,
        lost INTEGER NOT NULL,              -- requests within the step whose records were lost
        PRIMARY KEY (run_id, step_s, at_s)
    ) WITHOUT ROWID;
    -- Requests of all processes by call within a step. Calls that were not made have no row.
    CREATE TABLE call_sample (
        run_id INTEGER NOT NULL,
        step_s INTEGER NOT NULL,
        at_s INTEGER NOT NULL,
        call_id INTEGER NOT NULL,
        count INTEGER NOT NULL,
        requested_bytes INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        PRIMARY KEY (run_id, step_s, at_s, call_id)
    ) WITHOUT ROWID;
    -- Totals by call at the newest sample of the run.
    CREATE TABLE run_call (run_id INTEGER NOT NULL, call_id INTEGER NOT NULL, count INTEGER NOT NULL, requested_bytes INTEGER NOT NULL,
        refused INTEGER NOT NULL, PRIMARY KEY (run_id, call_id)) WITHOUT ROWID;
", "
    -- Indexes that find the processes of a range without reading the whole history: by run if no end was observed, otherwise by
    -- end. Processes that lived for an hour or longer have their own index: all others started at most an hour before their end.
    DROP INDEX process_ended;
    CREATE INDEX process_living ON process (run_id, seen_ns) WHERE ended_at_ns IS NULL;
    CREATE INDEX process_short ON process (ended_at_ns) WHERE ended_at_ns - started_at_ns < 3600000000000;
    CREATE INDEX process_long ON process (ended_at_ns) WHERE ended_at_ns - started_at_ns >= 3600000000000;
"];

/// Creates or migrates the tables, and configures the connection for writing.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Done<()> {
    let version = version(connection, path)?;
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(StoreError::Newer { path: path.into(), found: version, known }.into());
    }
    connection.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         PRAGMA busy_timeout = 2000; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384;",
    )?;
    if version == 0 || version == known {
        migrate(connection, version)?;
    } else {
        migration::with_log(connection, path, version, |connection| migrate(connection, version))?;
    }
    connection.execute_batch("PRAGMA temp_store = MEMORY")?;
    for row in CALLS {
        let id = row.call.index() as i64;
        connection
            .execute("INSERT OR REPLACE INTO call (id, name) VALUES (?1, ?2)", params![id, row.name])?;
    }
    Ok(())
}

/// Runs the migrations. The header is set in the same transaction as the tables, so an interruption
/// leaves neither.
pub(super) fn migrate(connection: &Connection, version: i64) -> Done<()> {
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(version).unwrap_or(0)) {
        let mark = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {};", index + 1);
        let done = connection.execute_batch(&format!("BEGIN IMMEDIATE;{migration}{mark}COMMIT;"));
        if done.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        done?;
    }
    Ok(())
}

/// Returns the schema version of a memtap database, or 0 if the database is empty.
fn version(connection: &Connection, path: &Path) -> Done<i64> {
    let foreign = |reason: String| Error::from(StoreError::Foreign { path: path.into(), reason });
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application = number("application_id").map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            foreign(error.to_string())
        }
        _ => error.into(),
    })?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match application {
        APPLICATION => Ok(number("user_version")?),
        0 if tables == 0 => Ok(0),
        _ => Err(foreign("another program's SQLite database".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_version_database_is_upgraded_with_its_rows() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 1;
                 INSERT INTO call VALUES (0, 'mmap'); INSERT INTO name VALUES (1, x'7065726c', 'perl');
                 INSERT INTO process (id, pid, start_ns, started_at_ns, name) VALUES (1, 7, 1, 1, 'perl');
                 INSERT INTO request VALUES (1, 1767225600000000000, 1, 1, 7, 0, 4096, 28672, 4096, NULL, 8192, 3, 34);"
            ))
            .unwrap();
        prepare(&mut connection, Path::new("memory")).unwrap();
        assert_eq!(version(&connection, Path::new("memory")).unwrap(), MIGRATIONS.len() as i64);
        let sql = "SELECT process_name, my_call, memory_size, timestamp, file, lost_before FROM memory_usage";
        let row: (String, String, i64, String, Option<String>, i64) = connection
            .query_row(sql, [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            })
            .unwrap();
        let expected =
            ("perl".to_owned(), "mmap".to_owned(), 4096, "2026-01-01 00:00:00.000".to_owned(), None, 0);
        assert_eq!(row, expected);
    }

    #[test]
    fn a_third_version_database_keeps_its_samples() {
        let mut connection = Connection::open_in_memory().unwrap();
        for migration in &MIGRATIONS[..3] {
            connection.execute_batch(migration).unwrap();
        }
        connection
            .execute_batch(&format!(
                "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 3;
                 INSERT INTO run (id, hostname, kernel, boot_id, page_size, began_ns, last_sequence, sampled_s, requested_bytes)
                     VALUES (5, 'vm', '6.1', 'a boot', 4096, 1, 9, 1000, 77);
                 INSERT INTO usage_sample VALUES (5, 1, 1000, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);"
            ))
            .unwrap();
        prepare(&mut connection, Path::new("memory")).unwrap();
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(number("PRAGMA user_version"), 5);
        let old = "SELECT count(*) FROM usage_sample WHERE run_id = 5 AND requested_bytes = 10 AND major_faults = 12 \
            AND granted_bytes = 0 AND released_bytes = 0";
        assert_eq!(number(old), 1);
        assert_eq!(number("SELECT requested_bytes + granted_bytes + lost FROM run WHERE id = 5"), 77);
        assert_eq!(
            number("SELECT (SELECT count(*) FROM machine_sample) + (SELECT count(*) FROM call_sample)"),
            0
        );
    }
}
