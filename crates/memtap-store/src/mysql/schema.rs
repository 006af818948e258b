//! Tables: created in an empty database, or added beside the original system's table, which is
//! extended and keeps its rows.
//!
//! Amounts are bytes, times are UTC with microseconds. MySQL commits at every change of a table, so
//! the version is stored after each step. After an interruption, the next start continues there.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Row};

use super::link::Link;
use memtap_history::StoreError;

/// The original system's table, with its column names.
const MEMORY_USAGE: &str = "CREATE TABLE memory_usage (
    pid INT UNSIGNED NOT NULL,
    process_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    my_call VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    memory_size BIGINT NOT NULL,
    timestamp DATETIME(6) NOT NULL
) ENGINE = InnoDB";

/// Indexes that memtap adds to it, each named after its first column (with the prefix `memtap_`).
const INDEXES: [&str; 3] = ["timestamp", "pid", "host"];

/// Checks whether a column type is wide enough.
type IsWide = fn(&str) -> bool;

/// Columns of the original table that are widened if needed: name, new type, and a check for types
/// that are wide enough.
const WIDEN: [(&str, &str, IsWide); 5] = [
    ("pid", "BIGINT", |kind| kind.contains("bigint") || kind.starts_with("int") && kind.contains("unsigned")),
    ("process_name", "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", |kind| {
        kind.ends_with("utf8mb4") && length(kind).is_some_and(|length| length >= 64)
    }),
    ("my_call", "VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", |kind| {
        length(kind).is_some_and(|length| length >= 32)
    }),
    ("memory_size", "BIGINT", |kind| kind.starts_with("bigint") && !kind.contains("unsigned")),
    ("timestamp", "DATETIME(6)", |kind| kind.trim_end() == "datetime(6)"),
];

/// Columns that memtap adds after the original ones. Older rows have the default, mostly NULL.
/// `memory_size` is signed, so that it can be subtracted. The rare length that does not fit is in
/// `requested_bytes`, and a process name that is not valid text is in `name_bytes`.
const OURS: [(&str, &str); 14] = [
    ("host", "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT ''"),
    ("process_id", "BIGINT UNSIGNED NULL"),
    ("tid", "INT UNSIGNED NULL"),
    ("address", "BIGINT UNSIGNED NULL"),
    ("delta_bytes", "BIGINT NULL"),
    ("errno", "SMALLINT UNSIGNED NULL"),
    ("virtual_bytes", "BIGINT UNSIGNED NULL"),
    ("protection", "BIGINT UNSIGNED NULL"),
    ("flags", "BIGINT UNSIGNED NULL"),
    ("file", "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL"),
    ("lost_before", "INT UNSIGNED NOT NULL DEFAULT 0"),
    ("requested_bytes", "BIGINT UNSIGNED NULL"),
    ("name_bytes", "VARBINARY(16) NULL"),
    ("id", "BIGINT UNSIGNED NOT NULL AUTO_INCREMENT"),
];

