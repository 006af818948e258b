//! The machine over time, and the machines that a store knows.

use std::collections::BTreeMap;

use memtap_store::{HostRun, MachinePoint, StoredHost};
use serde::Serialize;
use utoipa::ToSchema;

use super::Time;
use super::process::CallTotals;

/// The machines that have written into the store.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hosts {
    hosts: Vec<KnownHost>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
struct KnownHost {
    hostname: String,
    /// The kernel of its latest run.
    kernel: String,
    /// When its first run began.
    first_time: Time,
    /// The last second that it told of.
    last_time: Time,
}

/// When memtap was there to see.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Runs {
    /// The latest first.
    #[schema(max_items = 1000)]
    runs: Vec<Run>,
    /// Whether there were more, earlier ones.
    more: bool,
}

/// A run of memtap that wrote into the store.
#[derive(Debug, Serialize, ToSchema)]
struct Run {
    hostname: String,
    kernel: String,
    /// When it began.
    first_time: Time,
    /// The last second that it told of; of a run that goes on, of a moment ago.
    last_time: Time,
    /// Requests that were made in all of the run, also outside the range.
    requests: u64,
    /// Those of them that were refused.
    refused: u64,
    /// Those of them that did not come in the stream.
    lost: u64,
}

/// The machine's memory, and what all processes asked for, in steps.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Machine {
    /// Length of a step.
    step_s: u64,
    series: Vec<MachineStep>,
}

/// One step. The parts of memory add up: programs + cached + kernel + free = total.
#[derive(Debug, Serialize, ToSchema)]
struct MachineStep {
    /// Where the step begins.
    timestamp: Time,
    total_bytes: u64,
    /// At the step's end.
    available_bytes: u64,
    /// The least within it.
    least_available_bytes: u64,
    free_bytes: u64,
    cached_bytes: u64,
    kernel_bytes: u64,
    programs_bytes: u64,
    swap_total_bytes: u64,
    swap_free_bytes: u64,
    /// The highest within the step; null where the kernel has no PSI.
    pressure: Option<super::host::Pressure>,
    /// Requests that did not come in the stream.
    lost: u64,
    /// Requests within the step.
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
