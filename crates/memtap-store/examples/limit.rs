//! Measures a history at its size limit.
//!
//! - `limit bench` measures the cost of a request below and at the limit, in each store, and prints
//!   a table as JSON for `cargo xtask bench store`.
//! - `limit bench sqlite` prints SQLite's row only.
//! - `limit URL MIB CALM FLOOD SECONDS` fills a history to its limit. It then sends CALM requests
//!   per second, and FLOOD per second during five of every twenty seconds, and prints the status
//!   each second. At the end, it sends no requests for 40 s.

#![expect(clippy::unwrap_used, reason = "a measurement that fails says where")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use memtap_history::{Batch, Handle, Limits, Settings, SpoolSettings, Status, spawn};
use memtap_model::WallClock;
use memtap_store::StoreUrl;
use memtap_testing::OpenNow as _;
use support::mariadb::Server;
use support::{SECOND, T0, mmap, process, run, tick};

/// Time between two batches.
const PACE: Duration = Duration::from_millis(20);
/// Requests per second of the measurement.
const RATE: u64 = 20_000;
/// Rounds of the measurement. In each round, both histories of a store are fed one after the other,
/// for `SECONDS` each.
const ROUNDS: usize = 5;
const SECONDS: u64 = 10;
/// Requests stored before the measurement, in SQLite (about 512 MiB) and in MariaDB.
const STORED: [u64; 2] = [9_000_000, 3_000_000];
/// Approximate size of a stored request in SQLite.
const REQUEST_BYTES: u64 = 58;
/// Duration without requests at the end of a drill.
const CALM_S: u64 = 40;
/// Maximum number of requests in a batch, as in the capture.
const BATCH: u64 = 8_192;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |word: &String| word.parse::<u64>().expect("a number");
    match &words[..] {
        [bench] if bench == "bench" => println!("{}", table()),
        [bench, store] if bench == "bench" && store == "sqlite" => println!("{}", sqlite()),
        [url, mebibytes, calm, flood, seconds] => {
            drill(url, number(mebibytes) << 20, [number(calm), number(flood)], number(seconds));
        }
        _ => panic!("limit bench, or limit URL MIB CALM FLOOD SECONDS"),
    }
}

/// A store with its writer, fed with requests.
struct Feed {
    handle: Handle,
    _spool: tempfile::TempDir,
    sent: u64,
    ticks: u64,
}

impl Feed {
    /// Starts the writer. `sent` is the number of the first request.
    fn start(url: &StoreUrl, max_bytes: u64, sent: u64) -> Self {
        let years = Duration::from_secs(100 * 365 * 86_400);
        let settings = Settings { max_bytes, max_age: years, max_sample_age: years, ..Settings::default() };
        let spool = tempfile::tempdir().unwrap();
        let limits = Limits {
            // The value for the default --memory of 64 MiB.
            queue_requests: 46_603,
            spool: Some(SpoolSettings { folder: spool.path().into(), max_bytes: 1 << 30 }),
            ..Limits::default()
        };
        let handle = spawn(url.open_now(&settings).unwrap().unwrap().0, run("vm"), limits).unwrap();
        Self { handle, _spool: spool, sent, ticks: sent / RATE }
    }

    /// Sends for a second at a constant rate, then a tick.
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

    /// Sends as fast as the store can write.
    fn fill(&mut self, requests: u64) {
        let until = self.sent + requests;
        while self.sent < until {
            while self.handle.is_behind() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let requests = (self.sent..self.sent + BATCH).map(request).collect();
            self.handle.send(Batch { requests, ..Batch::default() });
            self.sent += BATCH;
        }
        self.settle();
    }

    /// Waits until everything sent is in the history.
    fn settle(&self) {
        while self.handle.status().spooled > 0 {
            std::thread::sleep(PACE);
        }
    }
}

/// Result of a round: microseconds of CPU per request, used by memtap's threads and by the server
/// (if there is one).
#[derive(Clone, Copy)]
struct Round {
    own: f64,
    server: f64,
}

