//! Usage over time.

use memtap_store::UsagePoint;
use serde::Serialize;
use utoipa::ToSchema;

use super::Time;

/// What one process or all of them had.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Usage {
    /// Length of a step, seconds; the history may have longer ones than were asked for.
    step_s: u64,
    /// Oldest first; steps in which nothing changed are left out.
    series: Vec<Step>,
}

/// One step: sizes at its end, peaks within it, and what was done in it.
#[derive(Debug, Serialize, ToSchema)]
struct Step {
    /// Where it begins.
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
    pub(crate) fn of(points: &[UsagePoint], asked_s: u64) -> Self {
        let step_s = points.first().map_or(asked_s, |point| point.step.as_secs());
        Self { step_s, series: points.iter().map(Step::from).collect() }
    }
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
