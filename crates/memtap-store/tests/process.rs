//! Queries on one process that every store must support: its requests by call and step, its names,
//! and its sizes while it is inactive.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use memtap_history::{
    Batch, CallCount, LifetimeQuery, NameSince, ProcessCalls, Range, RequestQuery, Settings, UsagePoint,
    UsageQuery,
};
use memtap_ledger::{BookedRequest, Peaks, ProcessSummary};
use memtap_model::{Call, Comm, Errno, Outcome, ProcessId, Resident, StartTime, Tgid, Tid, WallClock};
use memtap_testing::TestStore;
use support::backends::{Factory, backends};
use support::{SECOND, T0, batch, mmap, process};

backends!(requests_of_a_process_are_counted_by_call_and_step a_new_name_is_returned_with_its_first_request the_newest_requests_are_counted
    an_inactive_process_keeps_its_sizes a_lifetime_within_one_step_has_its_peak_sizes);

const MIB: u64 = 1 << 20;

/// Returns a request of process `pid`, `at_s` seconds after [`T0`].
fn request(pid: u32, name: &[u8], at_s: i64, call: Call) -> BookedRequest {
    let mut booked = mmap(pid, name, 0);
    booked.request.time = WallClock(T0 + at_s * SECOND);
    (booked.request.call, booked.request.tid) = (call, Tid(pid));
    booked
}

fn calls(store: &TestStore, pid: u32, [from, to, step]: [i64; 3], limit: usize) -> ProcessCalls {
    let at = |second: i64| Some(WallClock(T0 + second * SECOND));
    let query =
        RequestQuery { pid: Some(Tgid(pid)), from: at(from), to: at(to), limit, ..RequestQuery::default() };
    store.reader().unwrap().calls(&query, Duration::from_secs(step.unsigned_abs())).unwrap()
}

/// Start of a step, and its counts and refusals by call.
type StepCounts = (i64, Vec<(Call, u64, u64)>);

fn step_counts(calls: &ProcessCalls) -> Vec<StepCounts> {
    let counts = |(call, CallCount { count, refused }): &(Call, CallCount)| (*call, *count, *refused);
    let steps = calls.steps.iter();
    steps.map(|step| ((step.from.0 - T0) / SECOND, step.calls.iter().map(counts).collect())).collect()
}

fn requests_of_a_process_are_counted_by_call_and_step(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let mut refused = request(7, b"perl", 25, Call::Mmap);
    refused.request.outcome = Outcome::Refused(Errno::ENOMEM);
    let requests = [
        request(7, b"perl", 1, Call::Brk),
        request(7, b"perl", 3, Call::Mmap),
        request(8, b"other", 4, Call::Mmap),
        request(7, b"perl", 9, Call::Mmap),
        request(7, b"perl", 24, Call::Munmap),
        refused,
        request(7, b"perl", 40, Call::Mmap),
    ];
    for part in requests.chunks(2) {
        store.append(&[batch(part.to_vec())]).unwrap();
    }
    let result = calls(&store, 7, [0, 40, 10], 100);
    let expected = [
        (0, vec![(Call::Mmap, 2, 0), (Call::Brk, 1, 0)]),
        (20, vec![(Call::Mmap, 1, 1), (Call::Munmap, 1, 0)]),
    ];
    assert_eq!(step_counts(&result), expected);
    assert_eq!((result.step, result.rows, result.cut), (Duration::from_secs(10), 5, false));
    assert_eq!(result.since, Some(WallClock(T0 + SECOND)));
    assert_eq!(calls(&store, 9, [0, 40, 10], 100).rows, 0);
}

fn a_new_name_is_returned_with_its_first_request(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let mut thread = request(7, b"worker-1", 12, Call::Mmap);
    thread.request.tid = Tid(9);
    let requests = vec![
        request(7, b"sh", 5, Call::Brk),
        request(7, b"sh", 6, Call::Brk),
        request(7, b"a'\xff", 10, Call::Brk),
        thread,
        request(7, b"a'\xff", 15, Call::Mmap),
        request(7, b"sh", 20, Call::Mmap),
    ];
    store.append(&[batch(requests)]).unwrap();
    let result = calls(&store, 7, [0, 60, 10], 100);
    let since = |name: &[u8], at_s| NameSince { name: Comm::new(name), since: WallClock(T0 + at_s * SECOND) };
    assert_eq!(result.names, [since(b"sh", 5), since(b"a'\xff", 10), since(b"sh", 20)]);
}

