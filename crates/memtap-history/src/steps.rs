//! Usage is kept for years in steps of five lengths. Each longer step is rolled up from shorter
//! ones before those are deleted. Sums cover activity within a step, so longer steps are exact;
//! peaks remain the highest value.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use memtap_ledger::{Peaks, ProcessSummary};
use memtap_model::{Resident, WallClock};

use crate::{AllProcesses, UsagePoint, UsageQuery};

/// Lengths of the steps, seconds.
pub const STEPS: [i64; 5] = [1, 10, 60, 600, 3600];

/// Retention of all steps but the longest, seconds: 15 minutes, three hours, two days, a month.
pub const KEPT: [i64; 4] = [15 * 60, 3 * 3600, 2 * 86_400, 30 * 86_400];

/// A process that lived for less than this, in seconds, is deleted together with its requests.
pub const SHORT_LIFE_S: i64 = 3600;

/// Values of one step.
pub(crate) trait Point: Sized {
    /// Merges this step with a later one.
    fn then(&self, later: &Self) -> Self;

    /// Adds the same step of another machine.
    fn beside(&self, other: &Self) -> Self;

    /// Returns the start and the length of the step, for writing.
    fn place(&mut self) -> (&mut WallClock, &mut Duration);
}

/// A stored row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample<P = UsagePoint> {
    /// Host name. Sizes of different machines are summed.
    pub(crate) host: Arc<str>,
    /// Start of the step, seconds.
    pub(crate) at_s: i64,
    pub(crate) point: P,
}

/// Readings of one process or of all processes at a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TickSample {
    /// Virtual size, anonymous, file, shmem and swap, then the highest virtual size and resident
    /// set.
    pub sizes: [u64; 7],
    /// Totals: requests, refused, requested, granted and released bytes, minor and major faults.
    pub counters: Counters,
}

/// Totals that only grow, in the order of the columns `sums` of the usage table.
pub type Counters = [u64; 7];

/// Positions of the page faults in [`Counters`]. Unlike the other totals, they count from the start
/// of the process, even if memtap started later.
pub const FAULTS: std::ops::Range<usize> = 5..7;

impl TickSample {
    fn new(virtual_bytes: u64, resident: Resident, peaks: Peaks, counters: Counters) -> Self {
        let Resident { anonymous_bytes, file_bytes, shmem_bytes, swap_bytes } = resident;
        let highest =
            [peaks.virtual_bytes.max(virtual_bytes), peaks.resident_bytes.max(resident.set_bytes())];
        let [highest_virtual, highest_resident] = highest;
        let sizes = [
            virtual_bytes,
            anonymous_bytes,
            file_bytes,
            shmem_bytes,
            swap_bytes,
            highest_virtual,
            highest_resident,
        ];
        Self { sizes, counters }
    }

    /// Returns the growth since `before`.
    #[must_use]
    pub fn since(&self, before: Counters) -> Counters {
        std::array::from_fn(|index| self.counters[index].saturating_sub(before[index]))
    }
}

impl From<&ProcessSummary> for TickSample {
    fn from(summary: &ProcessSummary) -> Self {
        let (books, faults) = (&summary.books, summary.faults);
        let counters = [
            books.requests(),
            books.refused(),
            summary.requested_bytes,
            books.granted_bytes,
            books.released_bytes,
            faults.minor,
            faults.major,
        ];
        Self::new(summary.virtual_bytes, summary.resident, summary.tick_peaks, counters)
    }
}

impl From<&AllProcesses> for TickSample {
    fn from(all: &AllProcesses) -> Self {
        let counters = [
            all.requests,
            all.refused,
            all.requested_bytes,
            all.granted_bytes,
            all.released_bytes,
            all.faults.minor,
            all.faults.major,
        ];
        Self::new(all.virtual_bytes, all.resident, Peaks::default(), counters)
    }
}

/// Returns the index of the longest stored step that is not longer than requested. If that step is
/// no longer kept at the start of the range, returns the shortest one that is.
pub(crate) fn choose(query: &UsageQuery, now_s: i64) -> usize {
    let asked = i64::try_from(query.step.as_secs()).unwrap_or(i64::MAX);
    let fine = STEPS.iter().rposition(|step| *step <= asked).unwrap_or(0);
    let age = now_s.saturating_sub(query.from.0.div_euclid(1_000_000_000));
    let there = KEPT.iter().position(|kept| age <= *kept).unwrap_or(KEPT.len());
    fine.max(there)
}

/// Returns the step length of the result, seconds: a multiple of the stored length.
pub(crate) fn width(query: &UsageQuery, stored: usize) -> i64 {
    let asked = i64::try_from(query.step.as_secs()).unwrap_or(i64::MAX);
    let step = STEPS[stored];
    let steps = asked / step + i64::from(asked % step > 0);
    steps.max(1).saturating_mul(step)
}

/// Returns the start and the end of the range, in seconds. The start is rounded down to a whole
/// step.
pub(crate) fn seconds(query: &UsageQuery, width: i64) -> [i64; 2] {
    let from = query.from.0.div_euclid(1_000_000_000);
    [from - from.rem_euclid(width), query.to.0.saturating_add(999_999_999).div_euclid(1_000_000_000)]
}

