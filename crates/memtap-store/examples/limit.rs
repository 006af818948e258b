//! A history at its size limit. `limit bench` measures what a request costs below and at the limit, in each store, and prints a table as
//! JSON for `cargo xtask bench store`. `limit URL MIB CALM FLOOD SECONDS` feeds a store with CALM requests a second, and FLOOD a second in five
//! of every twenty seconds, and prints how it is every second.

#![expect(clippy::unwrap_used, reason = "a measurement that fails says where")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use memtap_model::WallClock;
use memtap_store::{Batch, Handle, Limits, Settings, SpoolSettings, Status, StoreUrl, open, spawn};
use support::{SECOND, T0, mmap, process, run, tick};

/// Between two batches.
const PACE: Duration = Duration::from_millis(20);
/// Requests of a batch, as the reader hands them on, at most.
const BATCH: u64 = 8_192;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match &words[..] {
        [url, mebibytes, calm, flood, seconds] => {
            let number = |word: &String| word.parse::<u64>().expect("a number");
            drill(url, number(mebibytes) << 20, [number(calm), number(flood)], number(seconds));
        }
        _ => panic!("limit URL MIB CALM FLOOD SECONDS"),
    }
}

/// A store with its writer, and what feeds it.
struct Feed {
    handle: Handle,
    _spool: tempfile::TempDir,
    sent: u64,
    ticks: u64,
}

impl Feed {
    fn start(url: &StoreUrl, max_bytes: u64) -> Self {
        let years = Duration::from_secs(100 * 365 * 86_400);
        let settings = Settings { max_bytes, max_age: years, max_sample_age: years, ..Settings::default() };
        let spool = tempfile::tempdir().unwrap();
        let limits = Limits {
            // As with the default --memory of 64 MiB.
            queue_requests: 46_603,
            spool: Some(SpoolSettings { folder: spool.path().into(), max_bytes: 1 << 30 }),
            ..Limits::default()
        };
        let handle = spawn(open(url, &settings).unwrap().unwrap(), run("vm"), limits).unwrap();
        Self { handle, _spool: spool, sent: 0, ticks: 0 }
    }

    /// Sends for a second, evenly; with a tick at its end.
    fn second(&mut self, rate: u64) {
        let begin = Instant::now();
        let steps = 1_000 / PACE.as_millis() as u64;
        for step in 1..=steps {
            let mut left = rate * step / steps - rate * (step - 1) / steps;
            while left > 0 {
                let count = left.min(BATCH);
                let requests = (self.sent..self.sent + count).map(request).collect();
                self.handle.send(Batch { requests, ..Batch::default() });
                (self.sent, left) = (self.sent + count, left - count);
            }
            let next = begin + PACE * step as u32;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        self.ticks += 1;
        let at = WallClock(T0 + self.ticks.cast_signed() * SECOND);
        let mut batch = tick(7, at, self.ticks);
        let ended = (0..20).map(|n| process(short_lived(self.sent - n * 50), b"sh", Some(at)));
        batch.processes.extend(ended);
        self.handle.send(batch);
    }

    /// Until all that was sent is in the history.
    fn settle(&self) {
        while self.handle.status().spooled > 0 {
            std::thread::sleep(PACE);
        }
    }
}

/// Of two hundred processes that live long, and each fiftieth of one that does not.
fn request(n: u64) -> memtap_ledger::BookedRequest {
    match n % 50 {
        0 => mmap(short_lived(n), b"sh", n),
        _ => mmap(100 + (n * 7919 % 200) as u32, if n % 3 == 0 { b"perl" } else { b"python3" }, n),
    }
}

fn short_lived(n: u64) -> u32 {
    1_000 + (n / 2_000 % 4_000_000) as u32
}

/// Seconds of CPU that the store's own threads have taken.
fn cpu() -> f64 {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let Ok(stat) = std::fs::read_to_string(task.unwrap().path().join("stat")) else { continue };
        let (name, rest) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        if name.starts_with("memtap-") {
            let fields: Vec<&str> = rest.split_whitespace().collect();
            ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
    }
    // SAFETY: it only asks.
    ticks as f64 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
}

/// File and log of SQLite, MiB.
fn on_disk(url: &str) -> [f64; 2] {
    let path = url.strip_prefix("sqlite:").unwrap_or("/nowhere");
    ["", "-wal"].map(|suffix| {
        Path::new(&format!("{path}{suffix}")).metadata().map_or(0, |file| file.len()) as f64 / 1_048_576.0
    })
}

fn drill(url: &str, max_bytes: u64, [calm, flood]: [u64; 2], seconds: u64) {
    let mut feed = Feed::start(&url.parse().unwrap(), max_bytes);
    println!("second rate file_mib log_mib lag_s spool_mib rows dropped cpu_s cpu_us_each");
    let (mut before, mut highest) = (cpu(), 0.0_f64);
    for second in 0..seconds {
        let rate = if second % 20 >= 15 { flood } else { calm };
        let (begin, sent) = (Instant::now(), feed.sent);
        feed.second(rate);
        let (now, [file, log]) = (cpu(), on_disk(url));
        let Status { lag_s, spool_bytes, rows, dropped, .. } = feed.handle.status();
        let each = (now - before) * 1e6 / (feed.sent - sent) as f64;
        let late = begin.elapsed().as_secs_f64();
        println!(
            "{second} {rate} {file:.1} {log:.1} {lag_s:.1} {:.1} {rows} {dropped:?} {:.2} {each:.2} ({late:.2} s)",
            spool_bytes as f64 / 1_048_576.0,
            now - before,
        );
        (before, highest) = (now, highest.max(file + log));
    }
    let begin = Instant::now();
    feed.settle();
    let status = feed.handle.finish();
    println!(
        "settled after {:.1} s, highest {highest:.1} MiB, at the end {:?}",
        begin.elapsed().as_secs_f64(),
        on_disk(url)
    );
    println!("sent {} rows {} dropped {:?} cpu {:.1} s", feed.sent, status.rows, status.dropped, cpu());
}
