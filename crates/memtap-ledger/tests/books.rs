//! Tests of the books against a model of the kernel: the effect of each observation, and properties
//! that hold for every stream.

mod kernel;

use kernel::{PAGE, Process};
use memtap_ledger::{Ledger, LiveView, Settings};
use memtap_model::{
    Call, CallTotals, Comm, Errno, HostReading, LossCause, Observation, OomKill, Refusals, Resident, Tgid,
    WallClock,
};
use proptest::prelude::*;

fn ledger() -> Ledger {
    Ledger::new(Settings::default())
}

fn apply(ledger: &mut Ledger, observations: impl IntoIterator<Item = Observation>) {
    for observation in observations {
        ledger.apply(observation);
    }
}

fn view(ledger: &mut Ledger) -> LiveView {
    let view = ledger.publish(WallClock(10));
    for summary in view.living.iter().chain(view.ended.iter()) {
        let balance = summary.books.balance();
        assert_eq!(balance, i128::from(summary.virtual_bytes), "books of {:?} balance", summary.process);
    }
    view
}

fn applied(observations: impl IntoIterator<Item = Observation>) -> LiveView {
    let mut ledger = ledger();
    apply(&mut ledger, observations);
    view(&mut ledger)
}

#[test]
fn a_munmap_without_mappings_releases_nothing() {
    let mut one = Process::new(7, 10);
    let mut stream = one.read().to_vec();
    stream.extend([one.mmap(2), one.munmap(1 << 28, 0), one.munmap(2, 2)]);
    stream.extend(one.read());
    let view = applied(stream);
    let process = view.process(Tgid(7)).unwrap();
    assert_eq!((process.books.granted_bytes, process.books.released_bytes), (8192, 8192));
    assert_eq!(process.books.calls[Call::Munmap.index()].count, 2);
    assert_eq!(process.requested_bytes, 8192, "munmap asks for nothing");
}

#[test]
fn a_refused_request_changes_no_size_and_keeps_its_errno() {
    let mut one = Process::new(7, 10);
    let mut stream = one.read().to_vec();
    stream.extend([one.refused_mmap(1 << 62), one.refused_mmap(1 << 61)]);
    stream.extend(one.read());
    let view = applied(stream);
    let process = view.process(Tgid(7)).unwrap();
    assert_eq!((process.books.granted_bytes, process.requested_bytes, process.books.refused()), (0, 0, 2));
    let expected = Refusals { call: Call::Mmap, errno: Errno::ENOMEM, count: 2 };
    assert_eq!(process.books.refusals[..], [expected]);
    assert_eq!(view.latest[0].request.requested_bytes, 1 << 62, "the request itself shows what was asked");
    assert_eq!((view.requested.total_bytes, view.totals.refused), (0, 2));
}

#[test]
fn fork_copies_exec_replaces_and_exit_returns_memory() {
    let (parent, mut child) = (Process::new(7, 10), Process::new(8, 9));
    let mut ledger = ledger();
    apply(&mut ledger, parent.read());
    let born = memtap_model::ProcessState { parent: Tgid(7), ..*child.state() };
    ledger.apply(Observation::Fork(Box::new(born)));
    ledger.apply(child.mmap(1));
    apply(&mut ledger, child.exec(4, b"other"));
    let now = view(&mut ledger);
    let seen = now.process(Tgid(8)).unwrap();
    assert_eq!((seen.books.opening_bytes, seen.books.exec_bytes), (9 * PAGE, -(6 * PAGE as i64)));
    assert_eq!(seen.name.to_text(), "other");
    let slices: Vec<_> = now.requested.slices.iter().map(|slice| slice.name.to_text()).collect();
    assert_eq!(slices, ["prog"], "what was asked for before the exec is the old name's");
    apply(&mut ledger, child.exit());
    let now = view(&mut ledger);
    let seen = now.process(Tgid(8)).unwrap();
    assert_eq!((seen.virtual_bytes, seen.books.ended_bytes), (0, 4 * PAGE));
    assert!(seen.ended_at.is_some());
}

