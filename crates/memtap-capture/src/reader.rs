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
    let mut reader =
        Reader { source, settings, batches, pending: Batch::default(), readings: None, opened: false };
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
    /// While readings are on their way through the stream: how many observations may stand before their end.
    readings: Option<usize>,
    opened: bool,
}

/// The channel's other end is gone.
struct Closed;

impl Reader {
    fn run(&mut self, stop: &AtomicBool) {
        if let Err(error) = self.read(stop) {
            tracing::error!("{error}");
        }
    }

    fn read(&mut self, stop: &AtomicBool) -> Result<(), CaptureError> {
        let mut next_tick = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            // A tick that finds the one before not yet handed on is left out: the next reads all anew.
            if Instant::now() >= next_tick && self.readings.is_none() && self.pending.tick.is_none() {
                next_tick = self.after(next_tick);
                self.readings = Some(self.source.tick()?);
            }
            let count = self.poll()?;
            if self.hand_on().is_err() {
                return Ok(());
            }
            if count == 0 {
                std::thread::sleep(self.settings.poll);
            }
        }
        self.end()
    }

    /// The last tick, with everything that is still there. It may wait for room: nothing comes after it.
    fn end(&mut self) -> Result<(), CaptureError> {
        loop {
            let batch = std::mem::take(&mut self.pending);
            if self.batches.blocking_send(batch).is_err() {
                return Ok(());
            }
            match self.readings {
                None => self.readings = Some(self.source.tick()?),
                Some(_) => {
                    self.poll()?;
                }
            }
            if self.pending.tick.is_some() {
                let _ = self.batches.blocking_send(std::mem::take(&mut self.pending));
                return Ok(());
            }
        }
    }

    /// The time of the next tick; ticks that were missed (a suspended machine) are not made up for.
    fn after(&self, tick: Instant) -> Instant {
        let next = tick + self.settings.tick;
        if next > Instant::now() { next } else { Instant::now() + self.settings.tick }
    }

    /// Takes what is there, as far as the pending batch has room and is not a tick's last.
    fn poll(&mut self) -> Result<usize, CaptureError> {
        if self.pending.tick.is_some() {
            return Ok(0);
        }
        let room = BATCH.saturating_sub(self.pending.observations.len());
        let count = self.source.poll(room, &mut self.pending.observations);
        if let Some(left) = self.readings {
            let left = left.saturating_sub(count);
            self.readings = Some(left);
            if count < room || left == 0 {
                self.readings = None;
                self.end_tick()?;
            }
        }
        Ok(count)
    }

    /// All readings are in: the pending batch becomes the tick's last.
    fn end_tick(&mut self) -> Result<(), CaptureError> {
        self.source.end_tick(&mut self.pending.observations)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SourceKind;
    use memtap_model::LossCause;

    /// A stream of numbered losses, with one reading of ten thousand observations in it.
    struct Stream {
        sent: u64,
        left: usize,
    }

    impl Source for Stream {
        fn kind(&self) -> SourceKind {
            SourceKind::Bpf
        }

        fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> usize {
            let count = room.min(self.left);
            self.left -= count;
            for _ in 0..count {
                self.sent += 1;
                out.push(Observation::Lost { cause: LossCause::RingFull, count: self.sent });
            }
            count
        }

        fn tick(&mut self) -> Result<usize, CaptureError> {
            self.left += 10_000;
            Ok(self.left)
        }
    }

    fn sequence(batch: &Batch) -> impl Iterator<Item = u64> {
        batch.observations.iter().filter_map(|observation| match observation {
            Observation::Lost { count, .. } => Some(*count),
            _ => None,
        })
    }

    #[test]
    fn a_full_channel_loses_nothing_keeps_order_and_bounds_and_the_end_brings_the_rest() {
        let (sender, mut batches) = tokio::sync::mpsc::channel(2);
        let stream = Stream { sent: 0, left: 90_000 };
        let reader = spawn(Box::new(stream), Settings::default(), sender).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let end = std::thread::spawn(move || reader.stop());
        let (mut all, mut opened_after) = (Vec::new(), None);
        while let Some(batch) = batches.blocking_recv() {
            assert!(batch.observations.len() <= BATCH + 2, "the host and the opening may come on top");
            all.extend(sequence(&batch));
            if batch.observations.contains(&Observation::Opened) {
                opened_after = Some(all.len());
            }
        }
        end.join().unwrap();
        assert!(all.len() >= 100_000 && all.iter().copied().eq(1..=all.len() as u64), "{}", all.len());
        assert_eq!(opened_after, Some(100_000), "the opening stands after the whole first reading");
    }
}
