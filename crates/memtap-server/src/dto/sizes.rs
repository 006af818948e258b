//! Which sizes were asked for, and what was refused.

use std::sync::Arc;

use memtap_report::{Lang, refusal_meaning, refusal_mend};
use serde::Serialize;
use utoipa::ToSchema;

use super::{CallName, Time};

/// Requests by call and size.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sizes {
    /// By call and power of two, in that order.
    buckets: Vec<SizeBucket>,
    /// The sizes that came most often, most frequent first.
    frequent: Vec<FrequentSize>,
    /// How many requests were counted.
    rows: u64,
    /// The oldest of them.
    since: Option<Time>,
    /// Whether there were more than were counted.
    cut: bool,
}

/// Requests of `from_bytes` up to, but less than, twice that.
#[derive(Debug, Serialize, ToSchema)]
struct SizeBucket {
    #[schema(value_type = CallName)]
    call: &'static str,
    from_bytes: u64,
    count: u64,
    refused: u64,
    /// What they asked for together.
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

/// What was refused, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusalList {
    refusals: Vec<Refused>,
}

/// Refused requests of one process, call and errno.
#[derive(Debug, Serialize, ToSchema)]
struct Refused {
    host: Arc<str>,
    pid: u32,
    start_time: Time,
    /// The process's name at the latest of them.
    name: String,
    #[schema(value_type = CallName)]
    call: &'static str,
    errno: u16,
    /// The errno's name, `ENOMEM`.
    error: String,
    /// What the errno means for this call, in words.
    meaning: String,
    /// What mends it; null for what programs meet on purpose or bear without harm.
    mend: Option<String>,
    count: u64,
    /// The largest.
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
