//! Sizes of a process over time at equal distances, and what they show: slope, falls, median.

use memtap_history::{ProcessLifetime, Range, UsagePoint};
use memtap_model::WallClock;

/// Sizes at the end of a step, and the highest within it, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Virtual size.
    pub virtual_bytes: u64,
    /// Resident set.
    pub resident_bytes: u64,
    /// Anonymous pages, in memory or in swap: the pages that a leak consists of.
    pub private_bytes: u64,
    /// Highest resident set within the step.
    pub peak_resident_bytes: u64,
}

impl From<&UsagePoint> for Size {
    fn from(point: &UsagePoint) -> Self {
        let resident_bytes = resident(point);
        Self {
            virtual_bytes: point.virtual_bytes,
            resident_bytes,
            private_bytes: point.anonymous_bytes.saturating_add(point.swap_bytes),
            peak_resident_bytes: point.peak_resident_bytes.max(resident_bytes),
        }
    }
}

/// Resident set at the end of a step.
pub(crate) fn resident(point: &UsagePoint) -> u64 {
    point.anonymous_bytes.saturating_add(point.file_bytes).saturating_add(point.shmem_bytes)
}

/// Part of a process lifetime that lies within a range.
pub(crate) fn lived(life: &ProcessLifetime, range: &Range) -> (WallClock, WallClock) {
    let from = life.started_at.max(range.from);
    (from, life.ended_at.map_or(range.to, |ended| ended.min(range.to)).max(from))
}

/// Length of that part, seconds.
pub(crate) fn lived_s(life: &ProcessLifetime, range: &Range) -> f64 {
    let (from, to) = lived(life, range);
    to.seconds_since(from)
}

/// Sizes of a process over time, one for each step of its lifetime within the range.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Track {
    /// Start of the first step.
    pub from: WallClock,
    /// Length of a step, seconds.
    pub step_s: f64,
    /// Sizes, oldest first.
    pub sizes: Vec<Size>,
}

impl Track {
    /// Builds a track from the stored steps of a process. Steps without a change are not stored:
    /// the previous sizes still hold. The track starts with the first known sizes.
    #[must_use]
    pub fn of(life: &ProcessLifetime, range: &Range, points: &[UsagePoint]) -> Self {
        let Some(first) = points.first() else { return Self::default() };
        let step_ns = i64::try_from(first.step.as_nanos()).unwrap_or(i64::MAX).max(1);
        let (from, to) = lived(life, range);
        let is_known_before = life.before_virtual_bytes > 0;
        let from = if is_known_before { from } else { from.max(first.from) };
        let from = from.0.div_euclid(step_ns) * step_ns;
        let mut now = Size {
            virtual_bytes: life.before_virtual_bytes,
            resident_bytes: life.before_resident_bytes,
            private_bytes: Size::from(first).private_bytes.min(life.before_resident_bytes),
            peak_resident_bytes: 0,
        };
        let mut points = points.iter().peekable();
        let mut sizes = Vec::new();
        let mut at = from;
        while at < to.0 {
            let mut peak = now.resident_bytes;
            while let Some(point) = points.next_if(|point| point.from.0 < at.saturating_add(step_ns)) {
                now = Size::from(point);
                peak = peak.max(now.peak_resident_bytes);
            }
            now.peak_resident_bytes = peak;
            sizes.push(now);
            at = at.saturating_add(step_ns);
        }
        Self { from: WallClock(from), step_s: step_ns as f64 / 1e9, sizes }
    }

    /// Length of the track, seconds.
    #[must_use]
    pub fn span_s(&self) -> f64 {
        self.sizes.len().saturating_sub(1) as f64 * self.step_s
    }

    /// Values of one size over time.
    pub(crate) fn course(&self, size: impl Fn(&Size) -> u64) -> Course {
        Course { step_s: self.step_s, values: self.sizes.iter().map(|one| size(one) as f64).collect() }
    }
}

/// Values at equal distances in time.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Course {
    step_s: f64,
    values: Vec<f64>,
}

/// Largest number of points for a slope, which compares all pairs of points.
const POINTS: usize = 120;

impl Course {
    /// Median of the slopes between all pairs of points (Theil-Sen estimator), in units per second.
    /// Up to three out of ten points may have any value without changing it. 0 for fewer than two
    /// points.
    pub(crate) fn slope(&self) -> f64 {
        let stride = self.values.len().div_ceil(POINTS).max(1);
        let points: Vec<f64> = self.values.iter().copied().step_by(stride).collect();
        let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
        for (at, earlier) in points.iter().enumerate() {
            for (distance, later) in points[at + 1..].iter().enumerate() {
                slopes.push((later - earlier) / (distance + 1) as f64);
            }
        }
        median(&mut slopes) / (self.step_s * stride as f64).max(f64::MIN_POSITIVE)
    }

    /// The last third of the course.
    pub(crate) fn last_third(&self) -> Self {
        Self { step_s: self.step_s, values: self.values[self.values.len() * 2 / 3..].to_vec() }
    }

