//! Queries that every store must support: process lifetimes, programs, sizes, refused requests and
//! OOM kills in a range.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use memtap_history::{
    Batch, FrequentSize, LifetimeQuery, Measure, ProcessLifetime, ProcessLifetimes, ProgramQuery, Programs,
    Range, RequestQuery, Settings, SizeBucket,
};
use memtap_ledger::{BookedRequest, Moment, OomReport, ProcessSummary};
use memtap_model::{
    Call, CallTotals, Comm, Errno, HostReading, OomKill, Outcome, ProcessId, Resident, StartTime, Tgid,
    WallClock,
};
use memtap_testing::{Delivery, TestStore};
use support::backends::{Factory, backends};
use support::{SECOND, T0, batch, mmap, process, run};

backends!(a_lifetime_is_clipped_to_the_range lifetimes_are_sorted_by_each_measure a_reused_pid_is_another_lifetime
    hostile_process_names_are_only_names a_lifetime_spans_memtap_restarts lifetimes_are_per_machine
    imports_have_lifetimes lifetimes_are_exact_for_any_step_length programs_have_series_in_steps
    programs_beyond_the_top_are_summed ranges_beyond_the_history_are_empty sizes_are_counted_by_call_and_power_of_two
    refused_requests_are_grouped_by_process_call_and_errno oom_kills_are_read_back_complete requests_of_one_lifetime);

const MIB: u64 = 1 << 20;

/// A process at a tick.
#[derive(Clone, Copy)]
struct At {
    pid: u32,
    /// Start in seconds. With the pid, identifies the process.
    start_s: i64,
    /// Resident set in MiB. The virtual size is ten times that.
    mib: u64,
    /// Requests since the process started, each of 1 MiB. Every third is refused.
    requests: u64,
    ended: bool,
}

fn summary(at_s: i64, name: &[u8], at: At) -> Arc<ProcessSummary> {
    let mut summary = ProcessSummary {
        process: ProcessId { tgid: Tgid(at.pid), start: StartTime(at.start_s.unsigned_abs()) },
        started_at: WallClock(at.start_s * SECOND),
        ended_at: at.ended.then_some(WallClock(at_s * SECOND)),
        virtual_bytes: 10 * at.mib * MIB,
        resident: Resident { anonymous_bytes: at.mib * MIB, ..Resident::default() },
        ..ProcessSummary::clone(&process(at.pid, name, None))
    };
    let refused = at.requests / 3;
    summary.requested_bytes = (at.requests - refused) * MIB;
    summary.books.granted_bytes = summary.requested_bytes;
    summary.books.calls[0] =
        CallTotals { count: at.requests, requested_bytes: summary.requested_bytes, refused };
    Arc::new(summary)
}

fn tick(at_s: i64, processes: &[(&[u8], At)]) -> Batch {
    let processes = processes.iter().map(|(name, at)| summary(at_s, name, *at)).collect();
    Batch { processes, tick: Some(WallClock(at_s * SECOND)), ..Batch::default() }
}

/// Returns the start of an hour, this many hours ago, in seconds.
fn hours_ago(hours: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    (now.cast_signed() / 3600 - hours) * 3600
}

fn range([from, to]: [i64; 2]) -> Range {
    Range { host: None, from: WallClock(from * SECOND), to: WallClock(to * SECOND) }
}

fn lives(store: &TestStore, between: [i64; 2]) -> Vec<ProcessLifetime> {
    let query = LifetimeQuery { range: range(between), limit: 100, ..LifetimeQuery::default() };
    store.reader().unwrap().lifetimes(&query).unwrap().lives
}

/// Resident sizes in MiB (before the range, at its end, highest) and the time of the highest, in
/// seconds since `begin`.
fn sizes_of(life: &ProcessLifetime, begin: i64) -> (u64, u64, u64, i64) {
    let at = life.peak_resident_at.0 / SECOND - begin;
    (
        life.before_resident_bytes / MIB,
        life.within.anonymous_bytes / MIB,
        life.within.peak_resident_bytes / MIB,
        at,
    )
}

