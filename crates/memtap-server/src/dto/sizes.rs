//! Which sizes were asked for, and what was refused.

use std::sync::Arc;

use memtap_report::{Lang, refusal_meaning, refusal_mend};
use serde::Serialize;
use utoipa::ToSchema;

use super::{CallName, Time};

/// Requests by call and size.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sizes {
    /// Histogram, sorted by call and then by size.
    buckets: Vec<SizeBucket>,
    /// Most frequent sizes, most frequent first.
    frequent: Vec<FrequentSize>,
    /// Number of requests that were counted.
    rows: u64,
    /// Time of the oldest request that was counted.
    since: Option<Time>,
    /// True if the range has more requests than were counted.
    cut: bool,
}

/// Requests of at least `from_bytes` and less than twice that.
#[derive(Debug, Serialize, ToSchema)]
struct SizeBucket {
    #[schema(value_type = CallName)]
    call: &'static str,
    from_bytes: u64,
    count: u64,
    refused: u64,
    /// Sum of the requested bytes.
    bytes: u64,
}

/// Requests of one call and one size.
#[derive(Debug, Serialize, ToSchema)]
struct FrequentSize {
    #[schema(value_type = CallName)]
    call: &'static str,
    size: u64,
    count: u64,
}

impl From<memtap_store::Sizes> for Sizes {
    fn from(found: memtap_store::Sizes) -> Self {
        let bucket = |bucket: memtap_store::SizeBucket| SizeBucket {
            call: bucket.call.name(),
            from_bytes: bucket.from_bytes,
            count: bucket.count,
            refused: bucket.refused,
            bytes: bucket.bytes,
        };
        let frequent = |one: memtap_store::FrequentSize| FrequentSize {
            call: one.call.name(),
            size: one.size,
            count: one.count,
        };
        Self {
            buckets: found.buckets.into_iter().map(bucket).collect(),
            frequent: found.frequent.into_iter().map(frequent).collect(),
            rows: found.rows,
            since: found.since.map(Time),
            cut: found.cut,
        }
    }
}

/// Refused requests, latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusalList {
    refusals: Vec<Refused>,
}

/// Refused requests with the same process, call and errno.
#[derive(Debug, Serialize, ToSchema)]
struct Refused {
    host: Arc<str>,
    pid: u32,
    start_time: Time,
    /// Name of the thread that made the latest of these requests.
    name: String,
    #[schema(value_type = CallName)]
    call: &'static str,
    errno: u16,
    /// Name of the errno, for example `ENOMEM`.
    error: String,
    /// Meaning of the errno for this call, as text.
    meaning: String,
    /// How to fix it; null if programs cause it on purpose or handle it without harm.
    mend: Option<String>,
    count: u64,
    /// Largest requested size.
    largest_bytes: u64,
    first_time: Time,
    last_time: Time,
}

impl RefusalList {
    pub(crate) fn of(found: Vec<memtap_store::Refused>, lang: Lang) -> Self {
        let refused = |refused: memtap_store::Refused| Refused {
            host: refused.host,
            pid: refused.pid.0,
            start_time: Time(refused.started_at),
            name: refused.name.to_text(),
            call: refused.call.name(),
            errno: refused.errno.0,
            error: refused.errno.to_string(),
            meaning: refusal_meaning(refused.call, refused.errno).text(lang).to_string(),
            mend: refusal_mend(refused.call, refused.errno, refused.largest_bytes)
                .map(|mend| mend.text(lang).to_string()),
            count: refused.count,
            largest_bytes: refused.largest_bytes,
            first_time: Time(refused.first),
            last_time: Time(refused.last),
        };
        Self { refusals: found.into_iter().map(refused).collect() }
    }
}
