//! Text for terminal cells: escapes untrusted text, cuts text to a width, and formats numbers in
//! few characters.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use memtap_model::{grouped, is_unseen, size_in_unit, visible_char};
use unicode_width::UnicodeWidthChar as _;

/// Escapes untrusted text and cuts it to `width` cells. Invisible characters are written out (`\n`,
/// `\x1b`, `\u{202e}`). A cut text ends with `…`.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let mut fitted = String::new();
    let (mut used, mut room_for_mark) = (0, 0);
    for character in text.chars() {
        let (piece, cells) = shown(character);
        if used + cells > width {
            fitted.truncate(room_for_mark);
            if width > 0 {
                fitted.push('…');
            }
            return fitted;
        }
        fitted.push_str(&piece);
        used += cells;
        if used < width {
            room_for_mark = fitted.len();
        }
    }
    fitted
}

/// Width of trusted text in cells.
pub(crate) fn width(text: &str) -> usize {
    text.chars().filter_map(char::width).sum()
}

/// Returns the visible form of a character, and its width in cells.
fn shown(character: char) -> (Cow<'static, str>, usize) {
    let shown = visible_char(character);
    let cells = if is_unseen(character) { shown.len() } else { character.width().unwrap_or(0) };
    (shown, cells)
}

/// Size for a narrow column: `0`, `812K`, `1.50M`, `12.3G`. At most five characters.
pub(crate) fn narrow_size(bytes: u64) -> String {
    let (number, unit) = size_in_unit(bytes);
    if bytes == 0 { number } else { format!("{number}{}", &unit[..1]) }
}

/// Size for people: `1.50 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    let (number, unit) = size_in_unit(bytes);
    format!("{number} {unit}")
}

/// Size with a sign: `+64.0 KiB`, `-4.00 KiB`, `0 B`.
pub(crate) fn signed_size(bytes: i64) -> String {
    let sign = match bytes {
        0 => "",
        ..0 => "-",
        _ => "+",
    };
    format!("{sign}{}", size(bytes.unsigned_abs()))
}

/// Count in groups of three digits: `12,345`.
pub(crate) fn count(count: u64) -> String {
    grouped(count, ',')
}

/// Count for a narrow column: exact up to six digits (`999,999`), then `12.3M`.
pub(crate) fn narrow_count(count: u64) -> String {
    let unit = [(1e12, 'T'), (1e9, 'G'), (1e6, 'M')].into_iter().find(|(unit, _)| count as f64 >= *unit);
    unit.map_or_else(|| grouped(count, ','), |(unit, letter)| format!("{:.1}{letter}", count as f64 / unit))
}

/// Rate: a whole number from 10, one decimal below, and `0` below 0.05.
pub(crate) fn rate(number: f64) -> String {
    match number {
        9.95.. => count(number.round() as u64),
        0.05.. => format!("{number:.1}"),
        _ => "0".to_owned(),
    }
}

/// Duration in at most two units and six characters: `45s`, `12m03s`, `3h20m`, `12d03h`.
pub(crate) fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (100.., ..) => format!("{days}d"),
        (1.., ..) => format!("{days}d{:02}h", hours % 24),
        (0, 1.., _) => format!("{hours}h{:02}m", minutes % 60),
        (0, 0, 1..) => format!("{minutes}m{:02}s", seconds % 60),
        _ => format!("{seconds}s"),
    }
}

/// Time of day: `13:47:21`.
pub(crate) fn clock(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%H:%M:%S").to_string()
}

/// Date and time: `2026-11-23 13:47:21`.
pub(crate) fn date_and_clock(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%F %H:%M:%S").to_string()
}

/// Time of day with milliseconds: `13:47:21.083`.
pub(crate) fn exact_clock(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%H:%M:%S%.3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(fit("a\x1b[31m\n\u{9b}x\u{202e}\u{7f}", 80), "a\\x1b[31m\\n\\x9bx\\u{202e}\\x7f");
        assert_eq!(fit("\u{1f468}\u{200d}\u{1f469}", 80), "\u{1f468}\\u{200d}\u{1f469}");
    }

    #[test]
    fn long_text_is_cut_by_cells() {
        assert_eq!(fit("postgres", 8), "postgres");
        assert_eq!(fit("postgres", 5), "post…");
        // Each character takes two cells, so the cut cannot be in the middle of one.
        assert_eq!(fit("漢字漢字", 8), "漢字漢字");
        assert_eq!(fit("漢字漢字", 7), "漢字漢…");
        assert_eq!(fit("漢字漢字", 6), "漢字…");
        assert_eq!(fit("e\u{301}tude", 5), "e\u{301}tude", "an accent takes no cell");
        assert_eq!(fit("\x1b\x1b", 7), "\\x1b…", "what is written out is whole or not there");
        assert_eq!(fit("x", 0), "");
        for text in ["漢字漢字", "\x1b\x1bab", "plain"] {
            for cells in 0..10 {
                assert!(width(&fit(text, cells)) <= cells, "{text:?} in {cells}");
            }
        }
    }

    #[test]
    fn amounts_are_short() {
        let sizes = [(0, "0"), (1000, "1000B"), (4096, "4.00K"), (1_048_575, "1.00M"), (u64::MAX, "16.0E")];
        for (bytes, text) in sizes {
            assert_eq!(narrow_size(bytes), text);
        }
        assert_eq!(
            (signed_size(65536), signed_size(-4096), signed_size(0)),
            ("+64.0 KiB".into(), "-4.00 KiB".into(), "0 B".into())
        );
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!((narrow_count(999_999), narrow_count(12_345_678)), ("999,999".into(), "12.3M".into()));
        assert_eq!((rate(0.0), rate(0.26), rate(1234.4)), ("0".into(), "0.3".into(), "1,234".into()));
        let durations = [
            (-3, "0s"),
            (59, "59s"),
            (723, "12m03s"),
            (12_000, "3h20m"),
            (1_047_600, "12d03h"),
            (9_000_000, "104d"),
        ];
        for (seconds, text) in durations {
            assert_eq!(duration(seconds), text);
        }
    }
}