#[test]
fn lost_records_change_no_sums_and_show_a_gap() {
    let mut one = Process::new(7, 10);
    let mut stream = one.read().to_vec();
    stream.push(one.mmap(1));
    for _ in 0..5 {
        one.mmap(1);
        one.lost += 1;
    }
    stream.push(Observation::Lost { cause: LossCause::RingFull, count: 5 });
    stream.push(one.munmap(1, 1));
    stream.extend(one.read());
    let view = applied(stream);
    let process = view.process(Tgid(7)).unwrap();
    assert_eq!(process.books.calls[Call::Mmap.index()].count, 6);
    assert_eq!((process.virtual_bytes, process.books.unexplained_bytes), (15 * PAGE, 0));
    assert_eq!((process.books.lost, view.totals.lost_requests()), (5, 5));
    assert_eq!((view.totals.made, view.totals.seen), (7, 2));
    let gaps: Vec<u32> = view.latest.iter().map(|booked| booked.lost_before).collect();
    assert_eq!(gaps, [0, 5]);
}

#[test]
fn a_reused_pid_is_another_process() {
    let mut first = Process::new(7, 10);
    let mut second = Process { start: 99, ..Process::new(7, 5) };
    let mut ledger = ledger();
    apply(&mut ledger, first.read());
    ledger.apply(first.mmap(1));
    ledger.apply(Observation::Fork(second.state()));
    apply(&mut ledger, first.exit());
    ledger.apply(second.mmap(1));
    apply(&mut ledger, second.read());
    let now = view(&mut ledger);
    let living = now.process(Tgid(7)).unwrap();
    let books = (living.books.requests(), living.virtual_bytes);
    assert_eq!(books, (1, 6 * PAGE), "the late exit is the first one's");
    assert_eq!(now.ended.len(), 1);
}

#[test]
fn a_difference_is_unexplained_only_if_it_persists() {
    let mut one = Process::new(7, 10);
    let mut ledger = ledger();
    for _ in 0..4 {
        apply(&mut ledger, one.read());
    }
    one.pages += 4;
    apply(&mut ledger, one.read());
    assert_eq!(view(&mut ledger).totals.unexplained_bytes, 0, "it may be in flight");
    one.causes.granted_bytes += 4 * PAGE;
    apply(&mut ledger, one.read());
    assert_eq!(view(&mut ledger).process(Tgid(7)).unwrap().books.granted_bytes, 4 * PAGE, "and it was");
    one.pages += 2;
    apply(&mut ledger, one.read());
    apply(&mut ledger, one.read());
    assert_eq!(view(&mut ledger).totals.unexplained_bytes, 2 * PAGE);
    apply(&mut ledger, one.exec(3, b"prog"));
    let now = view(&mut ledger);
    assert_eq!(
        (now.totals.unexplained_bytes, now.living[0].virtual_bytes),
        (0, 3 * PAGE),
        "exec starts afresh"
    );
}

#[test]
fn requests_in_flight_at_the_start_are_part_of_the_opening() {
    let mut one = Process::new(7, 10);
    let mut ledger = ledger();
    apply(&mut ledger, one.read());
    one.pages += 3;
    apply(&mut ledger, one.read());
    apply(&mut ledger, one.read());
    let now = view(&mut ledger);
    let books = &now.living[0].books;
    assert_eq!((books.opening_bytes, books.unexplained_bytes), (13 * PAGE, 0));
}

#[test]
fn without_causes_each_reading_opens_the_account_again() {
    let mut ledger = ledger();
    for pages in [10, 14, 12] {
        let state = memtap_model::ProcessState { causes: None, ..*Process::new(7, pages).state() };
        ledger.apply(Observation::Snapshot(Box::new(state)));
        let now = view(&mut ledger);
        assert_eq!(now.process(Tgid(7)).unwrap().virtual_bytes, pages * PAGE);
        assert_eq!(now.totals.unexplained_bytes, 0);
    }
}

