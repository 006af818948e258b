//! Lines queued for writing. The queue is bounded: beyond the limit, lines are left out and
//! counted, and the output reports them where they are missing. Thus a slow reader of the output
//! slows down nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use memtap_ledger::BookedRequest;

use super::loss::Cause;

/// Maximum number of queued lines, about 8 MiB.
const LINES: usize = 32_768;
/// Lines per write.
const AT_ONCE: usize = 512;

/// One line of the output.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    Request(BookedRequest),
    /// This many requests are missing here.
    Lost(Cause, u64),
}

/// The next task of the writer.
#[derive(Debug, PartialEq)]
pub(super) struct Work {
    pub(super) lines: Vec<Line>,
    /// True if buffered output must be flushed, because no more lines are queued.
    pub(super) flush: bool,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Line>,
    /// Requests missing after the last line.
    missing: BTreeMap<Cause, u64>,
    ticked: bool,
    closed: bool,
    /// True if queued lines are given up.
    hurried: bool,
    not_shown: u64,
}

impl Queue {
    /// Queues the lines that fit, without waiting.
    pub(super) fn push(&self, lines: impl IntoIterator<Item = Line>) {
        let mut state = self.state();
        for line in lines {
            state.push(line);
        }
        self.changed.notify_one();
    }

    /// Marks the end of a tick: buffered output is flushed.
    pub(super) fn tick(&self) {
        self.state().ticked = true;
        self.changed.notify_one();
    }

    /// Marks the end of the trace.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    /// Gives up all queued lines and counts them as missing, because the time is over.
    pub(super) fn hurry(&self) {
        self.state().hurry();
        self.changed.notify_one();
    }

    /// Requests that were left out because the output was too slow.
    pub(super) fn not_shown(&self) -> u64 {
        self.state().not_shown
    }

    /// Waits for work; `None` at the end.
    pub(super) fn next(&self) -> Option<Work> {
        let mut state = self.state();
        loop {
            if let Some(work) = state.work() {
                return Some(work);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, line: Line) {
        if self.hurried || self.lines.len() >= LINES {
            self.miss(&line);
            return;
        }
        self.push_missing();
        self.lines.push_back(line);
    }

    fn miss(&mut self, line: &Line) {
        match line {
            Line::Request(_) => {
                self.not_shown += 1;
                *self.missing.entry(Cause::OutputTooSlow).or_default() += 1;
            }
            Line::Lost(cause, count) => *self.missing.entry(*cause).or_default() += count,
        }
    }

    fn push_missing(&mut self) {
        let missing = std::mem::take(&mut self.missing);
        self.lines.extend(missing.into_iter().map(|(cause, count)| Line::Lost(cause, count)));
    }

    fn hurry(&mut self) {
        self.hurried = true;
        let lines = std::mem::take(&mut self.lines);
        let behind = std::mem::take(&mut self.missing);
        for line in &lines {
            self.miss(line);
        }
        for (cause, count) in behind {
            *self.missing.entry(cause).or_default() += count;
        }
    }

    fn work(&mut self) -> Option<Work> {
        if self.closed {
            self.push_missing();
        }
        if self.lines.is_empty() && !self.ticked {
            return None;
        }
        let count = self.lines.len().min(AT_ONCE);
        let lines: Vec<Line> = self.lines.drain(..count).collect();
        let is_last = self.lines.is_empty();
        let flush = is_last && (std::mem::take(&mut self.ticked) || self.closed);
        Some(Work { lines, flush })
    }
}

#[cfg(test)]
mod tests {
    use memtap_capture::SourceKind;
    use memtap_model::{Call, Comm, LossCause, MemoryRequest, ProcessId, ScriptLine, WallClock};

    use super::*;

    fn request(number: usize) -> Line {
        let line = ScriptLine {
            call: Call::Mmap,
            pid: 7,
            name: Comm::new(SourceKind::SystemTap.name().as_bytes()),
            length: number as u64,
            time: WallClock(0),
        };
        let request = MemoryRequest::from(&line);
        Line::Request(BookedRequest { process: ProcessId::default(), request, lost_before: 0 })
    }

    fn number(line: &Line) -> Option<u64> {
        match line {
            Line::Request(booked) => Some(booked.request.requested_bytes),
            Line::Lost(..) => None,
        }
    }

    /// Returns all remaining lines that the writer gets.
    fn remaining_lines(queue: &Queue) -> Vec<Line> {
        queue.close();
        std::iter::from_fn(|| queue.next()).flat_map(|work| work.lines).collect()
    }

    #[test]
    fn lines_beyond_the_limit_are_reported_where_they_are_missing() {
        let queue = Queue::default();
        queue.push((0..LINES + 10).map(request));
        let full = Line::Lost(Cause::Source(LossCause::RingFull), 5);
        queue.push([full.clone(), request(0)]);
        let work = queue.next().unwrap();
        assert_eq!((work.lines.len(), work.flush), (AT_ONCE, false));
        queue.push([request(77)]);
        assert_eq!(queue.not_shown(), 11);
        let remaining = remaining_lines(&queue);
        let first = remaining.iter().filter_map(number);
        assert!(first.eq((AT_ONCE as u64..LINES as u64).chain([77])));
        assert_eq!(remaining[LINES - AT_ONCE..][..2], [full, Line::Lost(Cause::OutputTooSlow, 11)]);
    }

    #[test]
    fn a_hurried_end_reports_the_lines_that_it_gave_up() {
        let queue = Queue::default();
        queue.push((0..100).map(request));
        queue.hurry();
        queue.push([request(100)]);
        assert_eq!(
            (remaining_lines(&queue), queue.not_shown()),
            (vec![Line::Lost(Cause::OutputTooSlow, 101)], 101)
        );
    }

    #[test]
    fn a_tick_without_lines_flushes_the_output() {
        let queue = Queue::default();
        queue.push([request(1)]);
        assert_eq!(queue.next().map(|work| work.flush), Some(false));
        queue.tick();
        assert_eq!(queue.next(), Some(Work { lines: Vec::new(), flush: true }));
        queue.close();
        assert_eq!(queue.next(), None);
    }
}