/// Writes four processes: an active, an inactive, an ending and a later one. Tests use the range
/// from 1000 to 2000.
fn four(store: &mut support::Written) -> i64 {
    let begin = hours_ago(2);
    let at = |pid, start_s, mib, requests, ended| At { pid, start_s: begin + start_s, mib, requests, ended };
    let ticks: [(i64, &[u8], At); 9] = [
        (100, b"busy", at(1, -50, 10, 30, false)),
        (100, b"sleeps", at(2, -60, 700, 3, false)),
        (500, b"ends", at(3, 400, 20, 9, false)),
        (900, b"busy", at(1, -50, 50, 60, false)),
        (1200, b"busy", at(1, -50, 90, 66, false)),
        (1300, b"ends", at(3, 400, 30, 15, false)),
        (1400, b"ends", at(3, 400, 0, 18, true)),
        (1800, b"busy", at(1, -50, 40, 90, false)),
        (2500, b"late", at(4, 2400, 8, 3, false)),
    ];
    for (at_s, name, at) in ticks {
        store.append(&[tick(begin + at_s, &[(name, at)])]).unwrap();
    }
    begin
}

fn a_lifetime_is_clipped_to_the_range(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = four(&mut store);
    let result = lives(&store, [begin + 1000, begin + 2000]);
    let names: Vec<_> = result.iter().map(|life| life.name.as_str()).collect();
    assert_eq!(names, ["busy", "ends", "sleeps"]);
    let [busy, ends, sleeps] = &result[..] else { panic!("{result:?}") };
    assert_eq!(sizes_of(busy, begin), (50, 40, 90, 1200));
    assert_eq!((busy.within.requests, busy.within.refused, busy.within.requested_bytes), (30, 10, 20 * MIB));
    assert_eq!((busy.within.from.0, busy.within.step), ((begin + 1000) * SECOND, Duration::from_secs(1000)));
    assert_eq!((busy.before_virtual_bytes, busy.within.peak_virtual_bytes), (500 * MIB, 900 * MIB));
    assert_eq!((busy.ended_at, busy.seen.0), (None, (begin + 1800) * SECOND));
    // The last size before the end, not the 0 at the end.
    assert_eq!(sizes_of(ends, begin), (20, 30, 30, 1300));
    assert_eq!((ends.within.requests, ends.ended_at), (9, Some(WallClock((begin + 1400) * SECOND))));
    assert_eq!(sizes_of(sleeps, begin), (700, 700, 700, 1000));
    assert_eq!((sleeps.within.requests, sleeps.ended_at), (0, None));
    assert_eq!((&*busy.host, busy.pid, busy.started_at.0), ("vm", Tgid(1), (begin - 50) * SECOND));
    assert_eq!(
        (busy.command.as_str(), busy.user.as_str(), busy.parent),
        ("a command", "root", Some(Tgid(1)))
    );
    let later: Vec<_> =
        lives(&store, [begin + 2000, begin + 2600]).into_iter().map(|life| life.name).collect();
    assert_eq!(later, ["late", "busy", "sleeps"]);
    assert_eq!(lives(&store, [begin + 2600, begin + 3000]), [], "the run had ended");
}

fn lifetimes_are_sorted_by_each_measure(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = four(&mut store);
    let asked = |by, limit| {
        let query =
            LifetimeQuery { range: range([begin, begin + 3000]), by, limit, ..LifetimeQuery::default() };
        let ProcessLifetimes { lives, more } = store.reader().unwrap().lifetimes(&query).unwrap();
        (lives.into_iter().map(|life| life.pid.0).collect::<Vec<_>>(), more)
    };
    for by in [Measure::Requested, Measure::Granted, Measure::Requests, Measure::Refused] {
        assert_eq!(asked(by, 9), (vec![1, 3, 2, 4], 0), "{by:?}");
    }
    for by in [Measure::Virtual, Measure::Resident] {
        assert_eq!(asked(by, 9), (vec![2, 1, 3, 4], 0), "{by:?}");
    }
    assert_eq!(asked(Measure::Requests, 1), (vec![1], 3));
    assert_eq!(asked(Measure::Requests, 0), (vec![], 4));
}

