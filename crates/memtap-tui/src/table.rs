//! State of the process table: columns, lines and selection.

use crate::column::{COLUMNS, Column};
use memtap_api::ProcessId;

use crate::rows::{Line, Row, Wanted, lines, matches, position};

/// The table without its data.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) wanted: Wanted,
    pub(crate) lines: Vec<Line>,
    /// The selection follows its process when the order changes. Without one, the table stays at
    /// its top.
    pub(crate) selected: Option<ProcessId>,
    /// Line of the selection at the last update.
    selected_at: usize,
    /// First line on the screen.
    pub(crate) offset: usize,
    /// True after scrolling: the selection is not brought back onto the screen until it moves.
    scrolled: bool,
    /// Number of lines that fit on the screen.
    pub(crate) height: usize,
    /// Search text in lower case.
    pub(crate) search: String,
}

impl Table {
    pub(crate) fn new(sort: Column) -> Self {
        let shown = COLUMNS.iter().filter(|row| row.shown || row.column == sort);
        Self {
            columns: shown.map(|row| row.column).collect(),
            wanted: Wanted {
                sort,
                descending: sort.largest_first(),
                filter: String::new(),
                ended: false,
                tree: false,
            },
            lines: Vec::new(),
            selected: None,
            selected_at: 0,
            offset: 0,
            scrolled: false,
            height: 1,
            search: String::new(),
        }
    }

    /// Rebuilds the lines after rows or settings have changed.
    pub(crate) fn renew(&mut self, rows: &[Row]) {
        self.lines = lines(rows, &self.wanted);
        match self.selected_line(rows) {
            Some(line) => {
                self.selected_at = line;
                if !self.scrolled {
                    self.show(line);
                }
            }
            // The process is no longer listed: select the one that is now on its line.
            None if self.selected.is_some() => self.select(rows, self.selected_at),
            None => {}
        }
        self.offset = self.offset.min(self.lines.len().saturating_sub(self.height));
    }

    pub(crate) fn selected_line(&self, rows: &[Row]) -> Option<usize> {
        self.selected.and_then(|life| position(rows, &self.lines, life))
    }

    /// Selects a line. Beyond the end it selects the last one.
    pub(crate) fn select(&mut self, rows: &[Row], line: usize) {
        let line = line.min(self.lines.len().saturating_sub(1));
        self.selected = self.lines.get(line).map(|line| rows[line.row].process.id());
        self.selected_at = line;
        self.show(line);
    }

    /// Moves the selection by a number of lines.
    pub(crate) fn step(&mut self, rows: &[Row], by: isize) {
        let line = match self.selected_line(rows) {
            Some(line) => line.saturating_add_signed(by),
            None if by.abs() == 1 => self.offset,
            None => self.offset.saturating_add_signed(by),
        };
        self.select(rows, line);
    }

    /// Scrolls without moving the selection.
    pub(crate) fn scroll(&mut self, by: isize) {
        let last = self.lines.len().saturating_sub(self.height);
        self.offset = self.offset.saturating_add_signed(by).min(last);
        self.scrolled = true;
    }

    /// Scrolls a line onto the screen.
    fn show(&mut self, line: usize) {
        self.scrolled = false;
        self.offset = self.offset.clamp((line + 1).saturating_sub(self.height), line);
    }

    /// The selected process, else the first one on the screen.
    pub(crate) fn at_hand<'a>(&self, rows: &'a [Row]) -> Option<&'a Row> {
        let line = self.selected_line(rows).unwrap_or(self.offset);
        self.lines.get(line).and_then(|line| rows.get(line.row))
    }

    /// The lines on the screen.
    pub(crate) fn visible(&self) -> &[Line] {
        let from = self.offset.min(self.lines.len());
        &self.lines[from..(from + self.height).min(self.lines.len())]
    }

    /// Sorts by a column. Sorting by the same column again reverses the order.
    pub(crate) fn sort_by(&mut self, column: Column) {
        let same = self.wanted.sort == column;
        self.wanted.descending = if same { !self.wanted.descending } else { column.largest_first() };
        self.wanted.sort = column;
    }

    /// Sorts by the column that is `by` places to the right.
    pub(crate) fn sort_beside(&mut self, by: isize) {
        let count = self.columns.len();
        let now = self.columns.iter().position(|column| *column == self.wanted.sort).unwrap_or(0);
        if count > 1 {
            self.sort_by(self.columns[(now + count).saturating_add_signed(by) % count]);
        }
    }

    /// Shows or hides a column. The last one cannot be hidden.
    pub(crate) fn toggle(&mut self, column: Column) {
        let shown = |shown: &Column| self.columns.contains(shown) != (*shown == column);
        let columns: Vec<Column> = COLUMNS.iter().map(|row| row.column).filter(shown).collect();
        if !columns.is_empty() {
            self.columns = columns;
        }
    }

    /// Selects the next line that matches the search, after the selection or including it (`here`).
    /// Returns whether there is one.
    pub(crate) fn find(&mut self, rows: &[Row], forward: bool, here: bool) -> bool {
        let count = self.lines.len();
        let start = self.selected_line(rows).unwrap_or(0);
        let candidates = (usize::from(!here)..=count)
            .map(|step| if forward { start + step } else { start + 2 * count - step } % count.max(1));
        let mut hits = candidates.filter(|line| {
            self.lines.get(*line).is_some_and(|line| matches(&rows[line.row].process, &self.search))
        });
        let hit = hits.next().filter(|_| !self.search.is_empty());
        hit.inspect(|line| self.select(rows, *line)).is_some()
    }
}
