//! Answers queries for usage of one process or of all processes, in steps.

use std::sync::Arc;

use memtap_model::WallClock;

use crate::rows::{
    ALL_PROCESSES, ProcessQuery, RunQuery, RunRow, SampleQuery, SampleRow, Snapshot, StepQuery,
};
use crate::steps::{STEPS, Sample, choose, merge, parts, seconds, width};
use crate::{StoreError, UsagePoint, UsageQuery};

/// Owner of samples: a process of one run, or the sum of all its processes.
struct Owner {
    process: u64,
    run: u64,
    host: Arc<str>,
    rolled: [i64; 4],
    ended_s: Option<i64>,
}

pub(super) async fn usage<S: Snapshot>(
    snapshot: &mut S,
    query: UsageQuery,
    now_s: i64,
) -> Result<Vec<UsagePoint>, StoreError> {
    let chosen = choose(&query, now_s);
    let width = width(&query, chosen);
    let [from, to] = seconds(&query, width);
    let mut samples = Vec::new();
    for owner in owners(snapshot, &query, [from, to]).await? {
        let host = Arc::clone(&owner.host);
        let mut take = |SampleRow { at_s, point, .. }: SampleRow| {
            samples.push(Sample { host: Arc::clone(&host), at_s, point });
        };
        if query.carried && owner.ended_s.is_none_or(|ended_s| ended_s >= from) {
            for SampleRow { process, point, .. } in
                last_before(snapshot, owner.run, vec![owner.process], from).await?
            {
                take(SampleRow { process, at_s: from, point: point.carried() });
            }
        }
        for (step_s, from_s) in parts(chosen, from, owner.rolled) {
            let steps = StepQuery { run: owner.run, step_s, from_s, to_s: to };
            let query = SampleQuery { steps, rows: Some(&[owner.process]) };
            snapshot.samples(&query, &mut take).await?;
        }
    }
    // A pid may belong to several processes, one after the other. Within each, the rows are already
    // in order.
    samples.sort_by_key(|sample| sample.at_s);
    Ok(merge(samples, width))
}

async fn owners<S: Snapshot>(
    snapshot: &mut S,
    query: &UsageQuery,
    [from, to]: [i64; 2],
) -> Result<Vec<Owner>, StoreError> {
    let runs = sampled_runs(snapshot, query.host.clone(), [from, to]).await?;
    let Some(pid) = query.pid else {
        let sums = runs.into_iter().map(|run| Owner::new(&run, ALL_PROCESSES, None));
        return Ok(sums.collect());
    };
    // The last sample may be a second later than the end of its process, so the end is not a
    // filter.
    let selection = ProcessQuery {
        from: WallClock(i64::MIN),
        to: WallClock(i64::MAX),
        pid: Some(pid),
        started_at: query.started_at,
    };
    let mut owners = Vec::new();
    let mut take = |row: crate::rows::ProcessRow| {
        if let Some(run) = runs.iter().find(|run| run.id == row.run) {
            owners.push(Owner::new(run, row.id, row.ended_at.map(crate::cover::seconds)));
        }
    };
    snapshot.processes(&selection, &runs, &mut take).await?;
    owners.sort_by_key(|owner| owner.process);
    Ok(owners)
}

/// Returns the runs with samples between two seconds.
pub(super) async fn sampled_runs<S: Snapshot>(
    snapshot: &mut S,
    host: Option<String>,
    [from_s, to_s]: [i64; 2],
) -> Result<Vec<RunRow>, StoreError> {
    let mut runs = snapshot.runs(&RunQuery { host, from_s, to_s }).await?;
    runs.retain(|run| run.sampled_s > 0 && run.sampled_s >= from_s);
    Ok(runs)
}

/// Returns the last sample of each process before a second. The shortest step with a sample is the
/// most exact.
pub(super) async fn last_before<S: Snapshot>(
    snapshot: &mut S,
    run: u64,
    mut rows: Vec<u64>,
    from_s: i64,
) -> Result<Vec<SampleRow>, StoreError> {
    let mut samples = Vec::new();
    for step_s in STEPS {
        if rows.is_empty() {
            break;
        }
        let mut last = snapshot.last_samples(run, &rows, step_s, from_s - step_s).await?;
        last.sort_unstable_by_key(|sample| sample.process);
        rows.retain(|row| last.binary_search_by_key(row, |sample| sample.process).is_err());
        samples.append(&mut last);
    }
    Ok(samples)
}

impl Owner {
    fn new(run: &RunRow, process: u64, ended_s: Option<i64>) -> Self {
        Self { process, run: run.id, host: Arc::clone(&run.host), rolled: run.rolled, ended_s }
    }
}