fn a_reused_pid_is_another_lifetime(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(2);
    let at = |start_s, mib, requests, ended| At { pid: 7, start_s: begin + start_s, mib, requests, ended };
    for (at_s, name, at) in [
        (10, &b"first"[..], at(5, 100, 300, false)),
        (20, b"first", at(5, 0, 300, true)),
        (40, b"second", at(30, 2, 6, false)),
    ] {
        store.append(&[tick(begin + at_s, &[(name, at)])]).unwrap();
    }
    let asked = |query: LifetimeQuery| {
        let query = LifetimeQuery { range: range([begin, begin + 60]), limit: 9, ..query };
        let result = store.reader().unwrap().lifetimes(&query).unwrap().lives;
        result.into_iter().map(|life| (life.name, life.within.requests)).collect::<Vec<_>>()
    };
    let (first, second) = (("first".to_owned(), 300), ("second".to_owned(), 6));
    let seven = LifetimeQuery { pid: Some(Tgid(7)), ..LifetimeQuery::default() };
    assert_eq!(asked(seven.clone()), [first, second.clone()]);
    let started_at = Some(WallClock((begin + 30) * SECOND + 999));
    assert_eq!(asked(LifetimeQuery { started_at, ..seven.clone() }), std::slice::from_ref(&second));
    assert_eq!(asked(LifetimeQuery { name: Some("SECO".into()), ..seven }), [second]);
    assert_eq!(asked(LifetimeQuery { pid: Some(Tgid(8)), ..LifetimeQuery::default() }), []);
}

fn hostile_process_names_are_only_names(open: Factory, folder: &Path) {
    let names: [&[u8]; 7] =
        [b"", b"'; drop table", b"\xff\xfe", b"%_", b"<b>", b"\"\n\t", "\u{f1}and\u{fa}".as_bytes()];
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(2);
    let at = |pid| At { pid, start_s: begin, mib: 1, requests: 30 - u64::from(pid), ended: false };
    let processes: Vec<_> = names.iter().zip(1..).map(|(name, pid)| (*name, at(pid))).collect();
    store.append(&[tick(begin + 1, &processes)]).unwrap();
    let result: Vec<_> = lives(&store, [begin, begin + 10]).into_iter().map(|life| life.name).collect();
    assert_eq!(result, names.map(|name| Comm::new(name).to_text()));
    for (part, count) in [("%", 1), ("_", 1), ("' OR 1=1 --", 0), ("<b>", 1), ("", 7)] {
        let query = LifetimeQuery {
            range: range([begin, begin + 10]),
            name: Some(part.into()),
            limit: 9,
            ..LifetimeQuery::default()
        };
        assert_eq!(store.reader().unwrap().lifetimes(&query).unwrap().lives.len(), count, "{part}");
    }
    let programs = programs(&store, [begin, begin + 10], Measure::Requests, 9, 1);
    let result: Vec<_> = programs.programs.into_iter().map(|program| program.name).collect();
    assert_eq!(result, names.map(|name| Comm::new(name).to_text()));
}

fn a_lifetime_spans_memtap_restarts(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(2);
    let at = |pid, mib, requests| At { pid, start_s: begin - 9, mib, requests, ended: false };
    store.append(&[tick(begin + 10, &[(b"stays", at(1, 10, 300)), (b"gone", at(2, 5, 3))])]).unwrap();
    let again = run("vm");
    let later = [tick(begin + 60, &[(b"stays", at(1, 30, 6))])];
    store.store.append(Delivery { run: &again, sequence: 1, batches: &later }).unwrap();
    let result = lives(&store, [begin, begin + 100]);
    let counts: Vec<_> = result.iter().map(|life| (life.pid.0, life.within.requests)).collect();
    assert_eq!(counts, [(1, 306), (2, 3)]);
    assert_eq!(sizes_of(&result[0], begin), (0, 30, 30, 60));
    let programs = programs(&store, [begin, begin + 100], Measure::Resident, 9, 20);
    assert_eq!(series(&programs, "stays"), [10, 10, 10, 30, 0]);
    assert_eq!(series(&programs, "gone"), [5, 0, 0, 0, 0]);
    assert_eq!((programs.programs[0].lives, programs.programs[0].value), (1, 30 * MIB));
}

