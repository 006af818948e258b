//! Behaviour that every store must have. The suite runs on each store.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[path = "conformance/machine.rs"]
mod machine;
mod support;

use std::path::Path;
use std::time::Duration;

use machine::*;
use memtap_api::Request;
use memtap_history::{Batch, RequestQuery, Settings, StoredRequest, UsagePoint, UsageQuery};
use memtap_model::{Call, Comm, Errno, Outcome, Tgid, WallClock};
use memtap_testing::{Delivery, TestStore};
use support::backends::{Factory, backends};
use support::{SECOND, T0, batch, mmap, process, run, tick};

backends!(every_field_is_read_back filters_narrow a_name_filter_has_no_wildcards a_name_filter_folds_ascii_alone pages_have_no_gaps_and_no_duplicates
    a_foreign_cursor_is_refused the_limit_is_respected times_beyond_the_history_are_empty a_reopened_store_continues
    hostile_names_are_stored_unchanged extreme_values_are_read_back a_process_may_come_after_its_requests a_repeated_delivery_is_stored_once requests_are_filtered_by_machine
    old_requests_are_deleted requests_beyond_the_size_limit_are_deleted an_emptied_store_accepts_requests_after_reopening
    nothing_is_deleted_before_its_time
    an_old_import_does_not_delete_younger_requests usage_is_returned_in_steps usage_of_machines_adds_up
    longer_steps_are_exact_sums_and_maxima a_clock_set_back_loses_no_usage requests_are_ordered_by_the_stream_not_the_clock
    the_machine_is_returned_in_steps longer_steps_of_the_machine_are_exact machines_are_summed counters_restart_with_each_run
    a_clock_set_back_loses_no_calls old_machine_samples_are_deleted a_machine_without_readings_has_no_samples
    machines_are_listed_by_name runs_are_returned_with_their_totals);

/// Like [`mmap`], but refused.
fn refused(pid: u32, name: &[u8], n: u64) -> memtap_ledger::BookedRequest {
    let mut booked = mmap(pid, name, n);
    booked.request.outcome = Outcome::Refused(Errno::ENOMEM);
    booked.request.delta_bytes = 0;
    booked
}

fn all() -> RequestQuery {
    RequestQuery { limit: 1_000_000, ..RequestQuery::default() }
}

fn read(store: &TestStore, query: &RequestQuery) -> Vec<StoredRequest> {
    store.reader().unwrap().requests(query).unwrap().requests
}

fn count(store: &TestStore, query: RequestQuery) -> usize {
    read(store, &RequestQuery { limit: 1_000_000, ..query }).len()
}

fn every_field_is_read_back(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let mut sent = vec![mmap(7, b"perl", 0), refused(7, b"perl", 1)];
    sent[0].request.file = Some("libc.so.6".into());
    sent[1].lost_before = 77;
    for (n, call) in [Call::Munmap, Call::Mremap, Call::Mseal].into_iter().enumerate() {
        let mut booked = mmap(8, b"sh", 2 + n as u64);
        booked.request.call = call;
        booked.request.arguments = [0x5000, 4096, 8192, 1, 0];
        booked.request.delta_bytes = -4096;
        sent.push(booked);
    }
    store.append(&[batch(sent.clone())]).unwrap();
    let got = read(&store, &all());
    assert_eq!(got.len(), sent.len());
    for (got, sent) in got.iter().rev().zip(&sent) {
        let sent = Request { host: Some("vm".into()), ..Request::from(sent) };
        assert_eq!(Request::from(got.clone()), sent);
    }
    assert_eq!(store.size().0, 5);
}

