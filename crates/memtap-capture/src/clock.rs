//! Facts about time and units that the kernel gives.

use memtap_model::{StartTime, WallClock};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

/// The wall-clock time now.
pub(crate) fn now() -> WallClock {
    WallClock(nanoseconds(ClockId::CLOCK_REALTIME))
}

/// The wall-clock time at which `CLOCK_BOOTTIME` was zero, by the clocks as they stand now: when the wall clock is set,
/// so is this.
pub(crate) fn boot() -> WallClock {
    WallClock(nanoseconds(ClockId::CLOCK_REALTIME) - nanoseconds(ClockId::CLOCK_BOOTTIME))
}

/// `CLOCK_BOOTTIME` now, in the unit of processes' starts.
pub(crate) fn since_boot() -> StartTime {
    StartTime(nanoseconds(ClockId::CLOCK_BOOTTIME).unsigned_abs())
}

fn nanoseconds(clock: ClockId) -> i64 {
    // Neither clock can fail on Linux (2.6.39 and later have both).
    clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

/// Bytes of a page.
pub(crate) fn page_size() -> Option<u64> {
    sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|bytes| u64::try_from(bytes).ok())
}

/// The unit of times in /proc/PID/stat.
pub(crate) fn ticks_per_second() -> u64 {
    sysconf(SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .and_then(|ticks| u64::try_from(ticks).ok())
        .unwrap_or(100)
        .max(1)
}
