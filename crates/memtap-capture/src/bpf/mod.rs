//! Source `bpf`: every request of every process, from the kernel's ring, decoded.

mod driver;
mod hidden;

use std::collections::HashMap;

use memtap_model::{Decoder, LossCause, Observation, PageSize, ProcessId, StartTime, Tgid};

use crate::details::Details;
use crate::{CaptureError, Settings, Source, SourceKind, clock};
use driver::{Driver, Losses};
use hidden::Hidden;

/// The source.
pub(crate) struct Bpf {
    driver: Driver,
    decoder: Decoder,
    told: Losses,
    undecodable: u64,
    notes: Notes,
}

/// What the stream tells of processes that /proc must add to.
struct Notes {
    details: Details,
    hidden: Hidden,
    /// Processes whose command is new, until the next tick.
    renewed: HashMap<Tgid, (ProcessId, u32)>,
}

impl Notes {
    fn take(&mut self, observation: &Observation) {
        match observation {
            Observation::Exec(state) => {
                self.hidden.told(state.tgid);
                self.renewed.insert(state.tgid, (state.process(), state.uid));
            }
            Observation::Fork(state) => self.hidden.told(state.tgid),
            Observation::Snapshot(state) => {
                self.hidden.told(state.tgid);
                if self.details.is_new(state.process()) {
                    self.renewed.insert(state.tgid, (state.process(), state.uid));
                }
            }
            Observation::Exit { process, .. } => {
                self.renewed.remove(&process.tgid);
                self.details.forget(*process);
            }
            _ => {}
        }
    }
}

/// Loads, attaches, and detaches again: what `doctor` tries.
///
/// # Errors
/// What [`crate::open`] would fail with.
pub fn trial() -> Result<(), CaptureError> {
    Driver::open(Settings::default().ring_bytes)?.read_processes()
}

impl Bpf {
    pub(crate) fn open(settings: &Settings) -> Result<Self, CaptureError> {
        if cfg!(not(target_arch = "x86_64")) {
            let reason = "this build follows system calls of x86-64 only".to_owned();
            return Err(CaptureError::Unsupported { step: "architecture".to_owned(), reason });
        }
        let page = clock::page_size().and_then(PageSize::new).ok_or_else(|| CaptureError::Unsupported {
            step: "page size".to_owned(),
            reason: "the kernel does not tell it".to_owned(),
        })?;
        Ok(Self {
            driver: Driver::open(settings.ring_bytes)?,
            decoder: Decoder { page, boot: clock::boot() },
            told: Losses::default(),
            undecodable: 0,
            notes: Notes { details: Details::default(), hidden: Hidden::new(), renewed: HashMap::new() },
        })
    }

    fn losses(&mut self, out: &mut Vec<Observation>) -> Result<(), CaptureError> {
        let losses = self.driver.losses()?;
        for (cause, count) in [
            (LossCause::RingFull, losses.requests - self.told.requests),
            (LossCause::LifecycleRingFull, losses.lifecycle - self.told.lifecycle),
            (LossCause::Undecodable, std::mem::take(&mut self.undecodable)),
        ] {
            if count > 0 {
                out.push(Observation::Lost { cause, count });
            }
        }
        self.told = losses;
        Ok(())
    }
}

impl Source for Bpf {
    fn kind(&self) -> SourceKind {
        SourceKind::Bpf
    }

    fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> usize {
        let Self { driver, decoder, undecodable, notes, .. } = self;
        driver.drain(room, |record| {
            let Some(observation) = record.and_then(|record| decoder.decode(&record).ok()) else {
                *undecodable += 1;
                return;
            };
            notes.take(&observation);
            out.push(observation);
        })
    }

    fn tick(&mut self, out: &mut Vec<Observation>) -> Result<(), CaptureError> {
        self.decoder.boot = clock::boot();
        self.notes.details.read(&mut self.notes.renewed, out);
        let before = out.len();
        self.notes.hidden.read(self.decoder.boot, out);
        for observation in &out[before..] {
            self.notes.take(observation);
        }
        self.losses(out)?;
        self.driver.read_processes()
    }
}

/// The start as /proc tells it, in its unit: ticks of `CLOCK_BOOTTIME`.
pub(crate) fn start_of_ticks(ticks: u64) -> StartTime {
    StartTime(ticks.saturating_mul(1_000_000_000 / clock::ticks_per_second()))
}
