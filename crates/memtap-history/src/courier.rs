//! Moves batches from the queue into the store. One thread with its own runtime does all of it, and
//! a spool on disk takes the backlog.
//!
//! Batches are written as deliveries, one delivery at a time. While the store fails or is slow,
//! deliveries go to the spool, and from there into the store, oldest first. The queue is written
//! directly again once the spool is empty. What does not fit on disk stays in the queue; what does
//! not fit there is dropped and counted. If the database hangs, nobody waits for it.
//!
//! The thread does not use the server's runtime, because shutdown must not depend on it: a panic
//! there may leave that runtime without timers.

mod spooling;
mod work;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use memtap_model::WallClock;

use crate::clock::AgeClock;
use crate::spool::Spool;
use crate::writer::{Limits, Shared};
use crate::{Appended, Delivery, DropCause, Store, StoreError};
use work::{Finished, Work};

/// Maximum number of requests in a transaction (it has at least one batch). With a small queue the
/// limit is lower.
const MAX_REQUESTS: usize = 50_000;
/// Time between two rounds of housekeeping while they find work.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(1);
/// After a round without work, the next one waits for this time or this many requests: checking
/// takes longer than a tick.
const IDLE_HOUSEKEEPING: (Duration, u64) = (Duration::from_secs(10), 20_000);
const RETRY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// Starts the thread. It ends when shutdown is complete.
pub(crate) fn spawn(
    store: Box<dyn Store>,
    limits: Limits,
    spool: Option<Spool>,
    shared: Arc<Shared>,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let courier = Courier::new(Work::Idle(store), limits, spool, shared);
    courier.publish_spool_status(None);
    std::thread::Builder::new().name("memtap-queue".to_owned()).spawn(move || runtime.block_on(courier.run()))
}

/// Returns whether another round is due. `since`: time since the last one; `had_work`: whether it
/// found work; `written`: requests written since then.
fn is_housekeeping_due(since: Duration, had_work: bool, written: u64) -> bool {
    let (long, much) = IDLE_HOUSEKEEPING;
    since >= HOUSEKEEPING_EVERY && (had_work || written >= much || since >= long)
}

/// State of the thread.
struct Courier {
    /// Run and number of the last delivery.
    numbered: (u64, u64),
    shared: Arc<Shared>,
    limits: Limits,
    work: Work,
    /// The delivery being written.
    in_flight: Option<InFlight>,
    /// A delivery that did not fit in the spool. It is younger than all spooled ones.
    held: Option<Arc<Delivery>>,
    spool: Option<Spool>,
    /// While the store fails: time of the next attempt, and the current delay between attempts.
    failed: Option<(Instant, Duration)>,
    /// Time of the last delivery.
    last_sent: Instant,
    /// Start of the last housekeeping.
    last_housekeeping: Instant,
    /// The last housekeeping found work, so the next one probably will.
    housekeeping_had_work: bool,
    /// Requests written since the last housekeeping.
    written: u64,
    age: AgeClock,
    /// Newest tick in the deliveries so far.
    last_tick: Option<WallClock>,
    /// Shutdown has begun.
    ending: bool,
}

struct InFlight {
    delivery: Arc<Delivery>,
    /// The delivery is also on disk, as the first record of the spool.
    spooled: bool,
}

impl Courier {
    fn new(work: Work, limits: Limits, spool: Option<Spool>, shared: Arc<Shared>) -> Self {
        Self {
            numbered: (0, 0),
            shared,
            age: AgeClock::begin(limits.clocks.now()),
            limits,
            work,
            in_flight: None,
            held: None,
            spool,
            failed: None,
            last_sent: Instant::now(),
            last_housekeeping: Instant::now(),
            housekeeping_had_work: false,
            written: 0,
            last_tick: None,
            ending: false,
        }
    }

    async fn run(mut self) {
        loop {
            let finished = self.pause().await;
            let end_by = self.shared.lock().end_by;
            self.ending |= end_by.is_some();
            if let Some(finished) = finished {
                self.handle_finished(finished);
            }
            self.run_once();
            if end_by.is_some_and(|end_by| self.is_done(end_by)) {
                return;
            }
        }
    }

