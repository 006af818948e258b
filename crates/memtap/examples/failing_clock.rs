//! A library that is loaded before others (`LD_PRELOAD`): the clock fails some times, in one thread, as soon as a file is there. The standard
//! library panics then. So tests make any thread of the real program panic, and the program has nothing in it for that.
//!
//! `FAILING_CLOCK=THREAD:TIMES:FILE`: the name of the thread, as the kernel has it, how often, and the file. Whatever resolves names of users
//! asks for the time as well, and does not mind; once is enough for a thread that does not.

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

/// The C library's function, as the program finds it.
///
/// # Safety
/// As of the C library's: `time` points to a place for the time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // The one of `Instant`: what asks for others can do without.
    if clock == libc::CLOCK_MONOTONIC && fails_now() {
        // SAFETY: each thread has its own errno.
        unsafe { *libc::__errno_location() = libc::EINVAL };
        return -1;
    }
    // SAFETY: what was given goes on to the kernel as it is.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int }
}

fn fails_now() -> bool {
    let Some(wanted) = WANTED.get_or_init(wanted) else { return false };
    is_named(&wanted.thread) && is_there(&wanted.file) && FAILED.fetch_add(1, Ordering::SeqCst) < wanted.times
}

/// Whether the calling thread has that name.
fn is_named(wanted: &CStr) -> bool {
    let mut name: [c_char; 16] = [0; 16];
    // SAFETY: the kernel writes sixteen bytes there, a zero among them.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    // SAFETY: as above.
    unsafe { CStr::from_ptr(name.as_ptr()) == wanted }
}

fn is_there(file: &CStr) -> bool {
    // SAFETY: the path ends with a zero.
    unsafe { libc::access(file.as_ptr(), libc::F_OK) == 0 }
}

fn wanted() -> Option<Wanted> {
    let wanted = std::env::var("FAILING_CLOCK").ok()?;
    let mut parts = wanted.splitn(3, ':');
    let mut text = || CString::new(parts.next()?).ok();
    let (thread, times, file) = (text()?, text()?, text()?);
    Some(Wanted { thread, times: times.to_str().ok()?.parse().ok()?, file })
}
