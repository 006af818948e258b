//! Names and commands of processes are chosen by strangers. Nothing shows them except through this
//! module; the page has the same rule in `web/src/lib/visible.ts`.
//!
//! Escaped are characters that steer a terminal, that are not seen, that look like a space, or that
//! change the direction or the shape of their neighbours. `web/test/unseen.txt` lists them; tests
//! of both implementations compare every character with that list.

use std::borrow::Cow;

/// First and last of each range of characters that are escaped.
const UNSEEN: [(u32, u32); 33] = [
    (0x0000, 0x001f),
    (0x007f, 0x00a0),
    (0x00ad, 0x00ad),
    (0x034f, 0x034f),
    (0x0600, 0x0605),
    (0x061c, 0x061c),
    (0x06dd, 0x06dd),
    (0x070f, 0x070f),
    (0x0890, 0x0891),
    (0x08e2, 0x08e2),
    (0x115f, 0x1160),
    (0x1680, 0x1680),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x2000, 0x200f),
    (0x2028, 0x202f),
    (0x205f, 0x206f),
    (0x2800, 0x2800),
    (0x3000, 0x3000),
    (0x3164, 0x3164),
    (0xe000, 0xf8ff),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0x1_10bd, 0x1_10bd),
    (0x1_10cd, 0x1_10cd),
    (0x1_3430, 0x1_343f),
    (0x1_bca0, 0x1_bca3),
    (0x1_d173, 0x1_d17a),
    (0xe_0000, 0xe_0fff),
    (0xf_0000, 0xf_ffff),
    (0x10_0000, 0x10_ffff),
];

/// Returns whether a character has to be escaped.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    let code = u32::from(c);
    let next = UNSEEN.partition_point(|(first, _)| *first <= code);
    next.checked_sub(1).is_some_and(|range| code <= UNSEEN[range].1)
}

/// A character as it may be shown: itself, or `\n`, `\x1b`, `\u{202e}`.
#[must_use]
pub fn visible_char(c: char) -> Cow<'static, str> {
    match (c, u32::from(c)) {
        ('\n', _) => "\\n".into(),
        ('\r', _) => "\\r".into(),
        ('\t', _) => "\\t".into(),
        (c, _) if !is_unseen(c) => c.to_string().into(),
        (_, code @ ..=0xff) => format!("\\x{code:02x}").into(),
        (_, code) => format!("\\u{{{code:x}}}").into(),
    }
}

/// A stranger's text as it may be shown.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars().map(visible_char).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_listed_characters_are_escaped() {
        let list = include_str!("../../../web/test/unseen.txt");
        let ranges: Vec<(u32, u32)> = list
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let range = line.split(' ').next().unwrap();
                let (first, last) = range.split_once("..").unwrap_or((range, range));
                let code = |text| u32::from_str_radix(text, 16).unwrap();
                (code(first), code(last))
            })
            .collect();
        for c in '\0'..=char::MAX {
            let code = u32::from(c);
            let is_listed = ranges.iter().any(|(first, last)| (*first..=*last).contains(&code));
            assert_eq!(is_unseen(c), is_listed, "U+{code:04X}");
        }
    }

    #[test]
    fn what_is_escaped_can_be_read() {
        assert_eq!(visible("a\nb\x1b[31m\u{85}"), "a\\nb\\x1b[31m\\x85");
        assert_eq!(visible("evil\u{202e}gpj"), "evil\\u{202e}gpj");
        assert_eq!(visible("ñandú 火"), "ñandú 火");
    }
}
