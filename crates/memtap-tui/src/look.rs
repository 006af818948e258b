//! Colours and symbols: at most sixteen colours, none of which carries a meaning alone, and an
//! ASCII version for terminals without Unicode.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr as _;

/// Style of the frames on this terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// True if colours may be used.
    pub colours: bool,
    /// True if the terminal supports Unicode.
    pub unicode: bool,
}

impl Look {
    /// Returns the style for the environment: `NO_COLOR` (any nonempty text) and the locale's
    /// character set.
    #[must_use]
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|text| !text.is_empty());
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
        let locale = locale.to_lowercase();
        Self {
            colours: set("NO_COLOR").is_none(),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    /// Style of normal text.
    #[must_use]
    pub(crate) fn plain(self) -> Style {
        Style::new()
    }

    /// Style of labels and less important text.
    #[must_use]
    pub(crate) fn faint(self) -> Style {
        // Dimmed, not grey: in some palettes grey is not distinguishable from the background.
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Style of important text.
    #[must_use]
    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Style of problems: refused, lost, killed. Always used together with a word or symbol.
    #[must_use]
    pub(crate) fn bad(self) -> Style {
        self.coloured(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// Colour of the first of two kinds: programs, virtual size.
    #[must_use]
    pub(crate) fn first(self) -> Style {
        self.coloured(Color::LightBlue)
    }

    /// Colour of the second of two kinds: cache, resident set.
    #[must_use]
    pub(crate) fn second(self) -> Style {
        self.coloured(Color::Yellow)
    }

    /// Style of the selection.
    #[must_use]
    pub(crate) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Style of the title row.
    #[must_use]
    pub(crate) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// Replaces the frame's characters that the terminal cannot show.
    pub(crate) fn settle(self, buffer: &mut Buffer) {
        if self.unicode {
            return;
        }
        let cells = &mut buffer.content;
        for index in 0..cells.len() {
            let symbol = cells[index].symbol();
            if symbol.is_ascii() {
                continue;
            }
            let wide = symbol.width() > 1;
            let ascii = symbol.chars().next().map_or(' ', ascii);
            cells[index].set_char(ascii);
            if wide && let Some(next) = cells.get_mut(index + 1) {
                next.set_char(ascii);
            }
        }
    }
}

/// ASCII replacement for a character.
fn ascii(character: char) -> char {
    match character {
        '█' => '#',
        '▓' => '=',
        '▒' => '%',
        '░' => '.',
        '─' | '╌' | '·' => '-',
        '│' | '├' => '|',
        '┌' | '┐' | '┘' | '┬' | '┴' | '┼' | '┤' => '+',
        '└' => '`',
        '▼' => 'v',
        '▲' => '^',
        '…' => '~',
        '×' | '✗' => 'x',
        '†' => '+',
        '▁' | '▂' => '_',
        '▃' | '▄' | '▅' => '-',
        '▆' | '▇' => '"',
        '\u{2801}'..='\u{28ff}' => '*',
        '\u{2800}' => ' ',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    #[test]
    fn the_environment_chooses() {
        let look = |pairs: &'static [(&str, &str)]| {
            Look::of_environment(move |name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(look(&[("LANG", "en_US.UTF-8")]), Look { colours: true, unicode: true });
        assert_eq!(look(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")]), Look { colours: true, unicode: false });
        assert_eq!(
            look(&[("LC_CTYPE", "C.utf8"), ("NO_COLOR", "1")]),
            Look { colours: false, unicode: true }
        );
        assert_eq!(look(&[("NO_COLOR", ""), ("LC_ALL", "")]), Look { colours: true, unicode: false });
    }

    #[test]
    fn without_unicode_a_frame_is_ascii_and_keeps_its_cells() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
        buffer.set_string(0, 0, "█漢é▼…x", Style::new());
        Look { colours: true, unicode: false }.settle(&mut buffer);
        let text: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert_eq!(text, "#???v~x ");
    }
}
