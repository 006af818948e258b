//! Source `recording`: plays back a recording with its own times, at a given speed or as fast as it
//! can be read.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use memtap_model::{HostReading, LossCause, Observation, WallClock};

use super::frame::{Frames, Kind, Next, decode_content};
use super::selection::Selection;
use super::unchanged::LastKnown;
use super::{Piece, ReadingEnd, Stretch};
use crate::{CaptureError, Machine, Opened, Settings, Source, SourceKind};

/// Opens a recording.
pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Opened, CaptureError> {
    let (source, machine) = Replay::open(path, settings)
        .map_err(CaptureError::read(format!("the recording {}", path.display())))?;
    Ok(Opened { source: Box::new(source), notices: Vec::new(), machine: Some(machine) })
}

struct Replay {
    path: PathBuf,
    frames: Frames,
    last_known: LastKnown,
    selection: Selection,
    /// True after damage until the next frame that is complete in itself: the set of processes is
    /// unknown.
    is_broken: bool,
    damaged: u64,
    /// Batches that were read and not played back yet.
    batches: VecDeque<Stretch>,
    /// Observations of the present batch, including restored ones.
    ready: VecDeque<Observation>,
    /// The reading that ends after `ready`.
    reading_end: Option<ReadingEnd>,
    moment: (WallClock, Option<HostReading>),
    pace: Option<Pace>,
    is_closed: bool,
    is_over: bool,
}

impl Replay {
    fn open(path: &Path, settings: &Settings) -> io::Result<(Self, Machine)> {
        let input: Box<dyn Read + Send> = match &settings.input {
            Some(file) => Box::new(file.try_clone()?),
            None if path == Path::new("-") => Box::new(io::stdin()),
            None => Box::new(File::open(path)?),
        };
        let mut replay = Self {
            path: path.to_owned(),
            frames: Frames::open(input)?,
            last_known: LastKnown::default(),
            selection: Selection::new(&settings.filter),
            is_broken: true,
            damaged: 0,
            batches: VecDeque::new(),
            ready: VecDeque::new(),
            reading_end: None,
            moment: Default::default(),
            pace: settings.speed.map(|speed| Pace { speed, begin: None }),
            is_closed: false,
            is_over: false,
        };
        let machine = match replay.frames.next()? {
            Next::Frame(Kind::Head, bytes) => decode_content(&bytes)?,
            Next::Nothing | Next::Cut(_) => {
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "it ends before the description of its machine",
                ));
            }
            Next::Frame(..) | Next::Damaged(_) => {
                tracing::warn!("{}: the beginning is damaged, so the machine is unknown", path.display());
                Machine { hostname: "unknown".to_owned(), ..Machine::default() }
            }
        };
        Ok((replay, machine))
    }

    /// Reads frames until there is something to play back or the recording ends.
    fn read_frames(&mut self) -> io::Result<()> {
        while self.batches.is_empty() && !self.is_over {
            match self.frames.next()? {
                Next::Frame(Kind::Piece, bytes) => match decode_content(&bytes) {
                    Ok(piece) => self.add_piece(piece),
                    Err(error) => {
                        tracing::warn!("{}: {error}", self.path.display());
                        self.count_damage(0);
                    }
                },
                Next::Frame(Kind::Head, _) => {}
                Next::Frame(Kind::End, _) => self.is_closed = true,
                Next::Damaged(requests) => self.count_damage(requests),
                Next::Cut(requests) => {
                    self.count_lost(requests);
                    self.finish();
                }
                Next::Nothing => self.finish(),
            }
        }
        Ok(())
    }

    fn add_piece(&mut self, piece: Piece) {
        if piece.fresh {
            self.last_known = LastKnown::default();
            self.is_broken = false;
        }
        self.batches.extend(piece.batches);
    }

    fn count_damage(&mut self, requests: u32) {
        self.damaged += 1;
        self.count_lost(requests);
    }

    fn count_lost(&mut self, requests: u32) {
        self.is_broken = true;
        self.ready
            .push_back(Observation::Lost { cause: LossCause::DamagedRecording, count: requests.into() });
    }

    fn finish(&mut self) {
        self.is_over = true;
        let path = self.path.display();
        if self.damaged > 0 {
            let places = if self.damaged == 1 { "place" } else { "places" };
            tracing::warn!("{path}: damaged in {} {places}; the intact parts were read", self.damaged);
        }
        match self.is_closed {
            true => tracing::info!("{path}: read to the end"),
            false => tracing::warn!(
                "{path}: its end is missing, because the file was truncated or memtap was killed; the intact part was read"
            ),
        }
    }

    /// Moves the next batch to `ready`, and restores the states that it omits.
    fn next_batch(&mut self) {
        let Some(batch) = self.batches.pop_front() else { return };
        for observation in &batch.observations {
            self.last_known.update(observation);
        }
        self.ready.extend(
            batch.observations.into_iter().filter(|observation| self.selection.includes(observation)),
        );
        let Some(end) = batch.end.filter(|_| !self.is_broken) else { return };
        let unchanged = self.last_known.unchanged_states(end.time, &end.unread);
        self.ready.extend(unchanged.into_iter().filter(|observation| self.selection.includes(observation)));
        self.reading_end = Some(end);
    }

    /// Returns whether the next batch is due.
    fn is_due(&mut self) -> bool {
        let end = self.batches.iter().find_map(|batch| batch.end.as_ref());
        match (&mut self.pace, end) {
            (Some(pace), Some(end)) => pace.is_due(end.time),
            _ => true,
        }
    }
}

impl Source for Replay {
    fn kind(&self) -> SourceKind {
        SourceKind::Recording
    }

    /// Does nothing, because the recording contains its own readings.
    fn tick(&mut self) -> Result<(), CaptureError> {
        Ok(())
    }

    fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError> {
        let before = out.len();
        while out.len() - before < room {
            if let Some(observation) = self.ready.pop_front() {
                if let Observation::Request(request) = &observation {
                    self.moment.0 = self.moment.0.max(request.time);
                }
                out.push(observation);
            } else if let Some(end) = self.reading_end.take() {
                self.moment = (end.time, end.host);
                out.push(Observation::AllRead);
                break;
            } else {
                self.read_frames()
                    .map_err(CaptureError::read(format!("the recording {}", self.path.display())))?;
                if self.ready.is_empty() && (self.batches.is_empty() || !self.is_due()) {
                    break;
                }
                self.next_batch();
            }
        }
        Ok(out.len() - before)
    }

    fn time(&self) -> Option<WallClock> {
        Some(self.moment.0)
    }

    fn host(&mut self) -> io::Result<HostReading> {
        let host = self.moment.1.take();
        host.ok_or_else(|| io::Error::new(ErrorKind::NotFound, "the recording does not have it"))
    }

    fn is_over(&self) -> bool {
        self.is_over && self.batches.is_empty() && self.ready.is_empty() && self.reading_end.is_none()
    }
}

/// Relation between the time of the recording and this machine's clock.
struct Pace {
    speed: f64,
    begin: Option<(WallClock, Instant)>,
}

impl Pace {
    fn is_due(&mut self, time: WallClock) -> bool {
        let (first, begin) = *self.begin.get_or_insert((time, Instant::now()));
        let wait = time.seconds_since(first) / self.speed;
        Duration::try_from_secs_f64(wait).is_ok_and(|wait| begin.elapsed() >= wait) || wait <= 0.0
    }
}