/// Upgrade steps. Each one raises the version by one: it adds a table, a view or columns, or adds
/// or drops a key. Version 1 is `memory_usage` itself.
const STEPS: &[(&str, &str)] = &[
    (
        "run",
        "(
        id BIGINT UNSIGNED PRIMARY KEY,         -- a run of memtap, or an import
        hostname VARCHAR(255) NOT NULL,
        kernel VARCHAR(255) NOT NULL,
        boot_id VARCHAR(64) NOT NULL,
        page_size BIGINT UNSIGNED NOT NULL,
        began DATETIME(6) NOT NULL,
        last_sequence BIGINT UNSIGNED NOT NULL, -- its last stored delivery
        `rows` BIGINT NOT NULL DEFAULT 0,       -- requests that it wrote, minus those that it deleted
        sampled_s BIGINT NOT NULL DEFAULT 0,    -- second of its newest sample
        rolled_10 BIGINT NOT NULL DEFAULT 0,    -- samples before this second are rolled up into 10 s (below: 60, 600, 3600 s)
        rolled_60 BIGINT NOT NULL DEFAULT 0,
        rolled_600 BIGINT NOT NULL DEFAULT 0,
        rolled_3600 BIGINT NOT NULL DEFAULT 0,
        requests BIGINT UNSIGNED NOT NULL DEFAULT 0, -- totals of all its processes at that sample
        refused BIGINT UNSIGNED NOT NULL DEFAULT 0,
        requested_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        minor_faults BIGINT UNSIGNED NOT NULL DEFAULT 0,
        major_faults BIGINT UNSIGNED NOT NULL DEFAULT 0
    ) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    ),
    (
        "host",
        "SELECT hostname, kernel, page_size, MAX(began) AS last_began FROM run GROUP BY hostname, kernel, page_size",
    ),
    (
        "process",
        "(
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        run_id BIGINT UNSIGNED NOT NULL,
        pid INT UNSIGNED NOT NULL,
        start_ns BIGINT UNSIGNED NOT NULL,      -- since boot, identifies the process together with run and pid
        started_at DATETIME(6) NULL,
        name VARCHAR(64) NOT NULL,
        command TEXT NULL,
        user VARCHAR(255) NOT NULL DEFAULT '',
        parent_pid INT UNSIGNED NULL,
        ended_at DATETIME(6) NULL,
        seen DATETIME(6) NOT NULL,
        virtual_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        resident_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        swap_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        peak_virtual_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        peak_resident_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        minor_faults BIGINT UNSIGNED NOT NULL DEFAULT 0,
        major_faults BIGINT UNSIGNED NOT NULL DEFAULT 0,
        requests BIGINT UNSIGNED NOT NULL DEFAULT 0,
        refused BIGINT UNSIGNED NOT NULL DEFAULT 0,
        lost BIGINT UNSIGNED NOT NULL DEFAULT 0,
        requested_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        opening_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        granted_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        released_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        exec_bytes BIGINT NOT NULL DEFAULT 0,
        stack_bytes BIGINT NOT NULL DEFAULT 0,
        kernel_bytes BIGINT NOT NULL DEFAULT 0,
        shared_bytes BIGINT NOT NULL DEFAULT 0,
        unexplained_bytes BIGINT NOT NULL DEFAULT 0,
        ended_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        cgroup TEXT NULL,
        container VARCHAR(255) NULL,
        pod VARCHAR(255) NULL,
        unit VARCHAR(255) NULL,
        session VARCHAR(255) NULL,
        inner_pid INT UNSIGNED NULL,
        UNIQUE KEY life (run_id, pid, start_ns),
        KEY seen (seen)
    ) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    ),
    (
        "process_call",
        "(
        process_id BIGINT UNSIGNED NOT NULL,
        my_call VARCHAR(32) NOT NULL,
        count BIGINT UNSIGNED NOT NULL,
        requested_bytes BIGINT UNSIGNED NOT NULL,
        refused BIGINT UNSIGNED NOT NULL,
        PRIMARY KEY (process_id, my_call)
    ) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    ),
    (
        "usage_sample",
        "(
        run_id BIGINT UNSIGNED NOT NULL,
        step_s INT NOT NULL,                    -- 1, 10, 60, 600 or 3600
        at_s BIGINT NOT NULL,                   -- start of the step, seconds since 1970-01-01 UTC
        process_id BIGINT UNSIGNED NOT NULL,    -- 0: sum over all processes of the run
        virtual_bytes BIGINT UNSIGNED NOT NULL, -- sizes at the end of the step
        anonymous_bytes BIGINT UNSIGNED NOT NULL,
        file_bytes BIGINT UNSIGNED NOT NULL,
        shmem_bytes BIGINT UNSIGNED NOT NULL,
        swap_bytes BIGINT UNSIGNED NOT NULL,
        peak_virtual_bytes BIGINT UNSIGNED NOT NULL, -- highest within the step
        peak_resident_bytes BIGINT UNSIGNED NOT NULL,
        requests BIGINT UNSIGNED NOT NULL,      -- activity within the step
        refused BIGINT UNSIGNED NOT NULL,
        requested_bytes BIGINT UNSIGNED NOT NULL,
        minor_faults BIGINT UNSIGNED NOT NULL,
        major_faults BIGINT UNSIGNED NOT NULL,
        PRIMARY KEY (run_id, step_s, at_s, process_id),
        KEY process (process_id, run_id, step_s, at_s)
    ) ENGINE = InnoDB",
    ),
    (
        "oom_kill",
        "(
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        timestamp DATETIME(6) NOT NULL,
        host VARCHAR(255) NOT NULL,
        process_id BIGINT UNSIGNED NULL,
        victim_pid INT UNSIGNED NOT NULL,
        victim_name VARCHAR(64) NOT NULL,
        asker_pid INT UNSIGNED NOT NULL,
        asker_name VARCHAR(64) NOT NULL,
        virtual_bytes BIGINT UNSIGNED NOT NULL,
        anonymous_bytes BIGINT UNSIGNED NOT NULL,
        file_bytes BIGINT UNSIGNED NOT NULL,
        shmem_bytes BIGINT UNSIGNED NOT NULL,
        swap_bytes BIGINT UNSIGNED NOT NULL,
        KEY timestamp (timestamp)
    ) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    ),
    (
        "oom_before",
        "(
        oom_id BIGINT UNSIGNED NOT NULL,
        timestamp DATETIME(6) NOT NULL,
        available_bytes BIGINT UNSIGNED NOT NULL, -- of the machine
        pid INT UNSIGNED NOT NULL,
        name VARCHAR(64) NOT NULL,
        virtual_bytes BIGINT UNSIGNED NOT NULL,
        resident_bytes BIGINT UNSIGNED NOT NULL,
        KEY oom_id (oom_id, timestamp)
    ) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    ),
    // Bytes added and removed by requests within a step; for the run, the totals over its
    // processes.
    (
        "usage_sample",
        "ADD COLUMN granted_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0, ADD COLUMN released_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0",
    ),
    (
        "run",
        "ADD COLUMN granted_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0, ADD COLUMN released_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        ADD COLUMN lost BIGINT UNSIGNED NOT NULL DEFAULT 0",
    ),
    // The machine's memory, in the same steps as usage.
    (
        "machine_sample",
        "(
        run_id BIGINT UNSIGNED NOT NULL,
        step_s INT NOT NULL,
        at_s BIGINT NOT NULL,
        total_bytes BIGINT UNSIGNED NOT NULL,   -- sizes at the end of the step
        available_bytes BIGINT UNSIGNED NOT NULL,
        free_bytes BIGINT UNSIGNED NOT NULL,
        cached_bytes BIGINT UNSIGNED NOT NULL,
        kernel_bytes BIGINT UNSIGNED NOT NULL,
        programs_bytes BIGINT UNSIGNED NOT NULL,
        swap_total_bytes BIGINT UNSIGNED NOT NULL,
        swap_free_bytes BIGINT UNSIGNED NOT NULL,
        pressure_some DOUBLE NULL,              -- highest within the step, percent, NULL if the kernel has no PSI
        pressure_full DOUBLE NULL,
        least_available_bytes BIGINT UNSIGNED NOT NULL,
        lost BIGINT UNSIGNED NOT NULL,          -- requests within the step whose records were lost
        PRIMARY KEY (run_id, step_s, at_s)
    ) ENGINE = InnoDB",
    ),
    // Requests of all processes by call within a step. Calls that were not made have no row.
    (
        "call_sample",
        "(
        run_id BIGINT UNSIGNED NOT NULL,
        step_s INT NOT NULL,
        at_s BIGINT NOT NULL,
        my_call VARCHAR(32) NOT NULL,
        count BIGINT UNSIGNED NOT NULL,
        requested_bytes BIGINT UNSIGNED NOT NULL,
        refused BIGINT UNSIGNED NOT NULL,
        PRIMARY KEY (run_id, step_s, at_s, my_call)
    ) ENGINE = InnoDB CHARACTER SET ascii COLLATE ascii_bin",
    ),
    // Totals of each call at the run's last sample.
    (
        "run_call",
        "(
        run_id BIGINT UNSIGNED NOT NULL,
        my_call VARCHAR(32) NOT NULL,
        count BIGINT UNSIGNED NOT NULL,
        requested_bytes BIGINT UNSIGNED NOT NULL,
        refused BIGINT UNSIGNED NOT NULL,
        PRIMARY KEY (run_id, my_call)
    ) ENGINE = InnoDB CHARACTER SET ascii COLLATE ascii_bin",
    ),
    // No query can use this key, since names are searched by substring. It caused a seventh of the
    // cost of loading a row.
    ("memory_usage", "DROP KEY memtap_process_name"),
    // Finds the processes of a range without reading the whole history.
    ("process", "ADD KEY ended (run_id, ended_at)"),
];

