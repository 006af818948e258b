//! Clock that retention uses for ages. The wall clock may be set wrongly, even by days, and data
//! that retention deletes for this reason cannot be restored.

use std::sync::Arc;

use memtap_model::WallClock;
use nix::time::{ClockId, clock_gettime};

/// A changed wall clock is accepted after it has held for this long (a day, in nanoseconds).
const HOLDS: i64 = 86_400 * 1_000_000_000;
/// Changes up to this size are accepted at once (a minute, in nanoseconds): no age needs to be more
/// exact.
const FOLLOWED: i64 = 60 * 1_000_000_000;

/// The machine's clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Wall clock.
    pub wall: WallClock,
    /// `CLOCK_BOOTTIME`, nanoseconds. Nobody can set it, and it includes time in suspend.
    pub since_boot: i64,
}

/// Reads the machine's clocks.
#[derive(Clone)]
pub struct Clocks(Arc<dyn Fn() -> Moment + Send + Sync>);

impl Clocks {
    /// Uses `read` to read the clocks.
    pub fn new(read: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub(crate) fn now(&self) -> Moment {
        (self.0)()
    }
}

impl Default for Clocks {
    fn default() -> Self {
        Self::new(|| Moment {
            wall: WallClock(nanoseconds(ClockId::CLOCK_REALTIME)),
            since_boot: nanoseconds(ClockId::CLOCK_BOOTTIME),
        })
    }
}

impl std::fmt::Debug for Clocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clocks")
    }
}

fn nanoseconds(clock: ClockId) -> i64 {
    // Neither clock can fail on Linux (2.6.39 and later have both).
    clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

/// Time base for ages. It starts at the wall clock and advances with the monotonic clock. A step of
/// the wall clock takes effect only after the new time has held for a day.
pub(crate) struct AgeClock {
    /// Accepted wall-clock time of the boot.
    boot: i64,
    /// A differing wall-clock time of the boot, and the time since boot at which it was first seen.
    other: Option<(i64, i64)>,
}

impl AgeClock {
    pub(crate) fn begin(moment: Moment) -> Self {
        Self { boot: boot(moment), other: None }
    }

    /// Returns the earlier of the accepted time and the wall clock. Data that is too old by only
    /// one of them is kept for now.
    pub(crate) fn now(&mut self, moment: Moment) -> WallClock {
        let boot = boot(moment);
        let is_close = |other: i64| boot.saturating_sub(other).saturating_abs() <= FOLLOWED;
        if is_close(self.boot) {
            (self.boot, self.other) = (boot, None);
        }
        match self.other.filter(|(other, _)| is_close(*other)) {
            Some((_, since)) if moment.since_boot - since >= HOLDS => (self.boot, self.other) = (boot, None),
            Some(_) => {}
            None if boot != self.boot => self.other = Some((boot, moment.since_boot)),
            None => {}
        }
        WallClock(self.boot.saturating_add(moment.since_boot)).min(moment.wall)
    }
}

fn boot(moment: Moment) -> i64 {
    moment.wall.0.saturating_sub(moment.since_boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const DAY: i64 = 86_400 * SECOND;
    const BOOT: i64 = 1_800_000_000 * SECOND;

    /// Reads the clock every ten seconds from `from` to `to` (seconds since boot) while the wall
    /// clock is `ahead` nanoseconds off. Returns by how much the last result is off, in
    /// nanoseconds.
    fn ask(clock: &mut AgeClock, [from, to]: [i64; 2], ahead: i64) -> i64 {
        let mut answer = 0;
        for second in (from..=to).step_by(10) {
            let since_boot = second * SECOND;
            let moment = Moment { wall: WallClock(BOOT + since_boot + ahead), since_boot };
            answer = clock.now(moment).0 - BOOT - since_boot;
        }
        answer
    }

    fn begin() -> AgeClock {
        AgeClock::begin(Moment { wall: WallClock(BOOT), since_boot: 0 })
    }

    #[test]
    fn a_clock_that_is_ahead_for_a_while_does_not_age_data() {
        let mut clock = begin();
        assert_eq!(ask(&mut clock, [0, 100], 0), 0);
        assert_eq!(ask(&mut clock, [110, 120], 8 * DAY), 0);
        assert_eq!(ask(&mut clock, [130, 86_000], 0), 0);
        assert_eq!(ask(&mut clock, [86_010, 86_500], 8 * DAY), 0, "each step begins its own day");
    }

    #[test]
    fn a_corrected_clock_is_accepted_after_a_day() {
        let mut clock = begin();
        let years = 56 * 365 * DAY;
        assert_eq!(ask(&mut clock, [0, 86_390], years), 0);
        assert_eq!(ask(&mut clock, [86_400, 86_410], years), years);
        assert_eq!(ask(&mut clock, [86_420, 86_430], years + 3 * SECOND), years + 3 * SECOND, "drift");
    }

    #[test]
    fn a_clock_set_back_keeps_data_longer_but_not_forever() {
        let mut clock = begin();
        assert_eq!(ask(&mut clock, [0, 100], -8 * DAY), -8 * DAY);
        assert_eq!(ask(&mut clock, [110, 120], 0), 0, "it was right before");
        assert_eq!(ask(&mut clock, [130, 86_530], -8 * DAY), -8 * DAY);
        assert_eq!(ask(&mut clock, [86_540, 86_550], 0), -8 * DAY, "now the earlier time is believed");
    }
}
