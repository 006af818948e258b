//! `memtap store` with the real program, on the history of a MariaDB or MySQL server.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "the tests on files use more of it")]
mod histories;
#[path = "../../memtap-store/tests/support/mariadb.rs"]
mod mariadb;

use histories::{HOSTILE, History, append, hostile, many, refused, request};
use mariadb::{Server, server};
use memtap_history::{Batch, Run, Settings};
use memtap_ledger::BookedRequest;
use memtap_model::{Call, WallClock};
use memtap_testing::{Delivery, OpenNow as _};

/// Retention that keeps the tests' old requests.
const SETTINGS: Settings = Settings {
    max_age: std::time::Duration::from_secs(100 * 365 * 86_400),
    max_sample_age: std::time::Duration::from_secs(100 * 365 * 86_400),
    clock: memtap_history::Clock::Machine,
    max_bytes: 2 << 30,
};

/// A history in its own database, with a directory in which the program runs.
struct OnServer {
    database: String,
    url: String,
    runner: History,
}

impl OnServer {
    fn of(server: &Server, requests: Vec<BookedRequest>) -> Self {
        let database = server.database();
        let mut store = server.url(&database).open_now(&SETTINGS).unwrap().unwrap();
        append(&mut store, "vm", requests);
        Self {
            url: server.text(&database),
            database,
            runner: History { folder: tempfile::tempdir().unwrap() },
        }
    }

    fn run(&self, command: &str) -> (Option<i32>, String, String) {
        let done = self.runner.run(&[command, "--store", &self.url]);
        assert!(!format!("{done:?}").contains("s3cr3t"), "{done:?}");
        done
    }
}

#[test]
fn it_is_written_out_like_a_files() {
    let server = server();
    let mut requests = many(12_000);
    requests.extend(hostile());
    let stored = OnServer::of(server, requests.clone());
    let history = History::of(requests);
    let expected = history.csv(&[]);
    assert_eq!(expected.len(), 12_000 + HOSTILE.len());
    assert!(history.csv(&["--store", &stored.url]) == expected, "the same rows in the same order");
    assert!(history.sizes(&["--store", &stored.url, "--name", "=1+", "--last", "1h"]).is_empty());
    let nowhere = stored.url.replace(&stored.database, "nowhere");
    let (code, _, stderr) = history.run(&["export", "--store", &nowhere]);
    assert!(code == Some(1) && stderr.contains("nowhere") && !stderr.contains("s3cr3t"), "{stderr}");
}

