//! Checks SQLite's query plan of every statement that the store executes. Statements are recorded
//! as they run, so none can be forgotten. A statement that reads a whole growing table, or the
//! samples of one process without their index, makes a busy store slow.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memtap_history::{LifetimeQuery, Measure, ProgramQuery, Range, RequestQuery, Run, Settings, UsageQuery};
use memtap_ledger::{BookedRequest, Moment, OomReport};
use memtap_model::{Call, Errno, HostReading, OomKill, Outcome, Resident, Tgid, WallClock};
use memtap_testing::{Delivery, OpenNow as _, TestReader};
use rusqlite::{Connection, ffi};
use support::mariadb::server;
use support::{SECOND, T0, Written, mmap, process, run, store, tick};

/// Tables that grow with the history. `file` is an alias of `name`, and `last` one of the sample
/// tables.
const LARGE: [&str; 14] = [
    "request",
    "refused",
    "gap",
    "batch",
    "who",
    "what",
    "name",
    "file",
    "process",
    "process_call",
    "usage_sample",
    "machine_sample",
    "call_sample",
    "last",
];

/// Statements that may scan a table: a part of their text, the table, and the reason.
const MAY_SCAN: [(&str, &str, &str); 7] = [
    ("ORDER BY request.id DESC LIMIT ?", "request", "the newest first, until there are enough"),
    (
        "ORDER BY refused.request_id DESC",
        "refused",
        "all refused requests are wanted where no range is given",
    ),
    ("SELECT time_ns FROM request ORDER BY id LIMIT 1", "request", "one row"),
    ("SELECT run_id FROM process ORDER BY id LIMIT 1", "process", "one row"),
    ("ORDER BY first_id LIMIT 1", "batch", "stops at the first young one; those before it are deleted"),
    ("WHERE text LIKE ?", "name", "names are searched by substring, and there are few"),
    ("WHERE hostname = ?)", "who", "only where one file has the histories of several machines"),
];

/// Text of every statement that any connection of this program has executed.
static RUN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

unsafe extern "C" fn note(_: c_uint, _: *mut c_void, statement: *mut c_void, _: *mut c_void) -> c_int {
    // SAFETY: SQLite passes the statement being executed, and its text lives as long as the
    // statement.
    let text = unsafe { ffi::sqlite3_sql(statement.cast()) };
    if !text.is_null() {
        // SAFETY: as above. The text ends with NUL.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        RUN.lock().unwrap().insert(text);
    }
    0
}

unsafe extern "C" fn watch(
    connection: *mut ffi::sqlite3,
    _: *mut *mut c_char,
    _: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: SQLite calls this with a connection that it has just opened.
    unsafe { ffi::sqlite3_trace_v2(connection, ffi::SQLITE_TRACE_STMT, Some(note), std::ptr::null_mut()) }
}

/// Returns the data statements that `work` executes, on any connection that it opens.
fn statements(work: impl FnOnce()) -> BTreeSet<String> {
    RUN.lock().unwrap().clear();
    // SAFETY: the function exists as long as the program.
    assert_eq!(unsafe { ffi::sqlite3_auto_extension(Some(watch)) }, ffi::SQLITE_OK);
    work();
    // SAFETY: this only removes the function registered above.
    unsafe { ffi::sqlite3_cancel_auto_extension(Some(watch)) };
    let of_rows =
        |sql: &String| ["SELECT", "INSERT", "UPDATE", "DELETE"].iter().any(|word| sql.starts_with(word));
    std::mem::take(&mut *RUN.lock().unwrap()).into_iter().filter(of_rows).collect()
}

fn settings(max_bytes: u64) -> Settings {
    let years = Duration::from_secs(100 * 365 * 86_400);
    Settings { max_bytes, max_age: years, max_sample_age: years, ..Settings::default() }
}

