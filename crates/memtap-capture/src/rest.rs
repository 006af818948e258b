//! How long the reader rests before it looks into the ring again: the longer, the less comes.

use std::time::Duration;

use crate::Settings;

/// Observations that a rest should bring: enough to be worth the waking, and half of what goes on together.
const WELCOME: usize = 4096;

/// The rests of one reader.
#[derive(Debug)]
pub(crate) struct Rest {
    shortest: Duration,
    longest: Duration,
    last: Duration,
    came: usize,
}

impl Rest {
    /// None is longer than the settings say. A source that may have more than it has room for ends a rest itself.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            shortest: settings.poll,
            longest: settings.rest.max(settings.poll),
            last: settings.poll,
            came: 0,
        }
    }

    /// So many observations were there.
    pub(crate) fn came(&mut self, count: usize) {
        self.came += count;
    }

    /// As long as would bring what is welcome, if it goes on coming as in the last rest; at most twice that one.
    pub(crate) fn next(&mut self) -> Duration {
        let came = std::mem::take(&mut self.came).max(WELCOME / 2);
        self.last = self.last.mul_f64(WELCOME as f64 / came as f64).clamp(self.shortest, self.longest);
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
        let rests = [0, 1, 100, 2000, 0, 0].map(|count| {
            rest.came(count);
            rest.next().as_millis()
        });
        assert_eq!(rests, [2, 4, 8, 16, 20, 20]);
        // In many pieces, as it is taken.
        (0..10).for_each(|_| rest.came(8192));
        assert_eq!(rest.next(), MILLISECOND);
    }

    #[test]
    fn at_a_steady_rate_each_brings_what_is_welcome() {
        for (a_second, expected) in [(10_000.0, 200.0), (100_000.0, 2000.0), (1e6, 4096.0), (3e6, 4096.0)] {
            let mut rest = Rest::of(&Settings::default());
            let mut brings = 0.0;
            for _ in 0..10 {
                brings = rest.next().as_secs_f64() * a_second;
                rest.came(brings as usize);
            }
            assert!((brings - expected).abs() <= 10.0, "{a_second}: {brings}");
        }
    }
}
