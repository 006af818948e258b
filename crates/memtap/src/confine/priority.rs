//! Scheduling priority of memtap's threads. At the default priority they compete with the load that
//! they watch. If all processors are busy, the ring buffer then fills faster than memtap can empty
//! it.

use std::io;

use memtap_capture::{NICE, fix_priority};
use nix::libc;

/// Sets the nice value of the calling thread and of all threads that it starts later. The default
/// is [`NICE`], or the current value if that is lower, for example from a systemd unit. If setting
/// it is not permitted, the log says how to permit it.
pub(super) fn set(nice: Option<i32>) {
    let target = nice.unwrap_or(NICE);
    let present = present();
    if present == target || (nice.is_none() && present < target) {
        return;
    }
    if let Err(error) = renice(target) {
        tracing::warn!(
            "cannot set nice value {target} (it stays {present}): {error}. While all processors are busy, the stream may \
             lose requests. To fix it: {}",
            fix_priority()
        );
    }
}

/// Nice value of the calling thread.
pub(super) fn present() -> i32 {
    // SAFETY: the call reads one number of the calling thread. The result -1 may be an error, which
    // cannot happen here, or a nice value.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

fn renice(nice: i32) -> io::Result<()> {
    // SAFETY: the call changes one number of the calling thread, and no memory.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
