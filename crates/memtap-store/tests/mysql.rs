//! Behaviour of the MySQL store alone: privileges, the original system's table, and an unavailable
//! server.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use memtap_history::{DropCause, Handle, Limits, RequestQuery, Settings, SpoolSettings, StoreError, spawn};
use memtap_model::{Errno, Outcome, WallClock};
use memtap_store::StoreUrl;
use memtap_testing::{OpenNow as _, TestReader};
use support::mariadb::{Server, server};
use support::{SECOND, T0, Written, batch, mmap, process, run, tick};

/// Keeps requests for 100 years: the tests' requests have old times.
fn kept() -> Settings {
    Settings { max_age: Duration::from_secs(100 * 365 * 86_400), ..Settings::default() }
}

fn store(server: &Server, database: &str) -> Written {
    Written::new(server.url(database).open_now(&kept()).unwrap().unwrap(), run("vm"))
}

fn error(url: &str) -> String {
    match url.parse::<StoreUrl>().unwrap().open_now(&kept()) {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains("s3cr3t") && !text.contains("hunter2"), "{text}");
            text
        }
    }
}

/// Queries of the original system's server.
const PROCESSES: &str = "SELECT pid, process_name, GREATEST(0, SUM(CASE WHEN my_call = 'mmap' THEN memory_size \
    WHEN my_call = 'munmap' THEN -memory_size ELSE 0 END)) AS memory_used FROM memory_usage GROUP BY pid, process_name ORDER BY pid";
const REQUESTS: &str = "SELECT pid, process_name, my_call, memory_size, timestamp FROM memory_usage ORDER BY timestamp DESC LIMIT 3";
const PIE: &str = "SELECT process_name, SUM(memory_size) AS total_memory FROM memory_usage WHERE my_call = 'mmap' \
    GROUP BY process_name ORDER BY total_memory DESC";

#[test]
fn the_originals_queries_run_on_what_memtap_writes() {
    let (server, database) = (server(), server().database());
    let mut store = store(server, &database);
    let mut requests: Vec<_> = (0..3).map(|n| mmap(7, b"a,b \"c\" %s", n)).collect();
    let mut released = mmap(7, b"a,b \"c\" %s", 3);
    released.request.call = memtap_model::Call::Munmap;
    requests.extend([released, mmap(8, b"sort", 4)]);
    store.append(&[batch(requests)]).unwrap();
    let used = 4096 + 4097 + 4098 - 4099;
    assert_eq!(server.sql(&database, PROCESSES), format!("7\ta,b \"c\" %s\t{used}\n8\tsort\t4100"));
    assert_eq!(
        server.sql(&database, REQUESTS),
        "8\tsort\tmmap\t4100\t2026-01-01 00:00:00.004000\n7\ta,b \"c\" %s\tmunmap\t4099\t2026-01-01 00:00:00.003000\n\
         7\ta,b \"c\" %s\tmmap\t4098\t2026-01-01 00:00:00.002000"
    );
    assert_eq!(server.sql(&database, PIE), format!("a,b \"c\" %s\t{}\nsort\t4100", 4096 + 4097 + 4098));
}

