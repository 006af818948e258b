//! The scheduling priority of memtap's threads. At the default priority they compete with the load that they watch, and on a machine
//! whose processors are all busy the ring fills faster than they can empty it.

use std::io;

use memtap_capture::{NICE, fix_priority};
use nix::libc;

/// Gives the calling thread, and all threads that it starts from now on, the nice value `nice`. Without one, they get [`NICE`] unless
/// they have a better priority already, as a unit of systemd may give. Where that is not permitted, it logs how to permit it.
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

/// The nice value of the calling thread.
pub(super) fn present() -> i32 {
    // SAFETY: the call reads one number of the calling thread. -1 may be an error, which cannot happen here, or a nice value.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

fn renice(nice: i32) -> io::Result<()> {
    // SAFETY: the call changes one number of the calling thread, and no memory.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
