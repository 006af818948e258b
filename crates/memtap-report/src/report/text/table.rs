//! Tables as aligned columns. Columns that do not fit are written below their row, so nothing is
//! lost at any width.

use anstyle::Style;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Width};
use textwrap::core::display_width;

use super::super::outline::{Cell, Table};
use super::Text;
use super::screen::{ASIDE, TITLE};

/// Blanks between columns, and before each line.
const GAP: usize = 2;
/// Width of a bar in characters.
const BAR: std::ops::RangeInclusive<usize> = 8..=24;
/// Divisor of the line for the width of a name.
const NAME_PART: usize = 3;

/// Position of a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the row, with this width.
    Beside(usize),
    Below,
    /// Omitted: a bar without space, whose amount is in another column.
    Nowhere,
}

impl Text<'_> {
    pub(super) fn table(&mut self, table: &Table) {
        self.paragraph(TITLE, GAP, &table.caption);
        let headings: Vec<String> = table.columns.iter().map(|column| self.heading(table, column)).collect();
        let rows: Vec<Vec<String>> =
            table.rows.iter().map(|row| row.iter().map(|cell| self.cell(cell)).collect()).collect();
        let places = self.places(table, &headings, &rows);
        let lines = self.aligned(table, &headings, &rows, &places);
        let above = lines.len().saturating_sub(rows.len());
        for (index, line) in lines.iter().enumerate() {
            self.painted(if index < above { ASIDE } else { Style::new() }, line);
            if let Some(row) = index.checked_sub(above).and_then(|index| rows.get(index)) {
                self.below(&headings, row, &places);
            }
        }
    }

    /// Writes two or three columns without headings.
    pub(super) fn pairs(&mut self, rows: Vec<[String; 3]>) {
        let mut grid = grid();
        grid.set_content_arrangement(ContentArrangement::Dynamic);
        grid.set_width(u16::try_from(self.screen.width).unwrap_or(u16::MAX));
        grid.add_rows(rows.into_iter().map(Row::from));
        for (index, column) in grid.column_iter_mut().enumerate() {
            column.set_padding((GAP as u16, 0));
            if index == 1 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in grid.trim_fmt().lines() {
            self.line(line);
        }
    }

    /// Heading of a column. A bar needs none.
    fn heading(&self, table: &Table, column: &super::super::outline::Column) -> String {
        let index = table.columns.iter().position(|other| std::ptr::eq(other, column));
        let is_bar = index.is_some_and(|index| is_bar(table, index));
        if is_bar { String::new() } else { self.screen.plain(&column.0) }
    }

    /// Chooses the position of each column, with headings of one line if all columns fit, otherwise
    /// of two.
    fn places(&self, table: &Table, headings: &[String], rows: &[Vec<String>]) -> Vec<Place> {
        let one_line = self.beside(table, rows, |index| display_width(&headings[index]));
        if !one_line.contains(&Place::Below) {
            return one_line;
        }
        self.beside(table, rows, |index| two_lines(&headings[index]))
    }

    fn beside(&self, table: &Table, rows: &[Vec<String>], heading: impl Fn(usize) -> usize) -> Vec<Place> {
        let mut left = self.screen.width;
        let columns = 0..table.columns.len();
        let mut places = vec![Place::Nowhere; columns.len()];
        for index in columns.clone().filter(|index| !is_bar(table, *index)) {
            let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| display_width(cell));
            let mut needed = cells.max().unwrap_or(0);
            if is_name(table, index) || index == 0 {
                needed = needed.min(self.screen.width / NAME_PART);
            }
            let needed = needed.max(heading(index));
            places[index] = match left.checked_sub(needed + GAP) {
                Some(remaining) => {
                    left = remaining;
                    Place::Beside(needed)
                }
                None => Place::Below,
            };
        }
        let bars: Vec<usize> = columns.filter(|index| is_bar(table, *index)).collect();
        let room = (left / bars.len().max(1)).saturating_sub(GAP).min(*BAR.end());
        for index in bars.into_iter().filter(|_| room >= *BAR.start()) {
            places[index] = Place::Beside(room);
        }
        places
    }

    fn aligned(
        &self,
        table: &Table,
        headings: &[String],
        rows: &[Vec<String>],
        places: &[Place],
    ) -> Vec<String> {
        let beside: Vec<(usize, usize)> = places
            .iter()
            .enumerate()
            .filter_map(|(index, place)| match place {
                Place::Beside(width) => Some((index, *width)),
                _ => None,
            })
            .collect();
        let mut grid = grid();
        grid.set_truncation_indicator(self.screen.cut());
        grid.set_header(beside.iter().map(|(index, _)| headings[*index].as_str()).collect::<Vec<_>>());
        for (cells, texts) in table.rows.iter().zip(rows) {
            let shown = beside.iter().map(|(index, width)| match cells.get(*index) {
                Some(Cell::Share(part)) => self.screen.bar(*part, *width),
                _ => texts.get(*index).cloned().unwrap_or_default(),
            });
            grid.add_row(Row::from(shown.collect::<Vec<_>>()).max_height(1).clone());
        }
        for ((index, width), column) in beside.iter().zip(grid.column_iter_mut()) {
            column.set_padding((GAP as u16, 0));
            let width = u16::try_from(*width + GAP).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
            if table.columns[*index].1 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        grid.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Writes the cells that did not fit into the row, except empty ones.
    fn below(&mut self, headings: &[String], row: &[String], places: &[Place]) {
        let none = self.cell(&Cell::None);
        let cells = headings.iter().zip(row).zip(places);
        let cells = cells.filter(|((_, text), place)| **place == Place::Below && **text != none);
        let cells: Vec<String> = cells.map(|((heading, text), _)| format!("{heading}: {text}")).collect();
        if !cells.is_empty() {
            self.paragraph(ASIDE, 3 * GAP, &cells.join(self.screen.between()));
        }
    }
}

/// Smallest width at which a heading fits in two lines.
fn two_lines(heading: &str) -> usize {
    let words = heading.split(' ').map(display_width).max().unwrap_or(0);
    (words..).find(|width| textwrap::wrap(heading, *width).len() <= 2).unwrap_or(words)
}

fn grid() -> comfy_table::Table {
    let mut grid = comfy_table::Table::new();
    grid.load_style(NOTHING);
    grid
}

fn is_bar(table: &Table, index: usize) -> bool {
    table.rows.iter().any(|row| matches!(row.get(index), Some(Cell::Share(_))))
}

fn is_name(table: &Table, index: usize) -> bool {
    table.rows.iter().any(|row| matches!(row.get(index), Some(Cell::Name(_))))
}
