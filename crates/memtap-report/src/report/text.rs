//! A report as text for terminals: aligned columns, bars and charts, limited to the width and the
//! characters of the terminal. Untrusted names cannot move the cursor.

mod course;
mod screen;
mod table;

use std::fmt::Write as _;

use anstyle::Style;
use textwrap::Options;
use textwrap::core::display_width;

pub use screen::Screen;
use screen::{ASIDE, SERIOUS, TITLE, WARNING};

use super::outline::{Block, Cell, FindingBlock, Outline, Section, Tile};
use super::{Audience, Span, when};
use crate::Severity;

/// Smallest width for which columns are aligned, and the longest line of a sentence that is easy to
/// read.
const NARROWEST: usize = 40;
const SENTENCE: usize = 100;

/// Renders an outline as text. `span` is the range of the report.
pub(super) fn render(outline: &Outline, span: Span, audience: &Audience, screen: Screen) -> String {
    let screen = Screen { width: screen.width.max(NARROWEST), ..screen };
    let mut text = Text { out: String::new(), screen, audience, day: one_day(span, audience) };
    text.paragraph(TITLE, 0, &outline.title);
    for (label, value) in &outline.facts {
        text.paragraph(Style::new(), 0, &format!("{label}: {value}"));
    }
    for section in &outline.sections {
        text.section(section);
    }
    text.line("");
    text.paragraph(ASIDE, 0, &outline.made);
    text.out
}

/// Returns the day if the range lies within one day. Times then omit it.
fn one_day(span: Span, audience: &Audience) -> Option<String> {
    let day = |at| when::second(at, audience).get(..11).map(str::to_owned);
    day(span.from).filter(|first| day(span.to).as_ref() == Some(first))
}

struct Text<'a> {
    out: String,
    screen: Screen,
    audience: &'a Audience,
    day: Option<String>,
}

impl Text<'_> {
    /// Writes a line unchanged. `text` must be plain already.
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}");
    }

    fn painted(&mut self, style: Style, text: &str) {
        let painted = if style == Style::new() { text.to_owned() } else { self.screen.paint(style, text) };
        self.line(&painted);
    }

    /// Wraps text into lines of readable length, leaving room for `indent` blanks.
    fn wrapped(&self, indent: usize, text: &str) -> Vec<String> {
        let room = self.screen.width.min(SENTENCE).saturating_sub(indent).max(1);
        let text = self.screen.plain(text);
        textwrap::wrap(&text, Options::new(room)).into_iter().map(Into::into).collect()
    }

    fn paragraph(&mut self, style: Style, indent: usize, text: &str) {
        for line in self.wrapped(indent, text) {
            self.painted(style, &format!("{:indent$}{line}", ""));
        }
    }

    /// Writes figures in lines that never break within a figure.
    fn figures(&mut self, indent: usize, figures: &[(String, String)]) {
        let (mut line, between) = (String::new(), self.screen.between());
        let room = self.screen.width.min(SENTENCE).saturating_sub(indent);
        for (label, value) in figures {
            let figure = self.screen.plain(&format!("{label}: {value}"));
            if line.is_empty() {
                line = figure;
            } else if display_width(&line) + display_width(between) + display_width(&figure) <= room {
                line = format!("{line}{between}{figure}");
            } else {
                let full = std::mem::replace(&mut line, figure);
                self.painted(ASIDE, &format!("{:indent$}{full}{}", "", between.trim_end()));
            }
        }
        self.paragraph(ASIDE, indent, &line);
    }

    /// Pads the text with blanks to the width, or truncates it.
    fn fitted(&self, text: &str, width: usize) -> String {
        if display_width(text) <= width {
            return format!("{text}{:1$}", "", width - display_width(text));
        }
        let cut = self.screen.cut();
        let mut kept = String::new();
        for c in text.chars() {
            let longer = format!("{kept}{c}");
            if display_width(&longer) + display_width(cut) > width {
                break;
            }
            kept = longer;
        }
        let kept = kept + cut;
        let missing = width.saturating_sub(display_width(&kept));
        format!("{kept}{:missing$}", "")
    }

    fn cell(&self, cell: &Cell) -> String {
        let text = cell.text(self.audience);
        let is_time = matches!(cell, Cell::Time(_));
        let day = self.day.as_deref().filter(|_| is_time);
        self.screen.plain(day.and_then(|day| text.strip_prefix(day)).unwrap_or(&text))
    }

    fn section(&mut self, section: &Section) {
        let left = self.screen.width.saturating_sub(display_width(section.title) + 4);
        let heading = format!("{} {} {}", self.screen.rule(2), section.title, self.screen.rule(left));
        self.line("");
        self.painted(TITLE, &heading);
        let (mut is_first, mut was_said) = (true, false);
        for block in &section.blocks {
            let is_said = matches!(block, Block::Say(_) | Block::Warn(_));
            if !(is_first || is_said && was_said) {
                self.line("");
            }
            (is_first, was_said) = (false, is_said);
            match block {
                Block::Say(sentence) => self.paragraph(Style::new(), 2, sentence),
                Block::Warn(sentence) => self.paragraph(WARNING, 2, &format!("! {sentence}")),
                Block::Tiles(tiles) => self.tiles(tiles),
                Block::Findings(findings) => self.apart(findings, Self::finding),
                Block::Chart(chart) => self.chart(chart),
                Block::Table(table) => self.table(table),
                Block::Tables(tables) => self.apart(tables, Self::table),
            }
        }
    }

    /// Writes the items one after another, separated by blank lines.
    fn apart<T>(&mut self, things: &[T], write: fn(&mut Self, &T)) {
        for (index, thing) in things.iter().enumerate() {
            if index > 0 {
                self.line("");
            }
            write(self, thing);
        }
    }

    fn tiles(&mut self, tiles: &[Tile]) {
        let rows = tiles.iter().map(|tile| {
            let compared = tile.compared_text(self.audience).map(|text| format!("({text})"));
            let texts = [tile.label, &tile.cell.text(self.audience), &compared.unwrap_or_default()];
            texts.map(|text| self.screen.plain(text))
        });
        let rows = rows.collect();
        self.pairs(rows);
    }

    fn finding(&mut self, finding: &FindingBlock) {
        let style = match finding.severity {
            Severity::Serious => SERIOUS,
            Severity::Warning => WARNING,
            Severity::Notice => TITLE,
        };
        let word = finding.severity_word;
        for (index, line) in self.wrapped(2, &format!("{word}: {}", finding.sentence)).into_iter().enumerate()
        {
            let after_word = line.strip_prefix(word).filter(|_| index == 0);
            let painted = after_word.map(|after_word| self.screen.paint(style, word) + after_word);
            self.line(&format!("  {}", painted.unwrap_or(line)));
        }
        self.figures(6, &finding.evidence);
        self.paragraph(Style::new(), 6, &finding.advice);
    }
}

#[cfg(test)]
mod tests;