/// Maxima over all rounds.
#[derive(Default)]
struct Worst {
    disk_mib: f64,
    lag_s: f64,
}

fn measure(feed: &mut Feed, url: &str, server: Option<&Server>, worst: &mut Worst) -> Round {
    let server_cpu = || server.map_or(0.0, server_cpu);
    let (sent, own, others) = (feed.sent, cpu(), server_cpu());
    for _ in 0..SECONDS {
        feed.second(RATE);
        worst.disk_mib = worst.disk_mib.max(on_disk(url).iter().sum());
        worst.lag_s = worst.lag_s.max(feed.handle.status().lag_s);
    }
    feed.settle();
    let each = |seconds: f64| seconds * 1e6 / (feed.sent - sent) as f64;
    Round { own: each(cpu() - own), server: each(server_cpu() - others) }
}

/// Measures one store and returns its row of the table. Two histories receive the same requests:
/// one is far below its limit, the other one at it.
fn row(name: &str, urls: [&str; 2], server: Option<&Server>, bytes_of_a_row: u64) -> String {
    let stored = STORED[usize::from(server.is_some())];
    let parsed = urls.map(|url| url.parse::<StoreUrl>().unwrap());
    let mut below = Feed::start(&parsed[0], 1 << 40, 0);
    below.fill(stored);
    let mut filling = Feed::start(&parsed[1], 1 << 40, 0);
    filling.fill(stored);
    let (sent, rows) = (filling.sent, filling.handle.finish().rows);
    drop(filling);
    let size = on_disk(urls[1]).iter().sum::<f64>() * 1_048_576.0;
    let limit = if server.is_some() { rows * bytes_of_a_row } else { size as u64 };
    let mut at = Feed::start(&parsed[1], limit, sent);
    // The excess is deleted before the first round.
    (0..5).for_each(|_| at.second(RATE));
    at.settle();
    let mut worst = Worst::default();
    let rounds: Vec<[Round; 2]> = (0..ROUNDS)
        .map(|_| {
            let below = measure(&mut below, urls[0], server, &mut Worst::default());
            [below, measure(&mut at, urls[1], server, &mut worst)]
        })
        .collect();
    below.handle.finish();
    let dropped = at.handle.finish().dropped_requests();
    let both = |round: Round| round.own + round.server;
    let of = |figure: fn(&[Round; 2]) -> f64| Some(figure_of(rounds.iter().map(figure)));
    let once = |value: f64| format!("{{\"value\":{value:.3}}}");
    let figures = [
        of(|round| round[0].own),
        of(|round| round[1].own),
        of(|round| round[1].own / round[0].own),
        server.map(|_| figure_of(rounds.iter().map(|round| both(round[1]) / both(round[0])))),
        server.is_none().then(|| once(worst.disk_mib * 1_048_576.0 * 100.0 / limit as f64)),
        Some(once(worst.lag_s)),
        Some(once(dropped as f64)),
    ];
    let figures = figures.map(|figure| figure.unwrap_or_else(|| "null".to_owned()));
    format!("{{\"name\":\"{name}\",\"figures\":[{}]}}", figures.join(","))
}

/// Formats the median and the spread of all rounds as JSON.
fn figure_of(rounds: impl Iterator<Item = f64>) -> String {
    let mut rounds: Vec<f64> = rounds.collect();
    rounds.sort_by(f64::total_cmp);
    let [low, median, high] = [0, rounds.len() / 2, rounds.len() - 1].map(|place| rounds[place]);
    format!("{{\"value\":{median:.3},\"spread\":[{low:.3},{high:.3}]}}")
}

fn sqlite() -> String {
    let folder = tempfile::tempdir().unwrap();
    let urls = ["below", "at"].map(|name| format!("sqlite:{}/{name}.db", folder.path().display()));
    row("SQLite", urls.each_ref().map(String::as_str), None, 0)
}