fn lifetimes_are_per_machine(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(2);
    let at = At { pid: 1, start_s: begin, mib: 10, requests: 30, ended: false };
    store.append(&[tick(begin + 10, &[(b"perl", at)])]).unwrap();
    let theirs = [tick(begin + 10, &[(b"perl", At { mib: 7, requests: 60, ..at })])];
    store.store.append(Delivery { run: &run("other"), sequence: 1, batches: &theirs }).unwrap();
    let between = [begin, begin + 60];
    let hosts: Vec<_> = lives(&store, between).iter().map(|life| life.host.to_string()).collect();
    assert_eq!(hosts, ["other", "vm"]);
    let both = programs(&store, between, Measure::Resident, 9, 10);
    assert_eq!((both.programs[0].lives, both.programs[0].value), (2, 17 * MIB));
    let of = |host: &str| Range { host: Some(host.into()), ..range(between) };
    for (host, mib) in [("vm", vec![10]), ("other", vec![7]), ("nobody", vec![])] {
        let query = LifetimeQuery { range: of(host), limit: 9, ..LifetimeQuery::default() };
        let result = store.reader().unwrap().lifetimes(&query).unwrap().lives;
        assert_eq!(result.iter().map(|life| life.within.anonymous_bytes / MIB).collect::<Vec<_>>(), mib);
    }
}

fn imports_have_lifetimes(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    // An import writes requests of 4096 bytes and more, one per millisecond from T0. Its totals
    // come without a tick.
    let requests: Vec<BookedRequest> = (0..100).map(|n| mmap(7 + (n / 60) as u32, b"old", n)).collect();
    for part in requests.chunks(30) {
        store.append(&[batch(part.to_vec())]).unwrap();
    }
    store.append(&[Batch { processes: vec![process(7, b"old", None)], ..Batch::default() }]).unwrap();
    let asked = |from: i64, to: i64| {
        let range =
            Range { host: None, from: WallClock(T0 + from * 1_000_000), to: WallClock(T0 + to * 1_000_000) };
        let query = LifetimeQuery { range, limit: 9, ..LifetimeQuery::default() };
        let result = store.reader().unwrap().lifetimes(&query).unwrap().lives;
        result
            .iter()
            .map(|life| (life.pid.0, life.within.requests, life.within.granted_bytes))
            .collect::<Vec<_>>()
    };
    assert_eq!(asked(0, 1000), [(7, 60, 60 * 4096), (8, 40, 40 * 4096)]);
    assert_eq!(asked(50, 70), [(8, 10, 10 * 4096), (7, 10, 10 * 4096)]);
    assert_eq!(asked(70, 80), [(8, 10, 10 * 4096)]);
    assert_eq!(asked(100, 1000), []);
    let second = [T0 / SECOND, T0 / SECOND + 1];
    let asked_for = (0..100).map(|n| 4096 + n).sum::<u64>();
    let programs = programs(&store, second, Measure::Requested, 9, 1);
    assert_eq!((programs.programs[0].value, programs.programs[0].lives), (asked_for, 2));
}

