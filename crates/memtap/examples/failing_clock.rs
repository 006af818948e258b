//! A library for LD_PRELOAD that makes the clock fail a number of times in one thread, once a file
//! exists. The Rust standard library then panics. Thus tests can make any thread of the real
//! program panic without test code in the program.
//!
//! `FAILING_CLOCK=THREAD:TIMES:FILE`: the thread's name as the kernel shows it, the number of
//! failures, and the file. Code that resolves user names also reads the clock but ignores failures,
//! so a thread that resolves names needs more than one.

use std::ffi::{CStr, CString, c_char, c_int};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{clockid_t, timespec};

static WANTED: OnceLock<Option<Wanted>> = OnceLock::new();
static FAILED: AtomicU32 = AtomicU32::new(0);

struct Wanted {
    thread: CString,
    times: u32,
    file: CString,
}

/// Replaces the C library's function.
///
///  # Safety
///  As for the C library's function: `time` must point to a writable `timespec`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // `Instant` uses this clock. Callers of other clocks tolerate failures.
    if clock == libc::CLOCK_MONOTONIC && fails_now() {
        // SAFETY: each thread has its own errno.
        unsafe { *libc::__errno_location() = libc::EINVAL };
        return -1;
    }
    // SAFETY: the arguments are passed to the kernel unchanged.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int }
}

fn fails_now() -> bool {
    let Some(wanted) = WANTED.get_or_init(from_environment) else { return false };
    is_named(&wanted.thread) && is_there(&wanted.file) && FAILED.fetch_add(1, Ordering::SeqCst) < wanted.times
}

/// Returns whether the calling thread has this name.
fn is_named(wanted: &CStr) -> bool {
    let mut name: [c_char; 16] = [0; 16];
    // SAFETY: the kernel writes at most sixteen bytes, including a terminating zero.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    // SAFETY: as above.
    unsafe { CStr::from_ptr(name.as_ptr()) == wanted }
}

fn is_there(file: &CStr) -> bool {
    // SAFETY: the path ends with a zero.
    unsafe { libc::access(file.as_ptr(), libc::F_OK) == 0 }
}

fn from_environment() -> Option<Wanted> {
    let wanted = std::env::var("FAILING_CLOCK").ok()?;
    let mut parts = wanted.splitn(3, ':');
    let mut text = || CString::new(parts.next()?).ok();
    let (thread, times, file) = (text()?, text()?, text()?);
    Some(Wanted { thread, times: times.to_str().ok()?.parse().ok()?, file })
}