fn maria() -> String {
    let server = Server::start(&["--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=128M"]);
    let urls = [server.database(), server.database()].map(|name| server.text(&name));
    row("MariaDB", urls.each_ref().map(String::as_str), Some(&server), 200)
}

/// Returns the JSON that xtask's `bench/section.rs` reads.
fn table() -> String {
    let (sqlite, maria) = (sqlite(), maria());
    let columns = [
        ("CPU below the limit", "us a request"),
        ("CPU at the limit", "us a request"),
        ("at the limit, times below", ""),
        ("the same, with the server", ""),
        ("most on disk", "% of the limit"),
        ("history behind at most", "s"),
        ("dropped", "requests"),
    ];
    let columns =
        columns.map(|(name, unit)| format!("{{\"name\":\"{name}\",\"unit\":\"{unit}\"}}")).join(",");
    format!(
        "{{\"title\":\"At the size limit\",\"columns\":[{columns}],\"rows\":[{sqlite},{maria}],\"notes\":\"{RATE} requests a second, for \
         {SECONDS} s in turn into two histories of {} million requests each ({} million in MariaDB), {ROUNDS} rounds: medians and the spread. One history is far below its limit. \
         The limit of the other is its size, so that each new request needs an old one deleted. CPU is that of memtap's threads for the store.\"}}",
        STORED[0] / 1_000_000,
        STORED[1] / 1_000_000,
    )
}

/// CPU time of a server, seconds.
fn server_cpu(server: &Server) -> f64 {
    let pid = std::fs::read_to_string(server.folder().join("pid")).unwrap();
    cpu_of(Path::new(&format!("/proc/{}", pid.trim())), |_| true)
}

/// CPU time of a process's threads whose names match, in seconds with nanosecond precision.
fn cpu_of(process: &Path, is_meant: fn(&str) -> bool) -> f64 {
    let tasks = std::fs::read_dir(process.join("task")).unwrap();
    let nanoseconds = tasks.filter_map(|task| {
        let task = task.unwrap().path();
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        let times = std::fs::read_to_string(task.join("schedstat")).ok()?;
        is_meant(&name).then(|| times.split(' ').next().unwrap().parse::<f64>().unwrap())
    });
    nanoseconds.sum::<f64>() / 1e9
}

/// Returns the `n`th request: from one of two hundred long-lived processes, or every fiftieth from
/// a short-lived one.
fn request(n: u64) -> memtap_ledger::BookedRequest {
    match n % 50 {
        0 => mmap(short_lived(n), b"sh", n),
        _ => mmap(100 + (n * 7919 % 200) as u32, if n.is_multiple_of(3) { b"perl" } else { b"python3" }, n),
    }
}

fn short_lived(n: u64) -> u32 {
    1_000 + (n / 2_000 % 4_000_000) as u32
}

/// CPU time of the store's own threads, seconds.
fn cpu() -> f64 {
    cpu_of(Path::new("/proc/self"), |name| name.starts_with("memtap-"))
}

/// Size of SQLite's file and log, MiB.
fn on_disk(url: &str) -> [f64; 2] {
    let path = url.strip_prefix("sqlite:").unwrap_or("/nowhere");
    ["", "-wal"].map(|suffix| {
        Path::new(&format!("{path}{suffix}")).metadata().map_or(0, |file| file.len()) as f64 / 1_048_576.0
    })
}

fn drill(url: &str, max_bytes: u64, [calm, flood]: [u64; 2], seconds: u64) {
    let mut feed = Feed::start(&url.parse().unwrap(), max_bytes, 0);
    feed.fill(max_bytes / REQUEST_BYTES);
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
    println!("settled after {:.1} s", begin.elapsed().as_secs_f64());
    before = cpu();
    (0..CALM_S).for_each(|_| feed.second(0));
    println!("{CALM_S} s without requests: {:.2} s of CPU", cpu() - before);
    let status = feed.handle.finish();
    println!("highest {highest:.1} MiB, at the end {:?}", on_disk(url));
    println!("sent {} rows {} dropped {:?}", feed.sent, status.rows, status.dropped);
}