/// Schema version that this memtap creates.
pub(super) const VERSION: i64 = STEPS.len() as i64 + 1;

/// Expected parts of a table or a view.
pub(super) struct Expected {
    pub(super) name: &'static str,
    pub(super) columns: Vec<&'static str>,
    pub(super) indexes: Vec<String>,
    /// False for a view, which has neither an engine nor a size.
    pub(super) is_table: bool,
}

/// Returns all tables and views of this version, parsed from the definitions above.
pub(super) fn expected() -> Vec<Expected> {
    let originals = WIDEN.iter().map(|(name, ..)| *name);
    let memory_usage = Expected {
        name: "memory_usage",
        columns: originals.chain(OURS.iter().map(|(name, _)| *name)).collect(),
        indexes: INDEXES.map(|index| format!("memtap_{index}")).to_vec(),
        is_table: true,
    };
    let step = |(name, definition): &(&'static str, &'static str)| {
        let is_table = !definition.starts_with("SELECT");
        let (mut columns, mut indexes) = (Vec::new(), Vec::new());
        for added in definition.split("ADD COLUMN ").skip(1) {
            columns.extend(added.split(' ').next());
        }
        indexes.extend(
            definition.strip_prefix("ADD KEY ").and_then(|key| key.split(' ').next()).map(str::to_owned),
        );
        let is_new = definition.starts_with('(');
        for line in definition.lines().skip(1).filter(|_| is_new) {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["UNIQUE", "KEY", index, ..] | ["KEY", index, ..] => indexes.push(index.to_owned()),
                ["PRIMARY", ..] | [")", ..] | [] => {}
                [column, ..] => columns.push(column.trim_matches('`')),
            }
            if line.contains("PRIMARY KEY") {
                indexes.push("PRIMARY".to_owned());
            }
        }
        Expected { name, columns, indexes, is_table }
    };
    std::iter::once(memory_usage).chain(STEPS.iter().map(step)).collect()
}

