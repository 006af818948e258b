//! Answers queries for the machine's memory and calls in steps, for machines, and for memtap runs.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use memtap_model::{Call, CallTotals, WallClock};

use super::usage::sampled_runs;
use crate::cover::seconds as second_of;
use crate::machine::point;
use crate::rows::{RunQuery, RunRow, Snapshot, StepQuery};
use crate::steps::{Sample, choose, merge, parts, seconds, width};
use crate::{HostRun, MachinePoint, Range, StoreError, StoredHost, UsageQuery};

/// Returns the machine's samples for the range and step of the query. The process in the query is
/// ignored.
pub(super) async fn machine<S: Snapshot>(
    snapshot: &mut S,
    query: UsageQuery,
    now_s: i64,
) -> Result<Vec<MachinePoint>, StoreError> {
    let chosen = choose(&query, now_s);
    let width = width(&query, chosen);
    let [from, to] = seconds(&query, width);
    let mut samples = Vec::new();
    for run in sampled_runs(snapshot, query.host, [from, to]).await? {
        for (step_s, from_s) in parts(chosen, from, run.rolled) {
            let steps = StepQuery { run: run.id, step_s, from_s, to_s: to };
            let points = read(snapshot, &steps).await?;
            samples.extend(points.into_iter().map(|(at_s, point)| Sample {
                host: Arc::clone(&run.host),
                at_s,
                point,
            }));
        }
    }
    samples.sort_by_key(|sample| sample.at_s);
    Ok(merge(samples, width))
}

async fn read<S: Snapshot>(
    snapshot: &mut S,
    steps: &StepQuery,
) -> Result<Vec<(i64, MachinePoint)>, StoreError> {
    let mut calls: HashMap<i64, Vec<(Call, CallTotals)>> = HashMap::new();
    for row in snapshot.call_samples(steps).await? {
        calls.entry(row.at_s).or_default().push((row.call, row.totals));
    }
    calls.values_mut().for_each(|calls| calls.sort_unstable_by_key(|(call, _)| call.index()));
    let rows = snapshot.machine_samples(steps).await?;
    let points = rows.into_iter().map(|row| {
        let calls = calls.remove(&row.at_s).unwrap_or_default();
        let point = point(row.sizes, row.pressure, row.least_available_bytes, row.lost);
        (row.at_s, MachinePoint { calls, ..point })
    });
    Ok(points.collect())
}

pub(super) async fn hosts<S: Snapshot>(snapshot: &mut S, _now_s: i64) -> Result<Vec<StoredHost>, StoreError> {
    let every = RunQuery { host: None, from_s: i64::MIN, to_s: i64::MAX };
    let mut hosts: Vec<StoredHost> = Vec::new();
    // The latest run comes last, so its kernel is the current one.
    for run in snapshot.runs(&every).await?.into_iter().filter(|run| run.began.0 > 0 || run.sampled_s > 0) {
        let (began, last) = (run.first(), run.last().max(run.began));
        match hosts.iter_mut().find(|host| *host.hostname == *run.host) {
            Some(host) => {
                host.kernel = run.kernel;
                host.first = host.first.min(began);
                host.last = host.last.max(last);
            }
            None => hosts.push(StoredHost {
                hostname: run.host.to_string(),
                kernel: run.kernel,
                first: began,
                last,
            }),
        }
    }
    hosts.sort_unstable_by(|one, other| one.hostname.cmp(&other.hostname));
    Ok(hosts)
}

pub(super) async fn runs<S: Snapshot>(
    snapshot: &mut S,
    range: Range,
    limit: usize,
    _now_s: i64,
) -> Result<Vec<HostRun>, StoreError> {
    let [from_s, to_s] = [second_of(range.from), second_of(range.to).saturating_add(1)];
    let mut runs = sampled_runs(snapshot, range.host, [from_s, to_s]).await?;
    runs.retain(|run| run.began < range.to);
    runs.sort_by_key(|run| Reverse((run.began, run.sampled_s)));
    runs.truncate(limit);
    let run = |run: RunRow| HostRun {
        hostname: run.host.to_string(),
        began: run.first(),
        last: run.last(),
        kernel: run.kernel,
        requests: run.requests,
        refused: run.refused,
        lost: run.lost,
    };
    Ok(runs.into_iter().map(run).collect())
}

impl RunRow {
    /// Start of the run. For runs written by an older version, only the samples have a time: their
    /// last second is used.
    fn first(&self) -> WallClock {
        if self.began.0 == 0 { self.last() } else { self.began }
    }

    fn last(&self) -> WallClock {
        WallClock(self.sampled_s.saturating_mul(1_000_000_000))
    }
}
