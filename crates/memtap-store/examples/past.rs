//! Measures queries on the last minute of a history with many past processes.
//!
//! `past FILE PAST IDLE` creates a history of one day with PAST ended processes and IDLE inactive
//! ones, and prints the duration of each query in milliseconds.

#![expect(clippy::unwrap_used, reason = "a measurement that fails says where")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use memtap_history::{LifetimeQuery, Measure, ProgramQuery, Range, RequestQuery, Settings};
use memtap_model::WallClock;
use memtap_store::StoreUrl;
use memtap_testing::OpenNow as _;
use rusqlite::Connection;
use support::{SECOND, Written, mmap, run, tick};

const ROUNDS: usize = 5;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [file, past, idle] = &words[..] else { panic!("past FILE PAST IDLE") };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let store = StoreUrl::sqlite(file).open_now(&Settings::default()).unwrap().unwrap();
    let mut written = Written::new(store, run("vm"));
    written.run.began = WallClock((now - 86_400) * SECOND);
    let mut batch = tick(7, WallClock(now * SECOND), 1);
    for n in 0..1_000 {
        let mut one = mmap(7, b"perl", n);
        one.request.time = WallClock((now - 30) * SECOND);
        batch.requests.push(one);
    }
    written.append(&[batch]).unwrap();
    fill(file, now, past, idle);
    let reader = written.reader().unwrap();
    let [from, to] = [now - 60, now].map(|second| WallClock(second * SECOND));
    let range = Range { host: Some("vm".into()), from, to };
    let requests = RequestQuery {
        host: Some("vm".into()),
        from: Some(from),
        to: Some(to),
        limit: 2_000,
        ..RequestQuery::default()
    };
    let lives = LifetimeQuery { range: range.clone(), limit: 5_000, ..LifetimeQuery::default() };
    let programs = ProgramQuery { range, by: Measure::Resident, top: 9, step: Duration::from_secs(1) };
    measure("lives", || reader.lifetimes(&lives).map(|result| result.lives.len()));
    measure("programs", || reader.programs(&programs).map(|result| result.programs.len()));
    measure("requests of the machine", || reader.requests(&requests).map(|page| page.requests.len()));
    measure("refusals of the machine", || reader.refusals(&requests).map(|result| result.len()));
    let begin = Instant::now();
    written.housekeeping(WallClock(now * SECOND)).unwrap();
    println!("a step of housekeeping: {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
}

/// Adds processes that ended within the last day, with samples of a hundred of them in each step,
/// and inactive ones whose samples are hours old.
fn fill(file: &str, now: i64, past: &str, idle: &str) {
    let samples = |step: i64, from: i64| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 100 * ({now} - {from}) / {step})
             INSERT OR IGNORE INTO usage_sample SELECT (SELECT id FROM run WHERE id <> 0), {step}, {from} / {step} * {step} + i / 100 * {step},
                 100 + ({from} / {step} + i) % {past}, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 FROM n;"
        )
    };
    let steps = [samples(1, now - 900), samples(10, now - 3 * 3600), samples(60, now - 86_400)].concat();
    let connection = Connection::open(Path::new(file)).unwrap();
    connection
        .execute_batch(&format!(
            "BEGIN;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {past})
             INSERT INTO process (id, run_id, pid, start_ns, started_at_ns, name, command, user, cgroup, ended_at_ns, seen_ns)
                 SELECT 100 + i, (SELECT id FROM run WHERE id <> 0), i % 32768, i, t, 'sh', '/bin/sh -c true', 'root', '/system.slice/a.service', t + 50000000, t
                 FROM (SELECT i, ({now} - 86400) * 1000000000 + i * (86400000000000 / {past}) AS t FROM n);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {idle})
             INSERT INTO process (id, run_id, pid, start_ns, started_at_ns, name, seen_ns)
                 SELECT 10000000 + i, (SELECT id FROM run WHERE id <> 0), i % 32768, i, ({now} - 86400) * 1000000000, 'idled', ({now} - 80000) * 1000000000 FROM n;
             {steps}
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {idle})
             INSERT INTO usage_sample SELECT (SELECT id FROM run WHERE id <> 0), 60, ({now} - 80000) / 60 * 60, 10000000 + i, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
                 FROM n;
             UPDATE run SET rolled_10 = {now}, rolled_60 = {now} WHERE id <> 0; COMMIT"
        ))
        .unwrap();
}

fn measure<E: std::fmt::Display>(what: &str, ask: impl Fn() -> Result<usize, E>) {
    let mut times = [0.0; ROUNDS];
    let mut outcome = String::new();
    for time in &mut times {
        let begin = Instant::now();
        outcome = ask().map_or_else(|error| error.to_string(), |rows| format!("{rows} found"));
        *time = begin.elapsed().as_secs_f64() * 1e3;
    }
    times.sort_by(f64::total_cmp);
    println!("{what}: {:.1} ms ({outcome})", times[ROUNDS / 2]);
}
