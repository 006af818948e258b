//! Reactions to keys and the mouse. The help (`HELP`) and the key line must match them.

use std::sync::Arc;

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Position;

use crate::app::{App, Asks, Over, Part, Prompt, View};
use crate::column::COLUMNS;

/// Action to take after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Do nothing.
    Nothing,
    /// Draw a new frame.
    Draw,
    /// Quit memtap top.
    Quit,
    /// Restore the terminal and stop until the process continues.
    Suspend,
}

/// Every key with its action, by context.
pub(crate) const HELP: &[(&str, &[(&str, &str)])] = &[
    (
        "Everywhere",
        &[
            ("q  Esc", "go back; q in the table quits memtap top"),
            ("Ctrl-C  Ctrl-Z", "quit; suspend (resume with fg)"),
            ("Space", "pause and resume"),
            ("+  -", "update more or less often: every 0.5, 1, 2 or 5 seconds"),
            ("?  h  F1", "this help"),
        ],
    ),
    (
        "Processes",
        &[
            ("arrows  j k", "select a process; also PgUp, PgDn, Home, End"),
            ("Enter", "open the process"),
            ("<  >", "sort by the column to the left or right"),
            ("r", "reverse the order"),
            ("/", "search by name, pid, user, command, container or unit"),
            ("n  N", "next match, previous match"),
            ("f", "filter by the same fields; an empty filter shows all"),
            ("t", "tree: children below their parents"),
            ("e", "show or hide ended processes"),
            ("c", "choose columns"),
            ("Esc", "clear the selection, then the filter"),
        ],
    ),
    (
        "One process",
        &[
            ("Tab  1 2 3", "its ledger and calls, its charts, its latest requests"),
            ("arrows  PgUp PgDn", "earlier requests; End returns to the newest"),
        ],
    ),
    (
        "Mouse",
        &[
            ("wheel", "scroll"),
            ("click", "a line to select it, again to open it; a title to sort"),
            ("Shift", "hold it to select text as usual"),
        ],
    ),
];

