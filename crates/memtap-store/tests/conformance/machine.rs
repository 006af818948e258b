//! The machine's memory and calls, in steps.

use std::path::Path;
use std::time::Duration;

use memtap_history::{Batch, HostRun, MachinePoint, Range, Settings};
use memtap_model::{Call, CallTotals, HostReading, Pressure, WallClock};
use memtap_testing::{Delivery, TestStore};

use super::support::{SECOND, host, run, tick};
use super::{Factory, hours_ago};

fn range(host: Option<&str>, [from, to]: [i64; 2]) -> Range {
    Range { host: host.map(str::to_owned), from: WallClock(from * SECOND), to: WallClock(to * SECOND) }
}

/// Reads all machines from `from` to `to`, in steps of `step` seconds.
fn machine(store: &TestStore, [from, to, step]: [i64; 3]) -> Vec<MachinePoint> {
    let step = Duration::from_secs(step.unsigned_abs());
    store.reader().unwrap().machine(&range(None, [from, to]), step).unwrap()
}

/// Sums a call over all points.
fn sum(points: &[MachinePoint], call: Call) -> CallTotals {
    let of_call = points.iter().flat_map(|point| &point.calls).filter(|(of, _)| *of == call);
    of_call.fold(CallTotals::default(), |mut sum, (_, totals)| {
        sum += *totals;
        sum
    })
}

/// Totals of a call at the `n`th tick.
fn totals_at(n: u64, call: Call) -> CallTotals {
    tick(7, WallClock(0), n).all.unwrap().calls[call.index()]
}

fn lost(points: &[MachinePoint]) -> u64 {
    points.iter().map(|point| point.lost).sum()
}

pub(crate) fn the_machine_is_returned_in_steps(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let begin = now / 10 * 10 - 120;
    // There is no tick from 20 s to 29 s.
    let ticks: Vec<i64> = (0..60).filter(|n| n / 10 != 2).collect();
    for n in &ticks {
        store.append(&[tick(7, WallClock((begin + n) * SECOND), n.unsigned_abs() + 1)]).unwrap();
    }
    let seconds = machine(&store, [begin, begin + 60, 1]);
    assert_eq!(seconds.len(), ticks.len());
    assert_eq!(seconds[7].host, host(8));
    assert_eq!((seconds[7].from.0, seconds[7].step), ((begin + 7) * SECOND, Duration::from_secs(1)));
    assert_eq!(seconds[7].least_available_bytes, host(8).available_bytes);
    let mmap = CallTotals { count: 3, requested_bytes: 100, refused: 1 };
    assert_eq!(seconds[1].calls, [(Call::Mmap, mmap)], "calls that were not made are left out");
    assert_eq!((seconds[2].lost, seconds[3].lost), (1, 0));
    let tens = machine(&store, [begin, begin + 60, 10]);
    let begins: Vec<i64> = tens.iter().map(|point| point.from.0 / SECOND - begin).collect();
    assert_eq!(begins, [0, 10, 30, 40, 50], "steps without a tick are left out");
    let within = || (11..=20).map(host);
    let highest =
        |of: fn(Pressure) -> f64| within().map(|host| of(host.pressure.unwrap())).fold(0.0, f64::max);
    let pressure = Pressure {
        some_avg10: highest(|pressure| pressure.some_avg10),
        full_avg10: highest(|pressure| pressure.full_avg10),
    };
    assert_eq!(tens[1].host, HostReading { pressure: Some(pressure), ..host(20) });
    let least = within().map(|host| host.available_bytes).min().unwrap();
    assert_eq!(tens[1].least_available_bytes, least);
    assert_eq!(sum(&tens[1..2], Call::Mmap), totals_at(20, Call::Mmap).since(totals_at(10, Call::Mmap)));
    assert_eq!((sum(&tens, Call::Mmap), lost(&tens)), (totals_at(60, Call::Mmap), 60 / 3));
    assert_eq!(machine(&store, [begin + 30, begin + 50, 10]), tens[2..4]);
    let of = |name| {
        store.reader().unwrap().machine(&range(Some(name), [begin, begin + 60]), Duration::from_secs(10))
    };
    assert_eq!((of("vm").unwrap(), of("nobody").unwrap()), (tens, Vec::new()));
}

