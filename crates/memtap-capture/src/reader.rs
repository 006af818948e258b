//! The one thread that reads the source and hands batches on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use memtap_model::{Observation, WallClock};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::{CaptureError, Settings, Source, clock, read_host};

/// Observations in one batch, at most (a tick's own readings of /proc may add to it).
const BATCH: usize = 8192;

/// Observations in the stream's order.
#[derive(Debug, Default)]
pub struct Batch {
    /// What was observed.
    pub observations: Vec<Observation>,
    /// Set on the batch that ends a tick: all processes have been read.
    pub tick: Option<WallClock>,
}

/// The running thread.
pub struct ReaderHandle {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl ReaderHandle {
    /// Reads what is still there, ends with a last tick, detaches, and waits for all of it.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            tracing::error!("the capture thread has panicked; its last records are lost");
        }
    }
}

/// Starts the thread.
///
/// # Errors
/// When the system gives no thread.
pub fn spawn(
    source: Box<dyn Source>,
    settings: Settings,
    batches: Sender<Batch>,
) -> std::io::Result<ReaderHandle> {
    let stop = Arc::new(AtomicBool::new(false));
    let reader = Reader { source, settings, batches, pending: Batch::default(), opened: false };
    let told = Arc::clone(&stop);
    let thread =
        std::thread::Builder::new().name("memtap-capture".to_owned()).spawn(move || reader.run(&told))?;
    Ok(ReaderHandle { stop, thread })
}

struct Reader {
    source: Box<dyn Source>,
    settings: Settings,
    batches: Sender<Batch>,
    /// What is not handed on yet. While the channel is full it waits here, and further records wait in the kernel's ring.
    pending: Batch,
    opened: bool,
}

/// The channel's other end is gone.
struct Closed;

impl Reader {
    fn run(mut self, stop: &AtomicBool) {
        let mut next_tick = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            if Instant::now() >= next_tick {
                next_tick = self.after(next_tick);
                match self.tick() {
                    Ok(()) => {}
                    Err(error) => return tracing::error!("{error}"),
                }
            }
            let count = self.poll();
            if self.hand_on().is_err() {
                return;
            }
            if count == 0 {
                std::thread::sleep(self.settings.poll);
            }
        }
        if let Err(error) = self.tick() {
            tracing::error!("{error}");
        }
        while self.poll() > 0 {}
        self.pending.tick = Some(clock::now());
        // The end may wait: nothing comes after it.
        let _ = self.batches.blocking_send(self.pending);
    }

    /// The time of the next tick; ticks that were missed (a suspended machine) are not made up for.
    fn after(&self, tick: Instant) -> Instant {
        let next = tick + self.settings.tick;
        if next > Instant::now() { next } else { Instant::now() + self.settings.tick }
    }

    /// Takes what is there, as far as the pending batch has room and is not complete.
    fn poll(&mut self) -> usize {
        if self.pending.tick.is_some() {
            return 0;
        }
        let room = BATCH.saturating_sub(self.pending.observations.len());
        self.source.poll(room, &mut self.pending.observations)
    }

    /// Reads all processes; the batch with the readings at its end becomes the tick's.
    fn tick(&mut self) -> Result<(), CaptureError> {
        if self.pending.tick.is_some() {
            // The ledger is a whole tick behind: this tick is left out, the next one reads all anew.
            return Ok(());
        }
        self.source.tick(&mut self.pending.observations)?;
        // The readings come through the ring, behind the records that were there: all of these belong to the tick.
        let mut last = usize::MAX;
        while last > 0 {
            last = self.source.poll(BATCH, &mut self.pending.observations);
            if last == BATCH && self.hand_on().is_err() {
                return Ok(());
            }
            if self.pending.observations.len() > 4 * BATCH || last < BATCH {
                break;
            }
        }
        match read_host() {
            Ok(host) => self.pending.observations.push(Observation::Host(host)),
            Err(error) => tracing::warn!("cannot read the machine's memory: {error}"),
        }
        if !self.opened {
            self.opened = true;
            self.pending.observations.push(Observation::Opened);
        }
        self.pending.tick = Some(clock::now());
        Ok(())
    }

    fn hand_on(&mut self) -> Result<(), Closed> {
        if self.pending.observations.is_empty() && self.pending.tick.is_none() {
            return Ok(());
        }
        match self.batches.try_send(std::mem::take(&mut self.pending)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(batch)) => {
                self.pending = batch;
                Ok(())
            }
            Err(TrySendError::Closed(_)) => Err(Closed),
        }
    }
}
