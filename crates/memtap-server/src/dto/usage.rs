//! Usage over time.

use memtap_store::UsagePoint;
use serde::Serialize;

use super::time;

/// What one process or all of them had.
#[derive(Debug, Serialize)]
pub(crate) struct Usage {
    /// Length of a step.
    step_s: u64,
    series: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    timestamp: String,
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
            timestamp: time(point.from),
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