    /// Starts housekeeping if it is due. A history ages with its own data: for a recording, that is
    /// the time in the recording.
    fn start_housekeeping(&mut self) {
        let is_due =
            is_housekeeping_due(self.last_housekeeping.elapsed(), self.housekeeping_had_work, self.written);
        if !is_due || self.ending || self.failed.is_some() {
            return;
        }
        let now = self.age.now(self.limits.clocks.now());
        if self.work.start_housekeeping(self.last_tick.map_or(now, |tick| now.min(tick))) {
            self.last_housekeeping = Instant::now();
            self.written = 0;
        }
    }

    /// Returns whether shutdown is complete or out of time. Spooled deliveries may stay on disk if
    /// the store fails.
    fn is_done(&mut self, end_by: Instant) -> bool {
        // If the store has panicked, nothing more can be written.
        let late = Instant::now() >= end_by || self.work.is_crashed();
        if self.failed.is_some() || late {
            self.spool_all();
        }
        let in_flight = self.in_flight.as_ref().is_some_and(|in_flight| !in_flight.spooled);
        let in_memory = in_flight || self.held.is_some() || !self.shared.lock().batches.is_empty();
        let on_disk = self.in_flight.is_some() || self.has_spooled();
        late || !in_memory && (!on_disk || self.failed.is_some())
    }