#[test]
fn a_kernel_account_opened_later_replaces_the_reading() {
    let mut one = Process::new(7, 10);
    let mut ledger = ledger();
    let without = memtap_model::ProcessState { causes: None, ..*one.state() };
    ledger.apply(Observation::Fork(Box::new(without)));
    one = Process { start: one.start, ..Process::new(7, 30) };
    ledger.apply(one.mmap(2));
    for _ in 0..3 {
        apply(&mut ledger, one.read());
        let now = view(&mut ledger);
        assert_eq!((now.living[0].virtual_bytes, now.totals.unexplained_bytes), (32 * PAGE, 0));
    }
}

#[test]
fn a_kernel_account_opened_just_before_the_exit_replaces_the_reading() {
    let mut one = Process::new(7, 10);
    let without = memtap_model::ProcessState { causes: None, ..*one.state() };
    let mut stream = vec![Observation::Fork(Box::new(without))];
    one = Process::new(7, 30);
    stream.push(one.mmap(2));
    stream.extend(one.exit());
    let books = applied(stream).ended[0].books.clone();
    assert_eq!((books.opening_bytes, books.ended_bytes, books.unexplained_bytes), (30 * PAGE, 32 * PAGE, 0));
}

#[test]
fn requests_of_unknown_processes_are_lost_only_after_the_first_reading() {
    let mut one = Process::new(7, 10);
    let mut ledger = ledger();
    ledger.apply(one.mmap(1));
    ledger.apply(Observation::AllRead);
    assert!(view(&mut ledger).totals.lost.is_empty());
    ledger.apply(one.mmap(1));
    assert_eq!(view(&mut ledger).totals.lost.get(&LossCause::UnknownProcess), Some(&1));
}

#[test]
fn a_process_whose_exit_was_lost_is_closed() {
    let (one, other) = (Process::new(7, 10), Process::new(8, 10));
    let mut ledger = ledger();
    apply(&mut ledger, one.read().into_iter().chain(other.read()).chain([Observation::AllRead]));
    apply(&mut ledger, one.read().into_iter().chain([Observation::AllRead]));
    assert_eq!(view(&mut ledger).living.len(), 2, "one reading may have been lost");
    apply(&mut ledger, one.read().into_iter().chain([Observation::AllRead]));
    let now = view(&mut ledger);
    assert_eq!((now.living.len(), now.ended.len()), (1, 1));
}

#[test]
fn a_process_read_while_it_ends_stays_closed() {
    let mut one = Process::new(7, 10);
    let mut stream = one.read().to_vec();
    stream.push(one.mmap(2));
    let late = one.read();
    stream.extend(one.exit());
    stream.extend(late);
    stream.push(Observation::AllRead);
    let view = applied(stream);
    assert_eq!((view.living.len(), view.ended.len()), (0, 1));
    assert_eq!(view.totals.granted_bytes, 2 * PAGE, "its requests are counted once");
}

#[test]
fn a_view_has_the_peaks_of_its_tick_and_of_the_process() {
    let one = Process::new(7, 10);
    let mut ledger = ledger();
    let peak = memtap_model::ProcessState {
        peak_virtual_bytes: 1 << 30,
        peak_resident_bytes: 1 << 29,
        ..*one.state()
    };
    ledger.apply(Observation::Snapshot(Box::new(peak)));
    let now = view(&mut ledger);
    assert_eq!(
        (now.living[0].tick_peaks.virtual_bytes, now.living[0].tick_peaks.resident_bytes),
        (1 << 30, 1 << 29)
    );
    apply(&mut ledger, one.read());
    let now = view(&mut ledger);
    assert_eq!(
        (now.living[0].tick_peaks.virtual_bytes, now.living[0].peaks.virtual_bytes),
        (10 * PAGE, 1 << 30)
    );
}

