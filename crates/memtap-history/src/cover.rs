//! Which stored steps tell of a range: long ones in its middle, shorter ones at its ends, as far as they are kept.

use std::time::Duration;

use memtap_model::WallClock;

use crate::rows::{ProcessRow, RunRow};
use crate::steps::{STEPS, choose, width};
use crate::{Range, UsageQuery};

/// Where no step is asked for, it is the range's this part: so exact is the time of a peak.
const PARTS: i64 = 60;
/// Steps of an answer, at most; longer ones are taken then.
const STEPS_AT_MOST: i64 = 2_000;

/// Which stored steps tell of a range: long ones in its middle, shorter ones at its ends, as far as they are kept.
#[derive(Debug, Clone)]
pub(crate) struct Cover {
    pub(crate) range: Range,
    pub(crate) from_s: i64,
    pub(crate) to_s: i64,
    /// Length of the answer's steps.
    pub(crate) width: i64,
    longest: usize,
    shortest: usize,
}

/// Stored steps: the index of their length, and from where to where.
pub(crate) type Piece = (usize, [i64; 2]);

impl Cover {
    pub(crate) fn of(range: &Range, step: Duration, now_s: i64) -> Self {
        let (from_s, to_s) =
            (seconds(range.from), seconds(WallClock(range.to.0.saturating_add(999_999_999))));
        let length = to_s.saturating_sub(from_s).max(1);
        let least = length / STEPS_AT_MOST + 1;
        let asked = match step.as_secs() {
            0 => length / PARTS,
            step => i64::try_from(step).unwrap_or(i64::MAX),
        };
        let asked = asked.max(least);
        // Where a series is wanted, the stored step that is nearest.
        let nearest = if step.is_zero() { asked } else { asked.saturating_mul(5) / 2 };
        let of = |step: i64| UsageQuery {
            from: range.from,
            step: Duration::from_secs(step.unsigned_abs()),
            ..UsageQuery::default()
        };
        let longest = choose(&of(nearest), now_s);
        let shortest = choose(&of(0), now_s);
        let finest = STEPS[shortest];
        Self {
            range: range.clone(),
            from_s: from_s - from_s.rem_euclid(finest),
            to_s: to_s + (-to_s).rem_euclid(finest),
            width: width(&of(asked), longest),
            longest,
            shortest,
        }
    }

    /// What to read of a run, in the order of time; it may be that a longer step has what the one that follows would begin with.
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

    /// What a longer step does not have yet, the shorter ones have.
    fn fill(run: &RunRow, index: usize, [from, to]: [i64; 2], pieces: &mut Vec<Piece>) {
        pieces.push((index, [from, to]));
        if let Some(shorter) = index.checked_sub(1) {
            let rest = from.max(run.rolled[shorter]);
            if rest < to {
                Self::fill(run, shorter, [rest, to], pieces);
            }
        }
    }

    /// Where the answer's step of that second begins.
    pub(crate) fn begin(&self, at_s: i64) -> i64 {
        at_s - at_s.rem_euclid(self.width)
    }

    /// Where its steps begin.
    pub(crate) fn steps(&self) -> impl Iterator<Item = i64> {
        let (first, width) = (self.begin(self.from_s), self.width);
        std::iter::successors(Some(first), move |begin| Some(begin + width))
            .take_while(|begin| *begin < self.to_s)
    }

    /// Whether a process lies in the range, of whose run something was told up to `watched_s`. Of one known by its requests alone, those in
    /// the range will tell.
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
        Cover::of(&range, Duration::from_secs(step_s), NOW)
    }

    /// Up to where each longer step is made when the last second was `last`.
    fn run(last: i64) -> RunRow {
        let rolled = [10, 60, 600, 3600].map(|step| last - last.rem_euclid(step));
        RunRow { id: 1, host: "vm".into(), boot_id: "a".into(), sampled_s: last, rolled, ..RunRow::default() }
    }

    #[test]
    fn each_second_is_told_of_once() {
        let ranges =
            [[NOW - 86_400 - 7, NOW], [NOW - 3601, NOW - 59], [NOW - 77, NOW - 3], [NOW - 40 * 86_400, NOW]];
        for (between, step) in
            ranges.into_iter().flat_map(|between| [0, 1, 100, 5000].map(|step| (between, step)))
        {
            let (cover, run) = (cover(between, step), run(NOW - 1));
            let mut told = cover.from_s;
            for (index, [from, to]) in cover.pieces(&run) {
                assert_eq!((from, from.rem_euclid(STEPS[index])), (told, 0), "{between:?}, {step}");
                // Of a longer step there is what has been put together.
                told = index.checked_sub(1).map_or(to, |shorter| to.min(run.rolled[shorter]).max(from));
            }
            assert!(told >= between[1] && cover.from_s <= between[0], "{between:?}, {step}");
        }
    }

    #[test]
    fn few_rows_tell_of_much() {
        let day = cover([NOW - 86_400 - 7, NOW - 5], 0);
        let rows = |(index, [from, to]): &Piece| (to - from) / STEPS[*index];
        assert!(day.pieces(&run(NOW)).iter().map(rows).sum::<i64>() < 300);
        let ever = cover([i64::MIN / 1_000_000_000, i64::MAX / 1_000_000_000], 1);
        assert!(ever.steps().count() <= 2_001);
    }

    #[test]
    fn a_step_may_be_widened_to_the_next_that_is_kept() {
        for (length, step, expected) in
            [(86_400, 432, 600), (3600, 18, 20), (600, 3, 3), (7 * 86_400, 3600, 3600)]
        {
            assert_eq!(cover([NOW - length, NOW], step).width, expected, "{step}");
        }
    }
}
