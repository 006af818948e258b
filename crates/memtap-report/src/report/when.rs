//! Times for people: in their time zone and in the order of ISO 8601, which is the same in every
//! language.

use jiff::{Timestamp, ZonedDateTime};

use super::{At, Audience, Span};
use crate::Lang;

fn zoned(at: At, audience: &Audience) -> ZonedDateTime {
    let at = Timestamp::from_nanosecond(at.0.0.into()).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned_datetime(audience.zone.clone())
}

/// Formats a time as `2026-11-24 13:00:05`.
pub(super) fn second(at: At, audience: &Audience) -> String {
    zoned(at, audience).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Formats a time as `2026-11-24 13:00`, with seconds unless they are zero.
pub(super) fn minute(at: At, audience: &Audience) -> String {
    let at = zoned(at, audience);
    let form = if at.second() == 0 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" };
    at.strftime(form).to_string()
}

/// Formats a span. The second time omits its date if that is the same day.
pub(super) fn span(span: Span, audience: &Audience) -> String {
    let (from, to) = (minute(span.from, audience), minute(span.to, audience));
    let is_same_day = from.get(..10) == to.get(..10);
    let to = if is_same_day { to.get(11..).unwrap_or(&to) } else { &to };
    format!("{from} – {to}")
}

/// Time zone at that time: `UTC`, or an offset such as `UTC+01:00`.
pub(super) fn zone(at: At, audience: &Audience) -> String {
    let offset = zoned(at, audience).offset().seconds();
    if offset == 0 {
        return "UTC".to_owned();
    }
    let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs() / 60);
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Formats a length in words: `1 hour`, `90 minutes`, in Spanish `1 hora`.
pub(super) fn length(seconds: f64, lang: Lang) -> String {
    let whole = seconds.round().max(0.0) as u64;
    let (one, several, count) = match whole {
        s if s >= 86_400 && s.is_multiple_of(86_400) => {
            (lang.pick("day", "día"), lang.pick("days", "días"), s / 86_400)
        }
        s if s >= 3_600 && s.is_multiple_of(3_600) => {
            (lang.pick("hour", "hora"), lang.pick("hours", "horas"), s / 3_600)
        }
        s if s >= 60 && s.is_multiple_of(60) => {
            (lang.pick("minute", "minuto"), lang.pick("minutes", "minutos"), s / 60)
        }
        s if s >= 7_200 => return crate::duration(seconds, lang),
        s => (lang.pick("second", "segundo"), lang.pick("seconds", "segundos"), s),
    };
    format!("{} {}", crate::count(count, lang), if count == 1 { one } else { several })
}

/// A tick on the time axis: its position (0 to 1) and its label.
pub(super) struct Tick {
    pub(super) place: f64,
    pub(super) label: String,
}

/// Tick distances that are easy to read, seconds.
const STEPS: [i64; 19] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 604_800,
];

/// About six round times within a span.
pub(super) fn ticks(span: Span, audience: &Audience) -> Vec<Tick> {
    let (from, to) = (span.from.0.0, span.to.0.0);
    let length_s = to.saturating_sub(from) / 1_000_000_000;
    let longest = STEPS[STEPS.len() - 1];
    let step =
        STEPS.into_iter().find(|step| length_s / step <= 6).unwrap_or(longest * (length_s / longest / 6 + 1));
    let offset = i64::from(zoned(span.from, audience).offset().seconds());
    let first = (from.div_euclid(1_000_000_000) + offset).div_euclid(step) * step - offset;
    let form = match step {
        ..60 => "%H:%M:%S",
        60..86_400 => "%H:%M",
        _ => "%m-%d",
    };
    let seconds = (0..=length_s / step + 1).map(|n| first + n * step);
    let shown = seconds.map(|at| at.saturating_mul(1_000_000_000)).filter(|at| (from..=to).contains(at));
    shown
        .map(|at| Tick {
            place: (at - from) as f64 / (to - from).max(1) as f64,
            label: zoned(At(memtap_model::WallClock(at)), audience).strftime(form).to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::tz::{TimeZone, offset};
    use memtap_model::WallClock;

    use super::*;

    /// 2026-11-24 12:00:00 UTC.
    const NOON_S: i64 = 1_795_521_600;

    fn at(second: i64) -> At {
        At(WallClock((NOON_S + second) * 1_000_000_000))
    }

    fn audience(hours: i8) -> Audience {
        Audience { lang: Lang::En, zone: TimeZone::fixed(offset(hours)) }
    }

    #[test]
    fn times_are_in_the_time_zone_of_the_audience() {
        assert_eq!(second(at(5), &audience(1)), "2026-11-24 13:00:05");
        assert_eq!(span(Span { from: at(0), to: at(3600) }, &audience(0)), "2026-11-24 12:00 – 13:00");
        assert_eq!(
            span(Span { from: at(0), to: at(43_201) }, &audience(0)),
            "2026-11-24 12:00 – 2026-11-25 00:00:01"
        );
        assert_eq!(zone(at(0), &audience(-6)), "UTC-06:00");
        assert_eq!(zone(at(0), &audience(0)), "UTC");
    }

    #[test]
    fn lengths_are_in_words() {
        for (seconds, english, spanish) in [
            (3600.0, "1 hour", "1 hora"),
            (5400.0, "90 minutes", "90 minutos"),
            (172_800.0, "2 days", "2 días"),
            (20.0, "20 seconds", "20 segundos"),
        ] {
            assert_eq!(length(seconds, Lang::En), english);
            assert_eq!(length(seconds, Lang::Es), spanish);
        }
    }

    #[test]
    fn ticks_are_at_round_times() {
        let ticks = |from, to| {
            let ticks = super::ticks(Span { from: at(from), to: at(to) }, &audience(0));
            ticks.into_iter().map(|tick| tick.label).collect::<Vec<_>>()
        };
        assert_eq!(ticks(60, 3660), ["12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]);
        assert_eq!(ticks(0, 20), ["12:00:00", "12:00:05", "12:00:10", "12:00:15", "12:00:20"]);
        assert_eq!(ticks(0, 86_400).len(), 5);
        for length in [0, 1, 7, 61, 4000, 90_000, 700_000, 40_000_000, 900_000_000] {
            assert!((1..=8).contains(&ticks(0, length).len()), "{length}");
        }
    }
}
