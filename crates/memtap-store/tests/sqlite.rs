//! Behaviour of the SQLite store alone: its file, its tables, and other programs on the same file.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use memtap_history::{Batch, Handle, Limits, RequestQuery, Run, Settings, spawn};
use memtap_model::WallClock;
use memtap_store::StoreUrl;
use memtap_testing::{Delivery, OpenNow as _};
use rusqlite::Connection;
use support::{SECOND, T0, Written, batch, mmap, process, run, store, tick};

fn error_at(path: &Path) -> String {
    match StoreUrl::sqlite(path).open_now(&Settings::default()) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

fn spawned(folder: &Path, limits: Limits) -> Handle {
    let Written { store, run, .. } = store(folder, &Settings::default());
    spawn(store.0, run, limits).unwrap()
}

fn number(folder: &Path, sql: &str) -> i64 {
    Connection::open(folder.join("memtap.db")).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn the_file_is_private_and_has_the_required_settings() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("new");
    let mut store = store(&below, &Settings::default());
    store.append(&[batch(vec![mmap(7, b"perl", 0)])]).unwrap();
    assert_eq!(below.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    for file in ["memtap.db", "memtap.db-wal", "memtap.db-shm"] {
        assert_eq!(below.join(file).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(number(&below, "PRAGMA auto_vacuum"), 2);
    assert_eq!(number(&below, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
    assert_eq!(number(&below, "PRAGMA user_version"), 5);
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(store(folder.path(), &Settings::default()));
    let path = folder.path().join("memtap.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = error_at(&path);
    assert!(
        error.contains("99") && error.contains("memtap.db") && error.contains("--store sqlite:"),
        "{error}"
    );
    assert_eq!(number(folder.path(), "PRAGMA user_version"), 99);
}

#[test]
fn a_foreign_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let garbage = b"not a database at all\n".repeat(1000);
    std::fs::write(&path, &garbage).unwrap();
    let error = error_at(&path);
    assert!(error.contains("notes.txt") && error.contains("Move it away"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
    let other = folder.path().join("other.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)")
        .unwrap();
    let before = std::fs::read(&other).unwrap();
    assert!(error_at(&other).contains("another program"));
    assert_eq!(std::fs::read(&other).unwrap(), before);
}

#[test]
fn a_truncated_database_is_reported_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = store(folder.path(), &Settings::default());
    written.append(&[batch((0..1000).map(|n| mmap(7, b"perl", n)).collect())]).unwrap();
    drop(written);
    let path = folder.path().join("memtap.db");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(6000).unwrap();
    let error = error_at(&path);
    assert!(error.contains("memtap.db") && error.contains("Move it away"), "{error}");
}

#[test]
fn an_unwritable_path_is_reported_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for path in [file.join("memtap.db"), file.join("deep/memtap.db"), folder.path().into()] {
        let error = error_at(&path);
        assert!(error.contains(&*path.to_string_lossy()) && error.contains("--store"), "{error}");
    }
}

#[test]
fn interrupted_openings_are_repaired() {
    for microseconds in (0..100).map(|n| n * 150) {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let path = folder.path().join("memtap.db");
        for _ in 0..1000 {
            if path.exists() {
                break;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        std::thread::sleep(Duration::from_micros(microseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        let opened = StoreUrl::sqlite(path).open_now(&Settings::default());
        assert_eq!(opened.err().map(|error| error.to_string()), None, "killed after {microseconds} us");
    }
}

#[test]
fn the_view_answers_a_shell_while_the_writer_writes() {
    let folder = tempfile::tempdir().unwrap();
    let handle = spawned(folder.path(), Limits::default());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64;
    let path = folder.path().join("memtap.db");
    let sql = "select count(*), min(my_call), min(memory_size), max(timestamp) like '____-__-__ __:__:__.___' \
        from memory_usage where process_name='perl' and timestamp > datetime('now','-1 hour')";
    let mut last = 0;
    for round in 0..20 {
        let mut request = mmap(7, b"perl", 0);
        request.request.time = WallClock(now);
        handle.send(batch(vec![request; 5000]));
        std::thread::sleep(Duration::from_millis(60));
        let output = Command::new("sqlite3").arg(&path).arg(sql).output();
        let Ok(output) = output else { return eprintln!("skipped: no sqlite3 here") };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{round}: {}", String::from_utf8_lossy(&output.stderr));
        let rows: i64 = text.split('|').next().unwrap().parse().unwrap();
        assert!(rows >= last && (rows == 0 || text.trim_end().ends_with("|mmap|4096|1")), "{text}");
        last = rows;
    }
    let status = handle.finish();
    assert_eq!((status.rows, status.spooled, status.dropped_requests(), status.error), (100_000, 0, 0, None));
}

#[test]
fn the_view_uses_the_index_for_a_pid_and_clamps_hostile_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = store(folder.path(), &Settings::default());
    let mut hostile = mmap(7, b"perl", 0);
    hostile.request.requested_bytes = u64::MAX;
    written.append(&[batch(vec![hostile])]).unwrap();
    assert_eq!(number(folder.path(), "SELECT memory_size FROM memory_usage WHERE pid = 7"), i64::MAX);
    let connection = Connection::open(folder.path().join("memtap.db")).unwrap();
    let mut plan = connection.prepare("EXPLAIN QUERY PLAN SELECT * FROM memory_usage WHERE pid = 7").unwrap();
    let plan: Vec<String> = plan.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
    assert!(plan.iter().any(|line| line.contains("USING INDEX request_who")), "{plan:?}");
    assert!(!plan.iter().any(|line| line.starts_with("SCAN")), "{plan:?}");
}

#[test]
fn a_process_has_one_row_per_run() {
    // Each run has its own row: start times count from boot, so after a reboot another process may
    // have the same pid and start.
    let folder = tempfile::tempdir().unwrap();
    let tick = Some(WallClock(T0));
    let living = Batch { processes: vec![process(7, b"perl", None)], tick, ..Batch::default() };
    for run in 1..=3 {
        let mut store = store(folder.path(), &Settings::default());
        store.append(std::slice::from_ref(&living)).unwrap();
        store.append(std::slice::from_ref(&living)).unwrap();
        assert_eq!(number(folder.path(), "SELECT count(*) FROM process WHERE pid = 7"), run);
    }
}

#[test]
fn a_failed_transaction_leaves_nothing_and_makes_no_second_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = store(folder.path(), &Settings::default());
    written.append(&[batch(vec![mmap(7, b"perl", 0)])]).unwrap();
    let other = Connection::open(folder.path().join("memtap.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(written.append(&[batch(vec![mmap(7, b"perl", 1), mmap(8, b"sh", 2)])]).is_err());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(number(folder.path(), "SELECT count(*) FROM request"), 1);
    written.append(&[batch(vec![mmap(7, b"perl", 1), mmap(8, b"sh", 2)])]).unwrap();
    assert_eq!(written.size().0, 3);
    assert_eq!(number(folder.path(), "SELECT count(*) FROM request"), 3);
    assert_eq!(number(folder.path(), "SELECT count(*) FROM process WHERE pid = 7"), 1);
}

#[test]
fn two_writers_on_one_file_do_not_block_each_other_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = store(folder.path(), &Settings::default());
    let second = StoreUrl::sqlite(folder.path().join("memtap.db")).open_now(&Settings::default());
    let mut second = Written::new(second.unwrap().unwrap(), run("vm"));
    first.append(&[batch(vec![mmap(7, b"perl", 0)])]).unwrap();
    second.append(&[batch(vec![mmap(8, b"import", 1)])]).unwrap();
    first.append(&[batch(vec![mmap(7, b"perl", 2)])]).unwrap();
    assert_eq!(number(folder.path(), "SELECT count(*) FROM request"), 3);
}

#[test]
fn the_file_shrinks_when_requests_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_age: Duration::from_secs(60), ..Settings::default() };
    let mut written = store(folder.path(), &settings);
    written.append(&[batch((0..60_000).map(|n| mmap(7, b"perl", n)).collect())]).unwrap();
    let path = folder.path().join("memtap.db");
    number(folder.path(), "PRAGMA wal_checkpoint(TRUNCATE)");
    let before = path.metadata().unwrap().size();
    for _ in 0..10 {
        written.housekeeping(WallClock(T0 + 7200 * SECOND)).unwrap();
    }
    drop(written);
    let after = path.metadata().unwrap().size();
    assert!(after < before / 4, "{before} bytes before, {after} after");
}

#[test]
fn processes_without_requests_are_deleted_with_their_samples() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_age: Duration::from_secs(60), ..Settings::default() };
    let mut written = store(folder.path(), &settings);
    let tick = Some(WallClock(T0));
    let processes = vec![process(7, b"ended", tick), process(8, b"never seen to end", None)];
    written
        .append(&[Batch { requests: vec![mmap(7, b"ended", 0)], processes, tick, ..Batch::default() }])
        .unwrap();
    drop(written);
    // After a restart, the end of process 8 will never be reported.
    let mut written = store(folder.path(), &settings);
    for _ in 0..5 {
        written.housekeeping(WallClock(T0 + 7200 * SECOND)).unwrap();
    }
    assert_eq!(number(folder.path(), "SELECT count(*) FROM usage_sample"), 0);
    assert_eq!(number(folder.path(), "SELECT count(*) FROM process WHERE pid = 7"), 0);
    assert_eq!(
        number(folder.path(), "SELECT count(*) FROM process"),
        0,
        "processes of an earlier run are deleted too"
    );
}

#[test]
fn a_queue_that_is_full_drops_and_counts_requests_and_keeps_processes() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { queue_requests: 10, commit_every: Duration::from_millis(20), ..Limits::default() };
    let handle = spawned(folder.path(), limits);
    let processes = vec![process(7, b"perl", None)];
    let requests = (0..11).map(|n| mmap(7, b"perl", n)).collect();
    handle.send(Batch { requests, processes, tick: Some(WallClock(T0)), ..Batch::default() });
    let status = handle.finish();
    assert_eq!((status.dropped_requests(), status.rows, status.spooled), (11, 0, 0));
    assert_eq!(number(folder.path(), "SELECT count(*) FROM process WHERE pid = 7"), 1);
}

#[test]
fn a_locked_database_is_reported_and_caught_up_with() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { commit_every: Duration::from_millis(20), ..Limits::default() };
    let handle = spawned(folder.path(), limits);
    let other = Connection::open(folder.path().join("memtap.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    handle.send(batch((0..10).map(|n| mmap(7, b"perl", n)).collect()));
    wait(|| handle.status().error.is_some());
    let status = handle.status();
    assert!(
        status.error.unwrap().contains("Another program holds") && status.spooled == 10 && status.lag_s > 0.5
    );
    other.execute_batch("ROLLBACK").unwrap();
    wait(|| handle.status().rows == 10);
    let status = handle.finish();
    assert_eq!((status.rows, status.spooled, status.error), (10, 0, None));
}

fn wait(done: impl Fn() -> bool) {
    for _ in 0..200 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not within 10 s");
}

const VICTIM: &str = "MEMTAP_TEST_VICTIM";

/// Returns the victim's `n`th delivery: requests, and a tick one second after the previous one.
fn delivery(n: u64) -> Batch {
    let at = WallClock(T0 + n.cast_signed() * SECOND);
    Batch { requests: (0..500).map(|i| mmap(7, b"perl", n * 500 + i)).collect(), ..tick(7, at, n) }
}

fn victims_run() -> Run {
    Run { id: 77, ..run("vm") }
}

/// Runs in the child only: commits, does housekeeping and prints its progress until it is killed.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let mut store = store(Path::new(&folder), &Settings::default()).store;
    for n in 1.. {
        let batches = [delivery(n)];
        store.append(Delivery { run: &victims_run(), sequence: n, batches: &batches }).unwrap();
        println!("\ncommitted {n}");
        // An hour later, so that there is always something to roll up and to delete.
        store.housekeeping(WallClock(T0 + (n.cast_signed() + 3600) * SECOND)).unwrap();
    }
}

#[test]
fn commits_survive_kill_at_any_moment_without_duplicates() {
    for round in 0..20_u64 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut counts = lines.filter_map(|line| line.strip_prefix("committed ")?.parse::<u64>().ok());
        let mut committed = 0;
        for _ in 0..12 + round * 3 {
            committed = counts.next().unwrap();
        }
        std::thread::sleep(Duration::from_micros(round * 379));
        child.kill().unwrap();
        child.wait().unwrap();
        committed = counts.last().unwrap_or(committed);
        let number = |sql: &str| number(folder.path(), sql).cast_unsigned();
        let mut store = store(folder.path(), &Settings::default()).store;
        assert_eq!(number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
        let last = number("SELECT last_sequence FROM run WHERE id = 77");
        assert!(last >= committed, "{last} < {committed}");
        let whole = |last: u64| {
            assert_eq!(number("SELECT count(*) FROM request"), 500 * last);
            assert_eq!(number("SELECT count(DISTINCT memory_size) FROM memory_usage"), 500 * last);
            // Each second counts once, in the step length that holds it now.
            let requests = "SELECT sum(usage_sample.requests) FROM usage_sample JOIN run ON run.id = run_id WHERE process_id = 0 AND at_s >= CASE step_s \
                WHEN 1 THEN rolled_10 WHEN 10 THEN rolled_60 WHEN 60 THEN rolled_600 WHEN 600 THEN rolled_3600 ELSE 0 END";
            assert_eq!(number(requests), 3 * last);
        };
        whole(last);
        for sequence in [last, last + 1, last, last + 1] {
            let batches = [delivery(sequence)];
            store.append(Delivery { run: &victims_run(), sequence, batches: &batches }).unwrap();
        }
        whole(last + 1);
    }
}

#[test]
fn frequent_and_rare_processes_give_the_same_pages() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = store(folder.path(), &Settings::default());
    let one = |n| if n % 10_000 == 0 { mmap(8, b"rare", n) } else { mmap(7, b"frequent", n) };
    written.append(&[batch((0..60_000).map(one).collect())]).unwrap();
    let reader = written.reader().unwrap();
    for (pid, name, count) in [(7, "freq", 59_994), (8, "rar", 6)] {
        let base = RequestQuery { limit: 7_000, ..RequestQuery::default() };
        let of_pid = RequestQuery { pid: Some(memtap_model::Tgid(pid)), ..base.clone() };
        for mut query in [of_pid, RequestQuery { name: Some(name.into()), ..base }] {
            let mut sizes = Vec::new();
            loop {
                let page = reader.requests(&query).unwrap();
                sizes.extend(page.requests.iter().map(|request| request.requested_bytes));
                query.cursor = page.next_cursor;
                if query.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(sizes.len(), count, "{query:?}");
            assert!(sizes.is_sorted_by(|a, b| a > b));
        }
    }
}

#[test]
fn old_samples_are_few_and_long() {
    let folder = tempfile::tempdir().unwrap();
    let years = Duration::from_secs(10_000 * 86_400);
    let settings = Settings { max_age: years, max_sample_age: years, ..Settings::default() };
    let mut written = store(folder.path(), &settings);
    let ticks: Vec<_> =
        (0..7200).map(|n: i64| tick(7, WallClock(T0 + n * SECOND), n.unsigned_abs() + 1)).collect();
    written.append(&ticks).unwrap();
    let of = |step: i64| {
        number(folder.path(), &format!("SELECT count(*) FROM usage_sample WHERE step_s = {step}"))
    };
    assert_eq!(of(1), 2 * 7200, "of the process and of all");
    // Each round of housekeeping is bounded.
    written.housekeeping(WallClock(T0 + 7200 * SECOND)).unwrap();
    let (left, made) = (of(1), of(10));
    assert!(left >= 2 * 7200 - 5000 && (1..=2 * 60).contains(&made), "{left} left, {made} made");
    for _ in 0..100 {
        written.housekeeping(WallClock(T0 + (7200 + 100 * 86_400) * SECOND)).unwrap();
    }
    // The last second may still change, and so may the steps that contain it.
    assert_eq!([of(1), of(10), of(60), of(600), of(3600)], [20, 10, 18, 10, 2]);
}

#[test]
fn unused_names_threads_and_arguments_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_age: Duration::from_secs(60), ..Settings::default() };
    let mut written = store(folder.path(), &settings);
    let strange = (0..500).map(|n| {
        let mut one = mmap(7, format!("name {n}").as_bytes(), n);
        one.request.arguments[3] = n << 32;
        one.request.file = Some(format!("file {n}").into());
        one
    });
    written.append(&[batch(strange.collect())]).unwrap();
    written.append(&[batch(vec![mmap(7, b"perl", 3_600_000)])]).unwrap();
    for _ in 0..20 {
        written.housekeeping(WallClock(T0 + 3610 * SECOND)).unwrap();
    }
    for (table, expected) in [("request", 1), ("who", 1), ("what", 1), ("name", 1)] {
        assert_eq!(number(folder.path(), &format!("SELECT count(*) FROM {table}")), expected, "{table}");
    }
    // Cached ids of the deleted rows are looked up again.
    written.append(&[batch(vec![mmap(7, b"name 3", 3_600_001), mmap(7, b"perl", 3_600_002)])]).unwrap();
    assert_eq!(number(folder.path(), "SELECT count(*) FROM memory_usage"), 3);
}

#[test]
fn two_programs_may_delete_and_write() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_age: Duration::from_secs(60), ..Settings::default() };
    let mut first = store(folder.path(), &settings);
    first.append(&[batch(vec![mmap(7, b"perl", 0)])]).unwrap();
    let mut second = store(folder.path(), &settings);
    for _ in 0..3 {
        second.housekeeping(WallClock(T0 + 3600 * SECOND)).unwrap();
    }
    assert_eq!(number(folder.path(), "SELECT count(*) FROM who"), 0);
    second.append(&[batch(vec![mmap(9, b"other", 3_600_000)])]).unwrap();
    first.append(&[batch(vec![mmap(7, b"perl", 3_600_001)])]).unwrap();
    let names = "SELECT count(*) FROM memory_usage WHERE process_name = 'perl' AND pid = 7";
    assert_eq!(
        (number(folder.path(), names), number(folder.path(), "SELECT count(*) FROM memory_usage")),
        (1, 2)
    );
}
