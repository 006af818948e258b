//! Writes a recording.

use std::io::{self, Write};

use memtap_model::Observation;

use super::frame::{self, Kind};
use super::unchanged::Told;
use super::{Piece, ReadingEnd, Stretch};
use crate::{Batch, Machine};

/// A frame is written when it has so many observations or readings: small ones pack badly, and of a memtap that is killed the last is missing.
const OBSERVATIONS: usize = 8192;
const READINGS: usize = 5;
/// All processes are told anew after so many readings, so that after damage one can go on.
const FRESH_EVERY: u64 = 60;

/// What has been written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Requests.
    pub requests: u64,
    /// Readings of all processes.
    pub readings: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Requests that the source has lost.
    pub lost: u64,
}

/// Writes batches into a file, as they come.
pub struct Recorder<W: Write> {
    file: W,
    told: Told,
    piece: Piece,
    /// In `piece`.
    observations: usize,
    requests: usize,
    readings: usize,
    recorded: Recorded,
}

impl<W: Write> Recorder<W> {
    /// Begins the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(mut file: W, machine: &Machine) -> io::Result<Self> {
        frame::begin(&mut file)?;
        let bytes = 8 + frame::write(&mut file, Kind::Head, 0, machine)?;
        let recorded = Recorded { bytes, ..Recorded::default() };
        Ok(Self {
            file,
            told: Told::default(),
            piece: Piece { fresh: true, ..Piece::default() },
            observations: 0,
            requests: 0,
            readings: 0,
            recorded,
        })
    }

    /// Takes a batch.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn take(&mut self, batch: Batch) -> io::Result<()> {
        let mut stretch = Stretch::default();
        let mut host = None;
        for observation in batch.observations {
            match observation {
                Observation::Host(reading) => host = Some(reading),
                Observation::AllRead => {}
                news if self.told.is_news(&news) => {
                    self.count(&news);
                    stretch.observations.push(news);
                }
                _ => {}
            }
        }
        self.observations += stretch.observations.len();
        if let Some(time) = batch.tick {
            stretch.end = Some(ReadingEnd { time, unread: self.told.unread(), host });
            self.readings += 1;
            self.recorded.readings += 1;
        }
        self.piece.batches.push(stretch);
        let due = self.recorded.readings.is_multiple_of(FRESH_EVERY) && batch.tick.is_some();
        if due || self.readings >= READINGS || self.observations >= OBSERVATIONS {
            self.write()?;
        }
        if due {
            self.told = Told::default();
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

    /// What has been written so far.
    pub fn recorded(&self) -> Recorded {
        self.recorded
    }

    /// Writes what is left and the end; gives the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<(W, Recorded)> {
        self.write()?;
        self.recorded.bytes += frame::write(&mut self.file, Kind::End, 0, &self.recorded.requests)?;
        self.file.flush()?;
        Ok((self.file, self.recorded))
    }
}