pub(crate) fn longer_steps_of_the_machine_are_exact(open: Factory, folder: &Path) {
    const TICKS: i64 = 500;
    let years = Duration::from_secs(1000 * 86_400);
    let settings = Settings { max_age: years, max_sample_age: years, ..Settings::default() };
    let mut store = open(folder, &settings);
    let begin = hours_ago(4);
    let mut ticks: Vec<_> =
        (0..TICKS).map(|n| tick(7, WallClock((begin + n * 17) * SECOND), n.unsigned_abs() + 1)).collect();
    // In the last hours, the kernel has no PSI.
    for all in ticks[300..].iter_mut().filter_map(|batch| batch.all.as_mut()) {
        all.host.pressure = None;
    }
    let end = begin + TICKS * 17;
    for part in ticks.chunks(100) {
        store.append(part).unwrap();
        store.housekeeping(WallClock((begin + 60) * SECOND)).unwrap();
    }
    let hours = machine(&store, [begin, end, 3600]);
    assert_eq!(hours.len(), 3);
    assert!(hours[1].host.pressure.is_some() && hours[2].host.pressure.is_none());
    for call in [Call::Mmap, Call::Brk] {
        assert_eq!(sum(&hours, call), totals_at(500, call), "{call:?}");
    }
    assert_eq!((lost(&hours), sum(&hours, Call::Munmap)), (500 / 3, CallTotals::default()));
    let least = ticks.iter().filter_map(|batch| batch.all.as_ref()).map(|all| all.host.available_bytes).min();
    assert_eq!(hours.iter().map(|point| point.least_available_bytes).min(), least);
    for days in [0, 2, 8, 100] {
        for _ in 0..20 {
            store.housekeeping(WallClock((end + days * 86_400) * SECOND)).unwrap();
        }
        assert_eq!(machine(&store, [begin, end, 3600]), hours, "after {days} days");
        if days == 0 {
            for step in [60, 600] {
                let steps = machine(&store, [begin, end, step]);
                assert_eq!(
                    (sum(&steps, Call::Mmap), lost(&steps)),
                    (totals_at(500, Call::Mmap), 500 / 3),
                    "{step} s"
                );
            }
        }
    }
    // The next run completes the roll-up of the previous one.
    drop(store);
    let mut store = open(folder, &settings);
    store.append(&[Batch::default()]).unwrap();
    for _ in 0..20 {
        store.housekeeping(WallClock((end + 200 * 86_400) * SECOND)).unwrap();
    }
    assert_eq!(machine(&store, [begin, end, 3600]), hours, "after the next run");
}

pub(crate) fn machines_are_summed(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(2);
    store.append(&[tick(7, WallClock(begin * SECOND), 4)]).unwrap();
    let mut theirs = tick(9, WallClock((begin + 1) * SECOND), 6);
    theirs.all.as_mut().unwrap().host.pressure = Some(Pressure { some_avg10: 1.0, full_avg10: 99.5 });
    store.store.append(Delivery { run: &run("other"), sequence: 1, batches: &[theirs] }).unwrap();
    let both = machine(&store, [begin, begin + 3600, 3600]);
    assert_eq!(both.len(), 1);
    let (one, other) = (host(4), host(6));
    assert_eq!((both[0].host.total_bytes, both[0].host.swap.free_bytes), (32 << 30, 5 * (4 + 6)));
    assert_eq!(both[0].least_available_bytes, one.available_bytes + other.available_bytes);
    let pressure = Pressure { some_avg10: one.pressure.unwrap().some_avg10, full_avg10: 99.5 };
    assert_eq!(both[0].host.pressure, Some(pressure));
    let mut mmap = totals_at(4, Call::Mmap);
    mmap += totals_at(6, Call::Mmap);
    assert_eq!((sum(&both, Call::Mmap), both[0].lost), (mmap, 3));
    let hour = Duration::from_secs(3600);
    let theirs = store.reader().unwrap().machine(&range(Some("other"), [begin, begin + 3600]), hour).unwrap();
    assert_eq!((theirs.len(), sum(&theirs, Call::Mmap)), (1, totals_at(6, Call::Mmap)));
    assert_eq!(theirs[0].host.total_bytes, 16 << 30);
}