/// Returns requests of one busy process and of many others. Some are refused, follow a gap or map a
/// file.
fn requests(from: u64, count: u64) -> Vec<BookedRequest> {
    let one = |n: u64| {
        let mut one = mmap(if n.is_multiple_of(4) { 100 + (n % 300) as u32 } else { 7 }, b"perl", n);
        if n.is_multiple_of(50) {
            one.request.outcome = Outcome::Refused(Errno::ENOMEM);
        }
        one.request.file = n.is_multiple_of(70).then(|| "libc.so.6".into());
        one.lost_before = u32::from(n.is_multiple_of(90));
        one
    };
    (from..from + count).map(one).collect()
}

/// Writes three runs: on this machine, on another one, and an import, which has requests only.
/// There is an OOM kill, and half of the many processes have ended.
fn fill(store: &mut Written) {
    let other = run("other");
    for round in 0..20 {
        let at = WallClock(T0 + round * 60 * SECOND);
        let mut batch = tick(7, at, round.unsigned_abs() + 1);
        let pids = (0..100).map(|n| 1_000 + u32::try_from(round).unwrap() * 100 + n);
        batch.processes.extend(pids.map(|pid| process(pid, b"sh", (pid % 2 == 0).then_some(at))));
        batch.requests = requests(round.unsigned_abs() * 60_000, 1_500);
        batch.oom_kills.extend((round == 3).then(|| Arc::new(oom_kill(at))));
        store.append(std::slice::from_ref(&batch)).unwrap();
        let theirs = Delivery { run: &other, sequence: round.unsigned_abs() + 1, batches: &[batch] };
        store.store.append(theirs).unwrap();
    }
    let import = Run { boot_id: String::new(), ..run("vm") };
    let lines = [support::batch((0..200).map(|n| mmap(9_000 + (n % 60) as u32, b"import", n)).collect())];
    store.store.append(Delivery { run: &import, sequence: 1, batches: &lines }).unwrap();
    store.append(&[]).unwrap();
}

fn oom_kill(at: WallClock) -> OomReport {
    let kill = OomKill {
        time: at,
        victim: Tgid(7),
        victim_name: memtap_model::Comm::new(b"perl"),
        asker: Tgid(1),
        asker_name: memtap_model::Comm::new(b"init"),
        virtual_bytes: 1,
        resident: Resident::default(),
    };
    let largest = vec![process(7, b"perl", None)];
    let before = vec![Arc::new(Moment { at, host: HostReading::default(), largest })];
    OomReport { kill, victim: Some(process(7, b"perl", None)), before }
}

/// Each filter alone, and all filters together.
fn request_queries() -> Vec<RequestQuery> {
    let none = RequestQuery { limit: 100, ..RequestQuery::default() };
    let at = |minute: i64| Some(WallClock(T0 + minute * 60 * SECOND));
    vec![
        none.clone(),
        RequestQuery { host: Some("vm".into()), ..none.clone() },
        RequestQuery { pid: Some(Tgid(7)), ..none.clone() },
        RequestQuery { pid: Some(Tgid(101)), ..none.clone() },
        RequestQuery { pid: Some(Tgid(7)), started_at: at(0), ..none.clone() },
        RequestQuery { name: Some("pe".into()), ..none.clone() },
        RequestQuery { name: Some("imp".into()), ..none.clone() },
        RequestQuery { calls: vec![Call::Mmap], ..none.clone() },
        RequestQuery { min_size: Some(1), ..none.clone() },
        RequestQuery { refused: Some(true), ..none.clone() },
        RequestQuery { refused: Some(false), ..none.clone() },
        RequestQuery { from: at(3), to: at(5), ..none.clone() },
        RequestQuery { cursor: Some("1000".into()), ..none.clone() },
        RequestQuery {
            host: Some("vm".into()),
            pid: Some(Tgid(101)),
            started_at: at(0),
            name: Some("pe".into()),
            calls: vec![Call::Mmap],
            min_size: Some(1),
            refused: Some(true),
            from: at(3),
            to: at(5),
            cursor: Some("100000".into()),
            ..none
        },
    ]
}

