//! Answers queries for processes and programs in a range, from process rows, the last samples
//! before the range, and the samples in it. For imports, their requests are used instead.

use std::time::Duration;

use super::usage::last_before;
use crate::carry::Carry;
use crate::cover::Cover;
use crate::rows::{ProcessQuery, ProcessRow, RunQuery, RunRow, SampleQuery, Snapshot, StepQuery};
use crate::steps::STEPS;
use crate::{LifetimeQuery, Measure, ProcessLifetimes, ProgramQuery, Programs, StoreError};

/// Up to this number of processes, samples are read process by process.
const FEW: usize = 50;

pub(super) async fn lives<S: Snapshot>(
    snapshot: &mut S,
    query: LifetimeQuery,
    now_s: i64,
) -> Result<ProcessLifetimes, StoreError> {
    let cover = Cover::new(&query.range, Duration::ZERO, now_s);
    let carry = follow(snapshot, cover, &query, None).await?;
    let (largest, more) = carry.lives(query.by, query.limit);
    let rows: Vec<u64> = largest.iter().map(|(row, _)| *row).collect();
    let mut details = snapshot.details(&rows).await?;
    // A process that was just deleted has no details.
    let lives =
        largest.into_iter().map(|(row, life)| details.remove(&row).unwrap_or_default().complete(life));
    Ok(ProcessLifetimes { lives: lives.collect(), more })
}

pub(super) async fn programs<S: Snapshot>(
    snapshot: &mut S,
    query: ProgramQuery,
    now_s: i64,
) -> Result<Programs, StoreError> {
    let cover = Cover::new(&query.range, query.step, now_s);
    let all = LifetimeQuery { range: query.range.clone(), ..LifetimeQuery::default() };
    let carry = follow(snapshot, cover, &all, Some(query.by)).await?;
    Ok(carry.programs(query.top, !query.step.is_zero()))
}

async fn follow<S: Snapshot>(
    snapshot: &mut S,
    cover: Cover,
    query: &LifetimeQuery,
    measure: Option<Measure>,
) -> Result<Carry, StoreError> {
    let host = cover.range.host.clone();
    let runs = snapshot.runs(&RunQuery { host, from_s: cover.from_s, to_s: cover.to_s }).await?;
    let rows = rows(snapshot, query, &runs).await?;
    let mut carry = Carry::new(cover, runs, rows, measure);
    for (at, run) in carry.runs().to_vec().iter().enumerate() {
        if run.sampled_s == 0 {
            let (rows, range) = (carry.rows(at), carry.cover.range.clone());
            let mut take = |row| carry.sample(at, &row);
            snapshot.requests_as_samples(run.id, &rows, &range, &mut take).await?;
            continue;
        }
        let older = last_before(snapshot, run.id, carry.older_rows(at), carry.cover.from_s).await?;
        older.iter().for_each(|row| carry.before(at, row.process, &row.point));
        samples(snapshot, &mut carry, at, run).await?;
    }
    Ok(carry)
}

async fn rows<S: Snapshot>(
    snapshot: &mut S,
    query: &LifetimeQuery,
    runs: &[RunRow],
) -> Result<Vec<ProcessRow>, StoreError> {
    let selection = ProcessQuery {
        from: query.range.from,
        to: query.range.to,
        pid: query.pid,
        started_at: query.started_at,
    };
    let folded = query.name.as_ref().map(|name| name.to_ascii_lowercase());
    let mut rows = Vec::new();
    let mut take = |row: ProcessRow| {
        if folded.as_ref().is_none_or(|name| row.name.to_ascii_lowercase().contains(name)) {
            rows.push(row);
        }
    };
    snapshot.processes(&selection, runs, &mut take).await?;
    Ok(rows)
}

async fn samples<S: Snapshot>(
    snapshot: &mut S,
    carry: &mut Carry,
    at: usize,
    run: &RunRow,
) -> Result<(), StoreError> {
    let rows = carry.rows(at);
    let pieces = carry.cover.pieces(run);
    let mut take = |row| carry.sample(at, &row);
    for (step, [from_s, to_s]) in pieces {
        let steps = StepQuery { run: run.id, step_s: STEPS[step], from_s, to_s };
        let rows = if rows.len() > FEW { None } else { Some(&rows[..]) };
        snapshot.samples(&SampleQuery { steps, rows }, &mut take).await?;
    }
    Ok(())
}