/// Returns the length of a type: 64 for `varchar(64)`.
fn length(kind: &str) -> Option<u64> {
    kind.split_once('(')?.1.split_once(')')?.0.parse().ok()
}

/// Creates or migrates the tables. Waits while another memtap does so.
pub(super) async fn prepare(link: &Link, connection: &mut Conn) -> Result<(), StoreError> {
    const LOCK: &str = "memtap-schema";
    let locked: Option<Option<i64>> =
        link.write(connection.exec_first("SELECT GET_LOCK(?, 20)", (LOCK,))).await?;
    if locked.flatten() != Some(1) {
        return Err(link.mysql(true, "another memtap is preparing its tables".to_owned(), "Wait for it"));
    }
    let done = migrate(link, connection).await;
    link.write(connection.exec_drop("DO RELEASE_LOCK(?)", (LOCK,))).await?;
    done
}

async fn migrate(link: &Link, connection: &mut Conn) -> Result<(), StoreError> {
    link.write(connection.query_drop(
        "CREATE TABLE IF NOT EXISTS memtap_schema (version INT NOT NULL, original_last_id BIGINT UNSIGNED NOT NULL, original_rows BIGINT UNSIGNED NOT NULL) ENGINE = InnoDB",
    )).await?;
    let stored: Option<i64> = link.write(connection.query_first("SELECT version FROM memtap_schema")).await?;
    let version = match stored {
        Some(version) => version,
        None => {
            let (last_id, rows) = take_over(link, connection).await?;
            link.write(connection.exec_drop("INSERT INTO memtap_schema VALUES (1, ?, ?)", (last_id, rows)))
                .await?;
            1
        }
    };
    if version > VERSION {
        return Err(StoreError::NewerDatabase { database: link.name(), found: version, known: VERSION });
    }
    for ((name, step), version) in STEPS.iter().zip(2..).skip(usize::try_from(version - 1).unwrap_or(0)) {
        if step.starts_with("SELECT") {
            link.write(connection.query_drop(format!("CREATE OR REPLACE VIEW `{name}` AS {step}"))).await?;
        } else if let Some(added) = step.strip_prefix("ADD COLUMN ") {
            add_columns(link, connection, name, added).await?;
        } else if let Some(key) = step.strip_prefix("ADD KEY ") {
            add_key(link, connection, name, key).await?;
        } else if let Some(key) = step.strip_prefix("DROP KEY ") {
            drop_key(link, connection, name, key).await?;
        } else {
            table(link, connection, name, step).await?;
        }
        link.write(connection.exec_drop("UPDATE memtap_schema SET version = ?", (version,))).await?;
    }
    Ok(())
}

