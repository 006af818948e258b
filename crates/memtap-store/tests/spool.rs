//! The writer while its database is unavailable: another program holds a lock on SQLite's file.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use memtap_history::{
    Appended, Delivery, DropCause, Handle, Limits, Pending, Reader, RequestQuery, Settings, SpoolSettings,
    Store, StoreError, spawn,
};
use memtap_model::WallClock;
use rusqlite::Connection;
use support::{Written, batch, mmap, store};

fn limits(folder: &Path, max_bytes: u64) -> Limits {
    Limits {
        queue_requests: 10_000,
        commit_every: Duration::from_millis(20),
        finish_within: Duration::from_millis(500),
        spool: Some(SpoolSettings { folder: folder.join("spool"), max_bytes }),
        ..Limits::default()
    }
}

/// Keeps requests for 100 years: the tests' requests have old times.
fn kept() -> Settings {
    Settings { max_age: Duration::from_secs(100 * 365 * 86_400), ..Settings::default() }
}

fn start(folder: &Path, limits: Limits) -> Handle {
    let Written { store, run, .. } = store(folder, &kept());
    spawn(store.0, run, limits).unwrap()
}

/// Locks the database, so that nobody else can write.
fn hold(folder: &Path) -> Connection {
    let other = Connection::open(folder.join("memtap.db")).unwrap();
    other.busy_timeout(Duration::from_secs(10)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

fn let_go(other: &Connection) {
    other.execute_batch("ROLLBACK").unwrap();
}

/// Sends the requests from `from` to `to` in batches, slower than memory fills.
fn send(handle: &Handle, from: u64, to: u64) {
    for n in (from..to).step_by(1000) {
        handle.send(batch((n..(n + 1000).min(to)).map(|n| mmap(7, b"perl", n)).collect()));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[track_caller]
fn wait(done: impl Fn() -> bool) {
    for _ in 0..3000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within 30 s");
}

/// Returns the numbers of the stored requests, in the history's order.
fn stored(folder: &Path) -> Vec<u64> {
    let store = store(folder, &kept());
    let query = RequestQuery { limit: 10_000_000, ..RequestQuery::default() };
    let page = store.reader().unwrap().requests(&query).unwrap();
    page.requests.iter().rev().map(|request| request.requested_bytes - 4096).collect()
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder.join("spool")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some()).collect();
    paths.sort();
    paths
}

#[test]
fn requests_during_an_outage_are_delivered_in_order_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let handle = start(folder.path(), limits(folder.path(), 1 << 30));
    send(&handle, 0, 3_000);
    wait(|| handle.status().rows == 3_000);
    let other = hold(folder.path());
    send(&handle, 3_000, 60_000);
    wait(|| handle.status().spool_bytes > 500_000 && handle.status().error.is_some());
    let status = handle.status();
    assert!(status.error.unwrap().contains("Another program holds") && status.lag_s > 0.0);
    assert_eq!(
        (status.dropped.len(), status.rows),
        (0, 3_000),
        "ten times what memory holds, and none dropped"
    );
    let_go(&other);
    wait(|| handle.status().rows == 60_000);
    send(&handle, 60_000, 63_000);
    wait(|| handle.status().rows == 63_000);
    let status = handle.finish();
    assert_eq!((status.spooled, status.spool_bytes, status.error, status.dropped.len()), (0, 0, None, 0));
    assert!(stored(folder.path()).into_iter().eq(0..63_000));
    assert!(segments(folder.path()).is_empty());
}

#[test]
fn the_backlog_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let handle = start(folder.path(), limits(folder.path(), 1 << 30));
    let other = hold(folder.path());
    send(&handle, 0, 20_000);
    let status = handle.finish();
    assert_eq!((status.spooled, status.dropped.len()), (20_000, 0));
    let_go(&other);
    let next = start(folder.path(), limits(folder.path(), 1 << 30));
    send(&next, 20_000, 22_000);
    wait(|| next.status().rows == 22_000);
    assert_eq!(next.finish().spooled, 0);
    assert!(stored(folder.path()).into_iter().eq(0..22_000), "that of the run before comes first");
    let runs: i64 =
        other.query_row("SELECT count(*) FROM run WHERE last_sequence > 0", [], |row| row.get(0)).unwrap();
    assert_eq!(runs, 2, "each under its own run");
}

/// A store with a bug: it panics from the 1000th request on.
struct Panicking(Box<dyn Store>);

impl Store for Panicking {
    fn append(&mut self, delivery: Arc<Delivery>) -> Pending<'_, Appended> {
        let requests = delivery.batches.iter().flat_map(|batch| &batch.requests);
        let last = requests.map(|booked| booked.request.requested_bytes - 4096).max();
        assert!(last < Some(1000), "on purpose");
        self.0.append(delivery)
    }

    fn housekeeping(&mut self, now: WallClock) -> Pending<'_, bool> {
        self.0.housekeeping(now)
    }

    fn reader(&self) -> Result<Arc<dyn Reader>, StoreError> {
        self.0.reader()
    }

    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn size(&self) -> (u64, u64) {
        self.0.size()
    }
}