pub(crate) fn counters_restart_with_each_run(open: Factory, folder: &Path) {
    let begin = hours_ago(2);
    let all = |store: &TestStore| machine(store, [begin, begin + 3600, 3600]);
    for (first, runs) in [(0, 1), (100, 2)] {
        let mut store = open(folder, &Settings::default());
        for n in 1..=9 {
            store.append(&[tick(7, WallClock((begin + first + n) * SECOND), n.unsigned_abs())]).unwrap();
        }
        let points = all(&store);
        let once = totals_at(9, Call::Mmap);
        let mmap = CallTotals {
            count: runs * once.count,
            requested_bytes: runs * once.requested_bytes,
            refused: runs * once.refused,
        };
        assert_eq!((sum(&points, Call::Mmap), lost(&points)), (mmap, runs * 3), "run {runs}");
    }
    // If totals ever decrease within a run, nothing is subtracted, and later increases count.
    let mut store = open(folder, &Settings::default());
    let before = sum(&all(&store), Call::Mmap).count;
    for (second, n) in [(200, 9), (201, 2), (202, 5)] {
        store.append(&[tick(7, WallClock((begin + second) * SECOND), n)]).unwrap();
    }
    let counted =
        totals_at(9, Call::Mmap).count + totals_at(5, Call::Mmap).count - totals_at(2, Call::Mmap).count;
    assert_eq!(sum(&all(&store), Call::Mmap).count, before + counted);
}

pub(crate) fn a_clock_set_back_loses_no_calls(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(3);
    for (n, second) in [(1, 3000), (2, 3001), (3, 100), (4, 101), (5, 3002)] {
        store.append(&[tick(7, WallClock((begin + second) * SECOND), n)]).unwrap();
        store.housekeeping(WallClock((begin + 4000) * SECOND)).unwrap();
    }
    let hour = machine(&store, [begin, begin + 3600, 3600]);
    assert_eq!((hour.len(), sum(&hour, Call::Mmap), hour[0].lost), (1, totals_at(5, Call::Mmap), 1));
    assert_eq!(hour[0].host.free_bytes, host(5).free_bytes);
    let least = (1..=5).map(|n| host(n).available_bytes).min().unwrap();
    assert_eq!(hour[0].least_available_bytes, least);
}

pub(crate) fn old_machine_samples_are_deleted(open: Factory, folder: &Path) {
    let settings = Settings { max_sample_age: Duration::from_secs(86_400), ..Settings::default() };
    let mut store = open(folder, &settings);
    let begin = hours_ago(2);
    for n in 1..=20 {
        store.append(&[tick(7, WallClock((begin + 10 * n) * SECOND), n.unsigned_abs())]).unwrap();
    }
    drop(store);
    let mut store = open(folder, &settings);
    store.append(&[Batch::default()]).unwrap();
    let hour = |store: &TestStore| machine(store, [begin, begin + 3600, 3600]);
    let mut keep = |hours: i64| {
        for _ in 0..5 {
            store.housekeeping(WallClock((begin + hours * 3600) * SECOND)).unwrap();
        }
        hour(&store)
    };
    assert_eq!(sum(&keep(23), Call::Mmap), totals_at(20, Call::Mmap));
    assert_eq!(keep(26), []);
}

pub(crate) fn a_machine_without_readings_has_no_samples(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(2);
    let mut blind = tick(7, WallClock(begin * SECOND), 3);
    blind.all.as_mut().unwrap().host = HostReading::default();
    store.append(&[blind]).unwrap();
    assert_eq!(machine(&store, [begin, begin + 3600, 3600]), []);
    // Activity before the first reading is counted with it.
    store.append(&[tick(7, WallClock((begin + 1) * SECOND), 6)]).unwrap();
    let hour = machine(&store, [begin, begin + 3600, 3600]);
    assert_eq!((sum(&hour, Call::Mmap), hour[0].lost), (totals_at(6, Call::Mmap), 2));
    assert_eq!(hour[0].least_available_bytes, host(6).available_bytes);
}