fn filters_narrow(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let mut requests: Vec<_> = (0..50).map(|n| mmap(7, b"perl", n)).collect();
    requests.extend((50..100).map(|n| mmap(8, b"Bash", n)));
    requests.extend((100..110).map(|n| refused(8, b"Bash", n)));
    requests[3].request.call = Call::Munmap;
    for part in requests.chunks(20) {
        store.append(&[batch(part.to_vec())]).unwrap();
    }
    let at = |n: i64| Some(WallClock(T0 + n * 1_000_000));
    let none = RequestQuery::default;
    assert_eq!(count(&store, none()), 110);
    assert_eq!(count(&store, RequestQuery { pid: Some(Tgid(7)), ..none() }), 50);
    assert_eq!(count(&store, RequestQuery { name: Some("bAS".into()), ..none() }), 60);
    assert_eq!(count(&store, RequestQuery { calls: vec![Call::Munmap], ..none() }), 1);
    assert_eq!(count(&store, RequestQuery { calls: vec![Call::Munmap, Call::Mmap], ..none() }), 110);
    assert_eq!(count(&store, RequestQuery { min_size: Some(4096 + 100), ..none() }), 10);
    assert_eq!(count(&store, RequestQuery { refused: Some(true), ..none() }), 10);
    assert_eq!(count(&store, RequestQuery { refused: Some(false), ..none() }), 100);
    assert_eq!(count(&store, RequestQuery { from: at(30), to: at(40), ..none() }), 10);
    assert_eq!(count(&store, RequestQuery { from: at(105), ..none() }), 5);
    assert_eq!(count(&store, RequestQuery { to: at(5), ..none() }), 5);
    let query = RequestQuery { pid: Some(Tgid(8)), refused: Some(true), to: at(105), ..none() };
    assert_eq!(count(&store, query), 5);
}

fn a_name_filter_has_no_wildcards(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    store.append(&[batch(vec![mmap(1, b"a%b", 0), mmap(2, b"a_b", 1), mmap(3, b"a\\b", 2)])]).unwrap();
    for name in ["%", "_", "\\", "a%b", "a_b", "a\\b"] {
        assert_eq!(
            count(&store, RequestQuery { name: Some(name.into()), ..Default::default() }),
            1,
            "{name}"
        );
    }
    let hostile = RequestQuery { name: Some("' OR 1=1 --".into()), ..Default::default() };
    assert_eq!(count(&store, hostile), 0);
}

fn a_name_filter_folds_ascii_alone(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let names = "caf\u{e9} CAF\u{c9} stra\u{df}e STRASSE \u{130}x ix \u{212a}k \u{1f980} (a.[b]+$".split(' ');
    store.append(&[batch(names.zip(0..).map(|(name, n)| mmap(7, name.as_bytes(), n)).collect())]).unwrap();
    let count_named =
        |name: &str| count(&store, RequestQuery { name: Some(name.into()), ..Default::default() });
    for name in "\u{e9} CAF\u{e9} \u{df} strasse SS \u{130}X I K \u{1f980} A.[B]+$".split(' ') {
        assert_eq!(count_named(name), 1, "{name}");
    }
    assert_eq!((count_named("CAf"), count_named("i\u{307}"), count_named("")), (2, 0, 9));
}

fn pages_have_no_gaps_and_no_duplicates(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    store.append(&[batch((0..95).map(|n| mmap(7, b"perl", n)).collect())]).unwrap();
    let reader = store.reader().unwrap();
    let mut query = RequestQuery { limit: 10, ..RequestQuery::default() };
    let mut sizes = Vec::new();
    loop {
        let page = reader.requests(&query).unwrap();
        assert!(page.requests.len() <= 10);
        sizes.extend(page.requests.iter().map(|request| request.requested_bytes - 4096));
        store.append(&[batch((1000..1007).map(|n| mmap(7, b"perl", n)).collect())]).unwrap();
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, (0..95).rev().collect::<Vec<u64>>());
}

fn a_foreign_cursor_is_refused(open: Factory, folder: &Path) {
    let store = open(folder, &Settings::default());
    let query = RequestQuery { cursor: Some("1; drop table request".into()), ..all() };
    let error = store.reader().unwrap().requests(&query).unwrap_err().to_string();
    assert!(error.contains("next_cursor"), "{error}");
}

