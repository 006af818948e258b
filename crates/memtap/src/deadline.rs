//! Time limit for the shutdown of `memtap serve`: the process exits even if something hangs.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};

use crate::{FAILED, log};

/// Time limit after the signal or panic that starts the shutdown.
const WITHIN: Duration = Duration::from_secs(5);

static BEGUN: Mutex<bool> = Mutex::new(false);
static CHANGED: Condvar = Condvar::new();

/// Starts the thread that ends the process when the shutdown takes too long. The thread calls
/// `begin` first. It starts early, because later the system may have no thread available.
///
///  # Errors
///  If the system cannot start a thread.
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

/// Starts the time limit of the shutdown.
pub(crate) fn begin() {
    *BEGUN.lock().unwrap_or_else(PoisonError::into_inner) = true;
    CHANGED.notify_all();
}

/// Makes further SIGINT and SIGTERM end the process at once. Their default action does not do this
/// for the first process of a container.
pub(crate) fn end_on_next_signal() {
    extern "C" fn end(_signal: libc::c_int) {
        end_now();
    }
    for again in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler calls only _exit, which is async-signal-safe.
        let _ = unsafe { signal(again, SigHandler::Handler(end)) };
    }
}

/// Ends the process without running exit handlers, since these may be what hangs.
fn end_now() {
    // SAFETY: the call does not return and runs no code of this process.
    unsafe { libc::_exit(FAILED.into()) }
}