    /// Change from the first value to the last.
    pub(crate) fn gain(&self) -> f64 {
        self.last() - self.values.first().copied().unwrap_or(0.0)
    }

    pub(crate) fn last(&self) -> f64 {
        self.values.last().copied().unwrap_or(0.0)
    }

    /// Largest fall below an earlier maximum.
    pub(crate) fn deepest_fall(&self) -> f64 {
        let fall = |(highest, fall): (f64, f64), value: &f64| {
            let highest = highest.max(*value);
            (highest, fall.max(highest - value))
        };
        self.values.iter().fold((0.0, 0.0), fall).1
    }

    /// Share of rising steps among those that change by more than `noise`.
    pub(crate) fn rising_share(&self, noise: f64) -> f64 {
        let changes = self.values.windows(2).map(|pair| pair[1] - pair[0]).filter(|by| by.abs() > noise);
        let (rising, all) =
            changes.fold((0_u32, 0_u32), |(rising, all), by| (rising + u32::from(by > 0.0), all + 1));
        if all == 0 { 0.0 } else { f64::from(rising) / f64::from(all) }
    }

    /// Median of the values.
    pub(crate) fn median(&self) -> f64 {
        median(&mut self.values.clone())
    }
}

fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn course(values: &[f64]) -> Course {
        Course { step_s: 2.0, values: values.to_vec() }
    }

    #[test]
    fn outliers_do_not_change_a_slope() {
        let mut values: Vec<f64> = (0..50).map(|at| f64::from(at) * 10.0).collect();
        assert!((course(&values).slope() - 5.0).abs() < 1e-9);
        for at in [3, 17, 40] {
            values[at] = 1e9;
        }
        assert!((course(&values).slope() - 5.0).abs() < 0.5, "{}", course(&values).slope());
        assert_eq!(course(&[]).slope(), 0.0);
        assert_eq!(course(&[7.0]).slope(), 0.0);
    }

    #[test]
    fn a_sampled_slope_equals_the_full_slope() {
        let values: Vec<f64> = (0..5000).map(f64::from).collect();
        assert!((course(&values).slope() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn falls_and_rises_are_measured() {
        let saw = course(&[0.0, 10.0, 20.0, 5.0, 15.0, 25.0]);
        assert_eq!(saw.deepest_fall(), 15.0);
        assert_eq!(saw.rising_share(0.0), 0.8);
        assert_eq!(saw.rising_share(12.0), 0.0, "only the fall is above the noise");
        assert_eq!((saw.gain(), saw.median()), (25.0, 15.0));
        assert_eq!(course(&[1.0, 1.0]).rising_share(0.0), 0.0);
    }

    #[test]
    fn sizes_hold_until_the_next_step() {
        let second = 1_000_000_000;
        let range = Range { host: None, from: WallClock(10 * second), to: WallClock(20 * second) };
        let life = ProcessLifetime {
            before_resident_bytes: 7,
            before_virtual_bytes: 70,
            ..ProcessLifetime::default()
        };
        let point = |at: i64, anonymous_bytes| UsagePoint {
            from: WallClock(at * second),
            step: Duration::from_secs(1),
            anonymous_bytes,
            peak_resident_bytes: 50,
            ..UsagePoint::default()
        };
        let track = Track::of(&life, &range, &[point(13, 20), point(17, 30)]);
        let residents: Vec<_> = track.sizes.iter().map(|size| size.resident_bytes).collect();
        assert_eq!(residents, [7, 7, 7, 20, 20, 20, 20, 30, 30, 30]);
        let peaks: Vec<_> = track.sizes.iter().map(|size| size.peak_resident_bytes).collect();
        assert_eq!(peaks, [7, 7, 7, 50, 20, 20, 20, 50, 30, 30]);
        assert_eq!(Track::of(&life, &range, &[]), Track::default());
    }

    #[test]
    fn sizes_before_the_first_sample_are_not_invented() {
        let second = 1_000_000_000;
        let range = Range { host: None, from: WallClock(0), to: WallClock(3600 * second) };
        let point = UsagePoint {
            from: WallClock(3590 * second),
            step: Duration::from_secs(1),
            ..UsagePoint::default()
        };
        let track = Track::of(&ProcessLifetime::default(), &range, &[point]);
        assert_eq!((track.from, track.sizes.len()), (WallClock(3590 * second), 10));
    }

    #[test]
    fn an_ended_process_has_no_later_steps() {
        let second = 1_000_000_000;
        let range = Range { host: None, from: WallClock(0), to: WallClock(100 * second) };
        let life = ProcessLifetime {
            started_at: WallClock(11 * second),
            ended_at: Some(WallClock(14 * second)),
            ..ProcessLifetime::default()
        };
        let point = UsagePoint {
            from: WallClock(11 * second),
            step: Duration::from_secs(1),
            ..UsagePoint::default()
        };
        assert_eq!(Track::of(&life, &range, &[point]).sizes.len(), 3);
        assert_eq!(lived_s(&life, &range), 3.0);
    }
}