fn the_limit_is_respected(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    store.append(&[batch((0..5).map(|n| mmap(7, b"perl", n)).collect())]).unwrap();
    for (limit, want, more) in
        [(0, 0, None), (4, 4, Some(true)), (5, 5, Some(false)), (usize::MAX, 5, Some(false))]
    {
        let query = RequestQuery { limit, ..RequestQuery::default() };
        let page = store.reader().unwrap().requests(&query).unwrap();
        assert_eq!(page.requests.len(), want);
        assert!(more.is_none_or(|more| more == page.next_cursor.is_some()), "limit {limit}");
    }
}

fn times_beyond_the_history_are_empty(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    store.append(&[batch((0..5).map(|n| mmap(7, b"perl", n)).collect())]).unwrap();
    let none = RequestQuery::default;
    assert_eq!(count(&store, RequestQuery { to: Some(WallClock(T0)), ..none() }), 0);
    assert_eq!(count(&store, RequestQuery { from: Some(WallClock(T0 + SECOND)), ..none() }), 0);
    assert_eq!(
        count(
            &store,
            RequestQuery { from: Some(WallClock(i64::MIN)), to: Some(WallClock(i64::MAX)), ..none() }
        ),
        5
    );
}

fn a_reopened_store_continues(open: Factory, folder: &Path) {
    for round in 0..3 {
        let mut store = open(folder, &Settings::default());
        let requests = (0..10).map(|n| mmap(7, b"perl", round * 10 + n)).collect();
        store.append(&[batch(requests)]).unwrap();
        assert_eq!(store.size().0, (round + 1) * 10);
        let sizes: Vec<_> = read(&store, &all()).iter().map(|r| r.requested_bytes - 4096).collect();
        assert_eq!(sizes, (0..(round + 1) * 10).rev().collect::<Vec<_>>());
    }
}

fn hostile_names_are_stored_unchanged(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let names: [&[u8]; 8] = [
        b"",
        b"'",
        b"\"\n\t",
        b"'; drop table",
        b"\xff\xfe",
        b"%_",
        b"a,b \"c\" %s",
        "\u{f1}and\u{fa}".as_bytes(),
    ];
    let requests = names.iter().enumerate().map(|(n, name)| mmap(n as u32 + 1, name, n as u64)).collect();
    let processes = names.iter().enumerate().map(|(n, name)| process(n as u32 + 1, name, None)).collect();
    store.append(&[Batch { requests, processes, tick: Some(WallClock(T0)), ..Batch::default() }]).unwrap();
    let got: Vec<Comm> = read(&store, &all()).iter().rev().map(|request| request.name).collect();
    assert_eq!(got, names.map(Comm::new));
}

fn extreme_values_are_read_back(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let mut booked = mmap(u32::MAX - 1, b"hostile", 0);
    booked.process.start.0 = u64::MAX;
    booked.request.arguments = [u64::MAX; 5];
    booked.request.outcome = Outcome::Refused(Errno(4095));
    booked.request.requested_bytes = u64::MAX;
    booked.request.delta_bytes = i64::MIN;
    booked.request.virtual_bytes = u64::MAX;
    store.append(&[batch(vec![booked.clone(), mmap(1, b"small", 1)])]).unwrap();
    let got = read(&store, &RequestQuery { min_size: Some(1 << 40), ..all() });
    assert_eq!(got.len(), 1);
    let want = &booked.request;
    assert_eq!((got[0].requested_bytes, got[0].address), (want.requested_bytes, booked.address()));
    assert_eq!((got[0].delta_bytes, got[0].virtual_bytes), (want.delta_bytes, want.virtual_bytes));
    assert_eq!(got[0].errno, Some(Errno(4095)));
    assert_eq!((got[0].protection, got[0].flags), want.words());
}

fn a_process_may_come_after_its_requests(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    store.append(&[batch(vec![mmap(7, b"perl", 0)])]).unwrap();
    let tick = Some(WallClock(T0 + SECOND));
    let living = Batch { processes: vec![process(7, b"perl", None)], tick, ..Batch::default() };
    let ended = Batch { processes: vec![process(7, b"perl", tick)], tick, ..Batch::default() };
    store.append(&[living.clone(), batch(vec![mmap(7, b"perl", 1)]), living, ended]).unwrap();
    assert_eq!(count(&store, RequestQuery { pid: Some(Tgid(7)), ..Default::default() }), 2);
}