#[test]
fn an_unchanged_reading_changes_nothing() {
    let (mut busy, mut idle, alone) = (Process::new(7, 10), Process::new(8, 10), Process::new(9, 10));
    let mut ledger = ledger();
    // Without an account in the kernel, only the size shows a change.
    let unfollowed = memtap_model::ProcessState { causes: None, ..*alone.state() };
    let read = |ledger: &mut Ledger, busy: &Process, idle: &Process| {
        let states = [busy.state(), idle.state(), Box::new(unfollowed)];
        apply(ledger, states.map(Observation::Snapshot));
        view(ledger)
    };
    let first = read(&mut ledger, &busy, &idle);
    assert_eq!(first.changed.len(), 3);
    busy.mmap(1);
    let second = read(&mut ledger, &busy, &idle);
    assert_eq!(second.changed.iter().map(|summary| summary.process.tgid).collect::<Vec<_>>(), [Tgid(7)]);
    let is_kept = |place: usize| std::sync::Arc::ptr_eq(&first.living[place], &second.living[place]);
    assert_eq!([0, 1, 2].map(is_kept), [false, true, true]);
    // Later changes are reported as if every reading had been booked.
    idle.mmap(3);
    let third = read(&mut ledger, &busy, &idle);
    assert_eq!(third.changed.len(), 1);
    let summary = third.process(Tgid(8)).unwrap();
    assert_eq!((summary.virtual_bytes, summary.tick_peaks.virtual_bytes), (13 * PAGE, 13 * PAGE));
    idle.munmap(2, 2);
    let fourth = read(&mut ledger, &busy, &idle);
    let summary = fourth.process(Tgid(8)).unwrap();
    assert_eq!((summary.tick_peaks.virtual_bytes, summary.peaks.virtual_bytes), (11 * PAGE, 13 * PAGE));
}

#[test]
fn an_oom_kill_is_kept_with_the_ticks_before_it() {
    let (one, other) = (Process::new(7, 10), Process::new(8, 20));
    let mut ledger = ledger();
    apply(&mut ledger, one.read().into_iter().chain(other.read()));
    ledger.apply(Observation::Host(HostReading { available_bytes: 5, ..HostReading::default() }));
    view(&mut ledger);
    let name = Comm::new(b"prog");
    ledger.apply(Observation::Oom(OomKill {
        time: WallClock(11),
        victim: Tgid(8),
        victim_name: name,
        virtual_bytes: 20 * PAGE,
        resident: Resident::default(),
        asker: Tgid(7),
        asker_name: name,
    }));
    let now = view(&mut ledger);
    let [report] = now.fresh_oom_kills() else { panic!("one kill") };
    assert_eq!(report.victim.as_ref().unwrap().virtual_bytes, 20 * PAGE);
    assert_eq!(
        (report.before.len(), report.before[0].host.available_bytes, report.before[0].largest.len()),
        (1, 5, 2)
    );
    let now = view(&mut ledger);
    assert_eq!((now.fresh_oom_kills().len(), now.oom_kills.len(), now.totals.oom_kills), (0, 1, 1));
}

#[test]
fn everything_kept_is_bounded() {
    let mut ledger = ledger();
    for pid in 1..3000_u32 {
        let mut born = Process::new(pid, 10);
        let name: &'static str = Box::leak(format!("p{pid}").into_boxed_str());
        born.name = name.as_bytes();
        ledger.apply(Observation::Fork(born.state()));
        ledger.apply(born.mmap(1));
        apply(&mut ledger, born.exit());
    }
    let now = view(&mut ledger);
    assert_eq!((now.latest.len(), now.fresh, now.skipped), (1000, 1000, 1999));
    assert_eq!((now.ended.len(), now.living.len()), (1000, 0));
    assert!(now.changed.len() <= 1000);
}