pub(crate) fn machines_are_listed_by_name(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    assert_eq!(store.reader().unwrap().hosts().unwrap(), []);
    let begin = hours_ago(2);
    for (name, kernel, began, second) in
        [("b", "6.12", 100, 500), ("a", "6.1", 0, 50), ("b", "6.1", 10, 90), ("b", "6.6", 50, 95)]
    {
        let mut run = run(name);
        (run.kernel, run.began) = (kernel.to_owned(), WallClock((begin + began) * SECOND));
        let batches = [tick(7, WallClock((begin + second) * SECOND), 1)];
        store.store.append(Delivery { run: &run, sequence: 1, batches: &batches }).unwrap();
    }
    let mut imported = run("c");
    imported.began = WallClock((begin + 7) * SECOND);
    store.store.append(Delivery { run: &imported, sequence: 1, batches: &[Batch::default()] }).unwrap();
    let hosts = store.reader().unwrap().hosts().unwrap();
    let listed: Vec<_> = hosts
        .iter()
        .map(|host| (&*host.hostname, &*host.kernel, [host.first, host.last].map(|at| at.0 / SECOND - begin)))
        .collect();
    assert_eq!(listed, [("a", "6.1", [0, 50]), ("b", "6.12", [10, 500]), ("c", "6.18", [7, 7])]);
}

pub(crate) fn runs_are_returned_with_their_totals(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(2);
    let at = |second: i64| WallClock((begin + second) * SECOND);
    // The last run overlaps with the one before, but on another machine.
    for (name, began, ticks) in [("vm", 0, 100..160), ("vm", 300, 301..340), ("other", 310, 320..400)] {
        let run = memtap_history::Run { began: at(began), ..run(name) };
        let batches: Vec<Batch> = ticks.map(|second| tick(7, at(second), second.unsigned_abs())).collect();
        store.store.append(Delivery { run: &run, sequence: 1, batches: &batches }).unwrap();
    }
    let imported = memtap_history::Run { began: at(50), boot_id: String::new(), ..run("vm") };
    store.store.append(Delivery { run: &imported, sequence: 1, batches: &[Batch::default()] }).unwrap();

    let all = |host: Option<&str>, [from, to]: [i64; 2], limit| {
        store.reader().unwrap().runs(&range(host, [begin + from, begin + to]), limit).unwrap()
    };
    let summaries = |runs: Vec<HostRun>| -> Vec<(String, [i64; 2])> {
        let second = |at: WallClock| at.0 / SECOND - begin;
        runs.into_iter().map(|run| (run.hostname, [second(run.began), second(run.last)])).collect()
    };
    let [first, second, other] = [("vm", [0, 159]), ("vm", [300, 339]), ("other", [310, 399])]
        .map(|(name, when)| (name.to_owned(), when));
    assert_eq!(summaries(all(None, [0, 3600], 10)), [other.clone(), second.clone(), first.clone()]);
    assert_eq!(summaries(all(None, [0, 3600], 2)), [other.clone(), second.clone()], "the latest");
    assert_eq!(summaries(all(Some("vm"), [0, 3600], 10)), [second.clone(), first.clone()]);
    assert_eq!(summaries(all(None, [150, 305], 10)), [second, first]);
    assert_eq!(summaries(all(None, [160, 300], 10)), [], "between runs");
    assert_eq!(summaries(all(None, [350, 360], 10)), [other]);
    let all = tick(7, at(159), 159).all.unwrap();
    let run = &store.reader().unwrap().runs(&range(None, [begin, begin + 100]), 10).unwrap()[0];
    assert_eq!(
        (run.requests, run.refused, run.lost, &*run.kernel),
        (all.requests, all.refused, all.lost, "6.18")
    );
}
