//! Panels over the view: the help and the column selection.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::process::CAUSES;
use super::strip;
use crate::app::App;
use crate::column::COLUMNS;
use crate::keys::HELP;
use crate::text;

/// Draws the help: notices, all keys, the columns, the causes of the virtual size, and the lost
/// requests by cause. Returns the scroll position, limited to the content.
pub(super) fn help(app: &App, frame: &mut Frame, body: Rect, scroll: u16) -> u16 {
    let look = app.settings.look;
    let mut lines = Vec::new();
    for notice in &app.model.about.notices {
        lines.push(Line::styled("What is missing", look.strong()));
        let text = format!("{}. To fix it: {}", notice.what, notice.fix);
        lines.extend(strip::wrapped(&text, 76).into_iter().map(|line| Line::raw(format!("  {line}"))));
    }
    for (place, keys) in HELP {
        lines.push(Line::styled(*place, look.strong()));
        lines.extend(keys.iter().map(|(key, does)| pair(app, key, does)));
    }
    lines.push(Line::styled("Columns", look.strong()));
    lines.extend(COLUMNS.iter().map(|row| pair(app, row.title, row.about)));
    lines.push(Line::styled("Ledger: the causes of the virtual size", look.strong()));
    lines.extend(CAUSES.iter().map(|cause| pair(app, cause.name, cause.about)));
    lines.push(Line::styled("Refused and lost", look.strong()));
    lines.push(pair(app, "refused", "requests that the kernel refused; they change no sum"));
    lines.push(pair(app, "lost", "requests missing from the stream; the sums include them"));
    let causes = &app.model.totals.lost_by_cause;
    lines.extend(causes.iter().map(|(cause, count)| pair(app, &text::fit(cause, 20), &text::count(*count))));
    let area = framed(app, frame, body, 84, lines.len(), "Help");
    let most = u16::try_from(lines.len()).unwrap_or(0).saturating_sub(area.height);
    let scroll = scroll.min(most);
    frame.render_widget(Paragraph::new(lines).scroll((scroll, 0)), area);
    scroll
}

fn pair(app: &App, key: &str, does: &str) -> Line<'static> {
    Line::from(vec![
        Span::raw(format!("  {key:<18} ")),
        Span::styled(does.to_owned(), app.settings.look.faint()),
    ])
}

pub(super) fn columns(app: &App, frame: &mut Frame, body: Rect, at: usize) {
    let look = app.settings.look;
    let area = framed(app, frame, body, 80, COLUMNS.len(), "Columns");
    let height = usize::from(area.height);
    let first = (at + 1).saturating_sub(height);
    for ((index, row), place) in COLUMNS.iter().enumerate().skip(first).zip(area.rows()) {
        let shown = if app.table.columns.contains(&row.column) { "[x]" } else { "[ ]" };
        let sorted = if app.table.wanted.sort == row.column { "▼" } else { " " };
        let line = Line::raw(format!("{shown} {:<9}{sorted} {}", row.title, row.about));
        frame.render_widget(if index == at { line.style(look.chosen()) } else { line }, place);
    }
}

/// Draws an empty centred panel with a title. Returns the area inside.
fn framed(app: &App, frame: &mut Frame, body: Rect, width: u16, lines: usize, title: &str) -> Rect {
    let height = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2).min(body.height);
    let width = width.min(body.width);
    let area =
        Rect { x: body.x + (body.width - width) / 2, y: body.y + (body.height - height) / 2, width, height };
    frame.render_widget(Clear, area);
    let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let content = app.section(frame, inside, title);
    let [content, rule] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(content);
    frame.render_widget(Line::styled("─".repeat(rule.width.into()), app.settings.look.faint()), rule);
    content
}