#[test]
fn requests_after_a_store_panic_are_spooled_or_counted() {
    for has_spool in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let mut limits = limits(folder.path(), 1 << 30);
        limits.spool = limits.spool.filter(|_| has_spool);
        let Written { store, run, .. } = store(folder.path(), &kept());
        let handle = spawn(Box::new(Panicking(store.0)), run, limits.clone()).unwrap();
        send(&handle, 0, 1_000);
        wait(|| handle.status().rows == 1_000);
        send(&handle, 1_000, 3_000);
        let status = handle.finish();
        let expected = if has_spool { (2_000, 0) } else { (0, 2_000) };
        assert_eq!((status.spooled, status.dropped_requests()), expected, "{:?}", status.dropped);
        if has_spool {
            let next = start(folder.path(), limits);
            wait(|| next.status().rows == 3_000);
            next.finish();
            assert!(stored(folder.path()).into_iter().eq(0..3_000));
        }
    }
}

#[test]
fn a_full_spool_drops_and_counts_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let handle = start(folder.path(), limits(folder.path(), 300_000));
    let other = hold(folder.path());
    for n in (0..60_000).step_by(1000) {
        handle.send(batch((n..n + 1000).map(|n| mmap(7, b"perl", n)).collect()));
        std::thread::sleep(Duration::from_millis(5));
    }
    wait(|| handle.status().dropped.contains_key(&DropCause::SpoolFull));
    let status = handle.status();
    assert!(status.spool_bytes <= 300_000);
    assert_eq!(status.dropping, [DropCause::SpoolFull], "reported while it goes on");
    let_go(&other);
    wait(|| handle.status().spooled == 0);
    let status = handle.finish();
    assert_eq!(status.rows + status.dropped_requests(), 60_000, "{:?}", status.dropped);
    let all = stored(folder.path());
    assert!(all.is_sorted_by(|a, b| a < b) && all.len() as u64 == status.rows);
}

#[test]
fn many_small_batches_go_to_disk_before_any_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let handle = start(folder.path(), Limits { queue_requests: 100_000, ..limits(folder.path(), 1 << 30) });
    let other = hold(folder.path());
    // More batches than memory holds. The sender waits up to a second for room.
    for n in 0..12_000 {
        let until = Instant::now() + Duration::from_secs(1);
        while n % 1000 == 0 && handle.is_behind() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        handle.send(batch(vec![mmap(7, b"perl", n)]));
    }
    let status = handle.status();
    assert_eq!((status.dropped.len(), status.dropping), (0, vec![]), "{:?}", status.dropped);
    assert!(status.spool_bytes > 0);
    let_go(&other);
    wait(|| handle.status().rows == 12_000);
    assert!(stored(folder.path()).into_iter().eq(0..12_000));
}

