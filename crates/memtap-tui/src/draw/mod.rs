//! Frames: draws the state into cells.

mod charts;
mod over;
mod process;
mod strip;
mod table;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::app::{App, Asks, Over, Part, Places, View};
use crate::text;

/// Minimum size of the terminal.
const LEAST: (u16, u16) = (30, 8);
/// Minimum size for showing the process of interest beside the table.
const BESIDE: (u16, u16) = (150, 24);
/// Width of that pane in cells.
const PANE: u16 = 76;

impl App {
    /// Draws everything.
    pub fn draw(&mut self, frame: &mut Frame) {
        self.places = Places::default();
        let area = frame.area();
        if area.width < LEAST.0 || area.height < LEAST.1 {
            frame.render_widget(Line::from("the terminal is too small"), area);
        } else {
            self.draw_all(frame, area);
        }
        self.settings.look.settle(frame.buffer_mut());
    }

    fn draw_all(&mut self, frame: &mut Frame, area: Rect) {
        let brief = matches!(self.view, View::Process(..)) && area.height < 30;
        let notices = strip::notices(self, area.width);
        let [strip, notice_area, body, keys] = Layout::vertical([
            Constraint::Length(strip::height(brief)),
            Constraint::Length(u16::try_from(notices.len()).unwrap_or(1)),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(area);
        strip::draw(self, frame, strip, brief);
        for (line, row) in notices.into_iter().zip(notice_area.rows()) {
            frame.render_widget(line, row);
        }
        match &self.view {
            View::Table => self.draw_table(frame, body),
            View::Process(process, part) => {
                let (process, part) = (std::sync::Arc::clone(process), *part);
                self.places.parts = process::whole(self, frame, body, &process, part);
            }
        }
        match &self.over {
            Some(Over::Help { scroll }) => {
                let scroll = over::help(self, frame, body, *scroll);
                self.over = Some(Over::Help { scroll });
            }
            Some(Over::Columns { at }) => over::columns(self, frame, body, *at),
            Some(Over::Prompt(_)) | None => {}
        }
        self.draw_keys(frame, keys);
    }

    fn draw_table(&mut self, frame: &mut Frame, body: Rect) {
        if body.width < BESIDE.0 || body.height < BESIDE.1 {
            return table::draw(self, frame, body);
        }
        let [left, _, right] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(2), Constraint::Length(PANE)])
                .areas(body);
        table::draw(self, frame, left);
        if let Some(process) = self.process().cloned() {
            process::beside(self, frame, right, &process);
        }
    }

    /// Draws the last line: the prompt, the message or the keys.
    fn draw_keys(&self, frame: &mut Frame, area: Rect) {
        let look = self.settings.look;
        let listed = strip::listed(self);
        let cells = u16::try_from(text::width(&listed)).unwrap_or(0);
        let [area, place] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(cells)]).spacing(1).areas(area);
        frame.render_widget(Line::from(listed), place);
        if let Some(Over::Prompt(prompt)) = &self.over {
            let asks = match prompt.asks {
                Asks::Search => "search: ",
                Asks::Filter => "filter: ",
            };
            let room = usize::from(area.width).saturating_sub(asks.len() + 1);
            let typed = text::fit(&prompt.text, room);
            let cells = asks.len() + text::width(&typed);
            frame.render_widget(Line::from(vec![Span::styled(asks, look.strong()), Span::raw(typed)]), area);
            frame.set_cursor_position((area.x + u16::try_from(cells).unwrap_or(0), area.y));
            return;
        }
        if let Some(said) = &self.said {
            frame.render_widget(Line::styled(text::fit(said, area.width.into()), look.strong()), area);
            return;
        }
        let keys: &[(&str, &str)] = match (&self.over, &self.view) {
            (Some(Over::Columns { .. }), _) => {
                &[("arrows", "move"), ("Space", "show or hide"), ("s", "sort by it"), ("Esc", "close")]
            }
            (Some(_), _) => &[("arrows", "scroll"), ("Esc", "close")],
            (None, View::Table) => &[
                ("q", "quit"),
                ("?", "help"),
                ("Enter", "open"),
                ("/", "search"),
                ("f", "filter"),
                ("< >", "sort"),
                ("t", "tree"),
                ("c", "columns"),
                ("Space", "pause"),
                ("+ -", "pace"),
                ("e", "ended"),
            ],
            (None, View::Process(..)) => &[
                ("q", "back"),
                ("?", "help"),
                ("Tab", "next tab"),
                ("Space", "pause"),
                ("+ -", "pace"),
                ("PgUp", "earlier requests"),
            ],
        };
        let mut spans = Vec::new();
        let mut used = 0;
        for (key, does) in keys {
            used += key.len() + does.len() + 3;
            if used > usize::from(area.width) + 1 {
                break;
            }
            spans.push(Span::styled(*key, look.strong()));
            spans.push(Span::styled(format!(" {does}  "), look.faint()));
        }
        frame.render_widget(Line::from(spans), area);
    }

    /// Draws a title followed by a line. Returns the area below.
    fn section(&self, frame: &mut Frame, area: Rect, title: &str) -> Rect {
        let [head, below] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
        let title = text::fit(title, head.width.into());
        let rule = usize::from(head.width).saturating_sub(text::width(&title) + 1);
        let spans = vec![
            Span::styled(title, self.settings.look.strong()),
            Span::styled(format!(" {}", "─".repeat(rule)), self.settings.look.faint()),
        ];
        frame.render_widget(Line::from(spans), head);
        below
    }
}

/// Draws the tabs for the parts of a process. Returns their positions.
fn tabs(app: &App, frame: &mut Frame, area: Rect, shown: Part) -> Vec<(Part, Rect)> {
    let mut x = area.x;
    let mut places = Vec::new();
    for (index, part) in Part::ALL.into_iter().enumerate() {
        let name = format!(" {} {} ", index + 1, part.name());
        let width = u16::try_from(name.len()).unwrap_or(0).min(area.right().saturating_sub(x));
        let place = Rect { x, width, height: 1, ..area };
        let style = if part == shown { app.settings.look.chosen() } else { Style::new() };
        frame.render_widget(Line::styled(name, style), place);
        places.push((part, place));
        x += width + 1;
    }
    places
}