fn a_repeated_delivery_is_stored_once(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let run = store.run.clone();
    let one = [batch(vec![mmap(7, b"perl", 0)])];
    for sequence in [1, 1, 2, 1, 2, 3] {
        store.store.append(Delivery { run: &run, sequence, batches: &one }).unwrap();
    }
    assert_eq!((count(&store, RequestQuery::default()), store.size().0), (3, 3));
    drop(store);
    let mut store = open(folder, &Settings::default());
    store.store.append(Delivery { run: &run, sequence: 3, batches: &one }).unwrap();
    assert_eq!(count(&store, RequestQuery::default()), 3, "after a restart as well");
}

fn requests_are_filtered_by_machine(open: Factory, folder: &Path) {
    let mut first = open(folder, &Settings::default());
    first.append(&[batch(vec![mmap(7, b"perl", 0)])]).unwrap();
    let other = run("other");
    let theirs = [batch(vec![mmap(7, b"perl", 1), mmap(7, b"perl", 2)])];
    first.store.append(Delivery { run: &other, sequence: 1, batches: &theirs }).unwrap();
    first.append(&[batch(vec![mmap(7, b"perl", 3)])]).unwrap();
    let of = |host: Option<&str>| RequestQuery { host: host.map(str::to_owned), ..RequestQuery::default() };
    assert_eq!(count(&first, of(None)), 4);
    assert_eq!(count(&first, of(Some("vm"))), 2);
    assert_eq!(count(&first, of(Some("other"))), 2);
    assert_eq!(count(&first, of(Some("nobody"))), 0);
    assert!(
        read(&first, &RequestQuery { limit: 10, ..of(Some("other")) }).iter().all(|r| &*r.host == "other")
    );
}

fn old_requests_are_deleted(open: Factory, folder: &Path) {
    let settings = Settings { max_age: std::time::Duration::from_secs(60), ..Settings::default() };
    let mut store = open(folder, &settings);
    for n in 0..10 {
        store.append(&[batch((0..10).map(|i| mmap(7, b"perl", n * 10_000 + i)).collect())]).unwrap();
    }
    for _ in 0..5 {
        store.housekeeping(WallClock(T0 + 115 * SECOND)).unwrap();
    }
    let remaining = read(&store, &all());
    assert_eq!(remaining.len(), 40, "those of 60, 70, 80 and 90 s are younger than a minute");
    assert_eq!(store.size().0, 40);
}

fn requests_beyond_the_size_limit_are_deleted(open: Factory, folder: &Path) {
    let settings = Settings { max_bytes: 2 << 20, ..Settings::default() };
    let mut store = open(folder, &settings);
    for n in 0..10 {
        store.append(&[batch((0..10_000).map(|i| mmap(7, b"perl", n * 10_000 + i)).collect())]).unwrap();
    }
    for _ in 0..20 {
        store.housekeeping(WallClock(T0 + 200 * SECOND)).unwrap();
    }
    let remaining = read(&store, &all());
    assert!(remaining.len() > 1000 && remaining.len() < 60_000, "{} left", remaining.len());
    assert_eq!(remaining[0].requested_bytes, 4096 + 99_999, "the newest stay");
}

fn an_emptied_store_accepts_requests_after_reopening(open: Factory, folder: &Path) {
    let settings = Settings { max_age: std::time::Duration::from_secs(60), ..Settings::default() };
    let mut store = open(folder, &settings);
    store.append(&[batch(vec![mmap(7, b"perl", 0)])]).unwrap();
    store.housekeeping(WallClock(T0 + 3600 * SECOND)).unwrap();
    assert_eq!(store.size().0, 0);
    drop(store);
    let mut store = open(folder, &settings);
    store.append(&[batch(vec![mmap(7, b"perl", 3_600_000)])]).unwrap();
    assert_eq!(store.size().0, 1);
}

