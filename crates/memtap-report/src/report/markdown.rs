//! A report as Markdown with tables, as GitHub, GitLab and most other renderers support them.
//! Charts are omitted: the tables have the same data.

use std::fmt::Write as _;

use super::outline::{Block, Cell, FindingBlock, Piece, Section, Table, Tile, outline, pieces};
use super::{Audience, Report};

pub(super) fn render(report: &Report, audience: &Audience) -> String {
    let outline = outline(report, audience);
    let mut text = format!("# {}\n\n", escaped(&outline.title));
    for (label, value) in &outline.facts {
        let _ = writeln!(text, "- {}: {}", escaped(label), escaped(value));
    }
    for section in &outline.sections {
        write_section(&mut text, section, audience);
    }
    let _ = write!(text, "\n---\n\n{}\n", escaped(&outline.made));
    text
}

fn write_section(text: &mut String, section: &Section, audience: &Audience) {
    let _ = writeln!(text, "\n## {}", escaped(section.title));
    for block in &section.blocks {
        match block {
            Block::Say(sentence) => {
                let _ = writeln!(text, "\n{}", escaped(sentence));
            }
            Block::Warn(sentence) => {
                let _ = writeln!(text, "\n> {}", escaped(sentence));
            }
            Block::Tiles(tiles) => write_tiles(text, tiles, audience),
            Block::Findings(findings) => findings.iter().for_each(|finding| write_finding(text, finding)),
            Block::Chart(_) => {}
            Block::Table(table) => write_table(text, table, audience),
            Block::Tables(tables) => tables.iter().for_each(|table| write_table(text, table, audience)),
        }
    }
}

fn write_tiles(text: &mut String, tiles: &[Tile], audience: &Audience) {
    text.push('\n');
    for tile in tiles {
        let _ = write!(text, "- {}: **{}**", escaped(tile.label), escaped(&tile.cell.text(audience)));
        if let Some(compared) = tile.compared_text(audience) {
            let _ = write!(text, " ({})", escaped(&compared));
        }
        text.push('\n');
    }
}

fn write_finding(text: &mut String, finding: &FindingBlock) {
    let _ = writeln!(text, "\n- **{}**: {}", escaped(finding.severity_word), typed(&finding.sentence));
    for (label, value) in &finding.evidence {
        let _ = writeln!(text, "  - {}: {}", escaped(label), escaped(value));
    }
    let _ = writeln!(text, "\n  {}", typed(&finding.advice));
}

fn write_table(text: &mut String, table: &Table, audience: &Audience) {
    // A bar is omitted: its number adds nothing to the amount in the next column.
    let is_bar = |index: usize| table.rows.iter().any(|row| matches!(row.get(index), Some(Cell::Share(_))));
    let kept: Vec<usize> = (0..table.columns.len()).filter(|index| !is_bar(*index)).collect();
    let _ = writeln!(text, "\n**{}**\n", escaped(&table.caption));
    let titles: Vec<_> = kept.iter().map(|index| escaped(&table.columns[*index].0)).collect();
    let _ = writeln!(text, "| {} |", titles.join(" | "));
    let rules: Vec<_> =
        kept.iter().map(|index| if table.columns[*index].1 { "---:" } else { "---" }).collect();
    let _ = writeln!(text, "| {} |", rules.join(" | "));
    for row in &table.rows {
        let cells: Vec<_> =
            kept.iter().filter_map(|index| Some(escaped(&row.get(*index)?.text(audience)))).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

/// Renders text in backticks as code, unless it contains characters with a meaning in tables or
/// HTML.
fn typed(text: &str) -> String {
    let pieces = pieces(text).into_iter();
    pieces
        .map(|piece| match piece {
            Piece::Typed(typed) if !typed.contains(['|', '<', '>']) => format!("`{typed}`"),
            Piece::Typed(text) | Piece::Plain(text) => escaped(text),
        })
        .collect()
}

/// Escapes text for Markdown and HTML: characters that could start markup, a tag or a link get a
/// backslash.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let is_link = text.contains("://") || text.contains('@') || text.to_ascii_lowercase().contains("www.");
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '!'
            | '$' => {
                escaped.push('\\');
            }
            ':' | '.' | '@' if is_link => escaped.push('\\'),
            _ => {}
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::scene;
    use super::*;
    use crate::Lang;

    #[test]
    fn each_row_has_the_cells_of_its_table() {
        for lang in Lang::ALL {
            let text = render(&scene::report(), &Audience { lang, zone: jiff::tz::TimeZone::UTC });
            let cells = |line: &str| line.replace("\\|", "").matches('|').count();
            let mut tables = 0;
            for block in text.split("\n\n").filter(|block| block.starts_with("| ")) {
                let mut lines = block.lines().filter(|line| line.starts_with('|')).map(cells);
                let columns = lines.next().unwrap();
                assert!(lines.all(|cells| cells == columns), "{block}");
                tables += 1;
            }
            assert!(tables >= 12, "{tables}");
            assert!(!text.contains("<script>") && text.contains("\\<script\\>alert(1)"), "{text}");
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }

    #[test]
    fn names_are_escaped_in_markdown() {
        for (name, text) in [
            ("a|b", "a\\|b"),
            ("<img src=x>", "\\<img src=x\\>"),
            ("`x`", "\\`x\\`"),
            ("[x](y)", "\\[x\\](y)"),
            ("http://x.y", "http\\://x\\.y"),
            ("WWW.x.y", "WWW\\.x\\.y"),
            ("a@b.c", "a\\@b\\.c"),
            ("python3.11", "python3.11"),
            ("&lt;", "\\&lt;"),
        ] {
            assert_eq!(escaped(name), text);
        }
    }

    #[test]
    fn text_in_backticks_is_code() {
        assert_eq!(typed("see `ulimit -v` of <x>"), "see `ulimit -v` of \\<x\\>");
        assert_eq!(typed("odd ` one"), "odd \\` one");
    }
}
