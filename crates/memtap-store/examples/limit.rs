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
use support::mariadb::Server;
use support::{SECOND, T0, mmap, process, run, tick};

/// Between two batches.
const PACE: Duration = Duration::from_millis(20);
/// Requests a second of the measurement, for how many seconds, and how many are stored before.
const RATE: u64 = 20_000;
const SECONDS: u64 = 20;
const STORED: u64 = 1_000_000;
/// Requests of a batch, as the reader hands them on, at most.
const BATCH: u64 = 8_192;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |word: &String| word.parse::<u64>().expect("a number");
    match &words[..] {
        [bench] if bench == "bench" => println!("{}", table()),
        [url, mebibytes, calm, flood, seconds] => {
            drill(url, number(mebibytes) << 20, [number(calm), number(flood)], number(seconds));
        }
        _ => panic!("limit bench, or limit URL MIB CALM FLOOD SECONDS"),
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
    /// Sends from the request with that number on.
    fn start(url: &StoreUrl, max_bytes: u64, sent: u64) -> Self {
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
        Self { handle, _spool: spool, sent, ticks: sent / RATE }
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

    /// Sends as fast as the store takes it.
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

    /// Until all that was sent is in the history.
    fn settle(&self) {
        while self.handle.status().spooled > 0 {
            std::thread::sleep(PACE);
        }
    }
}

/// What a store took for each request, microseconds: memtap's threads, and the server where there is one. And how it was: the most on disk,
/// and how far the history was behind.
struct Taken {
    own: f64,
    server: f64,
    highest_mib: f64,
    lag_s: f64,
}

fn measured(feed: &mut Feed, url: &str, server: Option<&Server>) -> Taken {
    let server_cpu = || server.map_or(0.0, server_cpu);
    let (sent, own, others) = (feed.sent, cpu(), server_cpu());
    let (mut highest_mib, mut lag_s) = (0.0_f64, 0.0_f64);
    for _ in 0..SECONDS {
        feed.second(RATE);
        highest_mib = highest_mib.max(on_disk(url).iter().sum());
        lag_s = lag_s.max(feed.handle.status().lag_s);
    }
    feed.settle();
    let each = |seconds: f64| seconds * 1e6 / (feed.sent - sent) as f64;
    Taken { own: each(cpu() - own), server: each(server_cpu() - others), highest_mib, lag_s }
}

/// A row of the table: below the limit, and when the same history has reached it.
fn row(name: &str, url: &str, server: Option<&Server>, bytes_of_a_row: u64) -> String {
    let parsed: StoreUrl = url.parse().unwrap();
    let mut feed = Feed::start(&parsed, 1 << 40, 0);
    feed.fill(STORED);
    let below = measured(&mut feed, url, server);
    let (sent, rows) = (feed.sent, feed.handle.finish().rows);
    drop(feed);
    let size = on_disk(url).iter().sum::<f64>() * 1_048_576.0;
    let limit = if server.is_some() { rows * bytes_of_a_row } else { size as u64 };
    let mut feed = Feed::start(&parsed, limit, sent);
    // What is too much by then goes first.
    (0..5).for_each(|_| feed.second(RATE));
    let at = measured(&mut feed, url, server);
    let dropped = feed.handle.finish().dropped_requests();
    let of_limit = server.is_none().then(|| at.highest_mib * 1_048_576.0 * 100.0 / limit as f64);
    let both = |taken: &Taken| taken.own + taken.server;
    let figures = [
        Some(below.own),
        Some(at.own),
        Some(at.own / below.own),
        server.map(|_| both(&at) / both(&below)),
        of_limit,
        Some(at.lag_s),
        Some(dropped as f64),
    ];
    let figure =
        |value: Option<f64>| value.map_or("null".to_owned(), |value| format!("{{\"value\":{value:.3}}}"));
    format!("{{\"name\":\"{name}\",\"figures\":[{}]}}", figures.map(figure).join(","))
}

/// As xtask's `bench/section.rs` reads it.
fn table() -> String {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = row("SQLite", &format!("sqlite:{}/memtap.db", folder.path().display()), None, 0);
    let server = Server::start(&["--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=128M"]);
    let maria = row("MariaDB", &server.text(&server.database()), Some(&server), 200);
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
        "{{\"title\":\"At the size limit\",\"columns\":[{columns}],\"rows\":[{sqlite},{maria}],\"notes\":\"{RATE} requests a second for \
         {SECONDS} s into a history of {STORED} requests, first without a limit, then with its own size as the limit, so that as many go as come. CPU is \
         that of memtap's threads for the store alone.\"}}"
    )
}

/// Seconds of CPU of a server.
fn server_cpu(server: &Server) -> f64 {
    let pid = std::fs::read_to_string(server.folder().join("pid")).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap();
    seconds_of(stat.rsplit_once(')').unwrap().1)
}

/// Seconds of CPU from the fields of a stat file behind the name.
fn seconds_of(stat: &str) -> f64 {
    let fields: Vec<&str> = stat.split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // SAFETY: it only asks.
    ticks as f64 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
}

/// Of two hundred processes that live long, and each fiftieth of one that does not.
fn request(n: u64) -> memtap_ledger::BookedRequest {
    match n % 50 {
        0 => mmap(short_lived(n), b"sh", n),
        _ => mmap(100 + (n * 7919 % 200) as u32, if n.is_multiple_of(3) { b"perl" } else { b"python3" }, n),
    }
}

fn short_lived(n: u64) -> u32 {
    1_000 + (n / 2_000 % 4_000_000) as u32
}

/// Seconds of CPU that the store's own threads have taken.
fn cpu() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).ok());
    let ours = stats.filter_map(|stat| {
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        name.starts_with("memtap-").then(|| seconds_of(rest))
    });
    ours.sum()
}

/// File and log of SQLite, MiB.
fn on_disk(url: &str) -> [f64; 2] {
    let path = url.strip_prefix("sqlite:").unwrap_or("/nowhere");
    ["", "-wal"].map(|suffix| {
        Path::new(&format!("{path}{suffix}")).metadata().map_or(0, |file| file.len()) as f64 / 1_048_576.0
    })
}

fn drill(url: &str, max_bytes: u64, [calm, flood]: [u64; 2], seconds: u64) {
    let mut feed = Feed::start(&url.parse().unwrap(), max_bytes, 0);
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
    println!("sent {} rows {} dropped {:?}", feed.sent, status.rows, status.dropped);
}
