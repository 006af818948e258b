//! Points in time and time spans, as in the JSON form of a report.

use memtap_model::WallClock;
use serde::{Serialize, Serializer};

/// A point in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub WallClock);

impl At {
    /// Seconds to a later point in time.
    #[must_use]
    pub fn seconds_to(self, later: Self) -> f64 {
        later.0.seconds_since(self.0)
    }
}

/// RFC 3339 in UTC with milliseconds, as in the API.
impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = jiff::Timestamp::from_nanosecond(self.0.0.into()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        serializer.collect_str(&format_args!("{at:.3}"))
    }
}

/// A time span that excludes its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Start of the span.
    pub from: At,
    /// End of the span.
    pub to: At,
}

impl Span {
    /// Length in seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.from.seconds_to(self.to)
    }
}
