//! The thread that reads the source and passes on batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use memtap_model::{Observation, WallClock};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::poll_interval::PollInterval;
use crate::{CaptureError, Settings, Source, clock};

/// Maximum number of observations in one batch. The readings of /proc at a tick may add to it.
const BATCH: usize = 8192;

/// Observations in the order of the stream.
#[derive(Debug, Default)]
pub struct Batch {
    /// The observations.
    pub observations: Vec<Observation>,
    /// Time of the tick, on the batch that ends it: all processes have been read.
    pub tick: Option<WallClock>,
    /// Nanoseconds by which the wall clock was set since the last tick (positive: forward). The
    /// times that follow are by the new clock.
    pub clock_step: Option<i64>,
}

/// Handle of the running thread.
pub struct ReaderHandle {
    stop: Arc<AtomicBool>,
    tick: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl ReaderHandle {
    /// Changes the time between two readings of all processes.
    pub fn set_tick(&self, tick: Duration) {
        self.tick.store(nanoseconds(tick), Ordering::Relaxed);
    }

    /// Reads everything that is pending, ends with a last tick, detaches, and waits until all of
    /// this is done.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            tracing::error!("the capture thread panicked; its last records are lost");
        }
    }
}

/// Starts the thread.
///
/// # Errors
/// Fails if the system cannot create a thread.
pub fn spawn(
    source: Box<dyn Source>,
    settings: &Settings,
    batches: Sender<Batch>,
) -> std::io::Result<ReaderHandle> {
    spawn_with_boot(source, settings, batches, clock::boot)
}

/// Starts the thread with `boot` in place of [`clock::boot`], which tests replace.
fn spawn_with_boot(
    source: Box<dyn Source>,
    settings: &Settings,
    batches: Sender<Batch>,
    boot: impl FnMut() -> WallClock + Send + 'static,
) -> std::io::Result<ReaderHandle> {
    let stop = Arc::new(AtomicBool::new(false));
    let tick = Arc::new(AtomicU64::new(nanoseconds(settings.tick)));
    let mut reader = Reader {
        batches,
        source,
        interval: PollInterval::new(settings),
        tick: Arc::clone(&tick),
        pending: Batch::default(),
        reading: false,
        last_time: None,
        boot: Box::new(boot),
        last_boot: None,
    };
    let stop_flag = Arc::clone(&stop);
    let thread = std::thread::Builder::new()
        .name("memtap-capture".to_owned())
        .spawn(move || reader.run(&stop_flag))?;
    Ok(ReaderHandle { stop, tick, thread })
}

fn nanoseconds(tick: Duration) -> u64 {
    u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX)
}

struct Reader {
    /// Dropped before the source: a receiver must not wait while the source detaches.
    batches: Sender<Batch>,
    source: Box<dyn Source>,
    interval: PollInterval,
    /// Time between two readings, nanoseconds. The handle can change it.
    tick: Arc<AtomicU64>,
    /// Batch that is not passed on yet. While the channel is full it waits here, and further
    /// records wait in the kernel's ring.
    pending: Batch,
    /// A reading of all processes has begun and not ended.
    reading: bool,
    /// Time of the last tick.
    last_time: Option<WallClock>,
    /// Returns the wall-clock time of boot.
    boot: Box<dyn FnMut() -> WallClock + Send>,
    /// Time of boot when the last reading of all processes began. The time of the reading is based
    /// on it, like the times of its requests.
    last_boot: Option<WallClock>,
}

/// The receiver of the channel has been dropped.
struct Closed;

impl Reader {
    fn run(&mut self, stop: &AtomicBool) {
        if let Err(error) = self.read(stop) {
            tracing::error!("{error}");
        }
    }

    fn read(&mut self, stop: &AtomicBool) -> Result<(), CaptureError> {
        let mut last_tick = None;
        let mut sleep_began = Instant::now();
        while !stop.load(Ordering::Relaxed) && !self.source.is_over() {
            // If the last tick has not been passed on yet, this one is skipped. The next reading
            // reads everything again.
            if let Some(due) = self.due_tick(last_tick)
                && !self.reading
                && self.pending.tick.is_none()
            {
                last_tick = Some(due);
                self.begin_tick()?;
            }
            let room = self.room();
            // While a tick waits for the channel, the source is not polled, so the count of 0 has
            // no meaning.
            let was_asked = self.pending.tick.is_none();
            let count = self.poll()?;
            self.interval.record(count);
            // Continue at once with a reading of all processes, and with a recording as far as it
            // is due.
            let is_recorded = count > 0 && self.source.time().is_some();
            let continues = count >= room || self.reading || self.pending.tick.is_some() || is_recorded;
            if self.pass_on().is_err() {
                return Ok(());
            }
            if !self.is_empty() {
                std::thread::sleep(self.interval.shortest());
            } else if was_asked && ((count == 0 && room > 0) || !continues) {
                let mut sleep = self.interval.next(sleep_began.elapsed());
                if !self.reading {
                    sleep = sleep.min(self.until_due(last_tick));
                }
                sleep_began = Instant::now();
                self.source.rest(sleep);
            }
        }
        self.finish()
    }