fn lifetimes_are_exact_for_any_step_length(open: Factory, folder: &Path) {
    let long = Duration::from_secs(1000 * 86_400);
    let settings = Settings { max_age: long, max_sample_age: long, ..Settings::default() };
    let mut store = open(folder, &settings);
    // At this age, only hours are kept permanently. Until the roll-up, shorter steps supply the
    // data.
    let begin = hours_ago(40 * 24);
    let at = |n: i64| {
        let n = n.unsigned_abs();
        At { pid: 1, start_s: begin - 9, mib: 1 + n * 7919 % 1009, requests: 3 * n, ended: false }
    };
    for part in (1..=600).collect::<Vec<i64>>().chunks(50) {
        let ticks: Vec<_> = part.iter().map(|n| tick(begin + n * 37, &[(b"perl", at(*n))])).collect();
        store.append(&ticks).unwrap();
        store.housekeeping(WallClock((begin + 100) * SECOND)).unwrap();
    }
    // From the third to the fifth hour, which every step length divides. Samples are at n * 37.
    let between = [begin + 3 * 3600, begin + 5 * 3600];
    let within: Vec<i64> = (1..=600).filter(|n| (3 * 3600..5 * 3600).contains(&(n * 37))).collect();
    let highest = within.iter().map(|n| at(*n).mib).max().unwrap();
    for days in [0, 40, 42, 50, 100] {
        for _ in 0..if days == 0 { 0 } else { 20 } {
            store.housekeeping(WallClock((begin + 600 * 37 + days * 86_400) * SECOND)).unwrap();
        }
        let result = lives(&store, between);
        let [life] = &result[..] else { panic!("{result:?}") };
        let (before, last, peak, _) = sizes_of(life, begin);
        let expected = (at(within[0] - 1).mib, at(*within.last().unwrap()).mib, highest);
        assert_eq!((before, last, peak), expected, "after {days} days");
        let count = within.len() as u64;
        assert_eq!((life.within.requests, life.within.requested_bytes), (3 * count, 2 * count * MIB));
    }
}

fn programs(store: &TestStore, between: [i64; 2], by: Measure, top: usize, step_s: u64) -> Programs {
    let query = ProgramQuery { range: range(between), by, top, step: Duration::from_secs(step_s) };
    store.reader().unwrap().programs(&query).unwrap()
}

/// Values in MiB.
fn series(programs: &Programs, name: &str) -> Vec<u64> {
    let program = programs.programs.iter().find(|program| program.name == name).unwrap();
    program.series.iter().map(|(_, amount)| amount / MIB).collect()
}

fn programs_have_series_in_steps(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = four(&mut store);
    let between = [begin + 1000, begin + 2000];
    let result = programs(&store, between, Measure::Resident, 9, 200);
    assert_eq!((result.step, result.other_names), (Duration::from_secs(240), 0), "the next that is kept");
    assert_eq!(
        result.programs.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
        ["sleeps", "busy", "ends"]
    );
    assert_eq!(series(&result, "sleeps"), [700; 5]);
    assert_eq!(series(&result, "busy"), [50, 90, 90, 40, 40]);
    assert_eq!(series(&result, "ends"), [20, 0, 0, 0, 0]);
    assert_eq!(result.programs.iter().map(|p| p.value / MIB).collect::<Vec<_>>(), [700, 90, 20]);
    let froms: Vec<_> = result.programs[0].series.iter().map(|(from, _)| from.0 / SECOND - begin).collect();
    assert_eq!(froms, [960, 1200, 1440, 1680, 1920]);
    let asked = programs(&store, between, Measure::Requested, 9, 200);
    assert_eq!(series(&asked, "busy"), [0, 4, 0, 16, 0]);
    assert_eq!(series(&asked, "ends"), [0, 6, 0, 0, 0]);
    assert_eq!((asked.programs[0].name.as_str(), asked.programs[0].value), ("busy", 20 * MIB));
    let alone = programs(&store, between, Measure::Requested, 9, 0);
    assert_eq!(
        alone.programs.iter().map(|p| (p.value, p.series.len())).collect::<Vec<_>>(),
        [(20 * MIB, 0), (6 * MIB, 0), (0, 0)]
    );
}

fn programs_beyond_the_top_are_summed(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(2);
    let at = |pid, mib, ended| At { pid, start_s: begin, mib, requests: 3, ended };
    // The two small programs have their peaks one after the other.
    store
        .append(&[tick(
            begin + 10,
            &[(b"big", at(1, 100, false)), (b"a", at(2, 10, false)), (b"b", at(3, 1, false))],
        )])
        .unwrap();
    store
        .append(&[tick(
            begin + 30,
            &[(b"a", at(2, 0, true)), (b"b", at(3, 8, false)), (b"b", at(4, 1, false))],
        )])
        .unwrap();
    let result = programs(&store, [begin, begin + 60], Measure::Virtual, 1, 10);
    assert_eq!(
        result.programs.iter().map(|p| (p.name.as_str(), p.value / MIB)).collect::<Vec<_>>(),
        [("big", 1000)]
    );
    assert_eq!((result.others.lives, result.others.value / MIB, result.other_names), (3, 110, 2));
    assert_eq!((result.others.name.as_str(), result.others.series.len()), ("", 0));
    let none = programs(&store, [begin, begin + 60], Measure::Requests, 0, 10);
    assert_eq!((none.programs.len(), none.others.value, none.other_names), (0, 12, 3));
}

