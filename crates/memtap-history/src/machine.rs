//! The machine's memory and calls per step: conversion from stored numbers, and merging.

use std::collections::BTreeMap;
use std::time::Duration;

use memtap_model::{Call, CallTotals, HostReading, Pressure, SwapReading, WallClock};

use crate::steps::Point;
use crate::{AllProcesses, MachinePoint};

/// Returns the sizes in the order of the stored columns.
#[must_use]
pub fn machine_sizes(host: &HostReading) -> [u64; 8] {
    [
        host.total_bytes,
        host.available_bytes,
        host.free_bytes,
        host.cached_bytes,
        host.kernel_bytes,
        host.programs_bytes,
        host.swap.total_bytes,
        host.swap.free_bytes,
    ]
}

/// Builds a point from stored columns. `pressure` is the share for some and for all tasks, `least`
/// the lowest available memory.
pub(crate) fn point(sizes: [u64; 8], pressure: [Option<f64>; 2], least: u64, lost: u64) -> MachinePoint {
    let [
        total_bytes,
        available_bytes,
        free_bytes,
        cached_bytes,
        kernel_bytes,
        programs_bytes,
        swap_total,
        swap_free,
    ] = sizes;
    let [some, full] = pressure;
    let host = HostReading {
        total_bytes,
        available_bytes,
        free_bytes,
        cached_bytes,
        kernel_bytes,
        programs_bytes,
        swap: SwapReading { total_bytes: swap_total, free_bytes: swap_free },
        pressure: some.map(|some| Pressure { some_avg10: some, full_avg10: full.unwrap_or(0.0) }),
    };
    MachinePoint { host, least_available_bytes: least, lost, ..MachinePoint::default() }
}

impl AllProcesses {
    /// Returns whether a source has reported the machine's memory. Until then, neither it nor the
    /// call counts are stored.
    #[must_use]
    pub const fn has_machine(&self) -> bool {
        self.host.total_bytes > 0
    }
}

impl MachinePoint {
    /// Returns the summed calls and losses of both points, and the highest pressure.
    fn both(&self, other: &Self) -> (Vec<(Call, CallTotals)>, u64, Option<Pressure>) {
        let mut calls: BTreeMap<usize, (Call, CallTotals)> = BTreeMap::new();
        for (call, totals) in self.calls.iter().chain(&other.calls) {
            calls.entry(call.index()).or_insert((*call, CallTotals::default())).1 += *totals;
        }
        let pressures = [self.host.pressure, other.host.pressure];
        let pressure = pressures.into_iter().flatten().reduce(|one, other| Pressure {
            some_avg10: one.some_avg10.max(other.some_avg10),
            full_avg10: one.full_avg10.max(other.full_avg10),
        });
        (calls.into_values().collect(), self.lost.saturating_add(other.lost), pressure)
    }
}

impl Point for MachinePoint {
    fn then(&self, later: &Self) -> Self {
        let (calls, lost, pressure) = self.both(later);
        Self {
            host: HostReading { pressure, ..later.host.clone() },
            least_available_bytes: self.least_available_bytes.min(later.least_available_bytes),
            calls,
            lost,
            ..*self
        }
    }

    fn beside(&self, other: &Self) -> Self {
        let (calls, lost, pressure) = self.both(other);
        let (ours, theirs) = (machine_sizes(&self.host), machine_sizes(&other.host));
        let together = std::array::from_fn(|index| ours[index].saturating_add(theirs[index]));
        let least = self.least_available_bytes.saturating_add(other.least_available_bytes);
        let mut point = point(together, [None; 2], least, lost);
        point.host.pressure = pressure;
        Self { calls, from: self.from, step: self.step, ..point }
    }

    fn place(&mut self) -> (&mut WallClock, &mut Duration) {
        (&mut self.from, &mut self.step)
    }
}
