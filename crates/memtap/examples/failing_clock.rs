//! A library that is loaded before others (`LD_PRELOAD`): the clock fails once, in one thread, as soon as a file is there. The standard library
//! panics then. So tests make any thread of the real program panic, and the program has nothing in it for that.
//!
//! `FAILING_CLOCK=THREAD:FILE`: the name of the thread, as the kernel has it, and the file.

use std::ffi::{CStr, CString, c_char, c_int};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use libc::{clockid_t, timespec};

static WANTED: OnceLock<Option<(CString, CString)>> = OnceLock::new();
static HAS_FAILED: AtomicBool = AtomicBool::new(false);

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
    let Some((thread, file)) = WANTED.get_or_init(wanted) else { return false };
    is_named(thread) && is_there(file) && !HAS_FAILED.swap(true, Ordering::SeqCst)
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

fn wanted() -> Option<(CString, CString)> {
    let wanted = std::env::var("FAILING_CLOCK").ok()?;
    let (thread, file) = wanted.split_once(':')?;
    Some((CString::new(thread).ok()?, CString::new(file).ok()?))
}
