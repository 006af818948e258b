//! Results of a run, gathered while it runs. Memory use is bounded: if there are too many
//! processes, those with the highest peaks are kept.

use std::sync::Arc;

use memtap_ledger::{BookedRequest, Ledger, ProcessSummary, Settings};
use memtap_model::{Observation, Tgid, WallClock};

use super::timeline::Timeline;
use super::together::Together;

/// Maximum number of processes that are listed individually.
const PROCESSES: usize = 1000;
/// Maximum number of requests that are listed individually.
const LARGEST: usize = 10;

/// Results gathered so far.
pub(super) struct Gathering {
    root: Tgid,
    ledger: Ledger,
    pub(super) began: WallClock,
    pub(super) ended: WallClock,
    pub(super) together: Together,
    timeline: Timeline,
    /// Largest requests, in descending order.
    largest: Vec<BookedRequest>,
    sum: Option<ProcessSummary>,
    processes: Vec<Arc<ProcessSummary>>,
    left_out: u64,
}

/// Results of a complete run.
pub(super) struct Gathered {
    /// Sum of all processes, with the identity of the first one.
    pub(super) sum: ProcessSummary,
    /// Processes ordered by start time, including the first one.
    pub(super) processes: Vec<Arc<ProcessSummary>>,
    pub(super) left_out: u64,
    pub(super) largest: Vec<BookedRequest>,
    pub(super) timeline: Vec<u64>,
    pub(super) step_s: f64,
    pub(super) began: WallClock,
    pub(super) ended: WallClock,
}

impl Gathering {
    pub(super) fn new(began: WallClock) -> Self {
        // Nobody reads the lists of the views.
        let settings = Settings { latest_kept: 1, ended_kept: 1, names_kept: 1 };
        Self {
            root: Tgid(0),
            ledger: Ledger::new(settings),
            began,
            ended: began,
            together: Together::default(),
            timeline: Timeline::new(began),
            largest: Vec::new(),
            sum: None,
            processes: Vec::new(),
            left_out: 0,
        }
    }

    /// Applies and removes all observations, in the order of the stream.
    pub(super) fn apply(&mut self, observations: &mut Vec<Observation>) {
        for observation in observations.drain(..) {
            if self.root == Tgid(0)
                && let Observation::Fork(state) = &observation
            {
                self.root = state.tgid;
                (self.began, self.ended) = (state.time, state.time);
                self.timeline = Timeline::new(state.time);
            }
            if let Some((at, sum)) = self.together.apply(&observation) {
                self.timeline.set(at, sum);
                self.ended = at;
            }
            if let Some(booked) = self.ledger.apply(observation) {
                self.request(booked);
            }
        }
        let view = self.ledger.publish(self.ended);
        for process in view.closed {
            self.process(process);
        }
    }

    fn request(&mut self, booked: BookedRequest) {
        // Refused requests count too.
        if !booked.request.call.asks() || booked.request.requested_bytes == 0 {
            return;
        }
        let size = |booked: &BookedRequest| booked.request.requested_bytes;
        let place = self.largest.partition_point(|other| size(other) >= size(&booked));
        if place < LARGEST {
            self.largest.truncate(LARGEST - 1);
            self.largest.insert(place, booked);
        }
    }

    fn process(&mut self, process: Arc<ProcessSummary>) {
        let is_root = process.process.tgid == self.root;
        match &mut self.sum {
            None => self.sum = Some((*process).clone()),
            Some(sum) => add(sum, &process, is_root),
        }
        self.processes.push(process);
        if self.processes.len() >= 2 * PROCESSES {
            self.forget_the_small();
        }
    }

    fn forget_the_small(&mut self) {
        let beyond = self.processes.len().saturating_sub(PROCESSES);
        if beyond > 0 {
            let root = self.root;
            self.processes.sort_by_key(|process| {
                let is_root = process.process.tgid == root;
                std::cmp::Reverse((is_root, process.peaks.resident_bytes, process.peaks.virtual_bytes))
            });
            self.processes.truncate(PROCESSES);
            self.left_out += beyond as u64;
        }
    }

    pub(super) fn finish(mut self) -> Gathered {
        // Processes that are still running.
        for process in self.ledger.publish(self.ended).living.iter() {
            self.process(Arc::clone(process));
        }
        self.forget_the_small();
        self.processes.sort_by_key(|process| (process.process.start, process.process.tgid));
        let mut sum = self.sum.unwrap_or_default();
        sum.peaks.virtual_bytes = self.together.peak_virtual_bytes;
        sum.peaks.resident_bytes = self.together.peak_resident_bytes;
        let (timeline, step_s) = self.timeline.finish();
        Gathered {
            sum,
            processes: self.processes,
            left_out: self.left_out,
            largest: self.largest,
            timeline,
            step_s,
            began: self.began,
            ended: self.ended,
        }
    }
}

/// Adds a process to the sum, which keeps the identity of the first process.
fn add(sum: &mut ProcessSummary, process: &ProcessSummary, is_root: bool) {
    let (mut books, mut faults) = (std::mem::take(&mut sum.books), sum.faults);
    books += &process.books;
    faults += process.faults;
    let earliest = |one: Option<WallClock>, other| one.into_iter().chain(other).min();
    let whole = ProcessSummary {
        books,
        virtual_bytes: sum.virtual_bytes + process.virtual_bytes,
        requested_bytes: sum.requested_bytes.saturating_add(process.requested_bytes),
        faults,
        first_request: earliest(sum.first_request, process.first_request),
        last_request: sum.last_request.max(process.last_request),
        ended_at: sum.ended_at.max(process.ended_at),
        ..if is_root { process.clone() } else { std::mem::take(sum) }
    };
    *sum = whole;
}
