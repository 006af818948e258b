//! The books against hand-made streams: what each observation must do, and properties that hold for every stream.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

use memtap_ledger::{Ledger, LiveView, Settings};
use memtap_model::{
    Call, Comm, Errno, LossCause, MemoryRequest, Observation, Outcome, PageSize, ProcessId, ProcessState,
    Resident, SpaceId, StartTime, Tgid, Tid, WallClock,
};
use proptest::prelude::*;

const PAGE: u64 = 4096;

fn ledger() -> Ledger {
    Ledger::new(Settings::new(PageSize::new(PAGE).unwrap()))
}

fn state(pid: u32, space: u64, pages: u64) -> ProcessState {
    ProcessState {
        time: WallClock(1),
        followed: true,
        tgid: Tgid(pid),
        start: StartTime(u64::from(pid) * 10),
        started_at: WallClock(1),
        parent: Tgid(1),
        uid: 0,
        space: SpaceId(space),
        name: Comm::new(b"prog"),
        virtual_bytes: pages * PAGE,
        stack_bytes: PAGE,
        brk: 0x10_0000,
        resident: Resident::default(),
    }
}

fn request(
    pid: u32,
    space: u64,
    call: Call,
    arguments: [u64; 5],
    outcome: Outcome,
    pages: u64,
) -> MemoryRequest {
    MemoryRequest {
        time: WallClock(2),
        tgid: Tgid(pid),
        tid: Tid(pid),
        space: SpaceId(space),
        name: Comm::new(b"prog"),
        call,
        arguments,
        outcome,
        virtual_bytes: pages * PAGE,
        stack_bytes: PAGE,
        brk: 0x10_0000,
    }
}

fn mmap(pid: u32, space: u64, length: u64, pages_after: u64) -> Observation {
    Observation::Request(request(
        pid,
        space,
        Call::Mmap,
        [0, length, 3, 0x22, 0],
        Outcome::Granted(0x7000),
        pages_after,
    ))
}

fn refused_mmap(pid: u32, space: u64, length: u64, pages_after: u64) -> Observation {
    let outcome = Outcome::Refused(Errno::ENOMEM);
    Observation::Request(request(pid, space, Call::Mmap, [0, length, 3, 0x22, 0], outcome, pages_after))
}

fn munmap(pid: u32, space: u64, length: u64, pages_after: u64) -> Observation {
    Observation::Request(request(
        pid,
        space,
        Call::Munmap,
        [0x7000, length, 0, 0, 0],
        Outcome::Granted(0),
        pages_after,
    ))
}

fn exit(pid: u32) -> Observation {
    let process = ProcessId { tgid: Tgid(pid), start: StartTime(u64::from(pid) * 10) };
    Observation::Exit { process, time: WallClock(9) }
}

fn view(ledger: &mut Ledger) -> LiveView {
    let view = ledger.publish(WallClock(10));
    for summary in view.living.iter().chain(view.ended.iter()) {
        assert_eq!(
            summary.books.balance(),
            i128::from(summary.virtual_bytes),
            "books of {:?} balance",
            summary.process
        );
    }
    view
}

fn applied(observations: &[Observation]) -> LiveView {
    let mut ledger = ledger();
    for observation in observations {
        ledger.apply(observation);
    }
    view(&mut ledger)
}

#[test]
fn a_munmap_of_nothing_releases_nothing() {
    let view = applied(&[
        Observation::Snapshot(state(7, 1, 10)),
        mmap(7, 1, 5000, 12),
        munmap(7, 1, 1 << 40, 12),
        munmap(7, 1, 8192, 10),
    ]);
    let process = view.process(Tgid(7)).unwrap();
    assert_eq!(process.books.granted_bytes, 8192);
    assert_eq!(process.books.released_bytes, 8192);
    assert_eq!(process.books.calls[Call::Munmap.index()].count, 2);
    assert_eq!(process.requested_bytes, 8192, "munmap asks for nothing");
}

#[test]
fn a_refused_request_moves_no_byte_and_stays_out_of_the_totals() {
    let view = applied(&[Observation::Snapshot(state(7, 1, 10)), refused_mmap(7, 1, 1 << 62, 10)]);
    let process = view.process(Tgid(7)).unwrap();
    assert_eq!((process.books.granted_bytes, process.requested_bytes, process.books.refused()), (0, 0, 1));
    assert_eq!(view.latest[0].requested_bytes, 1 << 62, "the request itself shows what was asked");
    assert_eq!(view.requested.total_bytes, 0);
}

