//! Points in time as users type them, in this machine's time zone.

use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use memtap_model::WallClock;

use crate::cli;

/// A point in time as typed. Its value depends on the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A time with an explicit offset from UTC.
    Exact(Timestamp),
    /// A date and time in this machine's time zone.
    Local(DateTime),
    /// A time of day: its latest occurrence in the past.
    OfDay(Time),
    /// The start of the day this many days ago.
    DaysAgo(i8),
    /// This long ago.
    Ago(Duration),
}

const FORMS: &str = "13:00, '2026-11-24 13:00', 2026-11-24, today, yesterday, now, 2h (two hours ago) or 2026-11-24T13:00:00Z";

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        match text {
            "now" => return Ok(Self::Ago(Duration::ZERO)),
            "today" => return Ok(Self::DaysAgo(0)),
            "yesterday" => return Ok(Self::DaysAgo(1)),
            _ => {}
        }
        if let Ok(age) = cli::age(text) {
            return Ok(Self::Ago(age));
        }
        if let Ok(exact) = text.parse() {
            return Ok(Self::Exact(exact));
        }
        let date = text.parse::<Date>().map(|date| date.at(0, 0, 0, 0));
        // A time with an offset that did not parse must not be accepted without the offset.
        let local =
            if text.contains(['Z', '+', '[']) { None } else { text.parse::<DateTime>().or(date).ok() };
        let of_day = || text.contains(':').then(|| text.parse::<Time>().ok()).flatten();
        let moment = local.map(Self::Local).or_else(|| of_day().map(Self::OfDay));
        moment.ok_or_else(|| format!("invalid time '{text}'; expected for example {FORMS}"))
    }
}

impl Moment {
    /// Returns the moment in wall-clock time. When a clock change makes a local time ambiguous, the
    /// first is used. When it skips a local time, the time is shifted by the length of the gap.
    pub(crate) fn when(self, now: Timestamp, zone: &TimeZone) -> Result<WallClock, String> {
        let too_far = |_| format!("the time is out of range; expected for example {FORMS}");
        let local = zone.to_datetime(now);
        let at = match self {
            Self::Exact(at) => at,
            Self::Ago(age) => now.checked_sub(age).map_err(too_far)?,
            Self::Local(at) => zone.to_timestamp(at).map_err(too_far)?,
            Self::DaysAgo(days) => {
                let day = local.date().checked_sub(days.days()).map_err(too_far)?;
                zone.to_timestamp(day.at(0, 0, 0, 0)).map_err(too_far)?
            }
            Self::OfDay(time) => {
                let today = zone.to_timestamp(local.date().to_datetime(time)).map_err(too_far)?;
                if today <= now {
                    today
                } else {
                    let yesterday = local.date().checked_sub(1.day()).map_err(too_far)?;
                    zone.to_timestamp(yesterday.to_datetime(time)).map_err(too_far)?
                }
            }
        };
        let nanoseconds = i64::try_from(at.as_nanosecond());
        nanoseconds
            .map(WallClock)
            .map_err(|_| format!("the time is out of range; expected for example {FORMS}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resolves `text` at noon UTC on 2026-11-24, in a time zone one hour ahead.
    fn when(text: &str) -> String {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let at =
            text.parse::<Moment>().unwrap().when("2026-11-24T12:00:00Z".parse().unwrap(), &zone).unwrap();
        Timestamp::from_nanosecond(at.0.into()).unwrap().to_string()
    }

    #[test]
    fn times_are_in_the_machines_time_zone() {
        for (text, at) in [
            ("2026-11-24T13:00:00Z", "2026-11-24T13:00:00Z"),
            ("2026-11-24T13:00:00+02:00", "2026-11-24T11:00:00Z"),
            ("2026-11-24 13:00", "2026-11-24T12:00:00Z"),
            ("2026-11-24T13:00:05", "2026-11-24T12:00:05Z"),
            ("2026-11-24", "2026-11-23T23:00:00Z"),
            ("12:30", "2026-11-24T11:30:00Z"),
            ("13:30", "2026-11-23T12:30:00Z"),
            ("today", "2026-11-23T23:00:00Z"),
            ("yesterday", "2026-11-22T23:00:00Z"),
            ("now", "2026-11-24T12:00:00Z"),
            ("2h", "2026-11-24T10:00:00Z"),
        ] {
            assert_eq!(when(text), at, "{text}");
        }
    }

    #[test]
    fn an_invalid_time_is_an_error_with_examples() {
        for wrong in ["", "noon", "25:00", "2026-13-01", "13", "2026-11-24T13:00:00+", "tomorrow"] {
            assert!(wrong.parse::<Moment>().unwrap_err().contains("yesterday"), "{wrong}");
        }
    }
}