    fn has_spooled(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| !spool.is_empty())
    }

    /// Waits until there is work. Returns the outcome if the store has finished its work.
    async fn pause(&mut self) -> Option<Finished> {
        let deadline = Instant::now() + self.longest_pause();
        // Lets a server's connection make progress even if there is always work.
        tokio::task::yield_now().await;
        let shared = Arc::clone(&self.shared);
        loop {
            if self.is_wanted() {
                // The store may have finished in the meantime.
                return self.work.finished_already();
            }
            tokio::select! {
                finished = self.work.finished() => return Some(finished),
                () = shared.wake.notified() => {}
                () = tokio::time::sleep_until(deadline.into()) => return None,
            }
        }
    }

    fn longest_pause(&self) -> Duration {
        let queue = self.shared.lock();
        let (is_busy, has_spooled) = (self.work.is_busy(), self.has_spooled());
        // A store that panicked is never tried again.
        if self.work.is_crashed() && queue.end_by.is_none() {
            return self.limits.commit_every;
        }
        match (self.failed, queue.end_by) {
            (_, Some(end_by)) if is_busy => end_by.saturating_duration_since(Instant::now()),
            (Some(_), Some(_)) => RETRY[0],
            (None, Some(_)) => Duration::ZERO,
            (None, None)
                if !is_busy
                    && (has_spooled || self.held.is_some() || queue.fills_a_delivery(&self.limits)) =>
            {
                Duration::ZERO
            }
            (Some((at, _)), None) if !has_spooled => at.saturating_duration_since(Instant::now()),
            _ if is_busy || queue.batches.is_empty() => self.limits.commit_every,
            _ => self.limits.commit_every.saturating_sub(self.last_sent.elapsed()),
        }
    }

    /// Returns whether there is work before the pause is over. A full queue is work only if
    /// requests can leave it.
    fn is_wanted(&self) -> bool {
        let queue = self.shared.lock();
        let is_direct = self.work.is_idle() && !self.has_spooled() && self.failed.is_none();
        let is_enough = if is_direct {
            queue.fills_a_delivery(&self.limits)
        } else {
            self.spool.is_some() && queue.cause.is_none() && queue.is_backlogged(&self.limits)
        };
        is_enough || queue.end_by.is_some() && !self.ending
    }

    fn run_once(&mut self) {
        let is_backlogged = self.shared.lock().is_backlogged(&self.limits);
        if self.has_spooled() || is_backlogged && (self.work.is_busy() || self.failed.is_some()) {
            self.spool_all();
        }
        if !self.work.is_busy() {
            self.start_housekeeping();
        }
        let may_try = self.failed.is_none_or(|(at, _)| self.ending || Instant::now() >= at);
        if self.work.is_idle() && may_try {
            self.send_next();
        }
    }

    /// Sends the next delivery to the store. While any delivery is on disk, even an unreadable one,
    /// no younger delivery is sent.
    fn send_next(&mut self) {
        let spooled = self.first_spooled();
        let next = match spooled {
            Some(delivery) => Some(InFlight { delivery: Arc::new(delivery), spooled: true }),
            None if self.has_spooled() => None,
            None => {
                let next = self.held.take().or_else(|| self.next_due_delivery());
                next.map(|delivery| InFlight { delivery, spooled: false })
            }
        };
        if let Some(in_flight) = next {
            self.last_sent = Instant::now();
            self.work.deliver(Arc::clone(&in_flight.delivery));
            self.in_flight = Some(in_flight);
        }
    }

    fn handle_finished(&mut self, finished: Finished) {
        match finished {
            Finished::Delivery { appended, size } => self.delivered(appended, size),
            Finished::Housekeeping(Ok(had_work)) => self.housekeeping_had_work = had_work,
            Finished::Housekeeping(Err(error)) => {
                tracing::warn!("{error}");
                self.housekeeping_had_work = true;
            }
            Finished::Panic => {
                let crashed = StoreError::Database {
                    database: String::new(),
                    away: false,
                    reason: "it crashed (a bug in memtap)".to_owned(),
                    fix: "Restart memtap: queued data is written then",
                };
                if self.in_flight.is_some() {
                    self.delivered(Err(crashed), (0, 0));
                } else {
                    self.fail(&crashed);
                }
            }
        }
    }

    fn delivered(&mut self, appended: Result<Appended, StoreError>, size: (u64, u64)) {
        let Some(InFlight { delivery, spooled }) = self.in_flight.take() else { return };
        self.last_tick = delivery.batches.iter().rev().find_map(|batch| batch.tick).or(self.last_tick);
        match appended {
            Ok(appended) => {
                self.succeed(&appended, size);
                self.written += delivery.requests() as u64;
                if spooled {
                    self.remove_spooled();
                } else {
                    self.release(delivery.requests());
                }
            }
            Err(error) => {
                self.fail(&error);
                if !spooled {
                    self.spool_or_hold(delivery);
                }
            }
        }
    }

    fn succeed(&mut self, appended: &Appended, size: (u64, u64)) {
        let mut queue = self.shared.lock();
        if let Some(reason) = &appended.reason {
            tracing::error!("the database refused {} rows: {reason}", appended.refused);
        }
        queue.count_dropped(DropCause::Refused, appended.refused);
        (queue.status.rows, queue.status.bytes) = size;
        queue.status.error = None;
        self.failed = None;
    }

    fn fail(&mut self, error: &StoreError) {
        let text = match &self.spool {
            Some(_) => format!("{error}. New data is queued meanwhile"),
            None => error.to_string(),
        };
        let mut queue = self.shared.lock();
        if queue.status.error.as_ref() != Some(&text) {
            tracing::error!("{text}");
        }
        queue.status.error = Some(text);
        let wait = self.failed.map_or(RETRY[0], |(_, wait)| (wait * 2).min(RETRY[1]));
        self.failed = Some((Instant::now() + wait, wait));
    }

    /// Returns the next delivery, if it is large enough or the last one was long enough ago. A
    /// small delivery writes nearly as many pages as a large one.
    fn next_due_delivery(&mut self) -> Option<Arc<Delivery>> {
        let is_due = self.ending
            || self.last_sent.elapsed() >= self.limits.commit_every
            || self.shared.lock().fills_a_delivery(&self.limits);
        is_due.then(|| self.next_delivery()).flatten()
    }

    /// Removes a delivery from the queue: batches of one run.
    fn next_delivery(&mut self) -> Option<Arc<Delivery>> {
        let most = self.limits.delivery_requests().clamp(1, MAX_REQUESTS);
        let mut queue = self.shared.lock();
        let (mut batches, mut requests) = (Vec::new(), 0);
        let first = queue.batches.front()?;
        let (oldest, run) = (first.since, Arc::clone(&first.run));
        while requests < most
            && let Some(waiting) = queue.batches.pop_front_if(|waiting| waiting.run.id == run.id)
        {
            requests += waiting.batch.requests.len();
            batches.push(waiting.batch);
        }
        queue.oldest = queue.oldest.or(Some(oldest));
        let sequence = if self.numbered.0 == run.id { self.numbered.1 + 1 } else { 1 };
        self.numbered = (run.id, sequence);
        Some(Arc::new(Delivery { run, sequence, batches }))
    }

    /// Frees space in the queue for this number of requests, which are now stored or on disk.
    fn release(&self, requests: usize) {
        let mut queue = self.shared.lock();
        queue.waiting -= requests;
        queue.is_stuck &= queue.is_backlogged(&self.limits);
        self.shared.changed.notify_all();
        if queue.on_disk == 0 && self.held.is_none() {
            queue.oldest = None;
        }
    }
}

#[cfg(test)]
mod tests;