#[test]
fn totals_stay_exact_when_processes_end() {
    let (mut one, mut child, mut late) = (Process::new(7, 10), Process::new(8, 10), Process::new(9, 10));
    let mut ledger = ledger();
    apply(&mut ledger, one.read().into_iter().chain([Observation::Fork(child.state())]));
    apply(&mut ledger, [one.mmap(5), child.mmap(3), child.refused_mmap(1 << 62), child.munmap(2, 2)]);
    apply(&mut ledger, child.exec(4, b"other"));
    // The stream lacks this request; the last tally and state include it.
    child.mmap(1);
    apply(&mut ledger, child.exit());
    // The fork was lost. Requests since the account was opened still count for the process.
    late.mmap(6);
    apply(&mut ledger, late.read().into_iter().chain(one.read()));
    // The exit is lost.
    apply(&mut ledger, [Observation::AllRead, Observation::AllRead, Observation::AllRead]);
    let totals = view(&mut ledger).totals;
    assert_eq!((totals.granted_bytes, totals.released_bytes), (15 * PAGE, 2 * PAGE));
    let mmap = CallTotals { count: 5, requested_bytes: 15 * PAGE, refused: 1 };
    let munmap = CallTotals { count: 1, requested_bytes: 2 * PAGE, refused: 0 };
    assert_eq!(totals.calls[Call::Mmap.index()], mmap);
    assert_eq!(totals.calls[Call::Munmap.index()], munmap);
    assert_eq!((totals.made, totals.refused), (6, 1));
}

/// Next action of a random process.
#[derive(Debug, Clone)]
enum Step {
    Map(u64),
    Unmap(u64),
    Refused(u64),
    Lose(u64),
    Read,
    Exec(u64),
    Stack(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..1000_u64).prop_map(Step::Map),
        (0..1000_u64).prop_map(Step::Unmap),
        any::<u64>().prop_map(Step::Refused),
        (1..9_u64).prop_map(Step::Lose),
        Just(Step::Read),
        (1..500_u64).prop_map(Step::Exec),
        (1..50_u64).prop_map(Step::Stack),
    ]
}

/// Returns the kernel's stream of one process, and its final state.
fn stream(pid: u32, steps: &[Step]) -> (Vec<Observation>, Process) {
    let mut process = Process::new(pid, 100);
    let mut observations = process.read().to_vec();
    for step in steps {
        match step {
            Step::Map(count) => observations.push(process.mmap(*count)),
            Step::Unmap(count) => {
                let mapped = (*count).min(process.pages - 1);
                observations.push(process.munmap(*count, mapped));
            }
            Step::Refused(length) => observations.push(process.refused_mmap(*length)),
            Step::Lose(count) => {
                for _ in 0..*count {
                    process.mmap(1);
                    process.lost += 1;
                }
                observations.push(Observation::Lost { cause: LossCause::RingFull, count: *count });
            }
            Step::Stack(count) => process.stack(*count),
            Step::Read => observations.extend(process.read()),
            Step::Exec(count) => observations.extend(process.exec(*count, b"prog")),
        }
    }
    observations.extend(process.read());
    (observations, process)
}

fn streams() -> impl Strategy<Value = Vec<(Vec<Observation>, Process)>> {
    prop::collection::vec(prop::collection::vec(step(), 0..30), 1..5)
        .prop_map(|all| (1_u32..).zip(&all).map(|(pid, steps)| stream(pid, steps)).collect())
}

