//! Which sizes were asked for, and what was refused.

use std::sync::Arc;

use memtap_report::{Lang, refusal_fix, refusal_meaning};
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

impl From<memtap_history::Sizes> for Sizes {
    fn from(found: memtap_history::Sizes) -> Self {
        let bucket = |bucket: memtap_history::SizeBucket| SizeBucket {
            call: bucket.call.name(),
            from_bytes: bucket.from_bytes,
            count: bucket.count,
            refused: bucket.refused,
            bytes: bucket.bytes,
        };
        let frequent = |one: memtap_history::FrequentSize| FrequentSize {
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
    /// How to fix it; null for refusals that programs expect or that do no harm.
    fix: Option<String>,
    /// The same text as `fix`, under its former name.
    #[schema(deprecated)]
    mend: Option<String>,
    count: u64,
    /// Largest requested size.
    largest_bytes: u64,
    first_time: Time,
    last_time: Time,
}

impl RefusalList {
    pub(crate) fn of(found: Vec<memtap_history::Refused>, lang: Lang) -> Self {
        let refused = |refused: memtap_history::Refused| {
            let fix = refusal_fix(refused.call, refused.errno, refused.largest_bytes)
                .map(|fix| fix.text(lang).to_owned());
            Refused {
                host: refused.host,
                pid: refused.pid.0,
                start_time: Time(refused.started_at),
                name: refused.name.to_text(),
                call: refused.call.name(),
                errno: refused.errno.0,
                error: refused.errno.to_string(),
                meaning: refusal_meaning(refused.call, refused.errno).text(lang).to_string(),
                mend: fix.clone(),
                fix,
                count: refused.count,
                largest_bytes: refused.largest_bytes,
                first_time: Time(refused.first),
                last_time: Time(refused.last),
            }
        };
        Self { refusals: found.into_iter().map(refused).collect() }
    }
}

#[cfg(test)]
mod tests {
    use memtap_model::{Call, Comm, Errno, Tgid, WallClock};

    use super::*;

    #[test]
    fn a_refusal_has_the_fix_also_under_its_former_name() {
        let refused = |call, errno| memtap_history::Refused {
            host: "box".into(),
            pid: Tgid(7),
            started_at: WallClock(0),
            name: Comm::new(b"db"),
            call,
            errno,
            count: 1,
            largest_bytes: 1 << 30,
            first: WallClock(1),
            last: WallClock(1),
        };
        let found = vec![refused(Call::Mmap, Errno::ENOMEM), refused(Call::Madvise, Errno(22))];
        let json = serde_json::to_value(RefusalList::of(found, Lang::En)).unwrap();
        let (limit, probe) = (&json["refusals"][0], &json["refusals"][1]);
        assert!(limit["fix"].as_str().unwrap().contains("ulimit -v"), "{limit}");
        assert_eq!(limit["fix"], limit["mend"]);
        assert!(probe["fix"].is_null() && probe["mend"].is_null(), "{probe}");
    }
}
