//! How long the reader rests before it looks into the ring again: the longer, the less comes.

use std::time::Duration;

use crate::Settings;

/// Observations that a rest should bring: enough to be worth the waking, and half of what goes on together.
const WELCOME: u32 = 4096;
/// A request in the ring, with the kernel's header.
const RECORD_BYTES: u32 = 120;

/// The rests of one reader.
#[derive(Debug)]
pub(crate) struct Rest {
    shortest: Duration,
    longest: Duration,
    welcome: u32,
    last: Duration,
    came: usize,
}

impl Rest {
    /// None is longer than the settings say, or brings more than a quarter of what requests have of the ring. When suddenly much more comes, the
    /// source ends it.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            shortest: settings.poll,
            longest: settings.rest.max(settings.poll),
            welcome: (settings.request_bytes() / RECORD_BYTES / 4).min(WELCOME),
            last: settings.poll,
            came: 0,
        }
    }

    /// So many observations were there.
    pub(crate) fn came(&mut self, count: usize) {
        self.came += count;
    }

    /// As long as would bring what is welcome, if it goes on coming as it did in the time since the last rest began; at most twice that rest.
    pub(crate) fn next(&mut self, since: Duration) -> Duration {
        let came = std::mem::take(&mut self.came).max(1);
        let wanted = since.mul_f64(f64::from(self.welcome) / came as f64);
        self.last = wanted.min(self.last * 2).clamp(self.shortest, self.longest);
        self.last
    }

    /// While something else than the ring is waited for.
    pub(crate) fn shortest(&self) -> Duration {
        self.shortest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn it_grows_while_little_comes_and_is_short_at_once_when_much_comes() {
        let mut rest = Rest::of(&Settings::default());
        let mut last = MILLISECOND;
        let rests = [0, 1, 100, 2000, 0, 0].map(|count| {
            rest.came(count);
            last = rest.next(last);
            last.as_millis()
        });
        assert_eq!(rests, [2, 4, 8, 16, 20, 20]);
        // In many pieces, as it is taken.
        (0..10).for_each(|_| rest.came(8192));
        assert_eq!(rest.next(last), MILLISECOND);
    }

    #[test]
    fn a_long_one_that_the_source_has_ended_makes_the_next_short() {
        let mut rest = Rest::of(&Settings { rest: 200 * MILLISECOND, ..Settings::default() });
        let last = (0..10).fold(MILLISECOND, |last, _| rest.next(last));
        assert_eq!(last, 200 * MILLISECOND);
        rest.came(26_000);
        assert_eq!(rest.next(25 * MILLISECOND).as_millis(), 3);
    }

    #[test]
    fn at_a_steady_rate_each_brings_what_is_welcome_and_a_small_ring_has_room_for_it() {
        let small = Settings { ring_bytes: 256 << 10, ..Settings::default() };
        for (settings, a_second, expected) in [
            (Settings::default(), 10_000.0, 200.0),
            (Settings::default(), 100_000.0, 2000.0),
            (Settings::default(), 1e6, 4096.0),
            (Settings::default(), 3e6, 4096.0),
            (small, 100_000.0, 409.0),
        ] {
            let mut rest = Rest::of(&settings);
            let mut last = MILLISECOND;
            let mut brings = 0.0;
            for _ in 0..10 {
                last = rest.next(last);
                brings = last.as_secs_f64() * a_second;
                rest.came(brings as usize);
            }
            assert!((brings - expected).abs() <= 10.0, "{a_second}: {brings}");
        }
    }
}
