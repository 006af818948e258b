//! Writer of recordings.

use std::io::{self, Write};

use memtap_model::Observation;

use super::frame::{self, Kind};
use super::unchanged::LastKnown;
use super::{Piece, ReadingEnd, Stretch};
use crate::{Batch, Machine};

/// Observations or readings after which a frame is written. Small frames compress poorly, but a
/// large one loses more if memtap is killed.
const OBSERVATIONS: usize = 8192;
const READINGS: usize = 5;
/// Readings after which all processes are written again, so that playback can continue after
/// damage.
const FRESH_EVERY: u64 = 60;

/// Totals of a recording.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Number of requests.
    pub requests: u64,
    /// Number of readings of all processes.
    pub readings: u64,
    /// Size of the file, bytes.
    pub bytes: u64,
    /// Number of requests that the source lost.
    pub lost: u64,
}

/// Writes batches to a file.
pub struct Recorder<W: Write> {
    file: W,
    last_known: LastKnown,
    piece: Piece,
    /// Number of observations in `piece`.
    observations: usize,
    requests: usize,
    readings: usize,
    recorded: Recorded,
}

impl<W: Write> Recorder<W> {
    /// Writes the beginning of the file.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn begin(mut file: W, machine: &Machine) -> io::Result<Self> {
        frame::begin(&mut file)?;
        let bytes = 8 + frame::write(&mut file, Kind::Head, 0, machine)?;
        let recorded = Recorded { bytes, ..Recorded::default() };
        Ok(Self {
            file,
            last_known: LastKnown::default(),
            piece: Piece { fresh: true, ..Piece::default() },
            observations: 0,
            requests: 0,
            readings: 0,
            recorded,
        })
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn take(&mut self, batch: Batch) -> io::Result<()> {
        let mut stretch = Stretch::default();
        let mut host = None;
        for observation in batch.observations {
            match observation {
                Observation::Host(reading) => host = Some(reading),
                Observation::AllRead => {}
                observation if self.last_known.is_changed(&observation) => {
                    self.count(&observation);
                    stretch.observations.push(observation);
                }
                _ => {}
            }
        }
        self.observations += stretch.observations.len();
        if let Some(time) = batch.tick {
            stretch.end = Some(ReadingEnd { time, unread: self.last_known.take_missing(), host });
            self.readings += 1;
            self.recorded.readings += 1;
        }
        self.piece.batches.push(stretch);
        let due = self.recorded.readings.is_multiple_of(FRESH_EVERY) && batch.tick.is_some();
        if due || self.readings >= READINGS || self.observations >= OBSERVATIONS {
            self.write()?;
        }
        if due {
            self.last_known = LastKnown::default();
            self.piece.fresh = true;
        }
        Ok(())
    }

    fn count(&mut self, observation: &Observation) {
        match observation {
            Observation::Request(_) => {
                self.requests += 1;
                self.recorded.requests += 1;
            }
            Observation::Lost { cause, count } if cause.is_requests() => self.recorded.lost += count,
            _ => {}
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.piece);
        self.recorded.bytes += frame::write(&mut self.file, Kind::Piece, self.requests, &piece)?;
        (self.observations, self.requests, self.readings) = (0, 0, 0);
        self.file.flush()
    }

    /// Totals so far.
    pub fn recorded(&self) -> Recorded {
        self.recorded
    }

    /// Writes pending observations and the end. Returns the file and the totals.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn finish(mut self) -> io::Result<(W, Recorded)> {
        self.write()?;
        self.recorded.bytes += frame::write(&mut self.file, Kind::End, 0, &self.recorded.requests)?;
        self.file.flush()?;
        Ok((self.file, self.recorded))
    }
}
