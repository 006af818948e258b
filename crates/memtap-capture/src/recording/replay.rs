//! Source `recording`: tells what a recording holds, with its times, at its own pace or as fast as it can be read.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use memtap_model::{HostReading, LossCause, Observation, WallClock};

use super::chosen::Chosen;
use super::frame::{Frames, Kind, Next, content};
use super::unchanged::Told;
use super::{Piece, ReadingEnd, Stretch};
use crate::{CaptureError, Machine, Opened, Settings, Source, SourceKind};

/// Opens a recording.
pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Opened, CaptureError> {
    let (source, machine) = Replay::open(path, settings)
        .map_err(CaptureError::read(format!("the recording {}", path.display())))?;
    Ok(Opened { source: Box::new(source), notices: Vec::new(), machine: Some(machine) })
}

/// The source.
struct Replay {
    path: PathBuf,
    frames: Frames,
    told: Told,
    chosen: Chosen,
    /// Damage was met, and nothing fresh since: who lives is not known.
    broken: bool,
    damaged: u64,
    /// Batches that were read and not told.
    batches: VecDeque<Stretch>,
    /// Observations of the first of them, with what it leaves out.
    ready: VecDeque<Observation>,
    /// The reading that `ready` ends.
    ends: Option<ReadingEnd>,
    moment: (WallClock, Option<HostReading>),
    pace: Option<Pace>,
    closed: bool,
    over: bool,
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
            told: Told::default(),
            chosen: Chosen::of(&settings.filter),
            broken: true,
            damaged: 0,
            batches: VecDeque::new(),
            ready: VecDeque::new(),
            ends: None,
            moment: Default::default(),
            pace: settings.speed.map(|speed| Pace { speed, begin: None }),
            closed: false,
            over: false,
        };
        let machine = match replay.frames.next()? {
            Next::Frame(Kind::Head, bytes) => content(&bytes)?,
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

    /// Reads on, until there is something to tell or the recording ends.
    fn read_on(&mut self) -> io::Result<()> {
        while self.batches.is_empty() && !self.over {
            match self.frames.next()? {
                Next::Frame(Kind::Piece, bytes) => match content(&bytes) {
                    Ok(piece) => self.piece(piece),
                    Err(error) => {
                        tracing::warn!("{}: {error}", self.path.display());
                        self.damage(0);
                    }
                },
                Next::Frame(Kind::Head, _) => {}
                Next::Frame(Kind::End, _) => self.closed = true,
                Next::Damaged(requests) => self.damage(requests),
                Next::Cut(requests) => {
                    self.lose(requests);
                    self.end();
                }
                Next::Nothing => self.end(),
            }
        }
        Ok(())
    }

    fn piece(&mut self, piece: Piece) {
        if piece.fresh {
            self.told = Told::default();
            self.broken = false;
        }
        self.batches.extend(piece.batches);
    }

    fn damage(&mut self, requests: u32) {
        self.damaged += 1;
        self.lose(requests);
    }

    fn lose(&mut self, requests: u32) {
        self.broken = true;
        self.ready
            .push_back(Observation::Lost { cause: LossCause::DamagedRecording, count: requests.into() });
    }

    fn end(&mut self) {
        self.over = true;
        let path = self.path.display();
        if self.damaged > 0 {
            let places = if self.damaged == 1 { "place" } else { "places" };
            tracing::warn!("{path}: damaged in {} {places}; the intact parts were read", self.damaged);
        }
        match self.closed {
            true => tracing::info!("{path}: read to the end"),
            false => tracing::warn!(
                "{path}: its end is missing, because the file was truncated or memtap was killed; the intact part was read"
            ),
        }
    }

    /// Makes the next batch ready.
    fn next_batch(&mut self) {
        let Some(batch) = self.batches.pop_front() else { return };
        for observation in &batch.observations {
            self.told.note(observation);
        }
        self.ready.extend(batch.observations.into_iter().filter(|observation| self.chosen.has(observation)));
        let Some(end) = batch.end.filter(|_| !self.broken) else { return };
        let again = self.told.as_they_were(end.time, &end.unread);
        self.ready.extend(again.into_iter().filter(|observation| self.chosen.has(observation)));
        self.ends = Some(end);
    }

    /// Whether the next batch is due.
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

    /// The recording has its own readings.
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
            } else if let Some(end) = self.ends.take() {
                self.moment = (end.time, end.host);
                out.push(Observation::AllRead);
                break;
            } else {
                self.read_on()
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
        self.over && self.batches.is_empty() && self.ready.is_empty() && self.ends.is_none()
    }
}

/// A recording's time against this machine's.
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
