//! The terminal: taken at the start, given back at the end, whatever the end is.

use std::io::{self, BufWriter, Stdout, Write as _, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::App;

/// The screen while memtap top has it. A frame is written in one go.
#[derive(Debug)]
pub struct Screen {
    /// `None` only while it is given back.
    terminal: Option<Terminal<Backend>>,
}

/// The terminal was given back by a panic.
static PANICKED: AtomicBool = AtomicBool::new(false);

type Backend = CrosstermBackend<BufWriter<Stdout>>;

/// Bytes of a frame that are gathered before they are written.
const FRAME: usize = 64 << 10;

impl Screen {
    /// Takes the terminal; a panic, of whatever thread, gives it back before it tells, and the next frame is an error.
    ///
    /// # Errors
    /// When standard output is no terminal that can be taken.
    pub fn take() -> io::Result<Self> {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.store(true, Ordering::SeqCst);
            give_back();
            told(panic);
        }));
        enter()?;
        blank().map(|terminal| Self { terminal: Some(terminal) }).inspect_err(|_| give_back())
    }

    /// Draws a frame.
    ///
    /// # Errors
    /// When the terminal is gone, or was given back by a panic.
    pub fn draw(&mut self, app: &mut App) -> io::Result<()> {
        if PANICKED.load(Ordering::SeqCst) {
            return Err(io::Error::other(
                "a thread of memtap panicked (a bug); please report the message above",
            ));
        }
        self.terminal.as_mut().map_or(Ok(()), |terminal| terminal.draw(|frame| app.draw(frame)).map(drop))
    }

    /// Gives the terminal back for a while: `meanwhile` stops this program, and returns when it is told to go on.
    ///
    /// # Errors
    /// When the terminal cannot be taken again.
    pub fn suspend(&mut self, meanwhile: impl FnOnce()) -> io::Result<()> {
        self.leave();
        give_back();
        meanwhile();
        enter()?;
        self.terminal = Some(blank()?);
        Ok(())
    }
}

impl Screen {
    /// ratatui's terminal shows the cursor when it is dropped, and writes to standard error by `eprintln!` where it cannot. That panics when
    /// standard error is the same terminal, which is gone: then it is not dropped.
    fn leave(&mut self) {
        if let Some(mut terminal) = self.terminal.take()
            && terminal.show_cursor().is_err()
        {
            std::mem::forget(terminal);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
        give_back();
    }
}

/// A terminal on which nothing is drawn yet. (ratatui's own `clear` asks the terminal where its cursor is, and the answer would have to
/// be told from keys.)
fn blank() -> io::Result<Terminal<Backend>> {
    execute!(stdout(), Clear(ClearType::All))?;
    Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(FRAME, stdout())))
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableMouseCapture, crossterm::cursor::Hide)
}

/// What can be given back is; of a terminal that is gone, nothing.
fn give_back() {
    let mut out = stdout();
    let _ = execute!(out, DisableMouseCapture, LeaveAlternateScreen, crossterm::cursor::Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}
