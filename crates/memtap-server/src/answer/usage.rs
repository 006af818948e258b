//! Usage over time.

use memtap_api::{Step, Stretch, Time, Usage};
use memtap_history::UsagePoint;
use memtap_model::WallClock;

/// `all` has the steps of all processes together, one for each step in which memtap was running.
/// `asked_s` is the requested length of a step: the answer has it if there is no step.
pub(crate) fn usage(points: &[UsagePoint], all: &[UsagePoint], asked_s: u64) -> Usage {
    let step_s = points.first().or(all.first()).map_or(asked_s, |point| point.step.as_secs());
    Usage { step_s, series: points.iter().map(step).collect(), watched: watched(all) }
}

/// Steps that follow each other. A tick can be late, so one missing step is no gap.
fn watched(all: &[UsagePoint]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for point in all {
        let step = i64::try_from(point.step.as_nanos()).unwrap_or(i64::MAX);
        let end = Time(WallClock(point.from.0.saturating_add(step)));
        match stretches.last_mut().filter(|last| point.from.0.saturating_sub(last.to.0.0) <= step) {
            Some(last) => last.to = end,
            None => stretches.push(Stretch { from: Time(point.from), to: end }),
        }
    }
    stretches
}

fn step(point: &UsagePoint) -> Step {
    Step {
        timestamp: Time(point.from),
        virtual_bytes: point.virtual_bytes,
        resident_bytes: point
            .anonymous_bytes
            .saturating_add(point.file_bytes)
            .saturating_add(point.shmem_bytes),
        anonymous_bytes: point.anonymous_bytes,
        file_bytes: point.file_bytes,
        shmem_bytes: point.shmem_bytes,
        swap_bytes: point.swap_bytes,
        peak_virtual_bytes: point.peak_virtual_bytes,
        peak_resident_bytes: point.peak_resident_bytes,
        requests: point.requests,
        refused: point.refused,
        requested_bytes: point.requested_bytes,
        granted_bytes: point.granted_bytes,
        released_bytes: point.released_bytes,
        minor_faults: point.minor_faults,
        major_faults: point.major_faults,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_that_is_missing_is_no_gap_and_two_are() {
        let step = std::time::Duration::from_secs(10);
        let point =
            |at_s: i64| UsagePoint { from: WallClock(at_s * 1_000_000_000), step, ..UsagePoint::default() };
        let all = [0, 10, 30, 60, 70].map(point);
        let told = watched(&all).iter().map(|stretch| (stretch.from.0.0, stretch.to.0.0)).collect::<Vec<_>>();
        assert_eq!(told, [(0, 40_000_000_000), (60_000_000_000, 80_000_000_000)]);
        assert!(watched(&[]).is_empty());
    }
}