fn read(reader: &TestReader) {
    for query in request_queries() {
        reader.requests(&query).unwrap();
        reader.sizes(&query).unwrap();
        reader.calls(&query, Duration::from_secs(60)).unwrap();
        reader.refusals(&query).unwrap();
    }
    let range = |host: Option<&str>, minutes: [i64; 2]| {
        let [from, to] = minutes.map(|minute| WallClock(T0 + minute * 60 * SECOND));
        Range { host: host.map(str::to_owned), from, to }
    };
    for range in [range(None, [2, 19]), range(Some("vm"), [18, 19]), range(None, [-5, 0])] {
        for (pid, name) in [(None, None), (Some(Tgid(7)), None), (None, Some("pe".to_owned()))] {
            let range = range.clone();
            reader
                .lifetimes(&LifetimeQuery { range, pid, name, limit: 9, ..LifetimeQuery::default() })
                .unwrap();
        }
        for step in [0, 60].map(Duration::from_secs) {
            let query = ProgramQuery { range: range.clone(), by: Measure::Virtual, top: 9, step };
            reader.programs(&query).unwrap();
            reader.machine(&range, step).unwrap();
        }
        reader.runs(&range, 9).unwrap();
        reader.oom_kills(&range, 9).unwrap();
        for (pid, carried) in [(None, false), (Some(Tgid(7)), true), (Some(Tgid(1_001)), false)] {
            let Range { host, from, to } = range.clone();
            let step = Duration::from_secs(60);
            reader.usage(&UsageQuery { host, pid, started_at: None, from, to, step, carried }).unwrap();
        }
    }
    reader.hosts().unwrap();
}

/// Runs housekeeping with nothing to do, with data that is too old, and with too much data.
fn do_housekeeping(folder: &Path) {
    for (max_bytes, max_age) in [(u64::MAX, 100 * 365), (u64::MAX, 1), (2 << 20, 100 * 365), (0, 100 * 365)] {
        let max_age = Duration::from_secs(max_age * 86_400);
        let mut store = store(folder, &Settings { max_age, ..settings(max_bytes) });
        store.append(&[support::batch(requests(2_000_000, 100))]).unwrap();
        for days in [0, 1, 4, 60] {
            for _ in 0..3 {
                store.housekeeping(WallClock(T0 + days * 86_400 * SECOND)).unwrap();
            }
        }
    }
}

/// Returns the faults in the plan of a statement.
fn faults(connection: &Connection, sql: &str, used: &mut BTreeSet<&'static str>) -> Vec<String> {
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let nothing = vec![rusqlite::types::Null; plan.parameter_count()];
    let lines: Vec<String> = plan
        .query_map(rusqlite::params_from_iter(nothing), |row| row.get(3))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let is_fault = |line: &&String| {
        let words: Vec<&str> = line.split(' ').collect();
        let scans = words[0] == "SCAN" && LARGE.contains(&words[1]);
        let allowed = MAY_SCAN.iter().find(|(part, of, _)| words[1] == *of && sql.contains(part));
        used.extend(allowed.filter(|_| scans).map(|(part, ..)| *part));
        let loses_the_process =
            words[1] == "usage_sample" && sql.contains("process_id = ?") && !line.contains("process_id=?");
        let sorts = sql.starts_with("DELETE") && line.contains("TEMP B-TREE");
        scans && allowed.is_none() || loses_the_process || sorts
    };
    lines.iter().filter(is_fault).map(|line| format!("{line}\n    in {sql}")).collect()
}

/// Scans allowed on MariaDB: a part of the statement's text, the table, and the reason.
const MARIADB_MAY_SCAN: [(&str, &str, &str); 1] =
    [("ORDER BY id DESC", "memory_usage", "the newest first, until there are enough; of refused ones all")];

/// Returns whether a line of a plan scans a large table without need.
fn is_needless_scan(table: &str, access: &str, rows: &str, sql: &str) -> bool {
    let is_large = LARGE.contains(&table) || ["memory_usage", "sample"].contains(&table);
    let is_many = rows.parse().is_ok_and(|rows: u64| rows > 1_000);
    let may = MARIADB_MAY_SCAN.iter().any(|(part, of, _)| *of == table && sql.contains(part));
    is_large && is_many && ["ALL", "index"].contains(&access) && !may
}

