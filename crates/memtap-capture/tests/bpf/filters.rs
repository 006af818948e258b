//! Whom and what a filter leaves out.

use super::*;

fn told_of(observation: &Observation) -> Option<Tgid> {
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
fn of_processes_that_are_not_watched_nothing_comes_and_nothing_is_lost() {
    const PAIRS: u64 = 10_000;
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in plans() {
        let mut watched = shell();
        let pid = Tgid(watched.id());
        let filter = Filter { pids: vec![pid], ..Filter::default() };
        // Less than this process will make.
        let mut source = bpf(&Settings { filter, ring_requests: Some(64 << 10), ..with_plan(plan) });
        assert!(read_all(source.as_mut()).iter().any(|one| told_of(one) == Some(pid)));
        for _ in 0..PAIRS {
            unmap(map(7 * 4096), 7 * 4096);
        }
        tell(&mut watched, "/bin/true");
        let all = read_all(source.as_mut());
        assert!(all.iter().filter_map(told_of).all(|told| told == pid), "nobody else, the child neither");
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
fn descendants_are_followed_that_live_and_that_are_born() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let mut watched = shell();
    // A child that is there already.
    tell(&mut watched, "sleep 1000 &");
    let filter = Filter { pids: vec![Tgid(watched.id())], follow: true, ..Filter::default() };
    let mut source = bpf(&Settings { filter, ..Settings::default() });
    assert_eq!(states(&read_all(source.as_mut())).count(), 1 + descendants(watched.id()));
    tell(&mut watched, "sh -c '/bin/true; /bin/true; :'");
    let all = read_all(source.as_mut());
    let born: Vec<Tgid> = all
        .iter()
        .filter_map(|one| match one {
            Observation::Fork(state) => Some(state.tgid),
            _ => None,
        })
        .collect();
    assert_eq!(born.len(), 3, "a shell and what it ran twice");
    let asked = |pid: &Tgid| {
        all.iter().any(|one| matches!(one, Observation::Request(request) if request.tgid == *pid))
    };
    let ended =
        |pid: &Tgid| all.iter().any(|one| matches!(one, Observation::Exit(state) if state.tgid == *pid));
    assert!(born.iter().all(|pid| asked(pid) && ended(pid)));
    tell(&mut watched, "kill $!");
    end(watched);
}

#[test]
fn processes_are_chosen_by_a_piece_of_the_names_of_their_threads() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in plans() {
        let (mut first, mut other) = (shell(), shell());
        let pids = |pids: &[&Child]| pids.iter().map(|child| Tgid(child.id())).collect::<Vec<_>>();
        let read = |all: &[Observation]| states(all).map(|state| state.tgid).collect::<Vec<_>>();
        tell(&mut first, "echo my-Piece > /proc/$$/comm");
        let filter = Filter { name_part: Some("PIECE".to_owned()), ..Filter::default() };
        let mut source = bpf(&Settings { filter, ..with_plan(plan) });
        assert_eq!(read(&read_all(source.as_mut())), pids(&[&first]), "{plan:?}");
        // Born with the name, which its exec then takes from it.
        tell(&mut first, "/bin/true");
        tell(&mut other, "/bin/true");
        tell(&mut other, "echo piece > /proc/$$/comm");
        let all = read_all(source.as_mut());
        let births = all.iter().filter(|one| matches!(one, Observation::Fork(_))).count();
        assert_eq!(births, 1, "{all:?}");
        assert!(!all.iter().any(|one| matches!(one, Observation::Exec(_) | Observation::Exit(_))), "{all:?}");
        let mut both = pids(&[&first, &other]);
        both.sort_unstable();
        let mut found = read(&read_all(source.as_mut()));
        found.sort_unstable();
        assert_eq!(found, both);
        assert_eq!(own_requests(&all).count(), 0, "none of this one's threads has the name");
        let named = std::thread::Builder::new().name("a-piece".to_owned());
        named.spawn(|| unmap(map(123 * 4096), 123 * 4096)).unwrap().join().unwrap();
        let all = read_all(source.as_mut());
        let told = own_requests(&all).filter(|one| one.requested_bytes == 123 * 4096);
        assert_eq!(told.count(), 2, "{all:?}");
        end(first);
        end(other);
    }
}

/// How many processes descend from one.
fn descendants(pid: u32) -> usize {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children = children.split_whitespace().map(|child| child.parse().unwrap());
    children.map(|child| 1 + descendants(child)).sum()
}

#[test]
fn requests_that_are_not_wanted_are_booked_and_not_told() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let own = vec![Tgid(std::process::id())];
    let told = |filter: Filter| {
        let mut source = bpf(&Settings { filter, ..Settings::default() });
        let before = own_books(&read_all(source.as_mut())).0;
        let address = map(3 * 4096);
        // SAFETY: the range is one that `map` gave and nobody else uses.
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
    let of_own = || Filter { pids: own.clone(), ..Filter::default() };
    let refused = (Call::Mmap, 1 << 38);
    let all = told(of_own());
    for one in [(Call::Mmap, 3), (Call::Mprotect, 3), (Call::Munmap, 3), refused, (Call::Mmap, 5)] {
        assert!(all.contains(&one), "{one:?} in {all:?}");
    }
    let calls = told(Filter { calls: vec![Call::Munmap], ..of_own() });
    assert!(calls.contains(&(Call::Munmap, 3)) && calls.iter().all(|one| one.0 == Call::Munmap), "{calls:?}");
    let large = told(Filter { least_bytes: 5 * 4096, ..of_own() });
    assert!(large.contains(&(Call::Mmap, 5)) && large.iter().all(|one| one.1 >= 5), "{large:?}");
    assert_eq!(told(Filter { refused: true, ..of_own() }), [refused]);
}