fn ranges_beyond_the_history_are_empty(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = four(&mut store);
    let reader = store.reader().unwrap();
    let ago = 5 * 365 * 86_400;
    for between in
        [[begin - ago, begin - ago + 3600], [begin + ago, begin + ago + 3600], [begin + 2000, begin + 1000]]
    {
        assert_eq!(lives(&store, between), []);
        assert_eq!(programs(&store, between, Measure::Virtual, 9, 60).programs, []);
        assert_eq!(reader.oom_kills(&range(between), 9).unwrap(), []);
    }
    let ever = Range { host: None, from: WallClock(i64::MIN), to: WallClock(i64::MAX) };
    let query = LifetimeQuery { range: ever.clone(), limit: 9, ..LifetimeQuery::default() };
    assert_eq!(reader.lifetimes(&query).unwrap().lives.len(), 4);
    let query = ProgramQuery { range: ever, by: Measure::Virtual, top: 9, step: Duration::from_secs(1) };
    let result = reader.programs(&query).unwrap();
    assert_eq!(result.programs.len(), 4);
    assert!((1..3000).contains(&result.programs[0].series.len()), "{}", result.programs[0].series.len());
}

fn refused(mut booked: BookedRequest, call: Call, errno: Errno) -> BookedRequest {
    booked.request.call = call;
    booked.request.outcome = Outcome::Refused(errno);
    booked.request.delta_bytes = 0;
    booked
}

fn sizes_are_counted_by_call_and_power_of_two(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let of = |n: u64, call: Call, size: u64| {
        let mut booked = mmap(7, b"perl", n);
        (booked.request.call, booked.request.requested_bytes) = (call, size);
        booked
    };
    let mut requests: Vec<_> = [0, 4096, 4096, 8191, 8192, 1 << 40]
        .into_iter()
        .zip(0..)
        .map(|(size, n)| of(n, Call::Mmap, size))
        .collect();
    requests.push(refused(of(6, Call::Mmap, 4096), Call::Mmap, Errno::ENOMEM));
    requests.push(refused(of(7, Call::Mmap, u64::MAX), Call::Mmap, Errno::ENOMEM));
    requests.push(of(8, Call::Munmap, 4096));
    store.append(&[batch(requests)]).unwrap();
    let reader = store.reader().unwrap();
    let all = reader.sizes(&RequestQuery { limit: 100, ..RequestQuery::default() }).unwrap();
    assert_eq!((all.rows, all.since, all.cut), (9, Some(WallClock(T0)), false));
    let bucket =
        |call, from_bytes, count, refused, bytes| SizeBucket { call, from_bytes, count, refused, bytes };
    let expected = [
        bucket(Call::Mmap, 0, 1, 0, 0),
        bucket(Call::Mmap, 4096, 4, 1, 3 * 4096 + 8191),
        bucket(Call::Mmap, 8192, 1, 0, 8192),
        bucket(Call::Mmap, 1 << 40, 1, 0, 1 << 40),
        bucket(Call::Mmap, 1 << 63, 1, 1, u64::MAX),
        bucket(Call::Munmap, 4096, 1, 0, 4096),
    ];
    assert_eq!(all.buckets, expected);
    assert_eq!(all.frequent.len(), 7);
    assert_eq!(all.frequent[0], FrequentSize { call: Call::Mmap, size: 4096, count: 3 });
    let newest = reader.sizes(&RequestQuery { limit: 3, ..RequestQuery::default() }).unwrap();
    assert_eq!((newest.rows, newest.cut, newest.since), (3, true, Some(WallClock(T0 + 6_000_000))));
    let granted =
        RequestQuery { refused: Some(false), calls: vec![Call::Mmap], limit: 6, ..RequestQuery::default() };
    let granted = reader.sizes(&granted).unwrap();
    assert_eq!((granted.rows, granted.cut), (6, false));
    assert!(granted.buckets.iter().all(|bucket| bucket.refused == 0));
    let none = reader.sizes(&RequestQuery { limit: 0, ..RequestQuery::default() }).unwrap();
    assert_eq!((none.rows, none.since, none.cut), (0, None, true));
}