fn the_newest_requests_are_counted(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let requests = (0..30).map(|n| request(7, b"perl", n, Call::Mmap)).collect();
    store.append(&[batch(requests)]).unwrap();
    for (limit, cut) in [(12, true), (30, false)] {
        let result = calls(&store, 7, [0, 60, 10], limit);
        let sum: u64 =
            step_counts(&result).iter().flat_map(|(_, calls)| calls).map(|(_, count, _)| count).sum();
        assert_eq!((result.rows, sum, result.cut), (limit as u64, limit as u64, cut));
        assert_eq!(result.since, Some(WallClock(T0 + (30 - limit as i64) * SECOND)));
    }
}

/// Returns a tick of the process, `at_s` seconds after `begin`.
fn tick(begin: i64, at_s: i64, mib: u64, ended: bool) -> Batch {
    let at = WallClock((begin + at_s) * SECOND);
    let summary = ProcessSummary {
        process: ProcessId { tgid: Tgid(7), start: StartTime(1) },
        started_at: WallClock(begin * SECOND),
        virtual_bytes: 10 * mib * MIB,
        resident: Resident { anonymous_bytes: mib * MIB, ..Resident::default() },
        ..ProcessSummary::clone(&process(7, b"sleeps", ended.then_some(at)))
    };
    Batch { processes: vec![Arc::new(summary)], tick: Some(at), ..Batch::default() }
}

fn hours_ago(hours: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    (now.cast_signed() / 3600 - hours) * 3600
}

fn an_inactive_process_keeps_its_sizes(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(2);
    for (at_s, mib, ended) in [(100, 30, false), (1500, 50, false), (2000, 0, true)] {
        store.append(&[tick(begin, at_s, mib, ended)]).unwrap();
    }
    let mut other = tick(begin, 3000, 1, false);
    other.processes = vec![process(8, b"other", None)];
    store.append(&[other]).unwrap();
    let usage = |from: i64, to: i64, carried| -> Vec<(i64, u64, u64, u64)> {
        let query = UsageQuery {
            pid: Some(Tgid(7)),
            from: WallClock((begin + from) * SECOND),
            to: WallClock((begin + to) * SECOND),
            step: Duration::from_secs(10),
            carried,
            ..UsageQuery::default()
        };
        let points = store.reader().unwrap().usage(&query).unwrap();
        let sizes = |point: &UsagePoint| {
            let at_s = point.from.0 / SECOND - begin;
            (at_s, point.virtual_bytes / MIB, point.anonymous_bytes / MIB, point.peak_virtual_bytes / MIB)
        };
        points.iter().map(sizes).collect()
    };
    assert_eq!(usage(1000, 1400, false), [], "inactive");
    assert_eq!(usage(1000, 1400, true), [(1000, 300, 30, 300)]);
    assert_eq!(usage(1000, 1600, true), [(1000, 300, 30, 300), (1500, 500, 50, 500)]);
    assert_eq!(usage(1500, 1600, true), [(1500, 500, 50, 500)], "the sample in the step counts");
    assert_eq!(usage(0, 90, true), [], "before the first sample");
    assert_eq!(usage(2500, 2900, true), [], "after the end");
}

fn a_lifetime_within_one_step_has_its_peak_sizes(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(2);
    let mut short = tick(begin, 5, 0, true);
    let summary = Arc::make_mut(&mut short.processes[0]);
    summary.tick_peaks = Peaks { virtual_bytes: 64 * MIB, resident_bytes: 8 * MIB };
    store.append(&[short]).unwrap();
    let at = |second: i64| WallClock((begin + second) * SECOND);
    let query = LifetimeQuery {
        range: Range { host: None, from: at(0), to: at(60) },
        limit: 9,
        ..LifetimeQuery::default()
    };
    let lives = store.reader().unwrap().lifetimes(&query).unwrap().lives;
    let sizes: Vec<_> = lives.iter().map(|life| (life.virtual_bytes(), life.resident_bytes())).collect();
    assert_eq!(sizes, [(64 * MIB, 8 * MIB)]);
}
