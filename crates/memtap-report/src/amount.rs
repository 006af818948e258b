//! Amounts for people: sizes in KiB, MiB and GiB, and counts in groups of three.

use crate::Lang;

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A size as people read it: `1.5 GiB`, in Spanish `1,5 GiB`. Three digits at most are told.
#[must_use]
pub fn bytes(bytes: u64, lang: Lang) -> String {
    let mut size = bytes as f64;
    let mut unit = 0;
    // 1023.5 would be written as 1024 of the smaller unit.
    while size >= 1023.5 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let digits = if unit == 0 || size >= 99.95 { 0 } else { 1 };
    format!("{} {}", decimal(size, digits, lang), UNITS[unit])
}

/// A number with so many digits behind the point (English) or comma (Spanish).
#[must_use]
pub fn decimal(number: f64, digits: usize, lang: Lang) -> String {
    let text = format!("{number:.digits$}");
    match lang {
        Lang::En => text,
        Lang::Es => text.replace('.', ","),
    }
}

/// A count in groups of three: `12,345`, in Spanish `12.345`.
#[must_use]
pub fn count(count: u64, lang: Lang) -> String {
    let digits = count.to_string();
    let separator = lang.pick(',', '.');
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (size, english, spanish) in [
            (0, "0 B", "0 B"),
            (4096, "4.0 KiB", "4,0 KiB"),
            (1_048_575, "1.0 MiB", "1,0 MiB"),
            (1_610_612_736, "1.5 GiB", "1,5 GiB"),
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
}
