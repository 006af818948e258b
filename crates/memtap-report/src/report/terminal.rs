//! An outline for a terminal: plain text in columns, without colours. A chart of one layer is a line of blocks.

use std::fmt::Write as _;

use super::Audience;
use super::chart::Chart;
use super::outline::{Block, FindingBlock, Outline, Table, Tile};

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Between columns.
const GAP: usize = 2;
/// No column is made narrower than this.
const NARROW: usize = 8;

pub(super) fn render(outline: &Outline, audience: &Audience, columns: usize) -> String {
    let mut text = String::new();
    line(&mut text, &outline.title, columns);
    let facts: Vec<_> = outline.facts.iter().map(|(label, value)| format!("{label}: {value}")).collect();
    line(&mut text, &facts.join(", "), columns);
    for section in &outline.sections {
        for block in &section.blocks {
            write_block(&mut text, block, audience, columns);
        }
    }
    text.push('\n');
    line(&mut text, &outline.made, columns);
    text
}

fn write_block(text: &mut String, block: &Block, audience: &Audience, columns: usize) {
    text.push('\n');
    match block {
        Block::Say(sentence) | Block::Warn(sentence) => line(text, sentence, columns),
        Block::Tiles(tiles) => write_tiles(text, tiles, audience, columns),
        Block::Findings(findings) => {
            findings.iter().for_each(|finding| write_finding(text, finding, columns))
        }
        Block::Chart(chart) => write_chart(text, chart, audience, columns),
        Block::Table(table) => write_table(text, table, audience, columns),
        Block::Tables(tables) => tables.iter().for_each(|table| write_table(text, table, audience, columns)),
    }
}

/// A sentence, broken between words; what is longer than a line is cut.
fn line(text: &mut String, sentence: &str, columns: usize) {
    for part in broken(sentence, columns) {
        let _ = writeln!(text, "{part}");
    }
}

fn write_tiles(text: &mut String, tiles: &[Tile], audience: &Audience, columns: usize) {
    let width = tiles.iter().map(|tile| length(tile.label)).max().unwrap_or(0);
    for tile in tiles {
        let label = padded(tile.label, width, false);
        line(text, &format!("{label}  {}", tile.cell.text(audience)), columns);
    }
}

fn write_finding(text: &mut String, finding: &FindingBlock, columns: usize) {
    line(text, &format!("{}: {}", finding.severity_word, finding.sentence), columns);
    line(text, &finding.advice, columns);
}

fn write_chart(text: &mut String, chart: &Chart, audience: &Audience, columns: usize) {
    let Some(layer) = chart.layers.first() else { return };
    let top = layer.values.iter().copied().fold(0.0, f64::max);
    let steps = layer.values.len().clamp(1, columns.min(60));
    let highest = |step: usize| {
        let (from, to) = (step * layer.values.len() / steps, (step + 1) * layer.values.len() / steps);
        layer.values[from..to].iter().copied().fold(0.0, f64::max)
    };
    let block = |value: f64| BLOCKS[((value / top.max(1.0) * 7.0).round() as usize).min(7)];
    let blocks: String = (0..steps).map(|step| block(highest(step))).collect();
    line(text, &chart.title, columns);
    let most = format!(" {}", crate::bytes(top as u64, audience.lang));
    let most = if steps + length(&most) <= columns { most } else { String::new() };
    let _ = writeln!(text, "{blocks}{most}");
}

/// As wide as its cells need; where that is too much, the texts share the rest and are broken.
fn write_table(text: &mut String, table: &Table, audience: &Audience, columns: usize) {
    let rows: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().map(|cell| cell.text(audience)).collect()).collect();
    let titles: Vec<String> = table.columns.iter().map(|column| column.0.clone()).collect();
    let widths = widths(&titles, &rows, columns);
    line(text, &table.caption, columns);
    for row in std::iter::once(&titles).chain(&rows) {
        let cells: Vec<Vec<String>> =
            row.iter().zip(&widths).map(|(cell, width)| broken(cell, *width)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..height {
            let parts = cells.iter().zip(&widths).zip(&table.columns).map(|((cell, width), column)| {
                padded(cell.get(at).map_or("", String::as_str), *width, column.1)
            });
            let whole = parts.collect::<Vec<_>>().join(&" ".repeat(GAP));
            let _ = writeln!(text, "{}", whole.trim_end());
        }
    }
}

fn widths(titles: &[String], rows: &[Vec<String>], columns: usize) -> Vec<usize> {
    let widest = |index: usize| {
        let cells = rows.iter().filter_map(|row| row.get(index));
        cells.chain(titles.get(index)).map(|cell| length(cell)).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..titles.len()).map(widest).collect();
    let room = columns.saturating_sub(GAP * titles.len().saturating_sub(1));
    // The widest gives way, as long as there is one that can.
    while widths.iter().sum::<usize>() > room
        && let Some(width) = widths.iter_mut().max()
        && *width > NARROW.min(room / titles.len().max(1)).max(1)
    {
        *width -= 1;
    }
    widths
}

/// In lines of at most so many characters.
fn broken(sentence: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in sentence.split(' ') {
        let mut rest = word;
        let last = lines.last().map_or(0, |line| length(line));
        if last > 0 && last + 1 + length(rest) > width {
            lines.push(String::new());
        } else if last > 0
            && let Some(line) = lines.last_mut()
        {
            line.push(' ');
        }
        while let Some((at, _)) = rest.char_indices().nth(width.max(1)) {
            let (head, tail) = rest.split_at(at);
            if let Some(line) = lines.last_mut() {
                line.push_str(head);
            }
            lines.push(String::new());
            rest = tail;
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(rest);
        }
    }
    lines
}

fn padded(text: &str, width: usize, to_the_right: bool) -> String {
    if to_the_right { format!("{text:>width$}") } else { format!("{text:<width$}") }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken_between_words_and_words_only_where_they_must() {
        assert_eq!(broken("one two three", 7), ["one two", "three"]);
        assert_eq!(broken("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(broken("", 5), [""]);
        assert_eq!(broken("ñandú ñu", 6), ["ñandú", "ñu"]);
    }

    #[test]
    fn the_widest_column_gives_way() {
        let titles = ["a".to_owned(), "b".to_owned()];
        let rows = [vec!["x".repeat(50), "y".repeat(10)]];
        assert_eq!(widths(&titles, &rows, 100), [50, 10]);
        assert_eq!(widths(&titles, &rows, 40), [28, 10]);
    }
}