fn refused_requests_are_grouped_by_process_call_and_errno(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let mut requests: Vec<_> = (0..30).map(|n| mmap(9, b"fine", n)).collect();
    for n in 30..50 {
        requests.push(refused(mmap(7, b"\xff'x", n), Call::Mmap, Errno::ENOMEM));
    }
    requests.push(refused(mmap(7, b"renamed", 50), Call::Mmap, Errno::ENOMEM));
    requests.push(refused(mmap(7, b"\xff'x", 51), Call::Mmap, Errno(13)));
    requests.push(refused(mmap(7, b"\xff'x", 52), Call::Brk, Errno::ENOMEM));
    // The same pid, but another process.
    let mut again = refused(mmap(7, b"again", 53), Call::Mmap, Errno::ENOMEM);
    again.process.start = StartTime(12_345);
    requests.push(again);
    store
        .append(&[Batch { requests, processes: vec![process(7, b"renamed", None)], ..Batch::default() }])
        .unwrap();
    let theirs = [batch(vec![refused(mmap(7, b"theirs", 54), Call::Mmap, Errno::ENOMEM)])];
    store.store.append(Delivery { run: &run("other"), sequence: 1, batches: &theirs }).unwrap();
    let reader = store.reader().unwrap();
    let groups = |query: RequestQuery| {
        let result = reader.refusals(&query).unwrap();
        result
            .iter()
            .map(|r| (r.host.to_string(), r.name.to_text(), r.call, r.errno.0, r.count))
            .collect::<Vec<_>>()
    };
    let row = |host: &str, name: &str, call, errno: Errno, count| {
        (host.to_owned(), name.to_owned(), call, errno.0, count)
    };
    let all = RequestQuery { limit: 9, ..RequestQuery::default() };
    let hostile = Comm::new(b"\xff'x").to_text();
    let expected = [
        row("other", "theirs", Call::Mmap, Errno::ENOMEM, 1),
        row("vm", "again", Call::Mmap, Errno::ENOMEM, 1),
        row("vm", &hostile, Call::Brk, Errno::ENOMEM, 1),
        row("vm", &hostile, Call::Mmap, Errno(13), 1),
        row("vm", "renamed", Call::Mmap, Errno::ENOMEM, 21),
    ];
    assert_eq!(groups(all.clone()), expected);
    assert_eq!(groups(RequestQuery { limit: 2, ..all.clone() }), expected[..2]);
    assert_eq!(groups(RequestQuery { refused: Some(false), ..all.clone() }), []);
    assert_eq!(groups(RequestQuery { host: Some("other".into()), ..all.clone() }), expected[..1]);
    let most = &reader.refusals(&all).unwrap()[4];
    assert_eq!((most.pid, most.started_at, most.largest_bytes), (Tgid(7), WallClock(T0), 4096 + 50));
    assert_eq!((most.first.0, most.last.0), (T0 + 30_000_000, T0 + 50_000_000));
    let early =
        RequestQuery { from: Some(WallClock(T0 + 40_000_000)), to: Some(WallClock(T0 + 45_000_000)), ..all };
    assert_eq!(groups(early), [row("vm", &hostile, Call::Mmap, Errno::ENOMEM, 5)]);
}