#[test]
fn the_originals_table_is_taken_over_with_its_rows() {
    let server = server();
    for table in [
        "pid INT, process_name VARCHAR(16), my_call VARCHAR(10), memory_size INT, timestamp DATETIME",
        "id INT AUTO_INCREMENT PRIMARY KEY, pid INT NOT NULL, process_name VARCHAR(255) NOT NULL, my_call VARCHAR(50), \
         memory_size BIGINT UNSIGNED, timestamp TIMESTAMP",
        "pid BIGINT, process_name TEXT, my_call ENUM('mmap', 'munmap'), memory_size BIGINT, timestamp DATETIME(3), other INT) ENGINE=MyISAM CHARACTER SET latin1 COMMENT='x' -- ",
        "ID INT AUTO_INCREMENT PRIMARY KEY, PID INT, Process_Name VARCHAR(255), my_call VARCHAR(50), memory_size BIGINT, timestamp DATETIME",
    ] {
        let database = server.database();
        server.sql("", &format!("CREATE DATABASE {database}"));
        server.sql(&database, &format!("CREATE TABLE memory_usage ({table}) CHARACTER SET latin1"));
        let columns = "memory_usage (pid, process_name, my_call, memory_size, timestamp)";
        server.sql(
            &database,
            &format!("SET time_zone = '+00:00'; INSERT INTO {columns} VALUES (1, 'old', 'mmap', 4096, '2024-06-01 09:05:03'), (1, 'old', 'munmap', 4096, '2024-06-01 09:05:04')"),
        );
        let mut written = store(server, &database);
        assert_eq!(written.size().0, 2, "{table}");
        let engine = "SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'memory_usage'";
        assert_eq!(
            server.sql(&database, engine),
            "InnoDB",
            "rows must be rolled back with their transaction"
        );
        let mut large = mmap(7, "\u{8a9e} \u{1f980} largo".as_bytes(), 0);
        large.request.requested_bytes = 1 << 45;
        large.request.call = memtap_model::Call::ProcessMadvise;
        written.append(&[batch(vec![large])]).unwrap();
        let page = written
            .reader()
            .unwrap()
            .requests(&RequestQuery { limit: 10, ..RequestQuery::default() })
            .unwrap();
        let result: Vec<_> =
            page.requests.iter().map(|r| (r.pid.0, r.name.to_text(), r.requested_bytes, &*r.host)).collect();
        let old = |size| (1, "old".to_owned(), size, "");
        assert_eq!(
            result,
            [(7, "\u{8a9e} \u{1f980} largo".to_owned(), 1 << 45, "vm"), old(4096), old(4096)],
            "{table}"
        );
        assert_eq!(page.requests[2].time, WallClock(1_717_232_703_000_000_000));
        // Rows from before memtap are never deleted.
        let mut forgetful = server
            .url(&database)
            .open_now(&Settings {
                max_age: Duration::ZERO,
                max_sample_age: Duration::ZERO,
                max_bytes: 0,
                ..Settings::default()
            })
            .unwrap()
            .unwrap();
        let delivery = memtap_testing::Delivery { run: &run("vm"), sequence: 1, batches: &[] };
        forgetful.append(delivery).unwrap();
        for _ in 0..3 {
            forgetful.housekeeping(WallClock(T0 * 2)).unwrap();
        }
        assert_eq!(
            server.sql(&database, "SELECT COUNT(*), MIN(process_name) FROM memory_usage"),
            "2\told",
            "{table}"
        );
        drop(written);
        assert_eq!(store(server, &database).size().0, 2, "opened again");
    }
}

#[test]
fn odd_rows_of_the_original_are_readable() {
    let (server, database) = (server(), server().database());
    server.sql("", &format!("CREATE DATABASE {database}"));
    let table = "pid INT, process_name VARCHAR(20), my_call VARCHAR(20), memory_size INT, timestamp DATETIME";
    server.sql(&database, &format!("CREATE TABLE memory_usage ({table}); INSERT INTO memory_usage VALUES (NULL, NULL, 'mmap', NULL, NULL), (-5, 'x', 'mmap', -1, '2024-06-01'), (1, 'y', 'other', 1, NULL)"));
    let written = store(server, &database);
    let page =
        written.reader().unwrap().requests(&RequestQuery { limit: 10, ..RequestQuery::default() }).unwrap();
    let result: Vec<_> =
        page.requests.iter().map(|r| (r.pid.0, r.name.to_text(), r.requested_bytes)).collect();
    assert_eq!(result, [(0, "x".to_owned(), 0), (0, String::new(), 0)], "unknown calls are left out");
}

#[test]
fn the_size_limit_applies_per_machine() {
    let (server, database) = (server(), server().database());
    let mut large = store(server, &database);
    large.append(&[batch((0..5000).map(|n| mmap(7, b"perl", n)).collect())]).unwrap();
    let small = Settings { max_bytes: 200 * 100, ..kept() };
    let small = server.url(&database).open_now(&small).unwrap().unwrap();
    let mut small = Written::new(small, run("small"));
    small.append(&[batch((0..300).map(|n| mmap(8, b"sh", n)).collect())]).unwrap();
    for _ in 0..5 {
        small.housekeeping(WallClock(T0)).unwrap();
    }
    let rows = "SELECT host, COUNT(*) FROM memory_usage GROUP BY host ORDER BY host";
    assert_eq!(server.sql(&database, rows), "small\t100\nvm\t5000");
}

#[test]
fn a_flood_does_not_grow_beyond_the_limit_between_two_steps_of_housekeeping() {
    let (server, database) = (server(), server().database());
    let settings = Settings { max_bytes: 200 * 10_000, ..kept() };
    let mut store = Written::new(server.url(&database).open_now(&settings).unwrap().unwrap(), run("vm"));
    for n in 0..10 {
        store.append(&[batch((n * 3000..(n + 1) * 3000).map(|n| mmap(7, b"perl", n)).collect())]).unwrap();
    }
    let rows = "SELECT COUNT(*), MAX(memory_size) FROM memory_usage";
    assert_eq!(server.sql(&database, rows), format!("10000\t{}", 4096 + 29_999));
    assert_eq!(store.size().0, 10_000);
}

