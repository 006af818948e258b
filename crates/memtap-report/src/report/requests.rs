//! Single requests of a range: the largest, the most frequent sizes, and refusals.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use memtap_history::{Range, Refused, RequestQuery, Sizes, StoredRequest};
use memtap_model::{CALLS, Call, Errno};

use super::making::{Making, owned};
use super::{Ask, At, FrequentSize, LargeRequest, Refusal, ReportError};
use crate::refusal_meaning;

/// Queries of [`count`], and of the other functions.
pub(super) const QUESTIONS: usize = 1;
pub(super) const DETAILS: usize = 2;
/// Requests whose sizes are counted, latest first.
const COUNTED: usize = 1_000_000;
/// Requests to search for the largest ones.
const LOOKED_THROUGH: usize = 10_000;
/// Rows of a table.
const ROWS: usize = 15;
/// Refusals by process to read, and rows of their table.
const REFUSALS: usize = 5_000;
const REFUSAL_ROWS: usize = 30;

/// Selects the requests of a range as far as the store can; a pattern filters them further.
fn query(ask: &Ask, range: &Range) -> RequestQuery {
    RequestQuery {
        host: range.host.clone(),
        pid: ask.pid,
        name: ask.name.as_ref().and_then(|pattern| pattern.part()).map(str::to_owned),
        from: Some(range.from),
        to: Some(range.to),
        ..RequestQuery::default()
    }
}

/// Counts the requests by size.
pub(super) async fn count(
    making: &mut Making<'_, '_>,
    ask: &Ask,
    range: &Range,
) -> Result<Sizes, ReportError> {
    let query = RequestQuery { limit: COUNTED, ..query(ask, range) };
    making.ask(making.reader.sizes(&query)).await
}

/// Counts the granted requests by size, over the same records as `counted`.
pub(super) async fn granted(
    making: &mut Making<'_, '_>,
    ask: &Ask,
    range: &Range,
    counted: &Sizes,
) -> Result<Sizes, ReportError> {
    let since = counted.since.filter(|_| counted.cut);
    let range = Range { from: since.unwrap_or(range.from), ..range.clone() };
    let query = RequestQuery { limit: COUNTED, refused: Some(false), ..query(ask, &range) };
    making.ask(making.reader.sizes(&query)).await
}

pub(super) fn frequent(counted: &Sizes) -> Vec<FrequentSize> {
    let sizes = counted.frequent.iter().filter(|size| size.size > 0).take(ROWS);
    sizes
        .map(|size| FrequentSize { call: size.call.name(), size_bytes: size.size, requests: size.count })
        .collect()
}

#[derive(Default)]
pub(super) struct Largest {
    pub(super) requests: Vec<LargeRequest>,
    /// Start of the searched records, if only the latest were searched.
    pub(super) since: Option<At>,
}

/// Finds the largest granted requests for memory. The counted sizes show how large a request must
/// be for enough results.
pub(super) async fn largest(
    making: &mut Making<'_, '_>,
    ask: &Ask,
    counted: &Sizes,
) -> Result<Largest, ReportError> {
    let mut largest = Largest::default();
    for least in thresholds(counted) {
        let query = RequestQuery {
            calls: CALLS.iter().map(|row| row.call).filter(|call| call.asks()).collect(),
            min_size: Some(least.max(1)),
            // Refused requests have their own table.
            refused: Some(false),
            limit: LOOKED_THROUGH,
            ..query(ask, &ask.range)
        };
        let page = making.ask(making.reader.requests(&query)).await?;
        largest.since = page.next_cursor.and_then(|_| page.requests.last()).map(|last| At(last.time));
        let meant = page.requests.iter().filter(|request| ask.is_named(&request.name.to_text()));
        largest.requests = meant.map(LargeRequest::from).collect();
        // With a pattern, the store may also return requests that do not match.
        if largest.requests.len() >= ROWS || largest.since.is_some() {
            break;
        }
    }
    let order =
        |request: &LargeRequest| (Reverse(request.requested_bytes), Reverse(request.timestamp), request.pid);
    largest.requests.sort_by_key(order);
    largest.requests.truncate(ROWS);
    Ok(largest)
}

