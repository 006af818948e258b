//! Output of a run's results, for people and for programs.

use jiff::tz::TimeZone;
use memtap_api::{Process, Request};
use memtap_capture::Ending;
use memtap_ledger::{BookedRequest, ProcessSummary};
use memtap_model::{CALLS, Outcome, to_text};
use memtap_report::report::{At, Audience, Run, RunProcess, RunRequest, Screen, Span};
use nix::sys::signal::Signal;
use serde::Serialize;

use super::gathering::Gathered;
use crate::cli::RunArguments;
use crate::terminal;

pub(super) struct Presentation<'a> {
    pub(super) arguments: &'a RunArguments,
    pub(super) gathered: &'a Gathered,
    pub(super) ending: &'a Ending,
    pub(super) source: &'static str,
}

/// JSON output: the fields of one process for the sum of all processes, and the results of the run.
#[derive(Serialize)]
struct Json {
    #[serde(flatten)]
    sum: Process,
    /// Exit status as a shell reports it.
    exit_status: u8,
    signal: Option<&'static str>,
    source: &'static str,
    duration_s: f64,
    processes: u64,
    children: Vec<Process>,
    /// Number of further processes with lower peaks. The sums include them.
    children_left_out: u64,
    largest_requests: Vec<Request>,
    timeline: JsonTimeline,
}

/// Highest virtual size of all processes together, for each step.
#[derive(Serialize)]
struct JsonTimeline {
    step_s: f64,
    virtual_bytes: Vec<u64>,
}

impl Presentation<'_> {
    pub(super) fn text(&self) -> String {
        let screen = match self.arguments.output {
            None => terminal::screen(&std::io::stderr()),
            Some(_) => Screen::default(),
        };
        self.run().text(&audience(), screen)
    }

    pub(super) fn html(&self) -> String {
        self.run().html(&audience())
    }

    /// Returns the results as JSON. `total_bytes` is the machine's memory.
    pub(super) fn json(&self, total_bytes: u64) -> serde_json::Result<String> {
        let gathered = self.gathered;
        let root = gathered.sum.process;
        let mut sum = gathered.sum.clone();
        if sum.command.is_empty() {
            // The command exited before its command line could be read.
            sum.command = self.command().into();
        }
        let children = gathered.processes.iter().filter(|process| process.process != root);
        let json = Json {
            sum: Process::new(&sum, total_bytes),
            exit_status: self.ending.status(),
            signal: self.signal(),
            source: self.source,
            duration_s: gathered.ended.seconds_since(gathered.began),
            processes: gathered.processes.len() as u64 + gathered.left_out,
            children: children.map(|process| Process::new(process, total_bytes)).collect(),
            children_left_out: gathered.left_out,
            largest_requests: gathered.largest.iter().map(Request::from).collect(),
            timeline: JsonTimeline { step_s: gathered.step_s, virtual_bytes: gathered.timeline.clone() },
        };
        let mut text = serde_json::to_string_pretty(&json)?;
        text.push('\n');
        Ok(text)
    }

    fn command(&self) -> String {
        let words = self.arguments.command.iter().map(|word| to_text(word.as_encoded_bytes()));
        words.collect::<Vec<_>>().join(" ")
    }

    fn signal(&self) -> Option<&'static str> {
        match self.ending {
            Ending::Killed(number) => Some(Signal::try_from(*number).map_or("a signal", Signal::as_str)),
            _ => None,
        }
    }

    fn run(&self) -> Run {
        let gathered = self.gathered;
        let sum = &gathered.sum;
        let made = CALLS.iter().zip(sum.books.calls).filter(|(_, totals)| totals.count > 0);
        let mut calls: Vec<_> = made.map(|(row, totals)| (row.call, totals)).collect();
        calls.sort_by_key(|(_, totals)| std::cmp::Reverse(totals.count));
        Run {
            command: self.command(),
            memtap: env!("CARGO_PKG_VERSION").to_owned(),
            source: self.source,
            span: Span { from: At(gathered.began), to: At(gathered.ended) },
            status: self.ending.status(),
            signal: self.signal(),
            peak_virtual_bytes: sum.peaks.virtual_bytes,
            peak_resident_bytes: sum.peaks.resident_bytes,
            requested_bytes: sum.requested_bytes,
            granted_bytes: sum.books.granted_bytes,
            released_bytes: sum.books.released_bytes,
            calls,
            refusals: sum.books.refusals.to_vec(),
            lost: sum.books.lost,
            largest: gathered.largest.iter().map(|booked| request(booked, gathered)).collect(),
            timeline: gathered.timeline.clone(),
            step_s: gathered.step_s,
            processes: gathered.processes.iter().map(|summary| process(summary, gathered)).collect(),
            left_out: gathered.left_out,
        }
    }
}

/// Language and time zone of this machine's user.
fn audience() -> Audience {
    Audience { lang: terminal::lang(), zone: TimeZone::system() }
}

fn request(booked: &BookedRequest, gathered: &Gathered) -> RunRequest {
    let request = &booked.request;
    let (protection, flags) = request.words();
    RunRequest {
        after_s: request.time.seconds_since(gathered.began),
        pid: request.tgid.0,
        name: request.name.to_text(),
        call: request.call,
        requested_bytes: request.requested_bytes,
        refused: match request.outcome {
            Outcome::Granted(_) => None,
            Outcome::Refused(errno) => Some(errno),
        },
        words: request.call.describe(protection, flags),
        file: request.file.clone(),
    }
}

fn process(summary: &ProcessSummary, gathered: &Gathered) -> RunProcess {
    // The first process waits for its tracer before the run starts. No process may last longer than
    // the run.
    let began = summary.started_at.max(gathered.began);
    let named = || summary.name.to_text();
    RunProcess {
        pid: summary.process.tgid.0,
        command: if summary.command.is_empty() { named() } else { summary.command.to_string() },
        peak_virtual_bytes: summary.peaks.virtual_bytes,
        peak_resident_bytes: summary.peaks.resident_bytes,
        requests: summary.books.requests(),
        requested_bytes: summary.requested_bytes,
        refused: summary.books.refused(),
        seconds: summary.ended_at.map_or(0.0, |end| end.seconds_since(began)),
    }
}
