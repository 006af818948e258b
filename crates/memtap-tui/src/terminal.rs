//! The terminal: taken over at the start and restored at the end, however memtap top ends.

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

/// The screen while memtap top uses it. Each frame is written in one write.
#[derive(Debug)]
pub struct Screen {
    /// `None` only while the terminal is restored.
    terminal: Option<Terminal<Backend>>,
}

/// True if a panic has restored the terminal.
static PANICKED: AtomicBool = AtomicBool::new(false);

type Backend = CrosstermBackend<BufWriter<Stdout>>;

/// Buffer size for a frame, in bytes.
const FRAME: usize = 64 << 10;

impl Screen {
    /// Takes over the terminal. A panic in any thread restores it before printing its message, and
    /// the next frame returns an error.
    ///
    ///  # Errors
    ///  If standard output is not a usable terminal.
    pub fn take() -> io::Result<Self> {
        let previous_hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.store(true, Ordering::SeqCst);
            give_back();
            previous_hook(panic);
        }));
        enter()?;
        blank().map(|terminal| Self { terminal: Some(terminal) }).inspect_err(|_| give_back())
    }

    /// Draws a frame.
    ///
    ///  # Errors
    ///  If the terminal is closed, or a panic has restored it.
    pub fn draw(&mut self, app: &mut App) -> io::Result<()> {
        if PANICKED.load(Ordering::SeqCst) {
            return Err(io::Error::other(
                "a thread of memtap panicked (a bug); please report the message above",
            ));
        }
        self.terminal.as_mut().map_or(Ok(()), |terminal| terminal.draw(|frame| app.draw(frame)).map(drop))
    }

    /// Restores the terminal temporarily. `meanwhile` stops this process and returns when the
    /// process continues.
    ///
    ///  # Errors
    ///  If the terminal cannot be taken over again.
    pub fn suspend(&mut self, meanwhile: impl FnOnce()) -> io::Result<()> {
        self.drop_terminal();
        give_back();
        meanwhile();
        enter()?;
        self.terminal = Some(blank()?);
        Ok(())
    }
}

impl Screen {
    /// Drops ratatui's terminal, which shows the cursor. If that fails, its drop calls `eprintln!`,
    /// which panics when standard error is the same closed terminal. In that case the value is
    /// leaked.
    fn drop_terminal(&mut self) {
        if let Some(mut terminal) = self.terminal.take()
            && terminal.show_cursor().is_err()
        {
            std::mem::forget(terminal);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.drop_terminal();
        give_back();
    }
}

/// Returns an empty terminal. ratatui's own `clear` queries the cursor position, and the response
/// would be mixed with key input.
fn blank() -> io::Result<Terminal<Backend>> {
    execute!(stdout(), Clear(ClearType::All))?;
    Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(FRAME, stdout())))
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableMouseCapture, crossterm::cursor::Hide)
}

/// Restores the terminal as far as possible. Errors are ignored.
fn give_back() {
    let mut out = stdout();
    let _ = execute!(out, DisableMouseCapture, LeaveAlternateScreen, crossterm::cursor::Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}
