//! Times on the wire.

use std::fmt::{self, Display, Formatter};

use jiff::Timestamp;
use memtap_model::WallClock;
use serde::{Deserialize, Serialize, Serializer};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// A time in RFC 3339 form. Output is UTC with milliseconds; input may have any offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[cfg_attr(
    feature = "openapi",
    derive(ToSchema),
    schema(value_type = String, format = DateTime, examples("2026-11-23T10:00:00.000Z"))
)]
#[serde(try_from = "String")]
pub struct Time(pub WallClock);

impl Time {
    /// The time for calendars and time zones.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_nanosecond(self.0.0.into()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl From<Timestamp> for Time {
    /// A time beyond the clock's range (the years 1677 to 2262) becomes the end of the range.
    fn from(at: Timestamp) -> Self {
        let nanoseconds = at.as_nanosecond().clamp(i64::MIN.into(), i64::MAX.into());
        Self(WallClock(i64::try_from(nanoseconds).unwrap_or_default()))
    }
}

impl TryFrom<String> for Time {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let at: Result<Timestamp, _> = text.parse();
        at.map(Self::from).map_err(|_| "must be an RFC 3339 time such as 2026-11-23T10:00:00Z")
    }
}

impl Display for Time {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.3}", self.timestamp())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_a_z() {
        assert_eq!(Time(WallClock(1_795_428_000_000_000_000)).to_string(), "2026-11-23T10:00:00.000Z");
        assert_eq!(Time(WallClock(1_795_428_000_123_999_999)).to_string(), "2026-11-23T10:00:00.123Z");
    }

    #[test]
    fn times_are_read_with_any_offset_and_end_where_the_clock_ends() {
        let read = |text: &str| Time::try_from(text.to_owned()).map(|time| time.0.0);
        assert_eq!(read("2026-11-23T11:00:00+01:00"), Ok(1_795_428_000_000_000_000));
        assert_eq!(read("0001-01-01T00:00:00Z"), Ok(i64::MIN));
        assert_eq!(read("9999-12-30T00:00:00Z"), Ok(i64::MAX));
        assert!(read("noon").is_err_and(|error| error.contains("RFC 3339")));
    }
}