impl App {
    /// Handles an event from the terminal.
    pub fn handle(&mut self, event: &Event) -> Reaction {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(*key),
            Event::Mouse(mouse) => self.mouse(*mouse),
            Event::Resize(..) => Reaction::Draw,
            _ => Reaction::Nothing,
        }
    }

    fn key(&mut self, key: KeyEvent) -> Reaction {
        self.said = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Reaction::Quit,
                KeyCode::Char('z') => Reaction::Suspend,
                KeyCode::Char('l') => Reaction::Draw,
                _ => Reaction::Nothing,
            };
        }
        match self.over {
            Some(Over::Prompt(_)) => self.type_on(key.code),
            Some(Over::Help { .. }) => self.help_key(key.code),
            Some(Over::Columns { .. }) => self.columns_key(key.code),
            None => return self.view_key(key.code),
        }
        Reaction::Draw
    }

    fn view_key(&mut self, key: KeyCode) -> Reaction {
        match key {
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.over = Some(Over::Help { scroll: 0 }),
            KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Char('+' | '=') => self.settings.pace = self.settings.pace.beside(-1),
            KeyCode::Char('-') => self.settings.pace = self.settings.pace.beside(1),
            _ => {
                return match &self.view {
                    View::Table => self.table_key(key),
                    View::Process(_, part) => self.process_key(key, *part),
                };
            }
        }
        Reaction::Draw
    }

    fn table_key(&mut self, key: KeyCode) -> Reaction {
        let page = isize::try_from(self.table.height).unwrap_or(isize::MAX).max(1);
        match key {
            KeyCode::Char('q') => return Reaction::Quit,
            KeyCode::Esc => self.clear_selection_or_filter(),
            KeyCode::Up | KeyCode::Char('k') => self.table.step(&self.rows, -1),
            KeyCode::Down | KeyCode::Char('j') => self.table.step(&self.rows, 1),
            KeyCode::PageUp => self.table.step(&self.rows, -page),
            KeyCode::PageDown => self.table.step(&self.rows, page),
            KeyCode::Home | KeyCode::Char('g') => self.table.select(&self.rows, 0),
            KeyCode::End | KeyCode::Char('G') => self.table.select(&self.rows, usize::MAX),
            KeyCode::Enter => self.open(),
            KeyCode::Char('<' | ',') => self.table.sort_beside(-1),
            KeyCode::Char('>' | '.') => self.table.sort_beside(1),
            KeyCode::Char('r') => self.table.sort_by(self.table.wanted.sort),
            KeyCode::Char('t') => self.table.wanted.tree = !self.table.wanted.tree,
            KeyCode::Char('e') => self.table.wanted.ended = !self.table.wanted.ended,
            KeyCode::Char('c') => self.over = Some(Over::Columns { at: 0 }),
            KeyCode::Char('/') => self.ask(Asks::Search, String::new()),
            KeyCode::Char('f') => self.ask(Asks::Filter, self.table.wanted.filter.clone()),
            KeyCode::Char('n') => self.find(true, false),
            KeyCode::Char('N') => self.find(false, false),
            _ => return Reaction::Nothing,
        }
        let rebuild = matches!(key, KeyCode::Char('<' | ',' | '>' | '.' | 'r' | 't' | 'e') | KeyCode::Esc);
        if rebuild {
            self.table.renew(&self.rows);
        }
        self.look_at();
        Reaction::Draw
    }

    fn process_key(&mut self, key: KeyCode, part: Part) -> Reaction {
        let page = 10;
        match key {
            KeyCode::Char('q') | KeyCode::Esc => self.view = View::Table,
            KeyCode::Tab | KeyCode::Right => self.turn_to(part.beside(1)),
            KeyCode::BackTab | KeyCode::Left => self.turn_to(part.beside(-1)),
            KeyCode::Char(digit @ '1'..='3') => self.turn_to(Part::ALL[digit as usize - '1' as usize]),
            KeyCode::Up | KeyCode::Char('k') => self.scroll_stream(1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll_stream(-1),
            KeyCode::PageUp => self.scroll_stream(page),
            KeyCode::PageDown => self.scroll_stream(-page),
            KeyCode::End | KeyCode::Char('G') => self.stream_offset = 0,
            _ => return Reaction::Nothing,
        }
        Reaction::Draw
    }

    fn clear_selection_or_filter(&mut self) {
        if self.table.selected.take().is_none() {
            self.table.wanted.filter.clear();
        }
    }

    fn open(&mut self) {
        if let Some(process) = self.process().cloned() {
            self.table.selected = Some(process.id());
            self.view = View::Process(Arc::clone(&process), Part::Books);
            self.look_at();
        }
    }

    /// Updates the stream, since the process of interest may have changed.
    fn look_at(&mut self) {
        self.stream_offset = 0;
        self.follow();
    }

    fn turn_to(&mut self, part: Part) {
        if let View::Process(_, shown) = &mut self.view {
            *shown = part;
        }
    }

    fn scroll_stream(&mut self, by: isize) {
        let most = self.stream.entries().len().saturating_sub(1);
        self.stream_offset = self.stream_offset.saturating_add_signed(by).min(most);
    }

    fn ask(&mut self, asks: Asks, text: String) {
        self.over = Some(Over::Prompt(Prompt { asks, text }));
    }

    fn type_on(&mut self, key: KeyCode) {
        let Some(Over::Prompt(prompt)) = &mut self.over else { return };
        let asks = prompt.asks;
        match key {
            KeyCode::Char(character) => prompt.text.push(character),
            KeyCode::Backspace => {
                prompt.text.pop();
            }
            KeyCode::Esc => prompt.text.clear(),
            KeyCode::Enter => {}
            _ => return,
        }
        let text = prompt.text.to_lowercase();
        if matches!(key, KeyCode::Esc | KeyCode::Enter) {
            self.over = None;
        }
        match asks {
            Asks::Filter => {
                self.table.wanted.filter = text;
                self.table.renew(&self.rows);
            }
            Asks::Search => {
                self.table.search = text;
                self.find(true, true);
            }
        }
        self.look_at();
    }

    fn find(&mut self, forward: bool, here: bool) {
        if !self.table.find(&self.rows, forward, here) && !self.table.search.is_empty() {
            self.said = Some(format!("no process matches '{}'", self.table.search));
        }
    }

    fn help_key(&mut self, key: KeyCode) {
        let Some(Over::Help { scroll }) = &mut self.over else { return };
        match key {
            KeyCode::Down | KeyCode::Char('j') => *scroll += 1,
            KeyCode::Up | KeyCode::Char('k') => *scroll = scroll.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => *scroll += 10,
            KeyCode::PageUp => *scroll = scroll.saturating_sub(10),
            _ => self.over = None,
        }
    }

    fn columns_key(&mut self, key: KeyCode) {
        let Some(Over::Columns { at }) = &mut self.over else { return };
        match key {
            KeyCode::Down | KeyCode::Char('j') => *at = (*at + 1).min(COLUMNS.len() - 1),
            KeyCode::Up | KeyCode::Char('k') => *at = at.saturating_sub(1),
            KeyCode::Char(' ') | KeyCode::Enter => self.table.toggle(COLUMNS[*at].column),
            KeyCode::Char('s') => {
                self.table.sort_by(COLUMNS[*at].column);
                self.table.renew(&self.rows);
            }
            _ => self.over = None,
        }
    }

    fn mouse(&mut self, mouse: MouseEvent) -> Reaction {
        match (&self.over, mouse.kind) {
            (Some(Over::Help { .. }), MouseEventKind::ScrollDown) => self.help_key(KeyCode::Down),
            (Some(Over::Help { .. }), MouseEventKind::ScrollUp) => self.help_key(KeyCode::Up),
            (Some(Over::Columns { .. }), MouseEventKind::ScrollDown) => self.columns_key(KeyCode::Down),
            (Some(Over::Columns { .. }), MouseEventKind::ScrollUp) => self.columns_key(KeyCode::Up),
            (_, MouseEventKind::ScrollDown) => self.wheel(3),
            (_, MouseEventKind::ScrollUp) => self.wheel(-3),
            (None, MouseEventKind::Down(MouseButton::Left)) => {
                self.click(Position::new(mouse.column, mouse.row))
            }
            _ => return Reaction::Nothing,
        }
        Reaction::Draw
    }

    fn wheel(&mut self, by: isize) {
        match self.view {
            View::Table => self.table.scroll(by),
            View::Process(..) => self.scroll_stream(-by),
        }
    }

    fn click(&mut self, at: Position) {
        if let Some((part, _)) = self.places.parts.iter().find(|(_, place)| place.contains(at)) {
            self.turn_to(*part);
        } else if let Some((column, _)) = self.places.columns.iter().find(|(_, place)| place.contains(at)) {
            self.table.sort_by(*column);
            self.table.renew(&self.rows);
        } else if self.places.lines.contains(at) {
            let line = self.table.offset + usize::from(at.y - self.places.lines.y);
            if line < self.table.lines.len() {
                let before = self.table.selected;
                self.table.select(&self.rows, line);
                if self.table.selected == before {
                    self.open();
                }
                self.look_at();
            }
        }
    }
}