/// A small tmpfs.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&at).status();
        done.is_ok_and(|done| done.success()).then_some(Self(at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_reported_and_its_records_are_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_disk) = Disk::mount(folder.path().join("spool")) else {
        return eprintln!("skipped: only root can mount a small disk");
    };
    let handle = start(folder.path(), limits(folder.path(), 1 << 30));
    let other = hold(folder.path());
    for n in (0..40_000).step_by(1000) {
        handle.send(batch((n..n + 1000).map(|n| mmap(7, b"perl", n)).collect()));
        std::thread::sleep(Duration::from_millis(5));
    }
    wait(|| handle.status().dropped.contains_key(&DropCause::SpoolFailed));
    let_go(&other);
    wait(|| handle.status().spooled == 0);
    handle.send(batch(vec![mmap(7, b"perl", 40_000)]));
    let status = handle.finish();
    assert_eq!(status.rows + status.dropped_requests(), 40_001, "{:?}", status.dropped);
    let all = stored(folder.path());
    assert!(all.is_sorted_by(|a, b| a < b) && all.last() == Some(&40_000));
}

#[test]
fn damaged_records_are_counted_and_others_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let handle = start(folder.path(), limits(folder.path(), 1 << 30));
    let other = hold(folder.path());
    send(&handle, 0, 5_000);
    wait(|| handle.status().spool_bytes > 0);
    send(&handle, 5_000, 10_000);
    assert_eq!(handle.finish().spooled, 10_000);
    let segment = segments(folder.path()).remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    let near_the_end = bytes.len() - 100;
    bytes[near_the_end] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let_go(&other);
    let next = start(folder.path(), limits(folder.path(), 1 << 30));
    wait(|| next.status().spooled == 0);
    let status = next.finish();
    let damaged = status.dropped[&DropCause::SpoolDamaged];
    assert!(damaged > 0 && status.rows + damaged == 10_000, "{damaged} damaged, {} rows", status.rows);
}

#[test]
fn a_second_memtap_runs_without_a_spool() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path(), limits(folder.path(), 1 << 30));
    let second = start(folder.path(), limits(folder.path(), 1 << 30));
    second.send(batch(vec![mmap(7, b"perl", 0)]));
    first.send(batch(vec![mmap(8, b"sh", 1)]));
    assert_eq!((first.finish().spooled, second.finish().spooled), (0, 0));
    assert_eq!(stored(folder.path()).len(), 2);
}

const VICTIM: &str = "MEMTAP_TEST_SPOOL_VICTIM";

/// Runs in the child only: sends requests and prints its progress until it is killed.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let folder = Path::new(&folder);
    let handle = start(folder, limits(folder, 1 << 30));
    println!("\nsent 0");
    for n in (0..).step_by(500) {
        handle.send(batch((n..n + 500).map(|n| mmap(7, b"perl", n)).collect()));
        wait(|| handle.status().spool_bytes > 0 || handle.status().rows > n);
        println!("\nsent {}", n + 500);
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn spooled_requests_survive_kill_and_are_delivered_once() {
    for round in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut sent = lines.filter_map(|line| line.strip_prefix("sent ")?.parse::<u64>().ok());
        assert_eq!(sent.next(), Some(0));
        let other = hold(folder.path());
        for _ in 0..30 + round * 20 {
            sent.next().unwrap();
        }
        // In some rounds, the child is killed during the delivery.
        let_go(&other);
        std::thread::sleep(Duration::from_millis(round * 40));
        child.kill().unwrap();
        child.wait().unwrap();
        let next = start(folder.path(), limits(folder.path(), 1 << 30));
        wait(|| next.status().spooled == 0);
        let status = next.finish();
        assert_eq!((status.dropped.len(), status.error), (0, None));
        let all = stored(folder.path());
        assert!(
            all.len() >= 500 && all.iter().copied().eq(0..all.len() as u64),
            "round {round}: {} rows",
            all.len()
        );
    }
}
