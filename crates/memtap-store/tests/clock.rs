//! Sets the wall clock while memtap writes. The tests send to the queue as the ledger's thread
//! does, with clocks of their own.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use memtap_history::{
    Batch, Clocks, Handle, LifetimeQuery, Limits, Moment, Range, RequestQuery, Settings, UsagePoint,
    UsageQuery, spawn,
};
use memtap_ledger::{LiveView, Totals};
use memtap_model::{Call, Tgid, WallClock};
use memtap_testing::{Delivery, TestReader};
use support::backends::{Factory, backends};
use support::{SECOND, Written, batch, mmap, run, tick};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

backends!(an_hour_ahead_for_five_seconds_loses_no_sample an_hour_back_begins_a_new_run
    eight_days_ahead_for_six_seconds_delete_nothing requests_from_a_clock_ahead_are_deleted_with_their_neighbours
    samples_from_a_clock_ahead_are_rolled_up);

/// Returns the time five minutes ago, in seconds.
fn begin() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    now - 300
}

/// A queue that writes into a store, with its own clocks.
struct Machine {
    handle: Handle,
    /// Offset of the wall clock, seconds.
    ahead: Arc<AtomicI64>,
    /// Number of clock readings: one at the start, and one in each round of housekeeping.
    read: Arc<AtomicU64>,
    begin: i64,
    /// Seconds that have passed, with one tick each.
    passed: i64,
}

impl Machine {
    fn start(open: Factory, folder: &Path, settings: &Settings) -> Self {
        let (ahead, read) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicU64::new(0)));
        let begin = begin();
        let clocks = {
            let (ahead, read) = (Arc::clone(&ahead), Arc::clone(&read));
            Clocks::new(move || {
                read.fetch_add(1, Ordering::Relaxed);
                let wall = WallClock((begin + ahead.load(Ordering::Relaxed)) * SECOND);
                Moment { wall, since_boot: 1000 * SECOND }
            })
        };
        let Written { store, run, .. } = open(folder, settings);
        let run = memtap_history::Run { began: WallClock(begin * SECOND), ..run };
        let limits = Limits { commit_every: Duration::from_millis(20), clocks, ..Limits::default() };
        Self { handle: spawn(store.0, run, limits).unwrap(), ahead, read, begin, passed: 0 }
    }

    /// Time of the wall clock.
    fn wall(&self) -> WallClock {
        WallClock((self.begin + self.passed + self.ahead.load(Ordering::Relaxed)) * SECOND)
    }

    /// Sets the wall clock, and begins a run as the next tick would.
    fn set_clock(&self, ahead: i64) {
        let last = view(self.wall(), self.passed);
        self.ahead.store(ahead, Ordering::Relaxed);
        self.handle.begin_run(self.wall(), &last);
    }

    fn ticks(&mut self, count: i64) {
        for _ in 0..count {
            self.passed += 1;
            self.handle.send(tick_of(self.wall(), self.passed));
        }
    }

    /// Sends enough requests for two rounds of housekeeping, and waits for them.
    fn do_housekeeping(&self, first: u64) {
        let read = self.read.load(Ordering::Relaxed);
        for part in 0..4 {
            let mut requests: Vec<_> =
                (0..10_000).map(|n| mmap(7, b"perl", first + part * 10_000 + n)).collect();
            requests.iter_mut().for_each(|booked| booked.request.time = self.wall());
            self.handle.send(batch(requests));
            wait("they are written", || self.handle.status().spooled == 0);
            if part % 2 == 1 {
                wait("housekeeping", || self.read.load(Ordering::Relaxed) > read + part / 2);
            }
        }
    }
}

/// Returns the `n`th tick of a process that started with the first one.
fn tick_of(at: WallClock, n: i64) -> Batch {
    let mut batch = tick(7, at, n.unsigned_abs());
    // The start of the process does not move with the clock.
    Arc::make_mut(&mut batch.processes[0]).started_at = WallClock(begin_of_life());
    batch
}

fn begin_of_life() -> i64 {
    1_700_000_000 * SECOND
}

/// Returns the ledger's view at the `n`th tick.
fn view(at: WallClock, n: i64) -> LiveView {
    let Batch { processes, all, .. } = tick_of(at, n);
    let all = all.unwrap();
    let mut view = LiveView { at, living: processes.into(), host: all.host, ..LiveView::default() };
    view.requested.total_bytes = all.requested_bytes;
    view.totals = Totals {
        made: all.requests,
        refused: all.refused,
        faults: all.faults,
        calls: all.calls,
        granted_bytes: all.granted_bytes,
        released_bytes: all.released_bytes,
        lost: [(memtap_model::LossCause::RingFull, all.lost)].into(),
        ..Totals::default()
    };
    view
}

