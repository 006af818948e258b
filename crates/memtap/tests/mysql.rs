//! All of memtap with the original system's settings: its database, its table and its queries.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "the store's own tests use more of it")]
#[path = "../../memtap-store/tests/support/mariadb.rs"]
mod mariadb;
#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use mariadb::Server;
use support::{Fixture, Memtap};

/// Starts memtap in a directory with the original system's `.env`.
fn with_env(server: &Server, folder: &std::path::Path) -> Memtap {
    let text = server.text("memory");
    let port = text.rsplit_once('/').unwrap().0.rsplit_once(':').unwrap().1;
    let env = format!(
        "DB_HOST=127.0.0.1\nDB_PORT={port}\nDB_USER=memtap\nDB_PASS='s3cr3t/@:'\nDB_NAME=memory\nMEMTAP_EXACT_TIMES=true\n"
    );
    std::fs::write(folder.join(".env"), env).unwrap();
    let spool = format!("--spool={}", folder.join("spool").display());
    Memtap::start_in(folder, &["--source=bpf", "--env-file=.env", &spool], None)
}

#[test]
fn the_original_settings_choose_its_database_and_each_request_is_stored_once() {
    const PAIRS: u64 = 20_000;
    let server = Server::start(&["--innodb-flush-log-at-trx-commit=1"]);
    let folder = tempfile::tempdir().unwrap();
    let memtap = with_env(&server, folder.path());
    assert!(memtap.log().contains("history in mysql://memtap@127.0.0.1") && !memtap.log().contains("s3cr3t"));
    let mut fixture = Fixture::start(&["pairs", &PAIRS.to_string()]);
    let mut other = Fixture::start(&["pairs", &PAIRS.to_string()]);
    fixture.go();
    memtap
        .wait_for("/api/v1/health", "it is written", |health| health["store"]["rows"].as_u64() > Some(PAIRS));
    server.kill();
    other.go();
    let away = memtap.wait_for("/api/v1/health", "it is told", |health| {
        health["store"]["error"].is_string() && health["store"]["spool_bytes"].as_u64() > Some(0)
    });
    assert!(away["store"]["error"].as_str().unwrap().contains("Start the server"), "{away}");
    memtap.settle();
    assert_eq!(
        memtap.process(other.pid())["calls"]["mmap"]["count"].as_u64().unwrap() / PAIRS,
        1,
        "the books go on"
    );
    server.restart();
    let back = memtap.wait_for("/api/v1/health", "it is delivered", |health| {
        health["store"]["error"].is_null() && health["store"]["spool_bytes"] == 0
    });
    assert_eq!(back["store"]["dropped"], 0, "{back}");
    let lost: u64 =
        [fixture.pid(), other.pid()].map(|pid| memtap.process(pid)["lost"].as_u64().unwrap()).iter().sum();
    let path = format!("/api/v1/requests?pid={}&call=munmap&min_size=65536&limit=1000", other.pid());
    let page = memtap
        .wait_for(&path, "the page reads it", |page| page["requests"].as_array().unwrap().len() == 1000);
    assert_eq!(page["requests"][0]["process_name"], "fixture");
    memtap.interrupt();
    let (pids, size) = (format!("{}, {}", fixture.pid(), other.pid()), 64 << 10);
    let of = format!("FROM memory_usage WHERE pid IN ({pids}) AND memory_size = {size} AND errno IS NULL");
    let found: u64 = server.sql("memory", &format!("SELECT COUNT(*) {of}")).parse().unwrap();
    assert!(
        (4 * PAIRS - lost..=4 * PAIRS).contains(&found),
        "{found} of {}, {lost} lost in the stream",
        4 * PAIRS
    );
    let twice = format!(
        "SELECT COUNT(*) FROM (SELECT COUNT(*) AS n {of} GROUP BY pid, tid, timestamp, my_call, address HAVING n > 1) AS twice"
    );
    assert_eq!(server.sql("memory", &twice), "0");
    let originals = format!(
        "SELECT SUM(CASE WHEN my_call = 'mmap' THEN memory_size ELSE -memory_size END) {of} GROUP BY pid"
    );
    if lost == 0 {
        assert_eq!(server.sql("memory", &originals), "0\n0", "all that was mapped was released");
    }
}