fn oom_kills_are_read_back_complete(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let resident = Resident { anonymous_bytes: 5, file_bytes: 6, shmem_bytes: 7, swap_bytes: 8 };
    let kill = |seconds: i64| OomKill {
        time: WallClock(T0 + seconds * SECOND),
        victim: Tgid(7),
        victim_name: Comm::new(b"<b>'eats"),
        asker: Tgid(9),
        asker_name: Comm::new(b"\xffasks"),
        virtual_bytes: 1 << 40,
        resident,
    };
    let moment = |seconds: i64, available_bytes| {
        let largest = vec![process(7, b"eats", None), process(8, b"%_", None)];
        let host = HostReading { available_bytes, ..HostReading::default() };
        Arc::new(Moment { at: WallClock(T0 + seconds * SECOND), host, largest })
    };
    let victim = Some(process(7, b"eats", None));
    let before = vec![moment(98, 300), moment(99, 200)];
    let oom_kills = vec![Arc::new(OomReport { kill: kill(100), victim, before })];
    // The victim has already ended in the tick of the kill.
    let ended = process(7, b"eats", Some(WallClock(T0 + 100 * SECOND)));
    let tick = Some(WallClock(T0 + 101 * SECOND));
    store.append(&[Batch { processes: vec![process(7, b"eats", None)], tick, ..Batch::default() }]).unwrap();
    store.append(&[Batch { processes: vec![ended], oom_kills, tick, ..Batch::default() }]).unwrap();
    let unknown = OomReport { kill: kill(200), victim: None, before: Vec::new() };
    store.append(&[Batch { oom_kills: vec![Arc::new(unknown)], ..Batch::default() }]).unwrap();
    let t0 = T0 / SECOND;
    let reader = store.reader().unwrap();
    let result = reader.oom_kills(&range([t0, t0 + 1000]), 9).unwrap();
    let [last, first] = &result[..] else { panic!("{result:?}") };
    assert_eq!(
        (last.time.0, last.command.as_str(), last.before.len(), &*last.host),
        (T0 + 200 * SECOND, "", 0, "vm")
    );
    assert_eq!((first.time.0, first.victim, first.asker), (T0 + 100 * SECOND, Tgid(7), Tgid(9)));
    assert_eq!(
        (first.victim_name.as_str(), &first.asker_name),
        ("<b>'eats", &Comm::new(b"\xffasks").to_text())
    );
    assert_eq!((&*first.host, first.command.as_str()), ("vm", "a command"));
    assert_eq!((first.virtual_bytes, first.resident), (1 << 40, resident));
    let moments: Vec<_> = first.before.iter().map(|m| (m.time.0 / SECOND - t0, m.available_bytes)).collect();
    assert_eq!(moments, [(98, 300), (99, 200)]);
    let expected = [(Tgid(7), "eats".to_owned(), MIB, 8192), (Tgid(8), "%_".to_owned(), MIB, 8192)];
    assert_eq!(first.before[0].largest, expected);
    assert_eq!(reader.oom_kills(&range([t0, t0 + 1000]), 1).unwrap(), result[..1]);
    assert_eq!(reader.oom_kills(&range([t0, t0 + 150]), 9).unwrap(), result[1..]);
    let other = Range { host: Some("other".into()), ..range([t0, t0 + 1000]) };
    assert_eq!(reader.oom_kills(&other, 9).unwrap(), []);
}

fn requests_of_one_lifetime(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = T0 / SECOND;
    let life = |start_s| At { pid: 7, start_s, mib: 1, requests: 1, ended: false };
    for (start_s, count) in [(begin, 3), (begin + 100, 5)] {
        let mut requests: Vec<_> = (0..count).map(|n| mmap(7, b"perl", n)).collect();
        for booked in &mut requests {
            booked.process.start = StartTime(start_s.unsigned_abs());
        }
        store.append(&[batch(requests), tick(start_s + 1, &[(b"perl", life(start_s))])]).unwrap();
    }
    let count = |pid, started_at: Option<i64>| {
        let started_at = started_at.map(|at_s| WallClock(at_s * SECOND + 5));
        let query = RequestQuery { pid, started_at, limit: 100, ..RequestQuery::default() };
        store.reader().unwrap().requests(&query).unwrap().requests.len()
    };
    assert_eq!(count(Some(Tgid(7)), None), 8);
    assert_eq!(count(Some(Tgid(7)), Some(begin)), 3);
    assert_eq!(count(Some(Tgid(7)), Some(begin + 100)), 5);
    assert_eq!(count(None, Some(begin + 100)), 5);
    assert_eq!(count(Some(Tgid(7)), Some(begin + 50)), 0);
    assert_eq!(count(Some(Tgid(8)), Some(begin)), 0);
}
