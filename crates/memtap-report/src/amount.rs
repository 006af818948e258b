//! Amounts formatted for people, in English and Spanish.

use memtap_model::{grouped, size_in_unit};

use crate::Lang;

/// A size such as `1.50 GiB` (`1,50 GiB` in Spanish), with three significant digits as on the page.
#[must_use]
pub fn bytes(bytes: u64, lang: Lang) -> String {
    let (number, unit) = size_in_unit(bytes);
    format!("{} {unit}", pointed(number, lang))
}

/// A number with a fixed count of decimals, after a point (English) or a comma (Spanish).
#[must_use]
pub fn decimal(number: f64, digits: usize, lang: Lang) -> String {
    pointed(format!("{number:.digits$}"), lang)
}

fn pointed(number: String, lang: Lang) -> String {
    match lang {
        Lang::En => number,
        Lang::Es => number.replace('.', ","),
    }
}

/// A count with grouped thousands: `12,345` in English, `12.345` in Spanish.
#[must_use]
pub fn count(count: u64, lang: Lang) -> String {
    grouped(count, lang.pick(',', '.'))
}

/// A rate or a small amount: a whole number from 10 on, one decimal below.
#[must_use]
pub fn rate(number: f64, lang: Lang) -> String {
    if number >= 9.95 { count(number.round() as u64, lang) } else { decimal(number, 1, lang) }
}

/// A duration in the largest unit that gives at least two: `45 s`, `12 min`, `3 hours` (`3 horas`
/// in Spanish).
#[must_use]
pub fn duration(seconds: f64, lang: Lang) -> String {
    let (amount, unit) = match seconds {
        ..0.95 => return format!("{} s", decimal(seconds.max(0.0), 1, lang)),
        ..120.0 => (seconds, "s"),
        ..7200.0 => (seconds / 60.0, "min"),
        ..172_800.0 => (seconds / 3600.0, lang.pick("hours", "horas")),
        _ => (seconds / 86_400.0, lang.pick("days", "días")),
    };
    format!("{} {unit}", count(amount.round() as u64, lang))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_significant_digits() {
        for (size, english, spanish) in [
            (0, "0 B", "0 B"),
            (4096, "4.00 KiB", "4,00 KiB"),
            (1_048_575, "1.00 MiB", "1,00 MiB"),
            (1_610_612_736, "1.50 GiB", "1,50 GiB"),
            (150 << 20, "150 MiB", "150 MiB"),
            (u64::MAX, "16.0 EiB", "16,0 EiB"),
        ] {
            assert_eq!(bytes(size, Lang::En), english);
            assert_eq!(bytes(size, Lang::Es), spanish);
        }
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(999, Lang::En), "999");
        assert_eq!(count(1_234_567, Lang::En), "1,234,567");
        assert_eq!(count(12_345, Lang::Es), "12.345");
    }

    #[test]
    fn durations_have_one_unit() {
        for (seconds, english, spanish) in [
            (0.04, "0.0 s", "0,0 s"),
            (45.2, "45 s", "45 s"),
            (720.0, "12 min", "12 min"),
            (7200.0, "2 hours", "2 horas"),
            (86_400.0 * 3.4, "3 days", "3 días"),
        ] {
            assert_eq!(duration(seconds, Lang::En), english);
            assert_eq!(duration(seconds, Lang::Es), spanish);
        }
    }
}