/// Creates a table, unless an interrupted step has already created it.
async fn table(link: &Link, connection: &mut Conn, name: &str, definition: &str) -> Result<(), StoreError> {
    let sql = "SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";
    let comment: Option<String> = link.write(connection.exec_first(sql, (name,))).await?;
    match comment.as_deref() {
        None => {
            link.write(
                connection.query_drop(format!("CREATE TABLE `{name}` {definition} COMMENT = 'memtap'")),
            )
            .await
        }
        Some("memtap") => Ok(()),
        Some(_) => {
            let reason = format!("it has a table {name} that is not memtap's");
            Err(link.mysql(false, reason, "Give memtap a database of its own"))
        }
    }
}

/// Adds columns to one of memtap's tables, unless an interrupted step has already added them. One
/// statement adds all columns.
async fn add_columns(link: &Link, connection: &mut Conn, name: &str, added: &str) -> Result<(), StoreError> {
    let first = added.split(' ').next().unwrap_or_default();
    let sql = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND COLUMN_NAME = ?";
    let columns: Option<i64> = link.write(connection.exec_first(sql, (name, first))).await?;
    if columns == Some(0) {
        let sql = format!("ALTER TABLE `{name}` ADD COLUMN {added}");
        link.run(ALTER_WITHIN, connection.query_drop(sql)).await?;
    }
    Ok(())
}