#[test]
fn a_refusal_beside_a_request_in_flight_leaves_the_change_to_its_owner() {
    let view = applied(&[
        Observation::Snapshot(state(7, 1, 10)),
        refused_mmap(7, 1, PAGE, 12),
        mmap(7, 1, 2 * PAGE, 12),
    ]);
    let process = view.process(Tgid(7)).unwrap();
    assert_eq!((process.books.granted_bytes, process.books.unexplained_bytes), (2 * PAGE, 0));
}

#[test]
fn brk_is_measured_from_the_break_as_it_was() {
    let brk = |to: u64, now: u64, outcome, pages| {
        let mut request = request(7, 1, Call::Brk, [to, 0, 0, 0, 0], outcome, pages);
        request.brk = now;
        Observation::Request(request)
    };
    let view = applied(&[
        Observation::Snapshot(state(7, 1, 10)),
        brk(0, 0x10_0000, Outcome::Granted(0x10_0000), 10),
        brk(0x10_3000, 0x10_3000, Outcome::Granted(0x10_3000), 13),
        brk(0x10_1000, 0x10_1000, Outcome::Granted(0x10_1000), 11),
        brk(0x20_1000, 0x10_1000, Outcome::Refused(Errno::ENOMEM), 11),
    ]);
    let sizes: Vec<_> =
        view.latest.iter().map(|booked| (booked.requested_bytes, booked.delta_bytes)).collect();
    assert_eq!(sizes, [(0, 0), (0x3000, 0x3000), (0x2000, -0x2000), (0x10_0000, 0)]);
    let process = view.process(Tgid(7)).unwrap();
    assert_eq!(process.requested_bytes, 0x3000, "only growth asks");
}

#[test]
fn fork_copies_exec_replaces_exit_gives_back() {
    let mut ledger = ledger();
    ledger.apply(&Observation::Snapshot(state(7, 1, 10)));
    ledger.apply(&Observation::Fork(ProcessState { parent: Tgid(7), ..state(8, 2, 9) }));
    ledger.apply(&mmap(8, 2, PAGE, 10));
    let mut image = state(8, 3, 4);
    image.name = Comm::new(b"other");
    ledger.apply(&Observation::Exec(image));
    let now = view(&mut ledger);
    let child = now.process(Tgid(8)).unwrap();
    assert_eq!((child.books.opening_bytes, child.books.exec_bytes), (9 * PAGE, -(6 * PAGE as i64)));
    assert_eq!((child.name.to_text().as_str(), child.parent), ("other", Tgid(7)));
    ledger.apply(&exit(8));
    let now = view(&mut ledger);
    let child = now.process(Tgid(8)).unwrap();
    assert_eq!((child.virtual_bytes, child.books.ended_bytes), (0, 4 * PAGE));
    assert!(child.ended_at.is_some());
}

#[test]
fn a_vfork_child_shares_the_space_until_its_exec() {
    let mut ledger = ledger();
    ledger.apply(&Observation::Snapshot(state(7, 1, 10)));
    ledger.apply(&Observation::Fork(ProcessState { parent: Tgid(7), ..state(8, 1, 10) }));
    ledger.apply(&mmap(8, 1, PAGE, 11));
    ledger.apply(&Observation::Exec(state(8, 2, 3)));
    ledger.apply(&mmap(7, 1, PAGE, 12));
    let now = view(&mut ledger);
    let parent = now.process(Tgid(7)).unwrap();
    assert_eq!((parent.books.shared_bytes, parent.books.granted_bytes), (4096, 4096));
    assert_eq!(now.process(Tgid(8)).unwrap().virtual_bytes, 3 * PAGE);
}

#[test]
fn a_reused_pid_is_another_process() {
    let mut ledger = ledger();
    ledger.apply(&Observation::Snapshot(state(7, 1, 10)));
    ledger.apply(&mmap(7, 1, PAGE, 11));
    let mut second = state(7, 2, 5);
    second.start = StartTime(99);
    ledger.apply(&Observation::Fork(second));
    ledger.apply(&exit(7));
    let now = view(&mut ledger);
    let living = now.process(Tgid(7)).unwrap();
    assert_eq!(
        (living.books.requests(), living.virtual_bytes),
        (0, 5 * PAGE),
        "the late exit is the first one's"
    );
    assert_eq!(now.ended.len(), 1);
}

