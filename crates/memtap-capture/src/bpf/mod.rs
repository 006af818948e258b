//! Source `bpf`: every request of every process, from the kernel's ring, decoded.

mod driver;
mod hidden;

use std::collections::HashMap;

use memtap_model::{
    CALLS, CallRow, Decoder, LossCause, Observation, PageSize, ProcessId, RawRecord, StartTime, Tgid,
};

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
    /// How many records the ring can hold.
    ring_records: usize,
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
    Driver::open(Settings::default().ring_bytes, CALLS)?.read_processes()
}

/// The same programs with no call to follow: what merely being attached costs. For the benchmark.
///
/// # Errors
/// As [`crate::open`].
pub fn without_calls(settings: &Settings) -> Result<Box<dyn Source>, CaptureError> {
    Ok(Box::new(Bpf::with_calls(settings, &[])?))
}

impl Bpf {
    pub(crate) fn open(settings: &Settings) -> Result<Self, CaptureError> {
        Self::with_calls(settings, CALLS)
    }

    fn with_calls(settings: &Settings, calls: &[CallRow]) -> Result<Self, CaptureError> {
        if cfg!(not(target_arch = "x86_64")) {
            let reason = "this build follows system calls of x86-64 only".to_owned();
            return Err(CaptureError::Unsupported { step: "architecture".to_owned(), reason });
        }
        let page = clock::page_size().and_then(PageSize::new).ok_or_else(|| CaptureError::Unsupported {
            step: "page size".to_owned(),
            reason: "the kernel does not tell it".to_owned(),
        })?;
        Ok(Self {
            driver: Driver::open(settings.ring_bytes, calls)?,
            decoder: Decoder { page, boot: clock::boot() },
            told: Losses::default(),
            undecodable: 0,
            ring_records: settings.ring_bytes as usize / size_of::<RawRecord>(),
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

    fn tick(&mut self) -> Result<usize, CaptureError> {
        self.decoder.boot = clock::boot();
        self.driver.read_processes()?;
        Ok(self.ring_records)
    }

    fn end_tick(&mut self, out: &mut Vec<Observation>) -> Result<(), CaptureError> {
        let before = out.len();
        self.notes.hidden.read(self.decoder.boot, out);
        for observation in &out[before..] {
            self.notes.take(observation);
        }
        self.notes.details.read(&mut self.notes.renewed, out);
        self.losses(out)
    }
}

/// The start as /proc tells it, in its unit: ticks of `CLOCK_BOOTTIME`.
pub(crate) fn start_of_ticks(ticks: u64) -> StartTime {
    StartTime(ticks.saturating_mul(1_000_000_000 / clock::ticks_per_second()))
}
