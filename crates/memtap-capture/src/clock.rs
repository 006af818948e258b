//! Clocks of the kernel, and its units of time and memory.

use memtap_model::{StartTime, WallClock};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

/// Returns the wall-clock time.
pub(crate) fn now() -> WallClock {
    WallClock(nanoseconds(ClockId::CLOCK_REALTIME))
}

/// If two reads of one clock are at most this many nanoseconds apart, a read of another clock
/// between them counts as simultaneous.
const SIMULTANEOUS: i64 = 100_000;
const TRIES: usize = 5;

/// A change of the wall clock by fewer nanoseconds is not a step. NTP corrects a clock slowly (0.5
/// ms per second). A leap second is shorter than this or smeared over a day.
const STEP: i64 = 1_000_000_000;

/// Returns the wall-clock time at which `CLOCK_BOOTTIME` was zero, by the present clocks: setting
/// the wall clock changes it. If the thread was paused between the reads, it tries again, because
/// the pause would look like a step of the clock.
pub(crate) fn boot() -> WallClock {
    let readings = (0..TRIES).map(|_| {
        let before = nanoseconds(ClockId::CLOCK_BOOTTIME);
        let wall = nanoseconds(ClockId::CLOCK_REALTIME);
        let after = nanoseconds(ClockId::CLOCK_BOOTTIME);
        (after - before, wall - before)
    });
    let mut closest = (i64::MAX, 0);
    for reading in readings {
        closest = closest.min(reading);
        if closest.0 <= SIMULTANEOUS {
            break;
        }
    }
    WallClock(closest.1)
}

/// Returns the nanoseconds by which the wall clock was set between two results of [`boot`]. While
/// the machine is suspended, both clocks advance.
pub(crate) fn step(before: WallClock, now: WallClock) -> Option<i64> {
    let change = now.0.saturating_sub(before.0);
    (change.saturating_abs() >= STEP).then_some(change)
}

/// Returns `CLOCK_BOOTTIME` in the unit of process start times.
pub(crate) fn since_boot() -> StartTime {
    StartTime(nanoseconds(ClockId::CLOCK_BOOTTIME).unsigned_abs())
}

fn nanoseconds(clock: ClockId) -> i64 {
    // Neither clock can fail on Linux (both exist since 2.6.39).
    clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

/// Page size, bytes.
pub(crate) fn page_size() -> Option<u64> {
    sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|bytes| u64::try_from(bytes).ok())
}

/// Ticks per second of the times in /proc/PID/stat.
pub(crate) fn ticks_per_second() -> u64 {
    sysconf(SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .and_then(|ticks| u64::try_from(ticks).ok())
        .unwrap_or(100)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_drifts_does_not_step() {
        let begin = WallClock(1_800_000_000_000_000_000);
        let after = |change: i64| step(begin, WallClock(begin.0 + change));
        for drift in [0, 500_000, -500_000, 999_999_999, -999_999_999] {
            assert_eq!(after(drift), None);
        }
        for set in [1_000_000_000, -1_000_000_000, 3_600_000_000_000, -8 * 86_400_000_000_000] {
            assert_eq!(after(set), Some(set));
        }
        assert_eq!(step(WallClock(i64::MIN), WallClock(i64::MAX)), Some(i64::MAX));
    }

    #[test]
    fn both_clocks_are_read_together() {
        let answers: Vec<i64> = (0..1000).map(|_| boot().0).collect();
        let range = answers.iter().max().unwrap() - answers.iter().min().unwrap();
        assert!(range < STEP / 10, "{range} ns");
    }
}