fn wait(what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "not within 60 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn range([from, to]: [i64; 2]) -> Range {
    Range { host: None, from: WallClock(from * SECOND), to: WallClock(to * SECOND) }
}

fn usage(machine: &Machine, pid: Option<u32>, [from, to]: [i64; 2], step: u64) -> Vec<UsagePoint> {
    let Range { host, from, to } = range([from, to]);
    let step = Duration::from_secs(step);
    let query = UsageQuery { host, pid: pid.map(Tgid), from, to, step, ..UsageQuery::default() };
    TestReader(machine.handle.reader()).usage(&query).unwrap()
}

/// Returns the starts of the steps, in seconds since `begin`. Each step must have the activity of
/// one tick.
fn seconds(points: &[UsagePoint], begin: i64) -> Vec<i64> {
    assert!(points.iter().all(|point| (point.requests, point.requested_bytes) == (3, 100)), "{points:?}");
    points.iter().map(|point| point.from.0 / SECOND - begin).collect()
}

fn an_hour_ahead_for_five_seconds_loses_no_sample(open: Factory, folder: &Path) {
    let mut machine = Machine::start(open, folder, &Settings::default());
    machine.ticks(10);
    machine.set_clock(HOUR);
    machine.ticks(5);
    machine.set_clock(0);
    machine.ticks(20);
    wait("everything is written", || machine.handle.status().lag_s == 0.0);
    let begin = machine.begin;
    for pid in [Some(7), None] {
        let now = usage(&machine, pid, [begin, begin + 100], 1);
        assert_eq!(seconds(&now, begin), (1..=10).chain(16..=35).collect::<Vec<i64>>(), "{pid:?}");
        let ahead = usage(&machine, pid, [begin + HOUR, begin + 2 * HOUR], 1);
        assert_eq!(seconds(&ahead, begin + HOUR), (11..=15).collect::<Vec<i64>>(), "{pid:?}");
    }
    let reader = TestReader(machine.handle.reader());
    let all = range([begin, begin + 2 * HOUR]);
    let runs = reader.runs(&all, 10).unwrap();
    let totals: Vec<_> =
        runs.iter().map(|run| (run.last.0 / SECOND - begin, run.requests, run.refused)).collect();
    assert_eq!(totals, [(HOUR + 15, 15, 5), (35, 60, 20), (10, 30, 10)], "each has its own");
    let lives = reader
        .lifetimes(&LifetimeQuery { range: all.clone(), limit: 10, ..LifetimeQuery::default() })
        .unwrap()
        .lives;
    assert_eq!(lives.len(), 1, "{lives:?}");
    assert_eq!((lives[0].started_at.0, lives[0].within.requests), (begin_of_life(), 3 * 35));
    let calls: u64 = reader
        .machine(&all, Duration::from_secs(1))
        .unwrap()
        .iter()
        .flat_map(|point| &point.calls)
        .filter(|(call, _)| *call == Call::Brk)
        .map(|(_, totals)| totals.count)
        .sum();
    assert_eq!(calls, 35 / 5);
    let lost: u64 =
        reader.machine(&all, Duration::from_secs(1)).unwrap().iter().map(|point| point.lost).sum();
    assert_eq!(lost, 35 / 3);
}

fn an_hour_back_begins_a_new_run(open: Factory, folder: &Path) {
    let mut machine = Machine::start(open, folder, &Settings::default());
    machine.ticks(10);
    machine.set_clock(-HOUR);
    machine.ticks(30);
    wait("everything is written", || machine.handle.status().lag_s == 0.0);
    let begin = machine.begin;
    let back = [begin - HOUR, begin - HOUR + 100];
    for pid in [Some(7), None] {
        assert_eq!(
            seconds(&usage(&machine, pid, [begin, begin + 100], 1), begin),
            (1..=10).collect::<Vec<i64>>()
        );
        let points = usage(&machine, pid, back, 10);
        assert_eq!(points.iter().map(|point| point.requests).sum::<u64>(), 3 * 30, "{pid:?}: {points:?}");
        assert!(points.len() >= 3, "in steps of its own: {points:?}");
    }
    machine.handle.finish();
    // The next run completes the roll-up of both.
    let mut store = open(folder, &Settings::default());
    store.append(&[Batch::default()]).unwrap();
    for _ in 0..10 {
        store.housekeeping(WallClock((begin + 2 * HOUR) * SECOND)).unwrap();
    }
    for pid in [Some(7), None] {
        let hours = usage(&machine, pid, [begin - 2 * HOUR, begin + HOUR], 3600);
        assert_eq!(hours.iter().map(|point| point.requests).sum::<u64>(), 3 * 40, "{pid:?}: {hours:?}");
    }
}