#[test]
fn short_steps_of_an_ended_run_are_deleted() {
    let (server, database) = (server(), server().database());
    let ticks: Vec<_> = (0..30).map(|n| tick(7, WallClock(T0 + n * SECOND), n.unsigned_abs() + 1)).collect();
    store(server, &database).append(&ticks).unwrap();
    let mut next = store(server, &database);
    next.append(&[batch(vec![mmap(8, b"sh", 0)])]).unwrap();
    for at in [60, 4 * 86_400] {
        for _ in 0..5 {
            next.housekeeping(WallClock(T0 + at * SECOND)).unwrap();
        }
    }
    let steps = "SELECT DISTINCT step_s FROM usage_sample ORDER BY 1";
    assert_eq!(server.sql(&database, steps), "600\n3600");
}

#[test]
fn strange_tables_are_left_alone() {
    let server = server();
    for (table, columns) in [("memory_usage", "mine INT"), ("process", "id INT"), ("run", "id INT")] {
        let database = server.database();
        server.sql("", &format!("CREATE DATABASE {database}; CREATE TABLE {database}.{table} ({columns})"));
        let text = error(&server.text(&database));
        assert!(text.contains(table) && text.contains("database of its own"), "{text}");
        assert_eq!(server.sql(&database, &format!("SHOW COLUMNS FROM {table}")).lines().count(), 1);
    }
}

#[test]
fn a_newer_schema_is_refused() {
    let (server, database) = (server(), server().database());
    drop(store(server, &database));
    server.sql(&database, "UPDATE memtap_schema SET version = 99");
    let text = error(&server.text(&database));
    assert!(text.contains("99") && text.contains("newer"), "{text}");
}

#[test]
fn tables_without_machine_samples_are_upgraded() {
    let server = server();
    // In the second round, the upgrade was interrupted after adding the columns, before the version
    // was stored.
    for of_usage in ["ALTER TABLE usage_sample DROP COLUMN granted_bytes, DROP COLUMN released_bytes;", ""] {
        let database = server.database();
        let mut written = store(server, &database);
        written.append(&[tick(7, WallClock(T0), 4)]).unwrap();
        drop(written);
        let others = "DROP TABLE machine_sample, call_sample, run_call; ALTER TABLE run DROP COLUMN granted_bytes, DROP COLUMN released_bytes, \
            DROP COLUMN lost; UPDATE memtap_schema SET version = 8";
        server.sql(&database, &format!("{of_usage} {others}"));
        let mut written = store(server, &database);
        written.append(&[tick(7, WallClock(T0 + SECOND), 6)]).unwrap();
        let granted = "SELECT SUM(granted_bytes), SUM(requests) FROM usage_sample WHERE process_id = 0";
        let old = if of_usage.is_empty() { 50 * 4 } else { 0 };
        assert_eq!(server.sql(&database, granted), format!("{}\t{}", old + 50 * 6, 3 * (4 + 6)));
        assert_eq!(
            server.sql(&database, "SELECT total_bytes, lost FROM machine_sample"),
            format!("{}\t2", 16_u64 << 30)
        );
        assert_eq!(server.sql(&database, "SELECT version FROM memtap_schema"), "15");
    }
}

#[test]
fn an_unused_key_is_dropped() {
    let (server, database) = (server(), server().database());
    drop(store(server, &database));
    let keys = "SHOW KEYS FROM memory_usage WHERE Key_name = 'memtap_process_name'";
    let older = "ALTER TABLE memory_usage ADD KEY memtap_process_name (process_name); UPDATE memtap_schema SET version = 13";
    server.sql(&database, older);
    assert!(!server.sql(&database, keys).is_empty());
    let _store = store(server, &database);
    assert_eq!(server.sql(&database, keys), "");
}

#[test]
fn wrong_passwords_and_missing_privileges_are_reported_with_the_fix() {
    let (server, database) = (server(), server().database());
    drop(store(server, &database));
    let text = server.text(&database);
    let wrong = error(&text.replace("s3cr3t%2F%40%3A", "hunter2"));
    assert!(wrong.contains("Access denied") && wrong.contains("Correct the user and password"), "{wrong}");
    server.sql("", &format!("CREATE USER reader_{database}@'127.0.0.1' IDENTIFIED BY 'hunter2'; GRANT SELECT ON {database}.* TO reader_{database}@'127.0.0.1'"));
    let reader = text.replace("memtap:s3cr3t%2F%40%3A", &format!("reader_{database}:hunter2"));
    let denied = error(&reader);
    assert!(denied.contains("denied") && denied.contains("Grant memtap's user"), "{denied}");
    let other = error(&reader.replace(&format!("/{database}"), "/another"));
    assert!(other.contains("denied") && other.contains("Grant"), "{other}");
}

