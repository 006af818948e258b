//! The machine over time, and the machines that a store knows.

use std::collections::BTreeMap;

use memtap_history::{HostRun, MachinePoint, StoredHost};
use serde::Serialize;
use utoipa::ToSchema;

use super::Time;
use super::process::CallTotals;

/// The machines that have written into the store.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hosts {
    hosts: Vec<KnownHost>,
}

/// A machine that has written into the store.
#[derive(Debug, Serialize, ToSchema)]
struct KnownHost {
    hostname: String,
    /// Kernel release in the latest run.
    kernel: String,
    /// Start of the first run.
    first_time: Time,
    /// Last recorded second.
    last_time: Time,
}

/// The runs of memtap in a time range.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Runs {
    /// Latest first.
    #[schema(max_items = 1000)]
    runs: Vec<Run>,
    /// True if the range has more, earlier runs.
    more: bool,
}

/// A run of memtap that wrote into the store.
#[derive(Debug, Serialize, ToSchema)]
struct Run {
    hostname: String,
    kernel: String,
    /// Start of the run.
    first_time: Time,
    /// Last recorded second. In the current run it is a moment ago.
    last_time: Time,
    /// Requests of the whole run, including those outside the range.
    requests: u64,
    /// Refused requests of the whole run.
    refused: u64,
    /// Requests of the whole run whose record did not arrive in the stream.
    lost: u64,
}

/// The machine's memory and the requests of all processes over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Machine {
    /// Length of a step in seconds.
    step_s: u64,
    series: Vec<MachineStep>,
}

/// One step. The parts of memory add up: `programs + cached + kernel + free = total`. Sizes are
/// those at the end of the step, unless a field says otherwise.
#[derive(Debug, Serialize, ToSchema)]
struct MachineStep {
    /// Start of the step.
    timestamp: Time,
    total_bytes: u64,
    /// Available memory at the end of the step.
    available_bytes: u64,
    /// Lowest available memory within the step.
    least_available_bytes: u64,
    free_bytes: u64,
    cached_bytes: u64,
    kernel_bytes: u64,
    programs_bytes: u64,
    swap_total_bytes: u64,
    swap_free_bytes: u64,
    /// Highest pressure within the step; null if the kernel has no PSI.
    pressure: Option<super::host::Pressure>,
    /// Requests whose record did not arrive in the stream.
    lost: u64,
    /// Requests within the step, by call.
    calls: BTreeMap<&'static str, CallTotals>,
}

impl From<Vec<StoredHost>> for Hosts {
    fn from(hosts: Vec<StoredHost>) -> Self {
        let known = |host: StoredHost| KnownHost {
            hostname: host.hostname,
            kernel: host.kernel,
            first_time: Time(host.first),
            last_time: Time(host.last),
        };
        Self { hosts: hosts.into_iter().map(known).collect() }
    }
}

impl Runs {
    /// At most `limit` of them.
    pub(crate) fn of(mut runs: Vec<HostRun>, limit: usize) -> Self {
        let more = runs.len() > limit;
        runs.truncate(limit);
        let run = |run: HostRun| Run {
            hostname: run.hostname,
            kernel: run.kernel,
            first_time: Time(run.began),
            last_time: Time(run.last),
            requests: run.requests,
            refused: run.refused,
            lost: run.lost,
        };
        Self { runs: runs.into_iter().map(run).collect(), more }
    }
}

impl Machine {
    /// `asked_s`: the length that was asked for, which the answer has when there is no step in it.
    pub(crate) fn of(points: &[MachinePoint], asked_s: u64) -> Self {
        let step_s = points.first().map_or(asked_s, |point| point.step.as_secs());
        Self { step_s, series: points.iter().map(MachineStep::from).collect() }
    }
}

impl From<&MachinePoint> for MachineStep {
    fn from(point: &MachinePoint) -> Self {
        let host = &point.host;
        let call =
            |(call, totals): &(memtap_model::Call, memtap_model::CallTotals)| (call.name(), totals.into());
        Self {
            timestamp: Time(point.from),
            total_bytes: host.total_bytes,
            available_bytes: host.available_bytes,
            least_available_bytes: point.least_available_bytes,
            free_bytes: host.free_bytes,
            cached_bytes: host.cached_bytes,
            kernel_bytes: host.kernel_bytes,
            programs_bytes: host.programs_bytes,
            swap_total_bytes: host.swap.total_bytes,
            swap_free_bytes: host.swap.free_bytes,
            pressure: host.pressure.map(Into::into),
            lost: point.lost,
            calls: point.calls.iter().map(call).collect(),
        }
    }
}