#[test]
fn what_a_reading_finds_is_unexplained_only_when_it_stays() {
    let mut ledger = ledger();
    ledger.apply(&Observation::Snapshot(state(7, 1, 10)));
    ledger.apply(&Observation::Snapshot(state(7, 1, 14)));
    assert_eq!(view(&mut ledger).totals.unexplained_bytes, 0, "it may be in flight");
    ledger.apply(&mmap(7, 1, 4 * PAGE, 14));
    assert_eq!(view(&mut ledger).process(Tgid(7)).unwrap().books.granted_bytes, 4 * PAGE, "and it was");
    ledger.apply(&Observation::Snapshot(state(7, 1, 16)));
    ledger.apply(&Observation::Snapshot(state(7, 1, 16)));
    assert_eq!(view(&mut ledger).totals.unexplained_bytes, 2 * PAGE);
}

#[test]
fn without_requests_each_reading_reopens_the_books() {
    let mut ledger = ledger();
    for pages in [10, 14, 12] {
        ledger.apply(&Observation::Snapshot(ProcessState { followed: false, ..state(7, 7, pages) }));
        let now = view(&mut ledger);
        assert_eq!(now.process(Tgid(7)).unwrap().virtual_bytes, pages * PAGE);
        assert_eq!(now.totals.unexplained_bytes, 0);
    }
}

#[test]
fn stack_growth_is_its_own_cause() {
    let mut ledger = ledger();
    ledger.apply(&Observation::Snapshot(state(7, 1, 10)));
    let mut grown = request(7, 1, Call::Mmap, [0, PAGE, 3, 0x22, 0], Outcome::Granted(0), 14);
    grown.stack_bytes = 4 * PAGE;
    ledger.apply(&Observation::Request(grown));
    let now = view(&mut ledger);
    let process = now.process(Tgid(7)).unwrap();
    assert_eq!((process.books.stack_bytes, process.books.granted_bytes), (3 * PAGE as i64, PAGE));
}

#[test]
fn requests_of_unknown_processes_are_lost_only_after_the_opening() {
    let mut ledger = ledger();
    ledger.apply(&mmap(7, 1, PAGE, 1));
    ledger.apply(&Observation::Opened);
    assert!(view(&mut ledger).totals.lost.is_empty());
    ledger.apply(&mmap(7, 1, PAGE, 1));
    assert_eq!(view(&mut ledger).totals.lost.get(&LossCause::UnknownProcess), Some(&1));
}

#[test]
fn everything_kept_is_bounded() {
    let mut ledger = ledger();
    for pid in 1..3000_u32 {
        let mut born = state(pid, u64::from(pid), 10);
        born.name = Comm::new(format!("p{pid}").as_bytes());
        ledger.apply(&Observation::Fork(born));
        ledger.apply(&mmap(pid, u64::from(pid), PAGE, 11));
        ledger.apply(&exit(pid));
    }
    let now = view(&mut ledger);
    assert_eq!((now.latest.len(), now.fresh, now.skipped), (1000, 1000, 1999));
    assert_eq!((now.ended.len(), now.living.len()), (1000, 0));
    assert!(now.changed.len() <= 1000);
}

/// What a random process may do next.
#[derive(Debug, Clone)]
enum Step {
    Map(u64),
    Unmap(u64),
    Refused(u64),
    Read,
    Exec(u64),
    Stack(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..1000_u64).prop_map(Step::Map),
        (0..1000_u64).prop_map(Step::Unmap),
        any::<u64>().prop_map(Step::Refused),
        Just(Step::Read),
        (1..500_u64).prop_map(Step::Exec),
        (1..50_u64).prop_map(Step::Stack),
    ]
}