fn eight_days_ahead_for_six_seconds_delete_nothing(open: Factory, folder: &Path) {
    let mut machine = Machine::start(open, folder, &Settings::default());
    machine.ticks(5);
    machine.do_housekeeping(0);
    machine.set_clock(8 * DAY);
    machine.ticks(6);
    machine.do_housekeeping(40_000);
    machine.set_clock(0);
    machine.ticks(5);
    machine.do_housekeeping(80_000);
    wait("everything is written", || machine.handle.status().lag_s == 0.0);
    let reader = TestReader(machine.handle.reader());
    let query = RequestQuery { limit: 1_000_000, ..RequestQuery::default() };
    assert_eq!(reader.requests(&query).unwrap().requests.len(), 120_000);
    let begin = machine.begin;
    assert_eq!(
        seconds(&usage(&machine, Some(7), [begin, begin + 100], 1), begin),
        [1, 2, 3, 4, 5, 12, 13, 14, 15, 16]
    );
    let lives = LifetimeQuery { range: range([begin, begin + 100]), limit: 10, ..LifetimeQuery::default() };
    assert_eq!(reader.lifetimes(&lives).unwrap().lives.len(), 1);
}

fn requests_from_a_clock_ahead_are_deleted_with_their_neighbours(open: Factory, folder: &Path) {
    let settings = Settings { max_age: Duration::from_secs(60), ..Settings::default() };
    let mut store = open(folder, &settings);
    let begin = begin();
    let left = |store: &Written| {
        let query = RequestQuery { limit: 1000, ..RequestQuery::default() };
        store.reader().unwrap().requests(&query).unwrap().requests.len()
    };
    for (at_s, number) in [(100 * 365 * DAY, 0), (0, 10), (50 * 365 * DAY, 20), (30, 30)] {
        let mut requests: Vec<_> = (0..10).map(|n| mmap(7, b"perl", number + n)).collect();
        requests.iter_mut().for_each(|booked| booked.request.time = WallClock((begin + at_s) * SECOND));
        store.run = memtap_history::Run { began: WallClock((begin + at_s) * SECOND), ..run("vm") };
        store.sequence = 0;
        store.append(&[batch(requests)]).unwrap();
    }
    let keep = |store: &mut Written, at_s: i64| {
        for _ in 0..3 {
            store.housekeeping(WallClock((begin + at_s) * SECOND)).unwrap();
        }
        left(store)
    };
    assert_eq!(keep(&mut store, -40 * 365 * DAY), 40, "nothing is deleted if the clock is behind");
    assert_eq!(keep(&mut store, 50), 40);
    assert_eq!(
        keep(&mut store, 70),
        20,
        "the last requests are young, and so are those written right before them"
    );
    assert_eq!(keep(&mut store, 100), 0);
}

fn samples_from_a_clock_ahead_are_rolled_up(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = begin() / 10 * 10 + 365 * DAY;
    let ticks: Vec<Batch> = (0..2000).map(|n| tick_of(WallClock((begin + n) * SECOND), n + 1)).collect();
    store.run.began = WallClock(begin * SECOND);
    store.append(&ticks).unwrap();
    let next = run("vm");
    let now = [tick_of(WallClock((begin - 365 * DAY) * SECOND), 1)];
    store.store.append(Delivery { run: &next, sequence: 1, batches: &now }).unwrap();
    for _ in 0..10 {
        store.housekeeping(WallClock((begin - 365 * DAY) * SECOND)).unwrap();
    }
    let points = |step: u64| {
        let Range { from, to, .. } = range([begin, begin + 2000]);
        let query = UsageQuery { from, to, step: Duration::from_secs(step), ..UsageQuery::default() };
        store.reader().unwrap().usage(&query).unwrap()
    };
    assert_eq!(points(1).len(), 901, "one-second steps for the last 15 minutes of the run");
    assert_eq!(points(10).iter().map(|point| point.requests).sum::<u64>(), 3 * 2000);
}