/// Thresholds that give enough requests, then ten times as many, and so on. The last one includes
/// all requests.
fn thresholds(counted: &Sizes) -> Vec<u64> {
    let mut buckets: Vec<(u64, u64)> = counted
        .buckets
        .iter()
        .filter(|bucket| bucket.call.asks())
        .map(|bucket| (bucket.from_bytes, bucket.count.saturating_sub(bucket.refused)))
        .collect();
    buckets.sort_by_key(|(from, _)| Reverse(*from));
    let (mut thresholds, mut total, mut enough) = (Vec::new(), 0, ROWS as u64);
    for (index, (from, count)) in buckets.iter().enumerate() {
        total += count;
        // The same size in several calls is one threshold.
        let is_whole = buckets.get(index + 1).is_none_or(|(next, _)| next < from);
        if is_whole && total >= enough {
            thresholds.push(*from);
            enough = total.saturating_mul(10);
        }
    }
    if let Some((last, _)) = buckets.last()
        && thresholds.last() != Some(last)
    {
        thresholds.push(*last);
    }
    thresholds
}

impl From<&StoredRequest> for LargeRequest {
    fn from(request: &StoredRequest) -> Self {
        Self {
            timestamp: At(request.time),
            host: owned(&request.host),
            pid: request.pid.0,
            name: request.name.to_text(),
            call: request.call.name(),
            requested_bytes: request.requested_bytes,
            arguments: request.call.describe(request.protection, request.flags),
        }
    }
}

/// Refused requests by program, call and errno, most frequent first.
pub(super) async fn refusals(making: &mut Making<'_, '_>, ask: &Ask) -> Result<Vec<Refusal>, ReportError> {
    let query = RequestQuery { refused: Some(true), limit: REFUSALS, ..query(ask, &ask.range) };
    let mut stored = making.ask(making.reader.refusals(&query)).await?;
    stored.retain(|refused| ask.is_of(&refused.name.to_text(), refused.pid));
    let mut refusals = by_program(&stored);
    let tie_break =
        |refusal: &Refusal| (refusal.name.clone(), refusal.call, refusal.error.clone(), refusal.host.clone());
    refusals.sort_by_cached_key(|refusal| (Reverse(refusal.requests), tie_break(refusal)));
    refusals.truncate(REFUSAL_ROWS);
    Ok(refusals)
}

type Key = (std::sync::Arc<str>, String, Call, Errno);

fn by_program(refusals: &[Refused]) -> Vec<Refusal> {
    let mut programs: HashMap<Key, (Refusal, HashSet<(u32, i64)>)> = HashMap::new();
    for refused in refusals {
        let key = (std::sync::Arc::clone(&refused.host), refused.name.to_text(), refused.call, refused.errno);
        let (sum, processes) =
            programs.entry(key).or_insert_with(|| (Refusal::from(refused), HashSet::new()));
        processes.insert((refused.pid.0, refused.started_at.0));
        sum.processes = processes.len() as u64;
        sum.requests += refused.count;
        sum.largest_bytes = sum.largest_bytes.max(refused.largest_bytes);
        sum.first_time = sum.first_time.min(At(refused.first));
        sum.last_time = sum.last_time.max(At(refused.last));
    }
    programs.into_values().map(|(sum, _)| sum).collect()
}

impl From<&Refused> for Refusal {
    /// Creates an entry whose counts are all zero.
    fn from(refused: &Refused) -> Self {
        Self {
            host: owned(&refused.host),
            name: refused.name.to_text(),
            call: refused.call.name(),
            error: refused.errno.to_string(),
            meaning: refusal_meaning(refused.call, refused.errno),
            first_time: At(refused.first),
            last_time: At(refused.last),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use memtap_history::SizeBucket;

    use super::*;

    fn bucket(call: Call, from_bytes: u64, count: u64) -> SizeBucket {
        SizeBucket { call, from_bytes, count, refused: 0, bytes: from_bytes * count }
    }

    #[test]
    fn a_threshold_has_enough_requests_above_it() {
        let counted = Sizes {
            buckets: vec![
                bucket(Call::Mmap, 4096, 1_000),
                bucket(Call::Mmap, 1 << 20, 10),
                bucket(Call::Mmap, 1 << 30, 2),
                bucket(Call::Brk, 1 << 20, 5),
                SizeBucket { refused: 20, ..bucket(Call::Mmap, 1 << 45, 20) },
                bucket(Call::Munmap, 1 << 40, 99),
            ],
            ..Sizes::default()
        };
        assert_eq!(thresholds(&counted), [1 << 20, 4096], "neither releases nor refusals are among them");
        let few = Sizes { buckets: vec![bucket(Call::Mmap, 4096, 3)], ..Sizes::default() };
        assert_eq!(thresholds(&few), [4096]);
        assert!(thresholds(&Sizes::default()).is_empty());
    }
}
