//! Exact sums and sizes: with concurrent threads, with a full ring, and with accounts outside the
//! slots.

use super::*;

#[test]
fn concurrent_changes_add_up_to_the_change_of_the_size() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 2_000;
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in plans() {
        let mut source = bpf(&with_plan(plan));
        let (before, _) = own_books(&read_until_quiet(source.as_mut()));
        let stay = |thread: u64| (thread + 1) as usize * 4096;
        std::thread::scope(|scope| {
            let work = |thread: u64| {
                for round in 0..ROUNDS {
                    let length = (1 + (round + thread) % 7) as usize * 4096;
                    unmap(map(length), length);
                }
                map(stay(thread));
            };
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
            // The scope alone does not wait until the threads have released their stacks.
            for thread in threads {
                thread.join().unwrap();
            }
        });
        let all = read_all(source.as_mut());
        let (after, _) = own_books(&all);
        let deltas: i64 = own_requests(&all).map(|request| request.delta_bytes).sum();
        let change = |state: &ProcessState| state.virtual_bytes.unwrap().cast_signed();
        let stack = after.causes.unwrap().stack_bytes - before.causes.unwrap().stack_bytes;
        assert_eq!(deltas + stack, change(&after) - change(&before), "{plan:?}");
        if plan.locks {
            let own = |request: &&MemoryRequest| request.call == Call::Mmap && request.arguments[3] == 0x22;
            let others = own_requests(&all).filter(own);
            let wrong = others
                .filter(|request| request.delta_bytes.unsigned_abs() != request.requested_bytes)
                .count();
            assert_eq!(wrong, 0, "each change is the thread's own");
        }
    }
}

#[test]
fn a_full_ring_loses_requests_but_no_fork_exec_or_exit() {
    const PAIRS: u64 = 10_000;
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in plans() {
        let mut source = bpf(&Settings { ring_requests: Some(64 << 10), ..with_plan(plan) });
        let before = own_books(&read_all(source.as_mut()));
        for _ in 0..PAIRS {
            unmap(map(7 * 4096), 7 * 4096);
        }
        let child = Command::new("/bin/true").spawn().unwrap();
        let pid = Tgid(child.id());
        assert!(child.wait_with_output().unwrap().status.success());
        let all = read_all(source.as_mut());
        let (after, tally) = own_books(&all);
        let received = own_requests(&all).count() as u64;
        let sum = |tally: &Tally| tally.calls.iter().map(|call| call.count).sum::<u64>();
        let made = sum(tally.as_ref().unwrap()) - before.1.as_ref().map_or(0, sum);
        let lost = after.lost - before.0.lost;
        assert!(received < 2 * PAIRS && made >= 2 * PAIRS, "{received} came of {made}");
        assert_eq!(received + lost, made, "every request is in the stream or counted as lost");
        let lost_of_all: u64 = all
            .iter()
            .map(|observation| match observation {
                Observation::Lost { cause: LossCause::RingFull, count } => *count,
                _ => 0,
            })
            .sum();
        assert!(lost_of_all >= lost, "{lost_of_all} of all processes, {lost} of this one");
        let causes = after.causes.unwrap();
        assert_eq!(
            causes.balance(),
            after.virtual_bytes.unwrap().cast_signed(),
            "the books are exact all the same"
        );
        assert!(causes.granted_bytes - before.0.causes.unwrap().granted_bytes >= PAIRS * 7 * 4096);
        let none_lost = |cause| {
            !all.iter().any(|one| matches!(one, Observation::Lost { cause: actual, .. } if *actual == cause))
        };
        assert!(none_lost(LossCause::LifecycleRingFull));
        let forked = all.iter().any(|one| matches!(one, Observation::Fork(state) if state.tgid == pid));
        let executed = all.iter().any(
            |one| matches!(one, Observation::Exec(state) if state.tgid == pid && state.name.bytes() == b"true"),
        );
        let ended = all.iter().any(|one| matches!(one, Observation::Exit(state) if state.tgid == pid));
        assert_eq!((forked, executed, ended), (true, true, true));
    }
}

#[test]
fn a_ring_wakes_the_reader_when_it_fills_and_when_it_is_full() {
    const LONG: Duration = Duration::from_secs(20);
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in plans() {
        let mut source = bpf(&Settings { ring_requests: Some(64 << 10), ..with_plan(plan) });
        read_all(source.as_mut());
        let is_enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_enough.load(Ordering::Relaxed) {
                    unmap(map(4096), 4096);
                }
            });
            let woken = (0..20).all(|_| {
                // Nothing reads the ring in the meantime.
                let begin = Instant::now();
                source.rest(LONG);
                begin.elapsed() < LONG / 2
            });
            is_enough.store(true, Ordering::Relaxed);
            assert!(woken, "{}", plan.name());
        });
        assert!(own_requests(&read_all(source.as_mut())).count() > 100, "and it can still be read");
    }
}

/// Uses more processes than accounts in total, and more than slots at a time. Processes that end
/// must free their accounts, wherever these were.
#[test]
fn accounts_are_opened_and_closed_in_slots_and_outside() {
    const ROUNDS: usize = 5;
    const AT_ONCE: usize = 150;
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    // Kernel threads have no accounts, which leaves spare ones.
    let others = std::fs::read_dir("/proc").unwrap().flatten();
    let others = others.filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit));
    let accounts = (others.count() + 2 * AT_ONCE) as u32;
    for plan in plans() {
        let mut source = bpf(&Settings { accounts, ..with_plan(plan) });
        read_all(source.as_mut());
        for round in 0..ROUNDS {
            let mut shells: Vec<Child> = (0..AT_ONCE).map(|_| shell()).collect();
            shells.iter_mut().for_each(|shell| run_line(shell, ":"));
            let all = read_all(source.as_mut());
            let lost = all.iter().find(|one| matches!(one, Observation::Lost { .. }));
            assert_eq!(lost, None, "{}, {round}", plan.name());
            for pid in shells.iter().map(Child::id) {
                let state = states(&all).filter(|state| state.tgid.0 == pid).last().expect("it is read");
                let causes = state.causes.unwrap_or_else(|| panic!("{pid} has an account, {round}"));
                let now = state.virtual_bytes.map(u64::cast_signed);
                assert_eq!(Some(causes.balance()), now, "{}: {pid}, {round}", plan.name());
            }
            shells.into_iter().for_each(end);
        }
    }
}