fn nothing_is_deleted_before_its_time(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    store.append(&[batch((0..100).map(|n| mmap(7, b"perl", n)).collect())]).unwrap();
    for _ in 0..5 {
        store.housekeeping(WallClock(T0 + 3600 * SECOND)).unwrap();
    }
    assert_eq!(count(&store, RequestQuery::default()), 100);
}

fn an_old_import_does_not_delete_younger_requests(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    store.append(&[batch((0..100).map(|n| mmap(7, b"perl", n)).collect())]).unwrap();
    let mut old = mmap(9, b"imported", 0);
    old.request.time = WallClock(T0 - 365 * 86_400 * SECOND);
    store.append(&[batch(vec![old])]).unwrap();
    store.append(&[batch(vec![mmap(7, b"perl", 100)])]).unwrap();
    store.housekeeping(WallClock(T0 + 3600 * SECOND)).unwrap();
    assert_eq!(count(&store, RequestQuery { pid: Some(Tgid(7)), ..Default::default() }), 101);
}

/// Returns the start of an hour, this many hours ago, in seconds.
fn hours_ago(hours: i64) -> i64 {
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    (now / 3600 - hours) * 3600
}

fn usage(store: &TestStore, pid: Option<u32>, [from, to, step]: [i64; 3]) -> Vec<UsagePoint> {
    let query = UsageQuery {
        pid: pid.map(Tgid),
        from: WallClock(from * SECOND),
        to: WallClock(to * SECOND),
        step: Duration::from_secs(step.unsigned_abs()),
        ..UsageQuery::default()
    };
    store.reader().unwrap().usage(&query).unwrap()
}

/// Merges all steps: sums and maxima, and the last size.
fn merge(points: &[UsagePoint]) -> UsagePoint {
    points.iter().fold(UsagePoint::default(), |sum, point| UsagePoint {
        requests: sum.requests + point.requests,
        refused: sum.refused + point.refused,
        requested_bytes: sum.requested_bytes + point.requested_bytes,
        granted_bytes: sum.granted_bytes + point.granted_bytes,
        released_bytes: sum.released_bytes + point.released_bytes,
        minor_faults: sum.minor_faults + point.minor_faults,
        major_faults: sum.major_faults + point.major_faults,
        peak_virtual_bytes: sum.peak_virtual_bytes.max(point.peak_virtual_bytes),
        virtual_bytes: point.virtual_bytes,
        ..sum
    })
}

fn usage_is_returned_in_steps(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let begin = now / 10 * 10 - 120;
    for n in 0..60 {
        store.append(&[tick(7, WallClock((begin + n) * SECOND), n.unsigned_abs() + 1)]).unwrap();
    }
    for pid in [Some(7), None] {
        let seconds = usage(&store, pid, [begin, begin + 60, 1]);
        assert_eq!(seconds.len(), 60);
        assert_eq!(
            (seconds[59].virtual_bytes, seconds[59].requests, seconds[59].from.0),
            ((1 << 20) + 60 * 4096, 3, (begin + 59) * SECOND)
        );
        let tens = usage(&store, pid, [begin, begin + 60, 10]);
        assert_eq!(tens.len(), 6);
        assert_eq!(
            (tens[1].requests, tens[1].refused, tens[1].minor_faults, tens[1].virtual_bytes),
            (30, 10, 50, (1 << 20) + 20 * 4096)
        );
        assert_eq!(merge(&tens), merge(&seconds));
        // The process is not older than the run, so its page faults at the first tick count.
        assert_eq!(
            (merge(&tens).requests, merge(&tens).requested_bytes, merge(&tens).minor_faults),
            (180, 6000, 300)
        );
        assert_eq!((merge(&tens).granted_bytes, merge(&tens).released_bytes), (3000, 1200));
        assert_eq!(usage(&store, pid, [begin + 20, begin + 40, 10]).len(), 2);
    }
    assert_eq!(usage(&store, Some(8), [begin, begin + 60, 10]), []);
}

