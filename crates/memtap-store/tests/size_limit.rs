//! Size limit of a SQLite history, file and log together, under different floods.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod support;

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use memtap_history::{Batch, Limits, Settings, SpoolSettings, spawn};
use memtap_model::WallClock;
use rusqlite::Connection;
use support::{SECOND, T0, Written, batch, mmap, process, store};

fn number(folder: &Path, sql: &str) -> i64 {
    Connection::open(folder.join("memtap.db")).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn the_size_limit_holds_against_a_fast_stream() {
    // 100,000 requests between two rounds of housekeeping: one second on a busy machine.
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_bytes: 16 << 20, ..Settings::default() };
    let mut written = store(folder.path(), &settings);
    let mut highest = 0;
    for second in 0..12 {
        for part in 0..10 {
            let first = second * 100_000 + part * 10_000;
            let requests = (first..first + 10_000).map(|n| mmap(7 + (n % 50) as u32, b"perl", n)).collect();
            written.append(&[batch(requests)]).unwrap();
            highest = written.size().1.max(highest);
        }
        written.housekeeping(WallClock(T0 + 1000 * SECOND)).unwrap();
    }
    assert!(highest <= settings.max_bytes / 20 * 21, "{} KiB where 16 MiB are allowed", highest >> 10);
    assert!(written.size().0 > 150_000, "too much was deleted: {} rows are left", written.size().0);
}

#[test]
fn a_long_read_does_not_grow_the_log_without_bound() {
    let folder = tempfile::tempdir().unwrap();
    let max_bytes = 16 << 20;
    let mut written = store(folder.path(), &Settings { max_bytes, ..Settings::default() });
    let requests = |n: u64| batch((n * 10_000..(n + 1) * 10_000).map(|n| mmap(7, b"perl", n)).collect());
    written.append(&[requests(0)]).unwrap();
    let reader = Connection::open(folder.path().join("memtap.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM request").unwrap();
    let refused = (1..100).find_map(|n| written.append(&[requests(n)]).err()).unwrap().to_string();
    assert!(refused.contains("memtap.db") && refused.contains("End that program"), "{refused}");
    let log = folder.path().join("memtap.db-wal").metadata().unwrap().size();
    assert!(log < max_bytes, "{} KiB", log >> 10);
    reader.execute_batch("COMMIT").unwrap();
    written.append(&[requests(100)]).unwrap();
    assert!(written.size().1 <= max_bytes / 20 * 21, "{} KiB", written.size().1 >> 10);
}

#[test]
fn an_oversized_history_shrinks_soon() {
    let folder = tempfile::tempdir().unwrap();
    let mut large = store(folder.path(), &Settings::default());
    for n in 0..10 {
        large
            .append(&[batch((n * 50_000..(n + 1) * 50_000).map(|n| mmap(7, b"perl", n)).collect())])
            .unwrap();
    }
    drop(large);
    let max_bytes = 8 << 20;
    let mut small = store(folder.path(), &Settings { max_bytes, ..Settings::default() });
    assert!(small.size().1 > 2 * max_bytes);
    let mut steps = 0;
    // One round per second.
    while small.size().1 > max_bytes && steps < 60 {
        small.append(&[batch(vec![mmap(8, b"sh", 0)])]).unwrap();
        small.housekeeping(WallClock(T0 + SECOND)).unwrap();
        steps += 1;
    }
    assert!(small.size().1 <= max_bytes, "{} KiB after {steps} steps", small.size().1 >> 10);
}

#[test]
fn the_size_limit_holds_against_a_flood_of_short_processes() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_bytes: 4 << 20, ..Settings::default() };
    let mut written = store(folder.path(), &settings);
    for second in 0..30 {
        let at = WallClock(T0 + second * SECOND);
        let of = |n: u32| u32::try_from(second).unwrap() * 1000 + n;
        let processes = (0..1000).map(|n| process(of(n), b"sh", Some(at))).collect();
        let requests = (0..1000).map(|n| mmap(of(n), b"sh", u64::from(of(n)))).collect();
        written.append(&[Batch { requests, processes, tick: Some(at), ..Batch::default() }]).unwrap();
        written.housekeeping(at).unwrap();
    }
    for second in 30..90 {
        written.housekeeping(WallClock(T0 + second * SECOND)).unwrap();
    }
    let used = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let (bytes, lives) = (number(folder.path(), used), number(folder.path(), "SELECT count(*) FROM process"));
    assert!(bytes < 6 << 20, "{} KiB where 4 MiB are allowed, {lives} lives", bytes >> 10);
    assert!(number(folder.path(), "SELECT count(*) FROM request") > 1000, "some requests are kept");
}

#[test]
fn a_flood_at_the_limit_goes_through_the_spool_and_nothing_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let max_bytes = 8 << 20;
    let years = Duration::from_secs(100 * 365 * 86_400);
    let settings = Settings { max_bytes, max_age: years, ..Settings::default() };
    let Written { store, run, .. } = store(folder.path(), &settings);
    let limits = Limits {
        queue_requests: 40_000,
        commit_every: Duration::from_millis(20),
        spool: Some(SpoolSettings { folder: folder.path().join("spool"), max_bytes: 1 << 30 }),
        ..Limits::default()
    };
    let handle = spawn(store.0, run, limits).unwrap();
    // As fast as the queue is emptied, into the store or to disk.
    for n in 0..150 {
        let until = Instant::now() + Duration::from_secs(10);
        while handle.is_behind() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        handle.send(batch((n * 4_000..(n + 1) * 4_000).map(|n| mmap(7, b"perl", n)).collect()));
    }
    let until = Instant::now() + Duration::from_secs(60);
    while handle.status().spooled > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    let status = handle.finish();
    assert_eq!((status.spooled, status.dropped.len()), (0, 0), "{:?}", status.dropped);
    assert!(status.bytes <= max_bytes / 20 * 21, "{} KiB", status.bytes >> 10);
    assert_eq!(number(folder.path(), "SELECT max(memory_size) FROM memory_usage"), 4096 + 599_999);
}