/// The stream of one process that the kernel would tell of: the true sizes are kept here, apart from the ledger.
fn stream(pid: u32, steps: &[Step]) -> (Vec<Observation>, u64) {
    let (mut pages, mut stack, mut space) = (100, 1, u64::from(pid) << 32);
    let mut observations = vec![Observation::Snapshot(state(pid, space, pages))];
    for step in steps {
        match step {
            Step::Map(count) => {
                pages += count;
                observations.push(with_stack(mmap(pid, space, count * PAGE, pages), stack));
            }
            Step::Unmap(count) => {
                pages -= (*count).min(pages - stack - 1);
                observations.push(with_stack(munmap(pid, space, count * PAGE, pages), stack));
            }
            Step::Refused(length) => {
                observations.push(with_stack(refused_mmap(pid, space, *length, pages), stack))
            }
            Step::Stack(count) => {
                pages += count;
                stack += count;
            }
            Step::Read | Step::Exec(_) => {
                if let Step::Exec(count) = step {
                    (pages, stack, space) = (count + 1, 1, space + 1);
                }
                let now = ProcessState { stack_bytes: stack * PAGE, ..state(pid, space, pages) };
                observations.push(match step {
                    Step::Exec(_) => Observation::Exec(now),
                    _ => Observation::Snapshot(now),
                });
            }
        }
    }
    let now = ProcessState { stack_bytes: stack * PAGE, ..state(pid, space, pages) };
    observations.push(Observation::Snapshot(now));
    (observations, pages * PAGE)
}

fn with_stack(observation: Observation, pages: u64) -> Observation {
    match observation {
        Observation::Request(request) => {
            Observation::Request(MemoryRequest { stack_bytes: pages * PAGE, ..request })
        }
        other => other,
    }
}

proptest! {
    #[test]
    fn the_order_across_processes_does_not_matter(
        streams in prop::collection::vec(prop::collection::vec(step(), 0..30), 1..5),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let streams: Vec<_> = (1_u32..).zip(&streams).map(|(pid, steps)| stream(pid, steps)).collect();
        let in_turn: Vec<_> = streams.iter().flat_map(|(stream, _)| stream.clone()).collect();
        let one = applied(&in_turn);
        let other = applied(&shuffled(&streams, &picks));
        prop_assert_eq!(&one.living, &other.living);
        prop_assert_eq!(&one.requested, &other.requested);
        prop_assert_eq!(one.totals, other.totals);
        for (summary, (_, true_bytes)) in one.living.iter().zip(&streams) {
            prop_assert_eq!(summary.virtual_bytes, *true_bytes);
            prop_assert_eq!(summary.books.unexplained_bytes, 0);
        }
    }

    #[test]
    fn totals_are_the_sum_of_the_parts(streams in prop::collection::vec(prop::collection::vec(step(), 0..40), 1..6)) {
        let streams: Vec<_> = (1_u32..).zip(&streams).map(|(pid, steps)| stream(pid, steps).0).collect();
        let view = applied(&streams.concat());
        let sum = |measure: fn(&memtap_ledger::Books) -> u64| -> u64 {
            view.living.iter().map(|summary| measure(&summary.books)).sum()
        };
        prop_assert_eq!(view.totals.seen, sum(memtap_ledger::Books::requests));
        prop_assert_eq!(view.totals.refused, sum(memtap_ledger::Books::refused));
        let asked: u64 = view.living.iter().map(|summary| summary.requested_bytes).sum();
        prop_assert_eq!(view.requested.total_bytes, asked);
        let slices: u64 = view.requested.slices.iter().map(|slice| slice.bytes).sum();
        prop_assert_eq!(slices + view.requested.other_bytes, asked);
    }

    #[test]
    fn refused_requests_move_no_byte(steps in prop::collection::vec(step(), 0..40)) {
        let without: Vec<_> = steps.iter().filter(|step| !matches!(step, Step::Refused(_))).cloned().collect();
        let with = applied(&stream(1, &steps).0);
        let without = applied(&stream(1, &without).0);
        let books = |view: &LiveView| {
            let summary = view.process(Tgid(1)).unwrap();
            (summary.virtual_bytes, summary.books.granted_bytes, summary.books.released_bytes, summary.requested_bytes)
        };
        prop_assert_eq!(books(&with), books(&without));
    }
}

/// The streams merged by `picks`, each in its own order.
fn shuffled(streams: &[(Vec<Observation>, u64)], picks: &[prop::sample::Index]) -> Vec<Observation> {
    let mut rest: Vec<_> = streams.iter().map(|(stream, _)| stream.iter().cloned().peekable()).collect();
    let mut merged = Vec::new();
    let mut picks = picks.iter().cycle();
    while rest.iter_mut().any(|stream| stream.peek().is_some()) {
        let mut open: Vec<_> =
            rest.iter_mut().filter_map(|stream| stream.peek().is_some().then_some(stream)).collect();
        let index = picks.next().map_or(0, |pick| pick.index(open.len()));
        merged.extend(open[index].next());
    }
    merged
}
