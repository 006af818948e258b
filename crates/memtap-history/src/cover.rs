//! Selects the stored steps that cover a range: long steps in the middle and shorter steps at both
//! ends, as far as they are kept.

use std::time::Duration;

use memtap_model::WallClock;

use crate::rows::{ProcessRow, RunRow};
use crate::steps::{STEPS, choose, width};
use crate::{Range, UsageQuery};

/// Number of steps in a range if the query gives no step length. It limits how exact the time of a
/// peak is.
const DEFAULT_STEPS: i64 = 60;
/// Maximum number of steps in a result. Longer steps are used if a query would exceed it.
const MAX_STEPS: i64 = 2_000;

/// Stored steps that cover a range: long steps in the middle and shorter steps at both ends, as far
/// as they are kept.
#[derive(Debug, Clone)]
pub(crate) struct Cover {
    pub(crate) range: Range,
    pub(crate) from_s: i64,
    pub(crate) to_s: i64,
    /// Length of a step in the result, seconds.
    pub(crate) width: i64,
    longest: usize,
    shortest: usize,
}

/// Stored steps of one length: index in [`STEPS`], and the first and last second (exclusive).
pub(crate) type Piece = (usize, [i64; 2]);

impl Cover {
    pub(crate) fn new(range: &Range, step: Duration, now_s: i64) -> Self {
        let (from_s, to_s) =
            (seconds(range.from), seconds(WallClock(range.to.0.saturating_add(999_999_999))));
        let length = to_s.saturating_sub(from_s).max(1);
        let least = length / MAX_STEPS + 1;
        let asked = match step.as_secs() {
            0 => length / DEFAULT_STEPS,
            step => i64::try_from(step).unwrap_or(i64::MAX),
        };
        let asked = asked.max(least);
        // A series uses the nearest stored step, which may be up to 2.5 times as long as requested.
        let nearest = if step.is_zero() { asked } else { asked.saturating_mul(5) / 2 };
        let query = |step: i64| UsageQuery {
            from: range.from,
            step: Duration::from_secs(step.unsigned_abs()),
            ..UsageQuery::default()
        };
        let longest = choose(&query(nearest), now_s);
        let shortest = choose(&query(0), now_s);
        let finest = STEPS[shortest];
        Self {
            range: range.clone(),
            from_s: from_s - from_s.rem_euclid(finest),
            to_s: to_s + (-to_s).rem_euclid(finest),
            width: width(&query(asked), longest),
            longest,
            shortest,
        }
    }

    /// Returns the stored steps to read for a run, in order of time. Two pieces may overlap: in the
    /// overlap, the rows of the longer step do not exist yet.
    pub(crate) fn pieces(&self, run: &RunRow) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.add(run, self.longest, [self.from_s, self.to_s], &mut pieces);
        pieces
    }

    fn add(&self, run: &RunRow, index: usize, [from, to]: [i64; 2], pieces: &mut Vec<Piece>) {
        let step = STEPS[index];
        let (first, last) = (from + (-from).rem_euclid(step), to - to.rem_euclid(step));
        if from >= to {
        } else if index <= self.shortest {
            Self::fill(run, index, [from, to], pieces);
        } else if first >= last {
            self.add(run, index - 1, [from, to], pieces);
        } else {
            self.add(run, index - 1, [from, first], pieces);
            Self::fill(run, index, [first, last], pieces);
            self.add(run, index - 1, [last, to], pieces);
        }
    }

    /// Adds the steps of one length, then shorter ones for the time that is not rolled up yet.
    fn fill(run: &RunRow, index: usize, [from, to]: [i64; 2], pieces: &mut Vec<Piece>) {
        pieces.push((index, [from, to]));
        if let Some(shorter) = index.checked_sub(1) {
            let unmerged = from.max(run.rolled[shorter]);
            if unmerged < to {
                Self::fill(run, shorter, [unmerged, to], pieces);
            }
        }
    }

    /// Start of the result's step that contains this second.
    pub(crate) fn begin(&self, at_s: i64) -> i64 {
        at_s - at_s.rem_euclid(self.width)
    }

    /// Starts of all steps in the result.
    pub(crate) fn steps(&self) -> impl Iterator<Item = i64> {
        let (first, width) = (self.begin(self.from_s), self.width);
        std::iter::successors(Some(first), move |begin| Some(begin + width))
            .take_while(|begin| *begin < self.to_s)
    }

    /// Returns whether the process existed within the range. `watched_s` is the last second with a
    /// sample in its run. A process known only from its requests is included; its requests decide
    /// later.
    pub(crate) fn has(&self, row: &ProcessRow, watched_s: Option<i64>) -> bool {
        let Range { from, to, .. } = self.range;
        let is_over = match (row.ended_at, watched_s) {
            (Some(ended_at), _) => ended_at < from,
            (None, Some(watched_s)) => watched_s < seconds(from),
            (None, None) => false,
        };
        from < to && row.started_at < to && !is_over
    }
}

pub(crate) fn seconds(time: WallClock) -> i64 {
    time.0.div_euclid(1_000_000_000)
}

pub(crate) fn nanoseconds(at_s: i64) -> WallClock {
    WallClock(at_s.saturating_mul(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 2_000_000_000;

    fn cover([from, to]: [i64; 2], step_s: u64) -> Cover {
        let range = Range { host: None, from: nanoseconds(from), to: nanoseconds(to) };
        Cover::new(&range, Duration::from_secs(step_s), NOW)
    }

    /// A run with its last sample at `last`, rolled up into every complete longer step.
    fn run(last: i64) -> RunRow {
        let rolled = [10, 60, 600, 3600].map(|step| last - last.rem_euclid(step));
        RunRow { id: 1, host: "vm".into(), boot_id: "a".into(), sampled_s: last, rolled, ..RunRow::default() }
    }

    #[test]
    fn each_second_is_covered_once() {
        let ranges =
            [[NOW - 86_400 - 7, NOW], [NOW - 3601, NOW - 59], [NOW - 77, NOW - 3], [NOW - 40 * 86_400, NOW]];
        for (between, step) in
            ranges.into_iter().flat_map(|between| [0, 1, 100, 5000].map(|step| (between, step)))
        {
            let (cover, run) = (cover(between, step), run(NOW - 1));
            let mut covered = cover.from_s;
            for (index, [from, to]) in cover.pieces(&run) {
                assert_eq!((from, from.rem_euclid(STEPS[index])), (covered, 0), "{between:?}, {step}");
                // A longer step has rows only up to where samples are rolled up.
                covered = index.checked_sub(1).map_or(to, |shorter| to.min(run.rolled[shorter]).max(from));
            }
            assert!(covered >= between[1] && cover.from_s <= between[0], "{between:?}, {step}");
        }
    }

    #[test]
    fn long_ranges_read_few_rows() {
        let day = cover([NOW - 86_400 - 7, NOW - 5], 0);
        let rows = |(index, [from, to]): &Piece| (to - from) / STEPS[*index];
        assert!(day.pieces(&run(NOW)).iter().map(rows).sum::<i64>() < 300);
        let ever = cover([i64::MIN / 1_000_000_000, i64::MAX / 1_000_000_000], 1);
        assert!(ever.steps().count() <= 2_001);
    }

    #[test]
    fn steps_are_widened_to_the_next_stored_length() {
        for (length, step, expected) in
            [(86_400, 432, 600), (3600, 18, 20), (600, 3, 3), (7 * 86_400, 3600, 3600)]
        {
            assert_eq!(cover([NOW - length, NOW], step).width, expected, "{step}");
        }
    }
}
