//! memtap's own log while the terminal is drawn on: lines wait here, are shown as notices, and are told when the terminal is back.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::output;

/// Lines that are kept.
const KEPT: usize = 100;

static LINES: Mutex<Lines> = Mutex::new(Lines { kept: VecDeque::new(), fresh: 0 });

struct Lines {
    kept: VecDeque<String>,
    /// How many at the end were not taken yet.
    fresh: usize,
}

fn lines() -> MutexGuard<'static, Lines> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the log is written to: each write is a line.
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

/// The lines that came since they were last taken.
pub(super) fn take() -> Vec<String> {
    let mut lines = lines();
    let known = lines.kept.len() - std::mem::take(&mut lines.fresh);
    lines.kept.range(known..).cloned().collect()
}

/// Writes all that is kept to where a log goes.
pub(super) fn tell() {
    for line in lines().kept.drain(..) {
        output::tell(line);
    }
}
