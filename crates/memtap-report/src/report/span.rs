//! Moments and stretches of time, as a report's JSON form has them.

use memtap_model::WallClock;
use serde::{Serialize, Serializer};

/// A moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub WallClock);

impl At {
    /// Seconds to a later moment.
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

/// From one moment to before another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Where it begins.
    pub from: At,
    /// Where it ends.
    pub to: At,
}

impl Span {
    /// Its length in seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.from.seconds_to(self.to)
    }
}