    /// Passes on everything that is pending, and the last tick. It may wait for space in the
    /// channel, since nothing follows.
    ///
    /// A source that is over returns no more readings, so its last observations belong to its last
    /// time. The same applies to a recording during playback, whose next reading may be far in the
    /// future.
    fn finish(&mut self) -> Result<(), CaptureError> {
        loop {
            let mut batch = std::mem::take(&mut self.pending);
            let is_over = self.source.is_over() || self.source.time().is_some();
            if is_over && batch.tick.is_none() {
                batch.tick = Some(self.time()).filter(|time| Some(*time) > self.last_time);
            }
            if self.batches.blocking_send(batch).is_err() || is_over {
                return Ok(());
            }
            if !self.reading {
                self.begin_tick()?;
            }
            self.poll()?;
            if self.pending.tick.is_some() {
                let _ = self.batches.blocking_send(std::mem::take(&mut self.pending));
                return Ok(());
            }
        }
    }

    fn begin_tick(&mut self) -> Result<(), CaptureError> {
        let boot = (self.boot)();
        if self.source.time().is_none() {
            let step = self.last_boot.and_then(|before| clock::step(before, boot));
            self.pending.clock_step = self.pending.clock_step.or(step);
        }
        self.last_boot = Some(boot);
        self.source.tick()?;
        self.reading = true;
        Ok(())
    }

    /// Returns the present time, by the source's clock or by this machine's clock as it was when
    /// the reading began.
    fn time(&self) -> WallClock {
        let now = || match self.last_boot {
            Some(boot) => WallClock::after_boot(boot, clock::since_boot().0),
            None => clock::now(),
        };
        self.source.time().unwrap_or_else(now)
    }

    /// Returns the time of the tick that is due, if one is. Missed ticks are skipped, for example
    /// while the machine was suspended.
    fn due_tick(&self, last_tick: Option<Instant>) -> Option<Instant> {
        let now = Instant::now();
        let tick = Duration::from_nanos(self.tick.load(Ordering::Relaxed));
        let due = last_tick.map_or(now, |last| last + tick);
        (due <= now).then(|| if now - due < tick { due } else { now })
    }

    /// Returns the longest sleep until the next tick. It is never zero, even if a tick is due but
    /// has to wait.
    fn until_due(&self, last_tick: Option<Instant>) -> Duration {
        let tick = Duration::from_nanos(self.tick.load(Ordering::Relaxed));
        let left =
            last_tick.map_or(Duration::ZERO, |last| (last + tick).saturating_duration_since(Instant::now()));
        left.max(self.interval.shortest())
    }

    /// Polls the source, as far as the pending batch has space and is not the last one of a tick.
    fn poll(&mut self) -> Result<usize, CaptureError> {
        if self.pending.tick.is_some() {
            return Ok(0);
        }
        let count = self.source.poll(self.room(), &mut self.pending.observations)?;
        if self.pending.observations.last() == Some(&Observation::AllRead) {
            self.end_tick();
        }
        Ok(count)
    }

    /// Number of observations that still fit into the pending batch.
    fn room(&self) -> usize {
        BATCH.saturating_sub(self.pending.observations.len())
    }

    /// Returns whether nothing is pending.
    fn is_empty(&self) -> bool {
        let Batch { observations, tick, clock_step } = &self.pending;
        observations.is_empty() && tick.is_none() && clock_step.is_none()
    }

    /// Ends the reading: the pending batch becomes the last one of the tick.
    fn end_tick(&mut self) {
        self.reading = false;
        let time = self.time();
        if self.source.time().is_some() {
            // A recording reports its clock only through its times. A jump forward may be a gap; a
            // jump back means that the clock was set.
            let step = self.last_time.and_then(|before| clock::step(before, time));
            self.pending.clock_step = step.filter(|step| *step < 0);
        }
        match self.source.host() {
            Ok(host) => self.pending.observations.push(Observation::Host(host)),
            Err(error) => tracing::warn!("cannot read the memory usage of the machine: {error}"),
        }
        self.last_time = Some(time);
        self.pending.tick = Some(time);
    }

