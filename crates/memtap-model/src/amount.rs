//! Sizes and counts formatted for people. Callers adapt the text to a language or a narrow column.

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Formats a size in the largest unit in which it is at least 1, with three significant digits:
/// `1.50` and `GiB`. Four digits remain where three would hide the next unit: `1023` and `KiB`.
#[must_use]
pub fn size_in_unit(bytes: u64) -> (String, &'static str) {
    let mut size = bytes as f64;
    let mut unit = 0;
    // A size of 1023.5 would be rounded to 1024 and belongs to the next unit.
    while size >= 1023.5 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let digits = match size {
        _ if unit == 0 => 0,
        99.95.. => 0,
        9.995.. => 1,
        _ => 2,
    };
    (format!("{size:.digits$}"), UNITS[unit])
}

/// Formats a count with a separator between groups of three digits: `12,345`.
#[must_use]
pub fn grouped(count: u64, separator: char) -> String {
    let digits = count.to_string();
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
    fn sizes_have_three_significant_digits() {
        for (bytes, number, unit) in [
            (0, "0", "B"),
            (1023, "1023", "B"),
            (1024, "1.00", "KiB"),
            (4096, "4.00", "KiB"),
            (10_234, "9.99", "KiB"),
            (10_235, "10.0", "KiB"),
            (102_348, "99.9", "KiB"),
            (102_349, "100", "KiB"),
            (1_048_063, "1023", "KiB"),
            (1_048_064, "1.00", "MiB"),
            (1_610_612_736, "1.50", "GiB"),
            (u64::MAX, "16.0", "EiB"),
        ] {
            assert_eq!(size_in_unit(bytes), (number.to_owned(), unit), "{bytes}");
        }
    }

    #[test]
    fn digits_are_in_groups_of_three() {
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(count, ','), text);
        }
        assert_eq!(grouped(12_345, '.'), "12.345");
    }
}