#[test]
fn info_shows_rows_sizes_times_and_machines() {
    let stored = OnServer::of(server(), many(3000));
    let mut store = server().url(&stored.database).open_now(&SETTINGS).unwrap().unwrap();
    append(&mut store, "\x1b[2Jhost", vec![refused(request(1, b"x", Call::Brk, 3000, 4096))]);
    server().sql(&stored.database, "ANALYZE TABLE memory_usage");
    let (code, out, stderr) = stored.run("info");
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{out}");
    let words = |begin: &str| -> Vec<String> {
        let line = out.lines().find(|line| line.starts_with(begin)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert!(words("store")[1].starts_with("mysql://memtap@127.0.0.1"), "{out}");
    assert!(words("server")[1].starts_with(|c: char| c.is_ascii_digit()), "{out}");
    assert_eq!(
        words("requests ")[1..],
        ["2026-01-01T00:00:00.000Z", "to", "2026-01-01T00:50:00.000Z"],
        "{out}"
    );
    assert_eq!(words("memory_usage")[1], "3001", "{out}");
    assert!(words("memory_usage")[2].parse::<u64>().unwrap() > 3001 * 50, "as it is now: {out}");
    assert_eq!((&*words("process ")[1], &*words("run ")[1], &*words("vm")[2]), ("51", "2", "1"), "{out}");
    assert!(out.contains("\\x1b[2Jhost") && !out.contains('\x1b'), "{out}");
}

#[test]
fn check_finds_missing_tables_and_references() {
    for (damage, finding) in [
        ("DELETE FROM process WHERE pid = 7", "2 requests without their process"),
        ("DELETE FROM run", "50 processes without their run"),
        ("INSERT INTO process_call VALUES (9999, 'mmap', 1, 1, 0)", "1 sums of calls without their process"),
        (
            "DELETE FROM memory_usage ORDER BY id LIMIT 3",
            "97 requests of the machine vm, but its runs count 100",
        ),
        ("DROP INDEX memtap_pid ON memory_usage", "the index memtap_pid of memory_usage is missing"),
        ("DROP INDEX life ON process", "the index life of process is missing"),
        ("ALTER TABLE process DROP COLUMN inner_pid", "the column process.inner_pid is missing"),
        ("ALTER TABLE memory_usage DROP COLUMN errno", "the column memory_usage.errno is missing"),
        ("DROP TABLE oom_before", "the table oom_before is missing"),
        ("DROP VIEW host", "the view host is missing"),
        ("ALTER TABLE process_call ENGINE = MyISAM", "process_call has an engine without transactions"),
    ] {
        let stored = OnServer::of(server(), many(100));
        let (code, out, stderr) = stored.run("check");
        assert!(code == Some(0) && out.contains("is intact: 100 requests"), "{out}{stderr}");
        server().sql(&stored.database, damage);
        let (code, out, stderr) = stored.run("check");
        let damaged = stderr.contains("is damaged. Save what can still be read");
        assert!(code == Some(1) && out.contains(finding) && damaged, "{damage}: {out}{stderr}");
    }
}

#[test]
fn check_looks_at_every_table() {
    let server = Server::start(&[]);
    let stored = OnServer::of(&server, many(100));
    server.sql(&stored.database, "ALTER TABLE oom_kill ENGINE = MyISAM; INSERT INTO oom_kill SELECT 1, NOW(), 'vm', NULL, 1, 'x', 1, 'x', 0, 0, 0, 0, 0");
    let (code, out, _) = stored.run("check");
    assert!(code == Some(1) && out.contains("oom_kill has an engine"), "{out}");
}

#[test]
fn a_history_after_retention_is_intact() {
    let stored = OnServer::of(server(), Vec::new());
    let few = Settings { max_bytes: 200 * 1000, ..SETTINGS };
    let mut store = server().url(&stored.database).open_now(&few).unwrap().unwrap();
    let began = WallClock(histories::T0);
    let run = Run {
        id: Run::draw(),
        hostname: "vm".into(),
        kernel: String::new(),
        boot_id: String::new(),
        page_size: 4096,
        began,
    };
    for sequence in 1..=3 {
        let batches = [Batch { requests: many(1000), ..Batch::default() }];
        store.append(Delivery { run: &run, sequence, batches: &batches }).unwrap();
        store.housekeeping(WallClock(histories::T0 + 3600 * histories::SECOND)).unwrap();
    }
    let (code, out, stderr) = stored.run("check");
    assert!(code == Some(0) && out.contains("is intact: 1000 requests"), "{out}{stderr}");
}

#[test]
fn compact_releases_free_space_and_keeps_every_row() {
    let stored = OnServer::of(server(), many(20_000));
    server().sql(&stored.database, "DELETE FROM memory_usage WHERE id <= 15000; ANALYZE TABLE memory_usage");
    let rows = stored.runner.sizes(&["--store", &stored.url]);
    assert_eq!(rows.len(), 5000);
    let file = |server: &Server| {
        server.folder().join("data").join(&stored.database).join("memory_usage.ibd").metadata().unwrap().len()
    };
    let before = file(server());
    let (code, out, stderr) = stored.run("compact");
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with("mysql://memtap@") && out.contains(" before, ") && out.contains(" now"), "{out}");
    // Files grow and shrink in steps of megabytes.
    assert!(file(server()) < before, "{} of {before}", file(server()));
    assert_eq!(stored.runner.sizes(&["--store", &stored.url]), rows);
}

#[test]
fn a_database_that_is_not_a_history_is_not_changed() {
    let server = server();
    let stored = OnServer::of(server, many(1));
    let fails = |mend: &str| {
        for command in ["info", "check", "compact"] {
            let (code, out, stderr) = stored.run(command);
            assert!(code == Some(1) && out.is_empty() && stderr.contains(mend), "{command}: {out}{stderr}");
        }
    };
    server.sql(&stored.database, "UPDATE memtap_schema SET version = version + 1");
    fails("newer than this memtap's");
    server.sql(&stored.database, "UPDATE memtap_schema SET version = 1");
    fails("Start memtap once with this --store");
    server.sql(&stored.database, "DROP TABLE memtap_schema");
    fails("it has no memtap tables");
}
