//! The machine over time, and the machines that a store knows.

use memtap_api::{Hosts, KnownHost, Machine, MachineStep, Run, Runs, Time};
use memtap_history::{HostRun, MachinePoint, StoredHost};

pub(crate) fn hosts(hosts: Vec<StoredHost>) -> Hosts {
    let known = |host: StoredHost| KnownHost {
        hostname: host.hostname,
        kernel: host.kernel,
        first_time: Time(host.first),
        last_time: Time(host.last),
    };
    Hosts { hosts: hosts.into_iter().map(known).collect() }
}

/// At most `limit` runs.
pub(crate) fn runs(mut runs: Vec<HostRun>, limit: usize) -> Runs {
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
    Runs { runs: runs.into_iter().map(run).collect(), more }
}

/// `asked_s` is the requested length of a step: the answer has it if there is no step.
pub(crate) fn machine(points: &[MachinePoint], asked_s: u64) -> Machine {
    let step_s = points.first().map_or(asked_s, |point| point.step.as_secs());
    Machine { step_s, series: points.iter().map(step).collect() }
}

fn step(point: &MachinePoint) -> MachineStep {
    let host = &point.host;
    MachineStep {
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
        calls: point.calls.iter().map(|(call, totals)| ((*call).into(), totals.into())).collect(),
    }
}
