//! Turns observations into lines, and tracks which processes are still running.

use std::collections::{HashMap, HashSet};

use memtap_capture::Batch;
use memtap_ledger::BookedRequest;
use memtap_model::{MemoryRequest, Observation, ProcessId, ProcessState, Tgid};
use memtap_report::report::NamePattern;

use super::loss::Cause;
use super::queue::Line;
use super::summary::Summary;

pub(super) struct Stream {
    name: Option<NamePattern>,
    /// True if each reading includes all watched processes.
    whole_readings: bool,
    processes: HashMap<Tgid, TrackedProcess>,
    /// Processes in the current reading so far.
    read: HashSet<Tgid>,
    readings: u64,
    pub(super) summary: Summary,
}

struct TrackedProcess {
    process: ProcessId,
    /// Lost requests of the process, as of its last request.
    lost: u32,
}

impl Stream {
    pub(super) fn new(name: Option<NamePattern>, whole_readings: bool) -> Self {
        Self {
            name,
            whole_readings,
            processes: HashMap::new(),
            read: HashSet::new(),
            readings: 0,
            summary: Summary::default(),
        }
    }

    /// Returns the lines to show for a batch.
    pub(super) fn lines(&mut self, batch: Batch) -> Vec<Line> {
        batch.observations.into_iter().filter_map(|observation| self.line_for(observation)).collect()
    }

    /// Number of complete readings of all processes.
    pub(super) fn readings(&self) -> u64 {
        self.readings
    }

    /// Returns whether none of the watched processes is still running.
    pub(super) fn all_have_ended(&self) -> bool {
        self.whole_readings && self.readings > 0 && self.processes.is_empty()
    }

    fn line_for(&mut self, observation: Observation) -> Option<Line> {
        match observation {
            Observation::Request(request) => return self.request(request),
            Observation::Snapshot(state) | Observation::Fork(state) | Observation::Exec(state) => {
                self.add_process(&state);
            }
            Observation::Exit(state) => {
                self.processes.remove(&state.tgid);
            }
            Observation::AllRead => self.all_read(),
            Observation::Lost { cause, count } if cause.is_requests() => {
                let cause = Cause::Source(cause);
                self.summary.lose(cause, count);
                return Some(Line::Lost(cause, count));
            }
            _ => {}
        }
        None
    }

    fn request(&mut self, request: MemoryRequest) -> Option<Line> {
        let (process, lost_before) = match self.processes.get_mut(&request.tgid) {
            Some(tracked) => {
                // Two simultaneous requests may arrive in reverse order.
                let more = request.lost.wrapping_sub(tracked.lost).cast_signed().max(0).cast_unsigned();
                tracked.lost = tracked.lost.wrapping_add(more);
                (tracked.process, more)
            }
            None => (ProcessId { tgid: request.tgid, ..ProcessId::default() }, 0),
        };
        if self.name.as_ref().is_some_and(|name| !name.is_match(&request.name.to_text())) {
            return None;
        }
        let booked = BookedRequest { process, request, lost_before };
        self.summary.count(&booked);
        Some(Line::Request(booked))
    }

    fn add_process(&mut self, state: &ProcessState) {
        self.read.insert(state.tgid);
        let tracked = TrackedProcess { process: state.process(), lost: state.lost as u32 };
        let known = self.processes.entry(state.tgid).or_insert(TrackedProcess { ..tracked });
        if known.process != tracked.process {
            *known = tracked;
        }
    }

    /// Ends a reading. Processes that it did not include have exited, even without an exit record.
    fn all_read(&mut self) {
        self.readings += 1;
        let read = std::mem::take(&mut self.read);
        if self.whole_readings {
            self.processes.retain(|tgid, _| read.contains(tgid));
        }
    }
}

#[cfg(test)]
mod tests {
    use memtap_model::{Comm, StartTime};

    use super::*;

    fn state(tgid: u32, start: u64) -> Box<ProcessState> {
        Box::new(ProcessState { tgid: Tgid(tgid), start: StartTime(start), ..ProcessState::default() })
    }

    fn batch(observations: Vec<Observation>) -> Batch {
        Batch { observations, ..Batch::default() }
    }

    #[test]
    fn the_trace_ends_with_the_last_process_and_a_reading_removes_missing_ones() {
        let mut stream = Stream::new(None, true);
        assert!(!stream.all_have_ended(), "nothing has been read");
        let first = vec![
            Observation::Snapshot(state(7, 1)),
            Observation::Fork(state(8, 2)),
            Observation::Exit(state(7, 1)),
            Observation::AllRead,
        ];
        stream.lines(batch(first));
        assert!(!stream.all_have_ended(), "the child lives");
        stream.lines(batch(vec![Observation::AllRead]));
        assert!(stream.all_have_ended());
    }

    #[test]
    fn a_gap_is_reported_with_the_next_request_and_names_match_a_pattern() {
        let line = memtap_model::ScriptLine {
            call: memtap_model::Call::Mmap,
            pid: 7,
            name: Comm::new(b"Postgres"),
            length: 4096,
            time: memtap_model::WallClock(0),
        };
        let request = |lost, name: &[u8]| {
            let line = memtap_model::ScriptLine { name: Comm::new(name), ..line };
            Observation::Request(MemoryRequest { lost, ..MemoryRequest::from(&line) })
        };
        let mut stream = Stream::new(Some("post*".parse().unwrap()), true);
        let lines = stream.lines(batch(vec![
            Observation::Snapshot(Box::new(ProcessState { lost: 3, ..*state(7, 1) })),
            request(3, b"postgres"),
            request(9, b"other"),
            request(8, b"postgres"),
            request(11, b"postgres"),
        ]));
        let gaps = lines.iter().map(|line| match line {
            Line::Request(booked) => booked.lost_before,
            Line::Lost(..) => u32::MAX,
        });
        assert_eq!(gaps.collect::<Vec<_>>(), [0, 0, 2]);
    }
}