proptest! {
    #[test]
    fn order_across_processes_does_not_matter(
        streams in streams(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let in_turn: Vec<_> = streams.iter().flat_map(|(stream, _)| stream.clone()).collect();
        let one = applied(in_turn);
        let other = applied(shuffled(&streams, &picks));
        prop_assert_eq!(&one.living, &other.living);
        prop_assert_eq!(&one.requested, &other.requested);
        prop_assert_eq!(one.totals, other.totals);
        for (summary, (_, process)) in one.living.iter().zip(&streams) {
            prop_assert_eq!(summary.virtual_bytes, process.pages * PAGE);
            prop_assert_eq!(summary.books.unexplained_bytes, 0);
        }
    }

    #[test]
    fn totals_are_the_sum_of_the_parts(streams in streams()) {
        let view = applied(streams.into_iter().flat_map(|(stream, _)| stream));
        let sum = |measure: fn(&memtap_ledger::Books) -> u64| -> u64 {
            view.living.iter().map(|summary| measure(&summary.books)).sum()
        };
        prop_assert_eq!(view.totals.made, sum(memtap_ledger::Books::requests));
        prop_assert_eq!(view.totals.refused, sum(memtap_ledger::Books::refused));
        prop_assert_eq!(view.totals.granted_bytes, sum(|books| books.granted_bytes));
        prop_assert_eq!(view.totals.released_bytes, sum(|books| books.released_bytes));
        for (index, call) in view.totals.calls.iter().enumerate() {
            let mut parts = CallTotals::default();
            view.living.iter().for_each(|summary| parts += summary.books.calls[index]);
            prop_assert_eq!(*call, parts);
        }
        prop_assert_eq!(view.totals.made, view.totals.seen + view.totals.lost_requests());
        prop_assert_eq!(view.totals.lost_requests(), sum(|books| books.lost));
        let asked: u64 = view.living.iter().map(|summary| summary.requested_bytes).sum();
        prop_assert_eq!(view.requested.total_bytes, asked);
        let slices: u64 = view.requested.slices.iter().map(|slice| slice.bytes).sum();
        prop_assert_eq!(slices + view.requested.other_bytes, asked);
        let gaps: u64 = view.latest.iter().map(|booked| u64::from(booked.lost_before)).sum();
        prop_assert!(gaps <= view.totals.lost_requests());
    }

    #[test]
    fn refused_requests_change_no_size(steps in prop::collection::vec(step(), 0..40)) {
        let without: Vec<_> = steps.iter().filter(|step| !matches!(step, Step::Refused(_))).cloned().collect();
        let with = applied(stream(1, &steps).0);
        let without = applied(stream(1, &without).0);
        let books = |view: &LiveView| {
            let summary = view.process(Tgid(1)).unwrap();
            (summary.virtual_bytes, summary.books.granted_bytes, summary.books.released_bytes, summary.requested_bytes)
        };
        prop_assert_eq!(books(&with), books(&without));
    }
}

/// Merges the streams by `picks` and keeps the order within each.
fn shuffled(streams: &[(Vec<Observation>, Process)], picks: &[prop::sample::Index]) -> Vec<Observation> {
    let mut remaining: Vec<_> = streams.iter().map(|(stream, _)| stream.iter().cloned().peekable()).collect();
    let mut merged = Vec::new();
    let mut picks = picks.iter().cycle();
    while remaining.iter_mut().any(|stream| stream.peek().is_some()) {
        let mut open: Vec<_> =
            remaining.iter_mut().filter_map(|stream| stream.peek().is_some().then_some(stream)).collect();
        let index = picks.next().map_or(0, |pick| pick.index(open.len()));
        merged.extend(open[index].next());
    }
    merged
}

/// Requests of a busy process must not displace those of a process in focus.
#[test]
fn all_requests_of_a_process_in_focus_are_reported() {
    let mut ledger = Ledger::new(Settings { latest_kept: 10, ..Settings::default() });
    let (mut quiet, mut busy) = (Process::new(7, 10), Process::new(8, 10));
    apply(&mut ledger, quiet.read().into_iter().chain(busy.read()));
    let focused = |view: &LiveView| -> Vec<_> {
        view.focused.iter().map(|one| (one.pid.0, one.requests.len(), one.skipped)).collect()
    };
    let mut second = |ledger: &mut Ledger, requests: u64| {
        ledger.apply(quiet.mmap(1));
        for _ in 0..requests {
            ledger.apply(busy.mmap(1));
        }
        view(ledger)
    };
    ledger.focus(&[Tgid(7)].into());
    assert_eq!(focused(&second(&mut ledger, 50)), [], "it was not in focus for all of this tick");
    let view = second(&mut ledger, 50);
    assert_eq!(focused(&view), [(7, 1, 0)]);
    assert!(
        view.fresh_requests().iter().all(|booked| booked.request.tgid == Tgid(8)),
        "it is not among the latest"
    );
    ledger.focus(&[Tgid(7), Tgid(8)].into());
    second(&mut ledger, 50);
    assert_eq!(
        focused(&second(&mut ledger, 25)),
        [(7, 1, 0), (8, 10, 15)],
        "a flood is bounded, and counted"
    );
    ledger.focus(&[Tgid(8)].into());
    assert_eq!(focused(&second(&mut ledger, 0)), [(8, 0, 0)]);
}
