//! Usage over time.

use memtap_history::UsagePoint;
use memtap_model::WallClock;
use serde::Serialize;
use utoipa::ToSchema;

use super::Time;

/// Usage of one process, or of all processes together, over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Usage {
    /// Length of a step in seconds. It can be longer than requested, because the history keeps
    /// short steps for a limited time.
    step_s: u64,
    /// Steps, oldest first. Steps without a change are left out. For one process, the first step is
    /// always present and shows its sizes at the start of the range.
    series: Vec<Step>,
    /// Times at which memtap was running, oldest first. Nothing is known about the time between
    /// them.
    watched: Vec<Stretch>,
}

/// A period of time.
#[derive(Debug, Serialize, ToSchema)]
struct Stretch {
    from: Time,
    to: Time,
}

/// One step: sizes at its end, and peaks and counters within it.
#[derive(Debug, Serialize, ToSchema)]
struct Step {
    /// Start of the step.
    timestamp: Time,
    virtual_bytes: u64,
    resident_bytes: u64,
    anonymous_bytes: u64,
    file_bytes: u64,
    shmem_bytes: u64,
    swap_bytes: u64,
    peak_virtual_bytes: u64,
    peak_resident_bytes: u64,
    requests: u64,
    refused: u64,
    requested_bytes: u64,
    granted_bytes: u64,
    released_bytes: u64,
    minor_faults: u64,
    major_faults: u64,
}

impl Usage {
    /// `asked_s`: the length that was asked for, which the answer has when there is no step in it.
    /// `all`: the steps of all processes together, one for each step in which memtap was running.
    pub(crate) fn of(points: &[UsagePoint], all: &[UsagePoint], asked_s: u64) -> Self {
        let step_s = points.first().or(all.first()).map_or(asked_s, |point| point.step.as_secs());
        Self { step_s, series: points.iter().map(Step::from).collect(), watched: watched(all) }
    }
}

/// Steps that follow each other; a tick may be late, so one that is missing is no gap.
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

impl From<&UsagePoint> for Step {
    fn from(point: &UsagePoint) -> Self {
        Self {
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
