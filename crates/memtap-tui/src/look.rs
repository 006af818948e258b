//! Colours and symbols: sixteen colours at most, none alone carries a meaning, and all of it in ASCII where the terminal has no more.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr as _;

/// How frames look on this terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether colours may be used.
    pub colours: bool,
    /// Whether the terminal shows more than ASCII.
    pub unicode: bool,
}

impl Look {
    /// As the environment asks for: `NO_COLOR` (any text but none), and the locale's character set.
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

    /// Plain text.
    #[must_use]
    pub(crate) fn plain(self) -> Style {
        Style::new()
    }

    /// What stands back: labels, what is the same everywhere.
    #[must_use]
    pub(crate) fn faint(self) -> Style {
        // Dimmed and not grey: palettes have greys that cannot be told from their background.
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What counts.
    #[must_use]
    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is bad: refused, lost, killed. Always with a word or a sign beside it.
    #[must_use]
    pub(crate) fn bad(self) -> Style {
        self.coloured(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// What programs have, and the virtual size.
    #[must_use]
    pub(crate) fn first(self) -> Style {
        self.coloured(Color::LightBlue)
    }

    /// The second kind of a thing.
    #[must_use]
    pub(crate) fn second(self) -> Style {
        self.coloured(Color::Yellow)
    }

    /// What is chosen.
    #[must_use]
    pub(crate) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A title row.
    #[must_use]
    pub(crate) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// Makes a drawn frame fit for the terminal.
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

/// What stands for a character where there is only ASCII.
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