#[test]
fn refused_rows_do_not_affect_others() {
    let (server, database) = (server(), server().database());
    let mut store = store(server, &database);
    server.sql(
        &database,
        "ALTER TABLE memory_usage ADD CONSTRAINT unlucky CHECK (memory_size NOT IN (4096 + 13, 4096 + 777))",
    );
    let appended = store.append(&[batch((0..1000).map(|n| mmap(7, b"perl", n)).collect())]).unwrap();
    assert_eq!(appended.refused, 2);
    assert!(appended.reason.unwrap().contains("unlucky"));
    assert_eq!(
        (server.sql(&database, "SELECT COUNT(*) FROM memory_usage"), store.size().0),
        ("998".to_owned(), 998)
    );
}

#[test]
fn both_ways_of_loading_write_the_same() {
    let server = server();
    let mut requests: Vec<_> = (0..2000).map(|n| mmap(7, b"perl", n)).collect();
    for (n, name) in
        [&b"'\\"[..], b"\t\n\r\\N", b"\xff\xfe\x80", "\u{f1}\u{1f980}".as_bytes(), b"%_,\"", b"\\"]
            .into_iter()
            .enumerate()
    {
        let mut one = mmap(8 + n as u32, name, 3000 + n as u64);
        one.request.file = Some(format!("a\\b\t{n}\u{1f980}").into());
        one.request.outcome = Outcome::Refused(Errno::ENOMEM);
        requests.push(one);
    }
    let mut pages = Vec::new();
    for setting in ["ON", "OFF", "ON"] {
        server.sql("", &format!("SET GLOBAL local_infile = {setting}"));
        let mut store = store(server, &server.database());
        assert_eq!(store.append(&[batch(requests.clone())]).unwrap().refused, 0);
        let query = RequestQuery { limit: 5000, ..RequestQuery::default() };
        pages.push(store.reader().unwrap().requests(&query).unwrap());
    }
    assert!(pages[0].requests.len() == requests.len() && pages[0] == pages[1] && pages[1] == pages[2]);
    let names: Vec<_> = pages[0].requests.iter().rev().map(|request| request.name).collect();
    assert!(names.iter().eq(requests.iter().map(|booked| &booked.request.name)));
}

#[test]
fn connections_are_encrypted_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let openssl = |arguments: &[&str]| {
        let done = Command::new("openssl").args(arguments).output().expect("openssl is there");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let (ca, ca_key, key, request, certificate) =
        (at("ca"), at("ca-key"), at("key"), at("request"), at("certificate"));
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=authority",
        "-days",
        "2",
        "-keyout",
        &ca_key,
        "-out",
        &ca,
    ]);
    openssl(&[
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-keyout",
        &key,
        "-out",
        &request,
    ]);
    std::fs::write(at("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1").unwrap();
    openssl(&[
        "x509",
        "-req",
        "-in",
        &request,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        &at("names"),
        "-out",
        &certificate,
    ]);
    let [with_ca, with_certificate, with_key] = [("ca", &ca), ("cert", &certificate), ("key", &key)]
        .map(|(what, path)| format!("--ssl-{what}={path}"));
    let server = Server::start(&[&with_ca, &with_certificate, &with_key]);
    server.sql("", "ALTER USER memtap@'127.0.0.1' REQUIRE SSL");
    let text = server.text("history");
    assert!(error(&text).contains("Access denied"), "the server wants it encrypted");
    let written = |options: &str| {
        Written::new(
            format!("{text}?{options}").parse::<StoreUrl>().unwrap().open_now(&kept()).unwrap().unwrap(),
            run("vm"),
        )
    };
    written("tls=unverified").append(&[batch(vec![mmap(7, b"perl", 0)])]).unwrap();
    written(&format!("ca={ca}")).append(&[batch(vec![mmap(7, b"perl", 1)])]).unwrap();
    assert_eq!(server.sql("history", "SELECT COUNT(*) FROM memory_usage"), "2");
    // The certificate is not from a public authority.
    let stranger = format!("{text}?tls=verified").parse::<StoreUrl>().unwrap().open_now(&kept());
    let mut stranger = Written::new(stranger.unwrap().unwrap(), run("vm"));
    assert!(stranger.append(&[batch(vec![mmap(7, b"perl", 2)])]).is_err());
}

