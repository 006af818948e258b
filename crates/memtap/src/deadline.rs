//! The bound on the end of `memtap serve`: whatever hangs then, the process is gone soon.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};

use crate::{FAILED, log};

/// From the signal, or the panic, that begins the end.
const WITHIN: Duration = Duration::from_secs(5);

static BEGUN: Mutex<bool> = Mutex::new(false);
static CHANGED: Condvar = Condvar::new();

/// Starts the thread that ends the process when its own end takes too long; it first calls `begin`. The thread is there before anything can
/// go wrong, since there may be none to be had later.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn watch(begin: fn()) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("memtap-end".to_owned());
    let watching = thread.spawn(move || {
        begin();
        let begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
        drop(CHANGED.wait_while(begun, |begun| !*begun));
        std::thread::sleep(WITHIN);
        let seconds = WITHIN.as_secs();
        let what =
            format!("memtap: the shutdown took longer than {seconds} s. Data not written by now is lost\n");
        log::line(what.as_bytes());
        log::flush(Duration::from_millis(100));
        end_now();
    });
    watching.map(drop)
}

/// Begins the time that the end may take.
pub(crate) fn begin() {
    *BEGUN.lock().unwrap_or_else(PoisonError::into_inner) = true;
    CHANGED.notify_all();
}

/// From now on SIGINT and SIGTERM end the process at once. (Their default action would not, where it is the first of a container.)
pub(crate) fn end_on_next_signal() {
    extern "C" fn end(_signal: libc::c_int) {
        end_now();
    }
    for again in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler calls nothing but _exit, which is safe in a signal's context.
        let _ = unsafe { signal(again, SigHandler::Handler(end)) };
    }
}

/// Ends the process without what a normal end runs first, since that may be what hangs.
fn end_now() {
    // SAFETY: it does not return, and runs no code of this process.
    unsafe { libc::_exit(FAILED.into()) }
}
