//! Processes and requests that a filter excludes.

use super::*;

fn process_of(observation: &Observation) -> Option<Tgid> {
    match observation {
        Observation::Request(request) => Some(request.tgid),
        Observation::Tally(tally) => Some(tally.process.tgid),
        Observation::Snapshot(state)
        | Observation::Fork(state)
        | Observation::Exec(state)
        | Observation::Exit(state) => Some(state.tgid),
        Observation::Rename { tgid, .. } => Some(*tgid),
        Observation::Details(details) => Some(details.process.tgid),
        _ => None,
    }
}

#[test]
fn unwatched_processes_send_and_lose_nothing() {
    const PAIRS: u64 = 10_000;
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in plans() {
        let mut watched = shell();
        let pid = Tgid(watched.id());
        let filter = Filter { pids: vec![pid], ..Filter::default() };
        // The ring has less space than this process would need.
        let mut source = bpf(&Settings { filter, ring_requests: Some(64 << 10), ..with_plan(plan) });
        assert!(read_all(source.as_mut()).iter().any(|one| process_of(one) == Some(pid)));
        for _ in 0..PAIRS {
            unmap(map(7 * 4096), 7 * 4096);
        }
        run_line(&mut watched, "/bin/true");
        let all = read_all(source.as_mut());
        assert!(
            all.iter().filter_map(process_of).all(|process| process == pid),
            "nobody else, the child neither"
        );
        assert!(!all.iter().any(|one| matches!(one, Observation::Lost { .. })));
        let state = *states(&all).next().expect("its reading is told");
        assert_eq!(state.causes.unwrap().balance(), state.virtual_bytes.unwrap().cast_signed(), "{plan:?}");
        end(watched);
        let all = read_all(source.as_mut());
        assert!(all.iter().any(|one| matches!(one, Observation::Exit(state) if state.tgid == pid)));
        assert!(states(&all).next().is_none(), "nobody is left");
    }
}

#[test]
fn existing_and_future_descendants_are_followed() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let mut watched = shell();
    // A child that exists already.
    run_line(&mut watched, "sleep 1000 &");
    let filter = Filter { pids: vec![Tgid(watched.id())], follow: true, ..Filter::default() };
    let mut source = bpf(&Settings { filter, ..Settings::default() });
    assert_eq!(states(&read_all(source.as_mut())).count(), 1 + descendants(watched.id()));
    run_line(&mut watched, "sh -c '/bin/true; /bin/true; :'");
    let all = read_all(source.as_mut());
    let born: Vec<Tgid> = all
        .iter()
        .filter_map(|one| match one {
            Observation::Fork(state) => Some(state.tgid),
            _ => None,
        })
        .collect();
    assert_eq!(born.len(), 3, "a shell and what it ran twice");
    let requested = |pid: &Tgid| {
        all.iter().any(|one| matches!(one, Observation::Request(request) if request.tgid == *pid))
    };
    let ended =
        |pid: &Tgid| all.iter().any(|one| matches!(one, Observation::Exit(state) if state.tgid == *pid));
    assert!(born.iter().all(|pid| requested(pid) && ended(pid)));
    run_line(&mut watched, "kill $!");
    end(watched);
}

#[test]
fn processes_are_selected_by_parts_of_their_threads_names() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in plans() {
        let (mut first, mut other) = (shell(), shell());
        let pids = |pids: &[&Child]| pids.iter().map(|child| Tgid(child.id())).collect::<Vec<_>>();
        let read = |all: &[Observation]| states(all).map(|state| state.tgid).collect::<Vec<_>>();
        run_line(&mut first, "echo my-Piece > /proc/$$/comm");
        let filter = Filter { name_part: Some("PIECE".to_owned()), ..Filter::default() };
        let mut source = bpf(&Settings { filter, ..with_plan(plan) });
        assert_eq!(read(&read_all(source.as_mut())), pids(&[&first]), "{plan:?}");
        // A child has the name until its exec changes it.
        run_line(&mut first, "/bin/true");
        run_line(&mut other, "/bin/true");
        run_line(&mut other, "echo piece > /proc/$$/comm");
        let all = read_all(source.as_mut());
        let births = all.iter().filter(|one| matches!(one, Observation::Fork(_))).count();
        assert_eq!(births, 1, "{all:?}");
        assert!(!all.iter().any(|one| matches!(one, Observation::Exec(_) | Observation::Exit(_))), "{all:?}");
        let mut both = pids(&[&first, &other]);
        both.sort_unstable();
        let mut actual = read(&read_all(source.as_mut()));
        actual.sort_unstable();
        assert_eq!(actual, both);
        assert_eq!(own_requests(&all).count(), 0, "none of this one's threads has the name");
        let named = std::thread::Builder::new().name("a-piece".to_owned());
        named.spawn(|| unmap(map(123 * 4096), 123 * 4096)).unwrap().join().unwrap();
        let all = read_all(source.as_mut());
        let reported = own_requests(&all).filter(|one| one.requested_bytes == 123 * 4096);
        assert_eq!(reported.count(), 2, "{all:?}");
        end(first);
        end(other);
    }
}

/// Number of descendants of a process.
fn descendants(pid: u32) -> usize {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children = children.split_whitespace().map(|child| child.parse().unwrap());
    children.map(|child| 1 + descendants(child)).sum()
}

#[test]
fn filtered_requests_are_booked_but_not_reported() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let own = vec![Tgid(std::process::id())];
    let reported = |filter: Filter| {
        let mut source = bpf(&Settings { filter, ..Settings::default() });
        let before = own_books(&read_all(source.as_mut())).0;
        let address = map(3 * 4096);
        // SAFETY: the range is from `map`, and nothing else uses it.
        assert_eq!(unsafe { libc::mprotect(address, 3 * 4096, libc::PROT_READ) }, 0);
        unmap(address, 3 * 4096);
        assert_eq!(map(1 << 50), libc::MAP_FAILED);
        let stays = map(5 * 4096);
        let all = read_all(source.as_mut());
        let after = own_books(&all).0;
        unmap(stays, 5 * 4096);
        assert_eq!(after.causes.unwrap().balance(), after.virtual_bytes.unwrap().cast_signed());
        assert_eq!(after.lost, before.lost, "what is not wanted is not lost");
        let own = own_requests(&all).filter(|one| one.tid.0 != one.tgid.0);
        own.map(|one| (one.call, one.requested_bytes / 4096)).collect::<Vec<_>>()
    };
    let own_filter = || Filter { pids: own.clone(), ..Filter::default() };
    let refused = (Call::Mmap, 1 << 38);
    let all = reported(own_filter());
    for one in [(Call::Mmap, 3), (Call::Mprotect, 3), (Call::Munmap, 3), refused, (Call::Mmap, 5)] {
        assert!(all.contains(&one), "{one:?} in {all:?}");
    }
    let calls = reported(Filter { calls: vec![Call::Munmap], ..own_filter() });
    assert!(calls.contains(&(Call::Munmap, 3)) && calls.iter().all(|one| one.0 == Call::Munmap), "{calls:?}");
    let large = reported(Filter { least_bytes: 5 * 4096, ..own_filter() });
    assert!(large.contains(&(Call::Mmap, 5)) && large.iter().all(|one| one.1 >= 5), "{large:?}");
    assert_eq!(reported(Filter { refused: true, ..own_filter() }), [refused]);
}
