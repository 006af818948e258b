//! Memory of the machine in a range, and the requests by call.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use memtap_history::{MachinePoint, Sizes};
use memtap_model::{CALLS, Call, CallTotals};

use super::{Ask, At, CallPoint, CallSum, Calls, HighestPressure, Memory, MemoryPoint};

pub(super) fn memory(points: &[MachinePoint]) -> Option<Memory> {
    let (first, last) = (points.first()?, points.last()?);
    let least = points.iter().min_by_key(|point| point.least_available_bytes)?;
    Some(Memory {
        total_bytes: last.host.total_bytes,
        step_s: first.step.as_secs_f64(),
        at_start: MemoryPoint::from(first),
        at_end: MemoryPoint::from(last),
        least_available_bytes: least.least_available_bytes,
        least_available_time: At(least.from),
        pressure: highest_pressure(points),
        points: points.iter().map(MemoryPoint::from).collect(),
    })
}

fn highest_pressure(points: &[MachinePoint]) -> Option<HighestPressure> {
    let pressures = points.iter().filter_map(|point| {
        let pressure = point.host.pressure?;
        Some(HighestPressure {
            some_avg10: pressure.some_avg10,
            full_avg10: pressure.full_avg10,
            timestamp: At(point.from),
        })
    });
    // Keeps the first of equal maxima.
    pressures.reduce(|highest, next| if next.some_avg10 > highest.some_avg10 { next } else { highest })
}

/// Factor by which the records may exceed the sums before they count as those of an import. The
/// sums arrive only once a second.
const AHEAD: f64 = 1.1;

/// Counts the requests by call. For all processes, the kernel's sums are more complete than the
/// records, some of which may be lost or deleted. For selected processes and for imports, only
/// records exist.
pub(super) fn calls(points: &[MachinePoint], counted: &Sizes, ask: &Ask) -> Calls {
    let sums = if ask.of_all() { sums(points) } else { [CallTotals::default(); Call::COUNT] };
    let summed: u64 = sums.iter().map(|sum| sum.count).sum();
    if summed > 0 && summed as f64 * AHEAD >= counted.rows as f64 {
        return Calls {
            calls: in_order(&sums),
            step_s: points.first().map_or(0.0, |point| point.step.as_secs_f64()),
            series: points.iter().map(CallPoint::from).collect(),
            counted_since: None,
        };
    }
    let mut records = [CallTotals::default(); Call::COUNT];
    for bucket in &counted.buckets {
        let sum = &mut records[bucket.call.index()];
        sum.count += bucket.count;
        sum.refused += bucket.refused;
        sum.requested_bytes = sum.requested_bytes.saturating_add(bucket.bytes);
    }
    let counted_since = counted.since.filter(|_| counted.cut).map(At);
    Calls { calls: in_order(&records), counted_since, ..Calls::default() }
}

/// Replaces the bytes of each call with those of its granted requests.
pub(super) fn only_granted(calls: &mut Calls, granted: &Sizes) {
    for call in &mut calls.calls {
        let buckets = granted.buckets.iter().filter(|bucket| bucket.call.name() == call.call);
        call.requested_bytes = buckets.map(|bucket| bucket.bytes).sum();
    }
}

fn sums(points: &[MachinePoint]) -> [CallTotals; Call::COUNT] {
    let mut sums = [CallTotals::default(); Call::COUNT];
    for (call, totals) in points.iter().flat_map(|point| &point.calls) {
        let sum = &mut sums[call.index()];
        sum.count += totals.count;
        sum.refused += totals.refused;
        sum.requested_bytes = sum.requested_bytes.saturating_add(totals.requested_bytes);
    }
    sums
}

fn in_order(sums: &[CallTotals; Call::COUNT]) -> Vec<CallSum> {
    let rows = CALLS.iter().zip(sums).filter(|(_, sum)| sum.count > 0);
    let mut calls: Vec<CallSum> = rows
        .map(|(row, sum)| CallSum {
            call: row.name,
            requests: sum.count,
            refused: sum.refused,
            requested_bytes: sum.requested_bytes,
        })
        .collect();
    calls.sort_by_key(|call| Reverse(call.requests));
    calls
}

impl From<&MachinePoint> for MemoryPoint {
    fn from(point: &MachinePoint) -> Self {
        let host = &point.host;
        Self {
            timestamp: At(point.from),
            programs_bytes: host.programs_bytes,
            kernel_bytes: host.kernel_bytes,
            cached_bytes: host.cached_bytes,
            free_bytes: host.free_bytes,
            available_bytes: host.available_bytes,
            swap_used_bytes: host.swap.total_bytes.saturating_sub(host.swap.free_bytes),
        }
    }
}

impl From<&MachinePoint> for CallPoint {
    fn from(point: &MachinePoint) -> Self {
        let requests: BTreeMap<_, _> =
            point.calls.iter().map(|(call, totals)| (call.name(), totals.count)).collect();
        Self { timestamp: At(point.from), requests }
    }
}
