//! The course of a size over an unknown duration: its maximum in each of a limited number of steps.
//! The steps grow with the duration.

use memtap_model::WallClock;

/// Maximum number of steps.
const STEPS: usize = 240;
/// Initial length of a step, in nanoseconds.
const SHORTEST: i64 = 1_000_000;

#[derive(Debug)]
pub(super) struct Timeline {
    from: WallClock,
    step: i64,
    highest: Vec<u64>,
    now: u64,
}

impl Timeline {
    pub(super) fn new(from: WallClock) -> Self {
        Self { from, step: SHORTEST, highest: Vec::new(), now: 0 }
    }

    /// Records a new size. A time before the last one (the clock was set back) counts as the last.
    pub(super) fn set(&mut self, at: WallClock, size: u64) {
        let steps = |step: i64| usize::try_from((at.0 - self.from.0).max(0) / step).unwrap_or(usize::MAX);
        while steps(self.step) >= STEPS {
            self.step = self.step.saturating_mul(2);
            self.highest = self.highest.chunks(2).map(|two| two.iter().copied().max().unwrap_or(0)).collect();
        }
        let index = steps(self.step).max(self.highest.len().saturating_sub(1));
        // The previous size lasted until now.
        self.highest.resize(index + 1, self.now);
        self.highest[index] = self.highest[index].max(size);
        self.now = size;
    }

    /// Returns the maximum of each step, and the length of a step in seconds.
    pub(super) fn finish(self) -> (Vec<u64>, f64) {
        (self.highest, self.step as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_and_keep_the_highest() {
        let mut timeline = Timeline::new(WallClock(0));
        let ms = |ms: i64| WallClock(ms * 1_000_000);
        timeline.set(ms(0), 10);
        timeline.set(ms(0), 5);
        timeline.set(ms(3), 7);
        timeline.set(ms(2), 6);
        assert_eq!(timeline.highest, [10, 5, 5, 7]);
        timeline.set(ms(10_000), 1);
        let (highest, step_s) = timeline.finish();
        assert_eq!(step_s, 0.064);
        assert!(highest.len() <= STEPS && highest.len() == 10_000 / 64 + 1, "{}", highest.len());
        assert_eq!((highest[0], highest[1], highest[highest.len() - 1]), (10, 6, 6));
    }
}
