//! The process table. Only the lines on the screen are formatted.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use crate::app::App;
use crate::column::{Column, laid_out};
use crate::rows::{Line as TableLine, Row};
use crate::text;
use crate::track::bars;

pub(super) fn draw(app: &mut App, frame: &mut Frame, area: Rect) {
    let columns = laid_out(&app.table.columns, area.width, app.table.wanted.tree);
    let titles = Rect { height: 1, ..area };
    let lines = Rect { y: area.y + 1, height: area.height - 1, ..area };
    app.table.height = usize::from(lines.height).max(1);
    app.table.offset = app.table.offset.min(app.table.lines.len().saturating_sub(app.table.height));
    app.places.titles = titles;
    app.places.lines = lines;
    draw_titles(app, frame.buffer_mut(), &columns);
    if app.table.lines.is_empty() {
        frame.render_widget(Line::styled(nobody(app), app.settings.look.faint()), lines);
        return;
    }
    let selected = app.table.selected;
    for (line, place) in app.table.visible().iter().zip(lines.rows()) {
        let row = &app.rows[line.row];
        let chosen = selected == Some(row.process.id());
        draw_line(app, frame.buffer_mut(), *line, place, &columns, chosen);
    }
}

fn nobody(app: &App) -> String {
    match app.table.wanted.filter.as_str() {
        _ if app.model.living.is_empty() => "waiting for the first update".to_owned(),
        "" => "no processes".to_owned(),
        filter => {
            format!("no process matches '{}'; f changes the filter, Esc clears it", text::fit(filter, 30))
        }
    }
}

fn draw_titles(app: &mut App, buffer: &mut Buffer, columns: &[(Column, u16)]) {
    let look = app.settings.look;
    let place = app.places.titles;
    buffer.set_style(place, look.title());
    let mut x = place.x;
    for (column, width) in columns {
        let row = column.row();
        let sorted = app.table.wanted.sort == *column;
        // The symbol uses the blank between two columns, so that titles keep their positions.
        let sign = match (sorted, app.table.wanted.descending) {
            (false, _) => " ",
            (true, true) => "▼",
            (true, false) => "▲",
        };
        let title = aligned(row.title, row.number, (*width).into());
        let style = if sorted { look.title().patch(look.strong()) } else { look.title() };
        buffer.set_stringn(x, place.y, &title, (*width).into(), style);
        let room = x + width < place.right();
        buffer.set_stringn(x + width, place.y, sign, usize::from(room), style);
        app.places.columns.push((*column, Rect { x, width: width + 1, ..place }));
        x += width + 1;
    }
}

fn draw_line(
    app: &App,
    buffer: &mut Buffer,
    line: TableLine,
    place: Rect,
    columns: &[(Column, u16)],
    chosen: bool,
) {
    let look = app.settings.look;
    let row = &app.rows[line.row];
    let mut x = place.x;
    for (column, width) in columns {
        let cells = usize::from(*width);
        let text = match column {
            Column::Name => name(row, line, cells),
            Column::Trend => trend(app, row, cells),
            column if column.is_of_requests() && !app.tells_requests() => aligned("-", true, cells),
            _ => {
                let text = column.text(row, app.model.at, app.model.host.total_bytes, cells);
                aligned(&text, column.row().number, cells)
            }
        };
        buffer.set_stringn(
            x,
            place.y,
            &text,
            cells,
            if chosen { Style::new() } else { style(app, row, *column) },
        );
        x += width + 1;
    }
    if chosen {
        buffer.set_style(place, look.chosen());
    }
}

/// Returns the name, preceded by its tree lines and by a symbol if the process has ended.
fn name(row: &Row, line: TableLine, cells: usize) -> String {
    let ended = if row.process.end_time.is_some() { "†" } else { "" };
    let before = format!("{}{ended}", line.branch.drawn());
    // In a deep tree, the first letters of the name stay visible.
    let before: String =
        before.chars().skip(text::width(&before).saturating_sub(cells.saturating_sub(4))).collect();
    format!("{before}{}", text::fit(&row.process.name, cells.saturating_sub(text::width(&before))))
}

fn trend(app: &App, row: &Row, cells: usize) -> String {
    let track = app.tracks.of(row.process.id());
    track
        .map(|track| bars(track.iter().map(|sample| sample.resident_bytes as f64), cells))
        .unwrap_or_default()
}

fn style(app: &App, row: &Row, column: Column) -> Style {
    let look = app.settings.look;
    match column {
        _ if row.process.end_time.is_some() => look.faint(),
        Column::Name => look.strong(),
        Column::Refused if row.process.refused > 0 => look.bad(),
        Column::Lost if row.process.lost > 0 => look.bad(),
        Column::Unexplained if row.process.unexplained_bytes != 0 => look.bad(),
        Column::Rate if row.requests_per_second > 0.0 => look.strong(),
        Column::Refused | Column::Lost | Column::Unexplained | Column::Rate | Column::Swap => look.faint(),
        Column::Trend => look.second(),
        Column::Command | Column::Age | Column::Unit | Column::Container => look.faint(),
        _ => look.plain(),
    }
}

/// Aligns numbers to the right and words to the left.
fn aligned(text: &str, number: bool, cells: usize) -> String {
    if number { format!("{text:>cells$}") } else { text.to_owned() }
}