/// Creates `memory_usage`, or extends the original system's table. Returns the last id and the
/// number of the original's rows. One statement makes all changes, so an interruption leaves all or
/// none.
async fn take_over(link: &Link, connection: &mut Conn) -> Result<(u64, u64), StoreError> {
    let mut columns = columns(link, connection).await?;
    if columns.is_empty() {
        link.write(connection.query_drop(MEMORY_USAGE)).await?;
        columns = self::columns(link, connection).await?;
    }
    let column = |name: &str| columns.iter().find(|(found, ..)| found == name);
    let kind = |name: &str| column(name).map(|(_, kind, ..)| kind.as_str());
    if let Some((missing, ..)) = WIDEN.iter().find(|(name, ..)| kind(name).is_none()) {
        let reason =
            format!("its table memory_usage has no column {missing}, so it is not the original system's");
        return Err(link.mysql(false, reason, "Give memtap a database of its own"));
    }
    // Rollback needs an engine with transactions.
    let mut changes = vec!["ENGINE = InnoDB".to_owned()];
    for (name, wide, is_wide) in WIDEN {
        if !kind(name).is_some_and(is_wide) {
            let null = if column(name).is_some_and(|(.., nullable)| *nullable) { "NULL" } else { "NOT NULL" };
            changes.push(format!("MODIFY `{name}` {wide} {null}"));
        }
    }
    let key = columns.iter().find(|(_, _, key, _)| key == "PRI").map(|(name, ..)| name.clone());
    for (name, definition) in OURS {
        match (name, kind(name)) {
            ("id", None) if key.is_none() => {
                changes.push(format!("ADD COLUMN id {definition}, ADD PRIMARY KEY (id)"))
            }
            ("id", None) => {
                changes.push(format!("ADD COLUMN id {definition}, ADD UNIQUE KEY memtap_id (id)"))
            }
            ("id", Some(_)) if key.as_deref() == Some("id") => {
                changes.push(format!("MODIFY id {definition}"))
            }
            ("id", Some(_)) => {
                let reason = "its table memory_usage has a column id that is not its key".to_owned();
                return Err(link.mysql(
                    false,
                    reason,
                    "Rename that column, or give memtap a database of its own",
                ));
            }
            (name, None) => changes.push(format!("ADD COLUMN `{name}` {definition}")),
            (_, Some(_)) => {}
        }
    }
    let indexes = keys(link, connection, "memory_usage").await?;
    let missing = |index: &&str| !indexes.contains(&format!("memtap_{index}"));
    for index in INDEXES.iter().filter(|index| missing(index)) {
        let columns = if *index == "host" { "host, id".to_owned() } else { format!("`{index}`") };
        changes.push(format!("ADD KEY memtap_{index} ({columns})"));
    }
    link.run(ALTER_WITHIN, connection.query_drop(format!("ALTER TABLE memory_usage {}", changes.join(", "))))
        .await?;
    let rows: Option<(u64, u64)> = link
        .run(ALTER_WITHIN, connection.query_first("SELECT COALESCE(MAX(id), 0), COUNT(*) FROM memory_usage"))
        .await?;
    Ok(rows.unwrap_or_default())
}

/// Adds a key, unless an interrupted step has already added it. `key` begins with its name.
async fn add_key(link: &Link, connection: &mut Conn, table: &str, key: &str) -> Result<(), StoreError> {
    let name = key.split(' ').next().unwrap_or_default();
    if keys(link, connection, table).await?.iter().all(|found| found != name) {
        link.run(ALTER_WITHIN, connection.query_drop(format!("ALTER TABLE `{table}` ADD KEY {key}"))).await?;
    }
    Ok(())
}

/// Drops a key, unless an interrupted step has already dropped it.
async fn drop_key(link: &Link, connection: &mut Conn, table: &str, key: &str) -> Result<(), StoreError> {
    if keys(link, connection, table).await?.iter().any(|found| found == key) {
        link.run(ALTER_WITHIN, connection.query_drop(format!("ALTER TABLE `{table}` DROP KEY `{key}`")))
            .await?;
    }
    Ok(())
}

/// Names of a table's keys.
async fn keys(link: &Link, connection: &mut Conn, table: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT DISTINCT INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";
    link.write(connection.exec(sql, (table,))).await
}

/// Time limit for changing a table. It is enough to rewrite many millions of rows.
const ALTER_WITHIN: std::time::Duration = std::time::Duration::from_secs(3600);

/// Name, type with character set, key, and whether NULL is allowed.
type Column = (String, String, String, bool);

/// Columns of `memory_usage`; empty if the table does not exist.
async fn columns(link: &Link, connection: &mut Conn) -> Result<Vec<Column>, StoreError> {
    let sql = "SELECT LOWER(COLUMN_NAME), LOWER(CONCAT(COLUMN_TYPE, ' ', COALESCE(CHARACTER_SET_NAME, ''))), COLUMN_KEY, IS_NULLABLE = 'YES' FROM information_schema.COLUMNS \
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'memory_usage'";
    let rows: Vec<Row> = link.write(connection.query(sql)).await?;
    Ok(rows.into_iter().map(mysql_async::from_row).collect())
}