fn usage_of_machines_adds_up(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(2);
    store.append(&[tick(7, WallClock(begin * SECOND), 4)]).unwrap();
    let other = run("other");
    let theirs = [tick(9, WallClock((begin + 1) * SECOND), 6)];
    store.store.append(Delivery { run: &other, sequence: 1, batches: &theirs }).unwrap();
    let both = usage(&store, None, [begin, begin + 3600, 3600]);
    assert_eq!((both.len(), both[0].virtual_bytes, both[0].requests), (1, (2 << 20) + 10 * 4096, 30));
    let query = UsageQuery {
        host: Some("other".into()),
        from: WallClock(begin * SECOND),
        to: WallClock((begin + 3600) * SECOND),
        step: Duration::from_secs(3600),
        ..UsageQuery::default()
    };
    assert_eq!(store.reader().unwrap().usage(&query).unwrap()[0].requests, 18);
}

fn longer_steps_are_exact_sums_and_maxima(open: Factory, folder: &Path) {
    const TICKS: i64 = 500;
    let settings = Settings {
        max_age: Duration::from_secs(1000 * 86_400),
        max_sample_age: Duration::from_secs(1000 * 86_400),
        ..Settings::default()
    };
    let mut store = open(folder, &settings);
    let begin = hours_ago(4);
    let ticks: Vec<_> =
        (0..TICKS).map(|n| tick(7, WallClock((begin + n * 17) * SECOND), n.unsigned_abs() + 1)).collect();
    let end = begin + TICKS * 17;
    for part in ticks.chunks(100) {
        store.append(part).unwrap();
        store.housekeeping(WallClock((begin + 60) * SECOND)).unwrap();
    }
    let range = [begin, end, 3600];
    let before = [Some(7), None].map(|pid| usage(&store, pid, range));
    assert_eq!((merge(&before[0]).requests, merge(&before[0]).requested_bytes), (3 * 500, 100 * 500));
    for days in [0, 2, 8, 100] {
        for _ in 0..20 {
            store.housekeeping(WallClock((end + days * 86_400) * SECOND)).unwrap();
        }
        let after = [Some(7), None].map(|pid| usage(&store, pid, range));
        assert_eq!(after, before, "after {days} days");
    }
    // The next run completes the roll-up of the previous one.
    drop(store);
    let mut store = open(folder, &settings);
    store.append(&[batch(vec![mmap(9, b"next", 0)])]).unwrap();
    for _ in 0..20 {
        store.housekeeping(WallClock((end + 200 * 86_400) * SECOND)).unwrap();
    }
    assert_eq!([Some(7), None].map(|pid| usage(&store, pid, range)), before, "after the next run");
}

fn a_clock_set_back_loses_no_usage(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let begin = hours_ago(3);
    for (n, second) in [(1, 3000), (2, 3001), (3, 100), (4, 101), (5, 3002)] {
        store.append(&[tick(7, WallClock((begin + second) * SECOND), n)]).unwrap();
        store.housekeeping(WallClock((begin + 4000) * SECOND)).unwrap();
    }
    let all = merge(&usage(&store, Some(7), [begin, begin + 3600, 3600]));
    assert_eq!((all.requests, all.virtual_bytes), (15, (1 << 20) + 5 * 4096));
}

fn requests_are_ordered_by_the_stream_not_the_clock(open: Factory, folder: &Path) {
    let mut store = open(folder, &Settings::default());
    let mut requests: Vec<_> = (0..20).map(|n| mmap(7, b"perl", n)).collect();
    for (n, booked) in requests.iter_mut().enumerate() {
        booked.request.time = WallClock(T0 + [5, -3600, 7200, 0][n % 4] * SECOND);
    }
    for part in requests.chunks(3) {
        store.append(&[batch(part.to_vec())]).unwrap();
    }
    let sizes: Vec<_> = read(&store, &all()).iter().map(|request| request.requested_bytes - 4096).collect();
    assert_eq!(sizes, (0..20).rev().collect::<Vec<u64>>());
    let set_back = RequestQuery { to: Some(WallClock(T0 - SECOND)), ..RequestQuery::default() };
    assert_eq!(count(&store, set_back), 5);
}
