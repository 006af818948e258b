//! Contents of request records.

use super::*;

#[test]
fn requests_arrive_with_their_arguments_and_outcomes_from_64_and_32_bit_callers() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for plan in all_plans() {
        let mut source = bpf(&with_plan(plan));
        read_all(source.as_mut());
        let address = map(123_457);
        unmap(address, 123_457);
        assert_eq!(map(1 << 50), libc::MAP_FAILED);
        let nothing = munmap_by_the_32_bit_entry(0x7000_0000, 5 * 4096);
        assert_eq!(nothing, 0, "nothing is mapped there, which is no error");
        let all = read_all(source.as_mut());
        let find = |call: Call, length: u64| {
            own_requests(&all).find(|one| one.call == call && one.arguments[1] == length)
        };
        let mapped = find(Call::Mmap, 123_457).unwrap();
        assert_eq!(mapped.outcome, Outcome::Granted(address as u64));
        assert_eq!((mapped.requested_bytes, mapped.delta_bytes), (126_976, 126_976), "{plan:?}");
        assert_eq!((mapped.arguments[2], mapped.arguments[3]), (3, 0x22));
        assert_ne!(mapped.tid.0, mapped.tgid.0, "a test runs in a thread of its own");
        let unmapped = find(Call::Munmap, 123_457).unwrap();
        assert_eq!((unmapped.outcome, unmapped.arguments[0]), (Outcome::Granted(0), address as u64));
        assert_eq!(unmapped.delta_bytes, -126_976);
        let refused = find(Call::Mmap, 1 << 50).unwrap();
        assert_eq!((refused.outcome, refused.delta_bytes), (Outcome::Refused(Errno::ENOMEM), 0));
        let compat = find(Call::Munmap, 5 * 4096).expect("the 32-bit entry is followed too");
        assert_eq!((compat.arguments[0], compat.outcome), (0x7000_0000, Outcome::Granted(0)));
        let (_, tally) = own_books(&all);
        let refusals = tally.expect("requests were made").refusals;
        assert!(
            refusals.iter().any(|one| (one.call, one.errno) == (Call::Mmap, Errno::ENOMEM)),
            "{refusals:?}"
        );
    }
}

/// Calls munmap by `int 0x80`, like a 32-bit program.
fn munmap_by_the_32_bit_entry(address: u32, length: u32) -> i64 {
    let result: i64;
    // SAFETY: unmaps a range below 4 GiB, where this position-independent program has no mappings;
    // rbx is restored.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {address}", "int 0x80", "xchg rbx, {address}",
            address = inout(reg) u64::from(address) => _,
            inlateout("rax") 91_i64 => result,
            in("rcx") u64::from(length),
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result
}

#[test]
fn other_calls_are_followed_with_their_flags_and_file_names() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let mut source = bpf(&Settings::default());
    read_all(source.as_mut());
    let length = 9 * 4096;
    let address = map(length);
    let path = std::env::current_exe().unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
    // SAFETY: the range is from `map`, and nothing else uses it. The file is mapped privately and
    // unmapped. The segment belongs to this test; it is attached once, detached and marked for
    // removal.
    unsafe {
        assert_eq!(libc::mprotect(address, length, libc::PROT_READ), 0);
        assert_eq!(libc::madvise(address, length, libc::MADV_DONTNEED), 0);
        assert_eq!(libc::mlock(address, length), 0);
        assert_eq!(libc::munlock(address, length), 0);
        let mapped =
            libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_PRIVATE, descriptor, 0);
        assert_ne!(mapped, libc::MAP_FAILED);
        libc::munmap(mapped, 4096);
        let segment = libc::shmget(libc::IPC_PRIVATE, 11 * 4096, 0o600);
        assert!(segment >= 0);
        let attached = libc::shmat(segment, std::ptr::null(), 0);
        assert_eq!(libc::shmdt(attached), 0);
        libc::shmctl(segment, libc::IPC_RMID, std::ptr::null_mut());
    }
    unmap(address, length);
    let all = read_all(source.as_mut());
    let find = |call: Call| own_requests(&all).filter(move |request| request.call == call);
    let in_range =
        |call: Call| find(call).find(|request| request.arguments[0] == address as u64).expect("it is told");
    for (call, words) in [
        (Call::Mprotect, "PROT_READ"),
        (Call::Madvise, "MADV_DONTNEED"),
        (Call::Mlock, ""),
        (Call::Munlock, ""),
    ] {
        let request = in_range(call);
        assert_eq!((request.requested_bytes, request.delta_bytes), (length as u64, 0), "{call:?}");
        let (protection, flags) = call.words(&request.arguments);
        assert_eq!(call.describe(protection, flags), words);
    }
    let name = path.file_name().unwrap().to_str().unwrap();
    let mapped = find(Call::Mmap).find(|request| request.arguments[4] == descriptor as u64).unwrap();
    assert_eq!(mapped.file.as_deref(), Some(&name[..name.len().min(63)]));
    let attached = find(Call::Shmat).next().unwrap();
    assert_eq!((attached.requested_bytes, attached.delta_bytes), (11 * 4096, 11 * 4096));
    assert_eq!(find(Call::Shmdt).next().unwrap().delta_bytes, -11 * 4096);
}

/// Returns the differences in nanoseconds between the times of requests that this process makes as
/// fast as it can.
fn times_apart(exact_times: bool, pause: std::time::Duration) -> Vec<i64> {
    const PAIRS: usize = 200;
    let mut source = bpf(&Settings { exact_times, ..Settings::default() });
    read_until_quiet(source.as_mut());
    for _ in 0..PAIRS {
        unmap(map(4096), 4096);
        std::thread::sleep(pause);
    }
    let all = read_all(source.as_mut());
    let times: Vec<i64> = own_requests(&all).map(|request| request.time.0).collect();
    assert!(times.len() >= 2 * PAIRS, "{}", times.len());
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn requests_have_their_own_times_if_wanted_and_otherwise_share_them_with_few() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let at_once = std::time::Duration::ZERO;
    assert!(times_apart(true, at_once).iter().all(|step| *step > 0));
    let steps = times_apart(false, at_once);
    assert!(steps.iter().all(|step| *step >= 0), "time goes forward");
    let own = steps.iter().filter(|step| **step > 0).count();
    assert!(own >= steps.len() / 16 && own < steps.len() / 2, "{own} of {}", steps.len());
    // At intervals of at least a timer tick, each pair has its own time.
    let apart = times_apart(false, std::time::Duration::from_millis(12));
    let own = apart.iter().filter(|step| **step > 10_000_000).count();
    assert!(own >= 199, "{own} of {}", apart.len());
}