/// The same for MariaDB. Its general log records the statements.
#[test]
fn mariadb_reads_no_whole_table_that_grows() {
    let (server, database) = (server(), server().database());
    let open = || server.url(&database).open_now(&settings(200 * 40_000)).unwrap().unwrap();
    fill(&mut Written::new(open(), run("vm")));
    server.sql(&database, "ANALYZE TABLE memory_usage, process, usage_sample, machine_sample, call_sample");
    server.sql("", "SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON");
    let mut written = Written::new(open(), run("vm"));
    read(&written.reader().unwrap());
    written.append(&[support::batch(requests(2_000_000, 100))]).unwrap();
    for minutes in [20, 60, 600] {
        written.housekeeping(WallClock(T0 + minutes * 60 * SECOND)).unwrap();
    }
    server.sql("", "SET GLOBAL general_log = OFF");
    let log = "SELECT REPLACE(CONVERT(argument USING utf8mb4), '\\n', ' ') FROM mysql.general_log \
        WHERE command_type IN ('Query', 'Execute') AND user_host LIKE 'memtap%'";
    let mut kinds = BTreeMap::new();
    for sql in server.sql("", log).lines() {
        let verb = sql.split(' ').next().unwrap();
        if ["SELECT", "UPDATE", "DELETE"].contains(&verb) || sql.contains(") SELECT ") {
            let kind: String = sql.chars().filter(|c| !c.is_ascii_digit()).collect();
            kinds.insert(kind, sql.to_owned());
        }
    }
    assert!(kinds.len() > 60, "{} statements", kinds.len());
    let kinds: Vec<String> = kinds.into_values().collect();
    let mut faults = Vec::new();
    // Explain several at once: starting the client takes longer than a plan.
    for some in kinds.chunks(20) {
        let explained: String = some
            .iter()
            .enumerate()
            .map(|(at, sql)| format!("SELECT 'plan of', {at}; EXPLAIN {sql};"))
            .collect();
        let mut sql = "";
        for line in server.sql(&database, &explained).lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["plan of", at] => sql = &some[at.parse::<usize>().unwrap()],
                [_, _, table, access, _, key, .., rows, _] if is_needless_scan(table, access, rows, sql) => {
                    faults.push(format!("{table}: {access} {key}, {rows} rows\n    in {sql}"));
                }
                _ => {}
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn no_statement_reads_a_whole_table_that_grows() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let mut filled = store(&whole, &settings(u64::MAX));
    let mut run = statements(|| {
        let mut again = store(&whole, &settings(u64::MAX));
        fill(&mut again);
        read(&again.reader().unwrap());
    });
    filled.append(&[]).unwrap();
    // Plans with statistics need the rows that housekeeping will delete.
    let kept = folder.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    for file in ["memtap.db", "memtap.db-wal"] {
        std::fs::copy(whole.join(file), kept.join(file)).unwrap();
    }
    run.extend(statements(|| do_housekeeping(&kept)));
    assert!(run.len() > 100, "{} statements", run.len());
    let connection = Connection::open(whole.join("memtap.db")).unwrap();
    let mut used = BTreeSet::new();
    // The store does not run ANALYZE, but a user who opens the file may.
    for statistics in ["", "ANALYZE"] {
        connection.execute_batch(statistics).unwrap();
        let faults: Vec<String> = run.iter().flat_map(|sql| faults(&connection, sql, &mut used)).collect();
        assert!(faults.is_empty(), "{} faults {statistics}:\n{}", faults.len(), faults.join("\n"));
    }
    let stale = MAY_SCAN.iter().filter(|(part, ..)| !used.contains(part)).collect::<Vec<_>>();
    assert!(stale.is_empty(), "no statement needs {stale:?}");
}