/// Returns the stored steps with data since `from`, as length and first second: the chosen length,
/// then shorter ones for time that is not rolled up yet. `rolled`: for each length but the first,
/// the second up to which the run's samples are rolled up.
pub(crate) fn parts(chosen: usize, from: i64, rolled: [i64; 4]) -> impl Iterator<Item = (i64, i64)> {
    let begin = move |index: usize| if index == chosen { from } else { from.max(rolled[index]) };
    (0..=chosen).rev().map(move |index| (STEPS[index], begin(index)))
}

/// Merges stored rows of any length, in order of time, into steps of `width` seconds. Within one
/// machine the last size counts; sizes of several machines are summed.
pub(crate) fn merge<P: Point>(samples: impl IntoIterator<Item = Sample<P>>, width: i64) -> Vec<P> {
    let mut steps: BTreeMap<(i64, Arc<str>), P> = BTreeMap::new();
    for Sample { host, at_s, point } in samples {
        match steps.entry((at_s - at_s.rem_euclid(width), host)) {
            Entry::Occupied(mut step) => *step.get_mut() = step.get().then(&point),
            Entry::Vacant(step) => drop(step.insert(point)),
        }
    }
    let mut points: Vec<(i64, P)> = Vec::new();
    for ((begin, _), step) in steps {
        match points.last_mut().filter(|(last, _)| *last == begin) {
            Some((_, last)) => *last = last.beside(&step),
            None => points.push((begin, step)),
        }
    }
    let placed = points.into_iter().map(|(begin, mut point)| {
        let (from, step) = point.place();
        *from = WallClock(begin.saturating_mul(1_000_000_000));
        *step = Duration::from_secs(width.unsigned_abs());
        point
    });
    placed.collect()
}

impl UsagePoint {
    /// Returns this point with the activity of both.
    fn both(&self, other: &Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            refused: self.refused.saturating_add(other.refused),
            requested_bytes: self.requested_bytes.saturating_add(other.requested_bytes),
            granted_bytes: self.granted_bytes.saturating_add(other.granted_bytes),
            released_bytes: self.released_bytes.saturating_add(other.released_bytes),
            minor_faults: self.minor_faults.saturating_add(other.minor_faults),
            major_faults: self.major_faults.saturating_add(other.major_faults),
            ..*self
        }
    }
}

impl Point for UsagePoint {
    fn then(&self, later: &Self) -> Self {
        Self {
            virtual_bytes: later.virtual_bytes,
            anonymous_bytes: later.anonymous_bytes,
            file_bytes: later.file_bytes,
            shmem_bytes: later.shmem_bytes,
            swap_bytes: later.swap_bytes,
            peak_virtual_bytes: self.peak_virtual_bytes.max(later.peak_virtual_bytes),
            peak_resident_bytes: self.peak_resident_bytes.max(later.peak_resident_bytes),
            ..self.both(later)
        }
    }

    fn beside(&self, other: &Self) -> Self {
        Self {
            virtual_bytes: self.virtual_bytes.saturating_add(other.virtual_bytes),
            anonymous_bytes: self.anonymous_bytes.saturating_add(other.anonymous_bytes),
            file_bytes: self.file_bytes.saturating_add(other.file_bytes),
            shmem_bytes: self.shmem_bytes.saturating_add(other.shmem_bytes),
            swap_bytes: self.swap_bytes.saturating_add(other.swap_bytes),
            peak_virtual_bytes: self.peak_virtual_bytes.saturating_add(other.peak_virtual_bytes),
            peak_resident_bytes: self.peak_resident_bytes.saturating_add(other.peak_resident_bytes),
            ..self.both(other)
        }
    }

    fn place(&mut self) -> (&mut WallClock, &mut Duration) {
        (&mut self.from, &mut self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(step_s: u64, age_s: i64) -> (UsageQuery, i64) {
        let now = 2_000_000_000;
        let from = WallClock((now - age_s) * 1_000_000_000);
        (UsageQuery { from, step: Duration::from_secs(step_s), ..UsageQuery::default() }, now)
    }

    #[test]
    fn the_longest_step_that_is_fine_enough_and_kept_is_chosen() {
        for (step, age, expected) in [
            (1, 60, 1),
            (12, 3600, 10),
            (1, 3600, 10),
            (100, 86_400, 60),
            (1, 8 * 86_400, 600),
            (3600, 60, 3600),
            (1, 365 * 86_400, 3600),
        ] {
            let (query, now) = query(step, age);
            assert_eq!(STEPS[choose(&query, now)], expected, "step {step}, {age} s ago");
        }
        let (query, now) = query(100, 60);
        assert_eq!(width(&query, choose(&query, now)), 120);
    }

    #[test]
    fn sums_add_peaks_stay_and_the_last_size_counts() {
        let sample = |host: &str, at_s: i64, n: u64| Sample {
            host: host.into(),
            at_s,
            point: UsagePoint {
                virtual_bytes: n,
                peak_virtual_bytes: 10 * n,
                requests: n,
                ..UsagePoint::default()
            },
        };
        let points =
            merge([sample("a", 100, 5), sample("a", 101, 3), sample("b", 103, 7), sample("a", 110, 1)], 10);
        let merged: Vec<_> = points
            .iter()
            .map(|p| (p.from.0 / 1_000_000_000, p.virtual_bytes, p.peak_virtual_bytes, p.requests))
            .collect();
        assert_eq!(merged, [(100, 3 + 7, 50 + 70, 15), (110, 1, 10, 1)]);
    }
}