fn spooling(server: &Server, folder: &std::path::Path) -> Handle {
    let limits = Limits {
        queue_requests: 20_000,
        commit_every: Duration::from_millis(50),
        finish_within: Duration::from_secs(2),
        spool: Some(SpoolSettings { folder: folder.join("spool"), max_bytes: 1 << 30 }),
        ..Limits::default()
    };
    let Written { store, run, .. } = store(server, "history");
    spawn(store.0, run, limits).unwrap()
}

fn wait(what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "not within 60 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Duration of the outage. `OUTAGE_SECONDS=30` selects the long form.
fn outage_seconds() -> u64 {
    std::env::var("OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

#[test]
fn a_server_killed_under_load_loses_and_duplicates_nothing() {
    // Batches of 400 every 20 ms: 20,000 requests per second.
    let outage = 50 * outage_seconds();
    let batches = outage + 300;
    let folder = tempfile::tempdir().unwrap();
    // Committed data must survive the kill.
    let server = Server::start(&["--innodb-flush-log-at-trx-commit=1"]);
    let handle = spooling(&server, folder.path());
    for n in 0..batches {
        let mut batch = batch((n * 400..(n + 1) * 400).map(|n| mmap(7, b"perl", n)).collect());
        batch.processes = vec![process(7, b"perl", None)];
        batch.tick = Some(WallClock(T0 + n.cast_signed() * 1_000_000_000));
        handle.send(batch);
        std::thread::sleep(Duration::from_millis(20));
        if n == 60 || n == outage + 200 {
            server.kill();
        } else if n == 60 + outage || n == outage + 260 {
            server.restart();
        }
    }
    wait("delivery", || handle.status().spooled == 0);
    let status = handle.finish();
    assert_eq!((status.dropped.len(), status.error.as_deref()), (0, None));
    let counts =
        "SELECT COUNT(*), COUNT(DISTINCT memory_size), MIN(memory_size), MAX(memory_size) FROM memory_usage";
    let all = batches * 400;
    assert_eq!(server.sql("history", counts), format!("{all}\t{all}\t4096\t{}", 4096 + all - 1));
    let unordered = "SELECT COUNT(*) FROM (SELECT memory_size - LAG(memory_size) OVER (ORDER BY id) AS step FROM memory_usage) AS steps WHERE step <> 1";
    assert_eq!(server.sql("history", unordered), "0");
}

#[test]
fn an_unavailable_server_at_start_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&[]);
    server.kill();
    let handle = spooling(&server, folder.path());
    handle.send(batch((0..100).map(|n| mmap(7, b"perl", n)).collect()));
    wait("the error is reported", || handle.status().error.is_some());
    let message = handle.status().error.unwrap();
    assert!(message.contains("Start the server") && !message.contains("s3cr3t"), "{message}");
    let page = TestReader(handle.reader()).requests(&RequestQuery::default());
    assert!(matches!(page, Err(StoreError::Database { away: true, .. })), "{page:?}");
    server.restart();
    wait("delivery", || handle.status().rows == 100);
    assert_eq!(handle.finish().spooled, 0);
}

#[test]
fn a_full_disk_of_the_server_is_waited_out() {
    let (server, database) = (server(), server().database());
    let folder = tempfile::tempdir().unwrap();
    let Written { store, run, .. } = store(server, &database);
    let limits = Limits {
        spool: Some(SpoolSettings { folder: folder.path().join("spool"), max_bytes: 1 << 30 }),
        ..Limits::default()
    };
    let handle = spawn(store.0, run, limits).unwrap();
    server.sql(&database, "CREATE TRIGGER full_disk BEFORE INSERT ON run FOR EACH ROW SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'");
    handle.send(batch((0..10).map(|n| mmap(7, b"perl", n)).collect()));
    wait("the error is reported", || handle.status().error.is_some());
    let message = handle.status().error.unwrap();
    assert!(message.contains("1114") && message.contains("Free some disk space"), "{message}");
    server.sql(&database, "DROP TRIGGER full_disk");
    wait("delivery", || handle.status().rows == 10);
    let status = handle.finish();
    assert_eq!((status.spooled, status.dropped.get(&DropCause::Refused)), (0, None));
}

/// The history writes in a runtime of its own. The runtime that opened the store may be stopped.
#[test]
fn a_store_does_not_need_the_runtime_that_opened_it() {
    let (server, database) = (server(), server().database());
    let opener = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = opener.block_on(server.url(&database).open(&kept())).unwrap().unwrap();
    let handle = spawn(store, run("vm"), Limits::default()).unwrap();
    handle.send(batch((0..10).map(|n| mmap(7, b"perl", n)).collect()));
    wait("delivery", || handle.status().rows == 10);
    let status = handle.finish();
    assert_eq!((status.spooled, status.dropped.len()), (0, 0));
}
