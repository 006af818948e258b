//! Numbered lines of a SystemTap script, from a file or a pipe.

use std::io::{self, BufRead, BufReader, Read};

use memtap_model::{Layout, LineError, ScriptLine, ScriptReader};

/// Maximum length of a line that the script prints.
const LINE: usize = 4096;
/// Bytes of a longer line that are kept, to show it.
const KEPT: usize = 1 << 20;
const BUFFER: usize = 256 << 10;

/// A damaged line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Line number, from 1.
    pub number: u64,
    /// Kind of the damage.
    pub error: LineError,
    /// Bytes of the line; of a line that is too long, the first mebibyte.
    pub line: Vec<u8>,
}

/// Reader of lines.
pub struct ScriptLines<R> {
    input: BufReader<R>,
    reader: ScriptReader,
    number: u64,
    bytes: u64,
    line: Vec<u8>,
}

impl<R: Read> ScriptLines<R> {
    /// Reads lines of a layout, from a clock that was `offset` seconds ahead of UTC.
    pub fn new(input: R, layout: Layout, offset: i64) -> Self {
        Self {
            input: BufReader::with_capacity(BUFFER, input),
            reader: ScriptReader::new(layout, offset),
            number: 0,
            bytes: 0,
            line: Vec::with_capacity(LINE),
        }
    }

    /// Number of the last line.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns whether the next line is buffered, so that reading it does not block. Empty lines do
    /// not count, because a wait may follow them.
    pub fn has_more(&self) -> bool {
        let mut remaining = self.input.buffer();
        while let Some(end) = remaining.iter().position(|byte| *byte == b'\n') {
            if !is_empty(&remaining[..end]) {
                return true;
            }
            remaining = &remaining[end + 1..];
        }
        false
    }

    /// Returns the next line, or its damage; `None` at the end. Empty lines are skipped.
    ///
    /// # Errors
    /// Fails if the input cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Result<ScriptLine, Damaged>>> {
        loop {
            self.line.clear();
            let count = (&mut self.input).take(LINE as u64 + 1).read_until(b'\n', &mut self.line)?;
            if count == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.bytes += count as u64;
            if self.line.last() == Some(&b'\n') {
                self.line.pop();
            } else if count > LINE {
                self.skip_line()?;
                return Ok(Some(Err(self.damaged(LineError::TooLong))));
            }
            if is_empty(&self.line) {
                continue;
            }
            return Ok(Some(self.reader.read(&self.line).map_err(|error| self.damaged(error))));
        }
    }

    fn damaged(&self, error: LineError) -> Damaged {
        Damaged { number: self.number, error, line: self.line.clone() }
    }

    /// Skips the end of a line that is too long, and keeps as much of it as fits.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffered = self.input.fill_buf()?;
            let end = buffered.iter().position(|byte| *byte == b'\n');
            let count = end.map_or(buffered.len(), |at| at + 1);
            let room = KEPT.saturating_sub(self.line.len());
            self.line.extend_from_slice(&buffered[..end.unwrap_or(count).min(room)]);
            self.input.consume(count);
            self.bytes += count as u64;
            if end.is_some() || count == 0 {
                return Ok(());
            }
        }
    }
}

fn is_empty(line: &[u8]) -> bool {
    matches!(line, b"" | b"\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MMAP: &str = "mmap,1,x,4096,Sat Jun  1 09:05:03 2024";

    #[test]
    fn lines_are_numbered_and_a_long_line_is_skipped() {
        let mut text = b"mmap,1,x,4096,Sat Jun  1 09:05:03 2024\n\nnonsense\r\n".to_vec();
        text.extend(vec![b'x'; 600_000]);
        text.extend(b"\nmunmap,2,y,4096,Sat Jun  1 09:05:03 2024");
        let mut lines = ScriptLines::new(&text[..], Layout::default(), 0);
        let mut results = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            results.push(line.map(|line| line.pid).map_err(|damaged| (damaged.number, damaged.error)));
        }
        assert_eq!(results, [Ok(1), Err((3, LineError::TooFewColumns)), Err((4, LineError::TooLong)), Ok(2)]);
        assert_eq!((lines.number(), lines.bytes()), (5, text.len() as u64));
    }

    #[test]
    fn empty_lines_do_not_count_as_buffered() {
        let text = format!("{MMAP}\n\n\r\n{MMAP}\n\n\r\n");
        let mut lines = ScriptLines::new(text.as_bytes(), Layout::default(), 0);
        assert!(matches!(lines.next_line(), Ok(Some(Ok(_)))) && lines.has_more());
        assert!(matches!(lines.next_line(), Ok(Some(Ok(_)))) && !lines.has_more());
    }

    #[test]
    fn a_mebibyte_of_a_long_line_is_kept() {
        for (length, kept) in [(5000, 5000), (KEPT, KEPT), (KEPT + 1, KEPT), (3 * KEPT, KEPT)] {
            let text: Vec<u8> = (0..length).map(|at| b'a' + (at % 23) as u8).chain(*b"\nnext").collect();
            let mut lines = ScriptLines::new(&text[..], Layout::default(), 0);
            let damaged = lines.next_line().unwrap().unwrap().unwrap_err();
            assert!(damaged.error == LineError::TooLong && damaged.line == text[..kept], "{length}");
            assert_eq!(lines.next_line().unwrap().unwrap().unwrap_err().line, b"next");
        }
    }
}
