//! Answers queries for pages of requests, and for counts of requests by size, by call and by errno.

use std::time::Duration;

use crate::calls::StepCount;
use crate::refusals::Refusals;
use crate::rows::{Names, SizedRow, Snapshot};
use crate::sizes::SizeCount;
use crate::{ProcessCalls, Refused, RequestPage, RequestQuery, Sizes, StoreError};

pub(super) async fn page<S: Snapshot>(
    snapshot: &mut S,
    query: RequestQuery,
    _now_s: i64,
) -> Result<RequestPage, StoreError> {
    let limit = query.limit;
    let mut rows = snapshot.requests(&one_more(query)).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| has_more).map(|(place, _)| place.to_string());
    Ok(RequestPage { requests: rows.into_iter().map(|(_, request)| request).collect(), next_cursor })
}

pub(super) async fn sizes<S: Snapshot>(
    snapshot: &mut S,
    query: RequestQuery,
    _now_s: i64,
) -> Result<Sizes, StoreError> {
    let mut count = SizeCount::default();
    let add = |row: &SizedRow| count.add(row.call, row.size, row.is_refused, row.time);
    let is_cut = newest(snapshot, query, Names::Omitted, add).await?;
    Ok(count.finish(is_cut))
}

pub(super) async fn calls<S: Snapshot>(
    snapshot: &mut S,
    query: RequestQuery,
    step: Duration,
    _now_s: i64,
) -> Result<ProcessCalls, StoreError> {
    let mut count = StepCount::new(step);
    let add = |row: &SizedRow| count.add(row.call, row.is_refused, row.time, row.name);
    let is_cut = newest(snapshot, query, Names::OfProcess, add).await?;
    Ok(count.finish(is_cut))
}

/// Passes the newest `query.limit` requests to `add`. Returns whether there were more.
async fn newest<S: Snapshot>(
    snapshot: &mut S,
    query: RequestQuery,
    names: Names,
    mut add: impl FnMut(&SizedRow) + Send,
) -> Result<bool, StoreError> {
    let limit = query.limit;
    let mut rows = 0_usize;
    let mut take = |row: SizedRow| {
        if rows < limit {
            add(&row);
        }
        rows += 1;
    };
    let query = RequestQuery { cursor: None, ..one_more(query) };
    snapshot.sized_requests(&query, names, &mut take).await?;
    Ok(rows > limit)
}

/// Raises the limit by one: an extra row shows that there are more.
fn one_more(query: RequestQuery) -> RequestQuery {
    RequestQuery { limit: query.limit.saturating_add(1), ..query }
}

pub(super) async fn refusals<S: Snapshot>(
    snapshot: &mut S,
    query: RequestQuery,
    _now_s: i64,
) -> Result<Vec<Refused>, StoreError> {
    if query.refused == Some(false) {
        return Ok(Vec::new());
    }
    let mut refusals = Refusals::new(query.limit);
    let query = RequestQuery { cursor: None, refused: Some(true), ..query };
    snapshot.refused_requests(&query, &mut |row| refusals.add(&row)).await?;
    let details = snapshot.details(&refusals.processes()).await?;
    Ok(refusals.finish(&details))
}