    fn pass_on(&mut self) -> Result<(), Closed> {
        if self.is_empty() {
            return Ok(());
        }
        // The next batch is probably about as large.
        let next =
            Batch { observations: Vec::with_capacity(self.pending.observations.len()), ..Batch::default() };
        match self.batches.try_send(std::mem::replace(&mut self.pending, next)) {
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

    /// A stream of numbered losses that contains readings of ten thousand observations.
    struct Stream {
        sent: u64,
        left: usize,
        reading: Option<usize>,
    }

    impl Source for Stream {
        fn kind(&self) -> SourceKind {
            SourceKind::Bpf
        }

        fn tick(&mut self) -> Result<(), CaptureError> {
            self.left += 10_000;
            self.reading = Some(self.left);
            Ok(())
        }

        fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError> {
            let count = room.min(self.left);
            self.left -= count;
            for _ in 0..count {
                self.sent += 1;
                out.push(Observation::Lost { cause: LossCause::RingFull, count: self.sent });
            }
            if self.reading.is_some() && self.left == 0 {
                self.reading = None;
                out.push(Observation::AllRead);
            }
            Ok(count)
        }
    }

    fn sequence(batch: &Batch) -> impl Iterator<Item = u64> {
        batch.observations.iter().filter_map(|observation| match observation {
            Observation::Lost { count, .. } => Some(*count),
            _ => None,
        })
    }

    #[test]
    fn a_full_channel_loses_nothing_and_keeps_order_and_bounds() {
        let (sender, mut batches) = tokio::sync::mpsc::channel(2);
        let stream = Stream { sent: 0, left: 90_000, reading: None };
        let reader = spawn(Box::new(stream), &Settings::default(), sender).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let end = std::thread::spawn(move || reader.stop());
        let (mut all, mut first_tick_after) = (Vec::new(), None);
        while let Some(batch) = batches.blocking_recv() {
            assert!(
                batch.observations.len() <= BATCH + 2,
                "the host and the mark of the end may come on top"
            );
            all.extend(sequence(&batch));
            if batch.tick.is_some() {
                first_tick_after.get_or_insert(all.len());
            }
        }
        end.join().unwrap();
        assert!(all.len() >= 100_000 && all.iter().copied().eq(1..=all.len() as u64), "{}", all.len());
        assert_eq!(first_tick_after, Some(100_000), "the tick stands after the whole first reading");
    }

    #[test]
    fn the_tick_can_be_changed_while_the_reader_waits() {
        let (sender, mut batches) = tokio::sync::mpsc::channel(100);
        let stream = Stream { sent: 0, left: 0, reading: None };
        let hour = Settings { tick: Duration::from_secs(3600), ..Settings::default() };
        let reader = spawn(Box::new(stream), &hour, sender).unwrap();
        let mut tick = || while batches.blocking_recv().unwrap().tick.is_none() {};
        tick();
        reader.set_tick(Duration::from_millis(1));
        tick();
        drop(batches);
        reader.stop();
    }

    /// A recording that can be read without waiting.
    struct Readings {
        left: i64,
        sleeps: Arc<AtomicU64>,
    }

    impl Source for Readings {
        fn kind(&self) -> SourceKind {
            SourceKind::Recording
        }

        fn tick(&mut self) -> Result<(), CaptureError> {
            Ok(())
        }

        fn poll(&mut self, _: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError> {
            self.left -= 1;
            out.push(Observation::AllRead);
            Ok(1)
        }

        fn rest(&mut self, _: Duration) {
            self.sleeps.fetch_add(1, Ordering::Relaxed);
        }

        fn time(&self) -> Option<WallClock> {
            Some(WallClock(-self.left))
        }

        fn is_over(&self) -> bool {
            self.left == 0
        }
    }

    #[test]
    fn a_recording_is_read_without_sleeps_even_if_the_receiver_is_slow() {
        let (sender, mut batches) = tokio::sync::mpsc::channel(1);
        let sleeps = Arc::new(AtomicU64::new(0));
        let source = Readings { left: 50, sleeps: Arc::clone(&sleeps) };
        let reader = spawn(Box::new(source), &Settings::default(), sender).unwrap();
        let mut ticks = 0;
        while let Some(batch) = batches.blocking_recv() {
            std::thread::yield_now();
            ticks += usize::from(batch.tick.is_some());
        }
        reader.stop();
        assert_eq!((ticks, sleeps.load(Ordering::Relaxed)), (50, 0));
    }

    /// The clock is correct at first, jumps ahead by an hour, and returns.
    #[test]
    fn a_step_of_the_clock_is_reported_once_with_the_first_reading_after_it() {
        const HOUR: i64 = 3_600_000_000_000;
        let boot = |reading: usize| clock::boot().0 + if (2..4).contains(&reading) { HOUR } else { 0 };
        let (sender, mut batches) = tokio::sync::mpsc::channel(100);
        let stream = Stream { sent: 0, left: 0, reading: None };
        let settings = Settings { tick: Duration::from_millis(1), ..Settings::default() };
        let mut readings = 0;
        let read = move || {
            readings += 1;
            WallClock(boot(readings - 1))
        };
        let reader = spawn_with_boot(Box::new(stream), &settings, sender, read).unwrap();
        let (mut ticks, mut steps) = (Vec::new(), Vec::new());
        while ticks.len() < 6 {
            let batch = batches.blocking_recv().unwrap();
            steps.extend(batch.clock_step.map(|step| (ticks.len(), step)));
            ticks.extend(batch.tick);
        }
        drop(batches);
        reader.stop();
        let [(2, ahead), (4, back)] = steps[..] else { panic!("{steps:?}") };
        assert!((ahead - HOUR).abs() < HOUR / 1000 && (back + HOUR).abs() < HOUR / 1000, "{steps:?}");
        let now = clock::now().0;
        let is_ahead: Vec<bool> = ticks.iter().map(|tick| tick.0 > now + HOUR / 2).collect();
        assert_eq!(is_ahead, [false, false, true, true, false, false], "{ticks:?}");
    }
}
