//! Capabilities of a terminal: its width, colours and characters.

use anstyle::{AnsiColor, Style};

use memtap_model::visible;

/// Screen on which a report is read as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Characters in a line.
    pub width: usize,
    /// True if it supports colours.
    pub colours: bool,
    /// True if it supports more than ASCII. Otherwise bars and lines consist of ASCII characters.
    pub unicode: bool,
}

impl Default for Screen {
    /// Settings for a file, which may be read anywhere.
    fn default() -> Self {
        Self { width: 80, colours: false, unicode: true }
    }
}

pub(super) const TITLE: Style = Style::new().bold();
pub(super) const ASIDE: Style = Style::new().dimmed();
pub(super) const DRAWN: Style = AnsiColor::Cyan.on_default();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(super) const SERIOUS: Style = AnsiColor::Red.on_default().bold();

/// Eighths of a full bar, and bar heights, each from small to large.
const PARTS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_HEIGHTS: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];

impl Screen {
    /// Applies a style to the text, if the screen has colours, and resets it after the text.
    pub(super) fn paint(self, style: Style, text: &str) -> String {
        if self.colours { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Makes untrusted text safe: it cannot move the cursor or change colours. Also replaces
    /// memtap's own dashes if the screen is limited to ASCII.
    pub(super) fn plain(self, text: &str) -> String {
        let text = visible(text);
        if self.unicode { text } else { text.replace(['–', '−'], "-") }
    }

    pub(super) fn rule(self, length: usize) -> String {
        if self.unicode { "─" } else { "-" }.repeat(length)
    }

    pub(super) fn between(self) -> &'static str {
        if self.unicode { " · " } else { "; " }
    }

    pub(super) fn cut(self) -> &'static str {
        if self.unicode { "…" } else { ".." }
    }

    pub(super) fn mark(self) -> char {
        if self.unicode { '▲' } else { '^' }
    }

    /// A bar that fills `part` of `length` characters. A small amount above zero stays visible.
    pub(super) fn bar(self, part: f64, length: usize) -> String {
        let filled = part.clamp(0.0, 1.0) * length as f64;
        if !self.unicode {
            return "#".repeat((filled.round() as usize).max(usize::from(filled > 0.0)));
        }
        let eighths = (filled * 8.0).ceil() as usize;
        let (whole, partial) = (eighths / 8, eighths % 8);
        let mut bar = PARTS[7].to_string().repeat(whole);
        bar.extend((partial > 0).then(|| PARTS[partial - 1]));
        bar
    }

    /// A bar height for a value between 0 and 1.
    pub(super) fn height(self, part: f64) -> char {
        let heights = if self.unicode { HEIGHTS } else { ASCII_HEIGHTS };
        heights[(part.clamp(0.0, 1.0) * 7.0).round() as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        let (screen, ascii) = (Screen::default(), Screen { unicode: false, ..Screen::default() });
        for (part, drawn, plain) in [
            (0.0, "", ""),
            (0.001, "▏", "#"),
            (0.5, "██", "##"),
            (0.6, "██▌", "##"),
            (1.0, "████", "####"),
            (7.0, "████", "####"),
        ] {
            assert_eq!((screen.bar(part, 4).as_str(), ascii.bar(part, 4).as_str()), (drawn, plain), "{part}");
        }
        assert_eq!([0.0, 0.5, 1.0].map(|part| screen.height(part)), ['▁', '▅', '█']);
        assert_eq!([0.0, 0.5, 1.0].map(|part| ascii.height(part)), ['_', '=', '#']);
    }

    #[test]
    fn only_memtaps_styles_reach_the_terminal() {
        let screen = Screen { colours: true, ..Screen::default() };
        assert_eq!(screen.paint(SERIOUS, &screen.plain("\x1b[2J!")), "\x1b[1m\x1b[31m\\x1b[2J!\x1b[0m");
        assert_eq!(Screen::default().paint(SERIOUS, "x"), "x");
    }
}
