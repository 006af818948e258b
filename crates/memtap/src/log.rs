//! memtap's log, on standard error. A line that cannot be written is counted and never causes an
//! error. Once a thread writes the lines ([`in_background`]), no other thread waits for the reader
//! of standard error.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::{settings_file, top};

/// Maximum bytes of queued lines. Further lines are dropped and counted.
const WAITING_BYTES: usize = 256 << 10;

static QUEUE: Mutex<Queue> = Mutex::new(Queue::new());
static CHANGED: Condvar = Condvar::new();

/// Lines queued for the thread.
struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    writer: WrittenBy,
    is_writing: bool,
}

/// The writer of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WrittenBy {
    /// The thread that logs a line writes it immediately.
    Caller,
    /// No thread writes: lines are held until the log thread starts.
    Nobody,
    Thread,
}

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Line(Vec<u8>),
    /// Number of lines dropped at this position, because the queue was full.
    Dropped(u64),
}

/// Starts the log. While the terminal is `drawn` on, [`top::log`] keeps the lines until the
/// terminal is restored. `wanted` is the filter from the settings file. The environment takes
/// precedence.
pub(crate) fn start(drawn: bool, wanted: Option<&str>) {
    // The screen already shows what info lines would say.
    let least = if drawn { "warn" } else { "info" };
    let filter = settings_file::from_environment("MEMTAP_LOG")
        .and_then(|wanted| EnvFilter::try_new(wanted).ok())
        .or_else(|| wanted.and_then(|wanted| EnvFilter::try_new(wanted).ok()))
        .unwrap_or_else(|| EnvFilter::new(least));
    let terminal = io::IsTerminal::is_terminal(&io::stderr());
    // Otherwise the layer panics about its own errors when standard error is closed.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).log_internal_errors(false);
    if drawn && terminal {
        log.with_writer(|| top::log::Writer).with_ansi(false).without_time().init();
    } else {
        log.with_writer(|| Writer).with_ansi(terminal).init();
    }
}

/// Holds all further lines until [`in_background`] or [`flush`]. Until its log thread starts, a
/// command must not wait for the reader of standard error.
pub(crate) fn hold() {
    lock().writer = WrittenBy::Nobody;
}

/// Writes all further lines in a separate thread, which calls `begin` first. If no thread can be
/// started, callers write their own lines.
pub(crate) fn in_background(begin: fn()) {
    let thread = std::thread::Builder::new().name("memtap-log".to_owned());
    let started = thread.spawn(move || {
        begin();
        write_entries();
    });
    match started {
        Ok(_) => lock().writer = WrittenBy::Thread,
        Err(_) => write_held(),
    }
}

/// Writes a line, which must end with a newline.
pub(crate) fn line(line: &[u8]) {
    let mut queue = lock();
    if queue.writer == WrittenBy::Caller {
        drop(queue);
        let _ = io::stderr().write_all(line);
    } else {
        queue.push(line);
        CHANGED.notify_all();
    }
}

/// Waits until all lines are written, at most for `within`.
pub(crate) fn flush(within: Duration) {
    if lock().writer == WrittenBy::Nobody {
        write_held();
    }
    let _ = CHANGED.wait_timeout_while(lock(), within, |queue| queue.is_writing || !queue.entries.is_empty());
}

/// Writes the held lines. Callers write all further lines themselves.
fn write_held() {
    let held = {
        let mut queue = lock();
        queue.writer = WrittenBy::Caller;
        std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>()
    };
    let mut lost = 0;
    held.iter().for_each(|entry| write_entry(&mut io::stderr(), entry, &mut lost));
}

/// Writer for the log layer: each write is one line.
struct Writer;

impl Write for Writer {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        line(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    const fn new() -> Self {
        Self { entries: VecDeque::new(), bytes: 0, writer: WrittenBy::Caller, is_writing: false }
    }

    fn push(&mut self, line: &[u8]) {
        if self.bytes + line.len() <= WAITING_BYTES {
            self.bytes += line.len();
            self.entries.push_back(Entry::Line(line.to_vec()));
        } else if let Some(Entry::Dropped(count)) = self.entries.back_mut() {
            *count += 1;
        } else {
            self.entries.push_back(Entry::Dropped(1));
        }
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front();
        if let Some(Entry::Line(line)) = &entry {
            self.bytes -= line.len();
        }
        entry
    }
}

fn lock() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes queued lines forever, in the log thread.
fn write_entries() {
    let mut lost = 0;
    loop {
        let mut queue = lock();
        queue.is_writing = false;
        CHANGED.notify_all();
        let entry = loop {
            match queue.pop() {
                Some(entry) => break entry,
                None => queue = CHANGED.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        };
        queue.is_writing = true;
        drop(queue);
        write_entry(&mut io::stderr(), &entry, &mut lost);
    }
}

/// Writes an entry, preceded by the number of lines missing since the last successful write.
fn write_entry(out: &mut impl Write, entry: &Entry, lost: &mut u64) {
    let line = match entry {
        Entry::Line(line) => line,
        Entry::Dropped(count) => {
            *lost += count;
            return;
        }
    };
    if *lost > 0 {
        let notice = format!("memtap: {lost} log lines are missing here because they could not be written\n");
        if out.write_all(notice.as_bytes()).is_ok() {
            *lost = 0;
        }
    }
    if *lost > 0 || out.write_all(line).is_err() {
        *lost += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue_of(lines: usize, length: usize) -> Queue {
        let mut queue = Queue::new();
        (0..lines).for_each(|_| queue.push(&vec![b'x'; length]));
        queue
    }

    #[test]
    fn the_queue_is_bounded_and_dropped_lines_are_counted_in_place() {
        let mut queue = queue_of(1000, 1 << 10);
        assert_eq!((queue.bytes, queue.entries.len()), (WAITING_BYTES, 257));
        assert_eq!(queue.entries.back(), Some(&Entry::Dropped(744)));
        queue.pop();
        queue.push(b"after\n");
        queue.push(&[b'x'; 2 << 10]);
        let end: Vec<_> = queue.entries.iter().skip(255).collect();
        assert_eq!(end, [&Entry::Dropped(744), &Entry::Line(b"after\n".to_vec()), &Entry::Dropped(1)]);
    }

    /// Standard error on a disk that is full for the first `full` writes.
    struct Disk {
        full: u32,
        text: String,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.full > 0 {
                self.full -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.text += &String::from_utf8_lossy(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_before_the_next() {
        let (mut disk, mut lost) = (Disk { full: 2, text: String::new() }, 0);
        let line = |text: &str| Entry::Line(text.as_bytes().to_vec());
        for entry in [line("a\n"), line("b\n"), Entry::Dropped(3), line("c\n"), line("d\n")] {
            write_entry(&mut disk, &entry, &mut lost);
        }
        assert_eq!(
            disk.text,
            "memtap: 5 log lines are missing here because they could not be written\nc\nd\n"
        );
    }
}
