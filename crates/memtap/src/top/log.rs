//! memtap's log while the terminal is drawn on: lines are kept here, shown as notices, and written
//! when the terminal is restored.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::output;

/// Maximum number of lines that are kept.
const KEPT: usize = 100;

static LINES: Mutex<Lines> = Mutex::new(Lines { kept: VecDeque::new(), fresh: 0 });

struct Lines {
    kept: VecDeque<String>,
    /// Number of lines at the end that were not taken yet.
    fresh: usize,
}

fn lines() -> MutexGuard<'static, Lines> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writer for the log layer: each write is one line.
#[derive(Debug)]
pub(crate) struct Writer;

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = lines();
        if lines.kept.len() >= KEPT {
            lines.kept.pop_front();
        }
        lines.kept.push_back(String::from_utf8_lossy(line).trim_end().to_owned());
        lines.fresh = (lines.fresh + 1).min(lines.kept.len());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the lines since the last call.
pub(super) fn new_lines() -> Vec<String> {
    let mut lines = lines();
    let known = lines.kept.len() - std::mem::take(&mut lines.fresh);
    lines.kept.range(known..).cloned().collect()
}

/// Writes all kept lines to standard error.
pub(super) fn write_kept() {
    for line in lines().kept.drain(..) {
        output::tell(line);
    }
}
