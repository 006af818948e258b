//! Adaptive sleep of the reader between polls of the ring: the fewer records arrive, the longer it
//! sleeps.

use std::time::Duration;

use crate::Settings;

/// Observations that should be pending after a sleep: enough to justify the wake-up, and half a
/// batch.
const TARGET: u32 = 4096;
/// Size of a request in the ring with the kernel's header.
const RECORD_BYTES: u32 = 120;

/// Length of one reader's sleeps.
#[derive(Debug)]
pub(crate) struct PollInterval {
    shortest: Duration,
    longest: Duration,
    target: u32,
    last: Duration,
    count: usize,
}

impl PollInterval {
    /// Creates the state from the settings. No sleep is longer than they allow, and none should
    /// fill more than a quarter of the requests' part of the ring. If many more records arrive
    /// suddenly, the source wakes the reader.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            shortest: settings.poll,
            longest: settings.rest.max(settings.poll),
            target: (settings.request_bytes() / RECORD_BYTES / 4).min(TARGET),
            last: settings.poll,
            count: 0,
        }
    }

    /// Counts observations that were pending.
    pub(crate) fn record(&mut self, count: usize) {
        self.count += count;
    }

    /// Returns the next sleep, after which the target should be reached if records arrive as fast
    /// as in the time `since` the last sleep began. It is at most twice the last sleep.
    pub(crate) fn next(&mut self, since: Duration) -> Duration {
        let count = std::mem::take(&mut self.count).max(1);
        let needed = since.mul_f64(f64::from(self.target) / count as f64);
        self.last = needed.min(self.last * 2).clamp(self.shortest, self.longest);
        self.last
    }

    /// Returns the shortest sleep, for waiting for something else than the ring.
    pub(crate) fn shortest(&self) -> Duration {
        self.shortest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn it_grows_while_few_records_arrive_and_shrinks_at_once_when_many_arrive() {
        let mut interval = PollInterval::new(&Settings::default());
        let mut last = MILLISECOND;
        let sleeps = [0, 1, 100, 2000, 0, 0].map(|count| {
            interval.record(count);
            last = interval.next(last);
            last.as_millis()
        });
        assert_eq!(sleeps, [2, 4, 8, 16, 20, 20]);
        // In several batches, as the reader polls.
        (0..10).for_each(|_| interval.record(8192));
        assert_eq!(interval.next(last), MILLISECOND);
    }

    #[test]
    fn a_sleep_that_the_source_ends_early_makes_the_next_one_short() {
        let mut interval = PollInterval::new(&Settings { rest: 200 * MILLISECOND, ..Settings::default() });
        let last = (0..10).fold(MILLISECOND, |last, _| interval.next(last));
        assert_eq!(last, 200 * MILLISECOND);
        interval.record(26_000);
        assert_eq!(interval.next(25 * MILLISECOND).as_millis(), 3);
    }

    #[test]
    fn at_a_steady_rate_each_sleep_reaches_the_target_and_fits_a_small_ring() {
        let small = Settings { ring_bytes: 256 << 10, ..Settings::default() };
        for (settings, a_second, expected) in [
            (Settings::default(), 10_000.0, 200.0),
            (Settings::default(), 100_000.0, 2000.0),
            (Settings::default(), 1e6, 4096.0),
            (Settings::default(), 3e6, 4096.0),
            (small, 100_000.0, 409.0),
        ] {
            let mut interval = PollInterval::new(&settings);
            let mut last = MILLISECOND;
            let mut arrived = 0.0;
            for _ in 0..10 {
                last = interval.next(last);
                arrived = last.as_secs_f64() * a_second;
                interval.record(arrived as usize);
            }
            assert!((arrived - expected).abs() <= 10.0, "{a_second}: {arrived}");
        }
    }
}
