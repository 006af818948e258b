//! From the queue into the store: one thread with a runtime of its own, and a spool on disk.
//!
//! Batches go into the store in deliveries, one after the other. While the store fails or is too slow,
//! deliveries go to the spool instead, and from there into the store, oldest first. Only when the spool is
//! empty does the queue go straight to the store again. What finds no room on disk stays in the queue, and
//! what finds none there is dropped and counted. The database may hang as long as it likes: nothing here
//! waits for it.
//!
//! The runtime is not the server's, since the end must not depend on it: a panic there may leave it without
//! timers.

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

/// Requests in one transaction, at most (and at least one batch); fewer where the queue is small.
const TRANSACTION: usize = 50_000;
/// Between two steps of housekeeping, while there is something to do in them.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(1);
/// Where the last found nothing, the next waits so long, or for so many requests: to look takes longer than a tick.
const NOTHING_TO_KEEP: (Duration, u64) = (Duration::from_secs(10), 20_000);
const RETRY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// Starts the thread. It ends when all is done.
pub(crate) fn spawn(
    store: Box<dyn Store>,
    limits: Limits,
    spool: Option<Spool>,
    shared: Arc<Shared>,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let courier = Courier::new(Work::Idle(store), limits, spool, shared);
    courier.note_spool(None);
    std::thread::Builder::new().name("memtap-queue".to_owned()).spawn(move || runtime.block_on(courier.run()))
}

/// `since` the last step, which `had_work` or not, when so many requests have been `written`.
fn house_is_due(since: Duration, had_work: bool, written: u64) -> bool {
    let (long, much) = NOTHING_TO_KEEP;
    since >= HOUSEKEEPING_EVERY && (had_work || written >= much || since >= long)
}

/// State of the thread.
struct Courier {
    /// The run that was numbered last, and its last delivery.
    numbered: (u64, u64),
    shared: Arc<Shared>,
    limits: Limits,
    work: Work,
    /// The delivery under way.
    flying: Option<Flying>,
    /// A delivery for which there is no room on disk. It comes after everything that is there.
    held: Option<Arc<Delivery>>,
    spool: Option<Spool>,
    /// Since the last failure of the store: when to try again, and how long to wait after that.
    failed: Option<(Instant, Duration)>,
    /// When the last delivery was sent.
    sent: Instant,
    /// The last housekeeping.
    kept_house: Instant,
    house_had_work: bool,
    /// Requests written since the last housekeeping.
    written: u64,
    age: AgeClock,
    /// The latest tick that was delivered.
    last_tick: Option<WallClock>,
    /// The end has been asked for.
    ending: bool,
}

struct Flying {
    delivery: Arc<Delivery>,
    /// It is on disk as well, as the first.
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
            flying: None,
            held: None,
            spool,
            failed: None,
            sent: Instant::now(),
            kept_house: Instant::now(),
            house_had_work: false,
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
                self.finish(finished);
            }
            self.turn();
            if end_by.is_some_and(|end_by| self.is_done(end_by)) {
                return;
            }
        }
    }

    /// Starts a step of housekeeping, if one is due. A history ages as it is written: one from a recording
    /// has the recording's time.
    fn keep_house(&mut self) {
        let is_due = house_is_due(self.kept_house.elapsed(), self.house_had_work, self.written);
        if !is_due || self.ending || self.failed.is_some() {
            return;
        }
        let now = self.age.now(self.limits.clocks.now());
        if self.work.keep_house(self.last_tick.map_or(now, |tick| now.min(tick))) {
            self.kept_house = Instant::now();
            self.written = 0;
        }
    }

    /// Whether nothing is left to do at the end, or no time. What is on disk waits there as well as it does here.
    fn is_done(&mut self, end_by: Instant) -> bool {
        // A store that panicked writes nothing any more.
        let late = Instant::now() >= end_by || self.work.is_gone();
        if self.failed.is_some() || late {
            self.spool_all();
        }
        let flying = self.flying.as_ref().is_some_and(|flying| !flying.spooled);
        let in_memory = flying || self.held.is_some() || !self.shared.lock().batches.is_empty();
        let on_disk = self.flying.is_some() || self.spools();
        late || !in_memory && (!on_disk || self.failed.is_some())
    }

    fn spools(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| !spool.is_empty())
    }

    /// Waits until there is something to do. Returns what the store finished.
    async fn pause(&mut self) -> Option<Finished> {
        let deadline = Instant::now() + self.longest_pause();
        // The connection to a server gets its turn even if there is always something to do.
        tokio::task::yield_now().await;
        let shared = Arc::clone(&self.shared);
        loop {
            if self.is_wanted() {
                // What the store has finished meanwhile is not left for later.
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
        let (busy, spools) = (self.work.is_busy(), self.spools());
        match (self.failed, queue.end_by) {
            (_, Some(end_by)) if busy => end_by.saturating_duration_since(Instant::now()),
            (Some(_), Some(_)) => RETRY[0],
            (None, Some(_)) => Duration::ZERO,
            (None, None)
                if !busy && (spools || self.held.is_some() || queue.is_worth_a_delivery(&self.limits)) =>
            {
                Duration::ZERO
            }
            (Some((at, _)), None) if !spools => at.saturating_duration_since(Instant::now()),
            _ if busy || queue.batches.is_empty() => self.limits.commit_every,
            _ => self.limits.commit_every.saturating_sub(self.sent.elapsed()),
        }
    }

    /// Whether there is something to do before the pause is over. A full queue is something to do only when
    /// something can leave it.
    fn is_wanted(&self) -> bool {
        let queue = self.shared.lock();
        let goes_straight = !self.work.is_busy() && !self.spools() && self.failed.is_none();
        let is_enough = if goes_straight {
            queue.is_worth_a_delivery(&self.limits)
        } else {
            self.spool.is_some() && queue.cause.is_none() && queue.is_too_much(&self.limits)
        };
        is_enough || queue.end_by.is_some() && !self.ending
    }

    fn turn(&mut self) {
        let is_too_much = self.shared.lock().is_too_much(&self.limits);
        if self.spools() || is_too_much && (self.work.is_busy() || self.failed.is_some()) {
            self.spool_all();
        }
        if !self.work.is_busy() {
            self.keep_house();
        }
        let may_try = self.failed.is_none_or(|(at, _)| self.ending || Instant::now() >= at);
        if self.work.is_idle() && may_try {
            self.send();
        }
    }

    /// Gives the store its next delivery. While there is one on disk, even if it cannot be read now, a
    /// younger one has to wait.
    fn send(&mut self) {
        let spooled = self.first_spooled();
        let next = match spooled {
            Some(delivery) => Some(Flying { delivery: Arc::new(delivery), spooled: true }),
            None if self.spools() => None,
            None => {
                let next = self.held.take().or_else(|| self.next_due());
                next.map(|delivery| Flying { delivery, spooled: false })
            }
        };
        if let Some(flying) = next {
            self.sent = Instant::now();
            self.work.deliver(Arc::clone(&flying.delivery));
            self.flying = Some(flying);
        }
    }

    fn finish(&mut self, finished: Finished) {
        match finished {
            Finished::Delivery { appended, size } => self.delivered(appended, size),
            Finished::Housekeeping(Ok(had_work)) => self.house_had_work = had_work,
            Finished::Housekeeping(Err(error)) => {
                tracing::warn!("{error}");
                self.house_had_work = true;
            }
            Finished::Panic => {
                let gone = StoreError::Database {
                    database: String::new(),
                    away: false,
                    reason: "it crashed (a bug in memtap)".to_owned(),
                    fix: "Restart memtap: queued data is written then",
                };
                self.delivered(Err(gone), (0, 0));
            }
        }
    }

    fn delivered(&mut self, appended: Result<Appended, StoreError>, size: (u64, u64)) {
        let Some(Flying { delivery, spooled }) = self.flying.take() else { return };
        self.last_tick = delivery.batches.iter().rev().find_map(|batch| batch.tick).or(self.last_tick);
        match appended {
            Ok(appended) => {
                self.succeed(&appended, size);
                self.written += delivery.requests() as u64;
                if spooled {
                    self.forget_first_spooled();
                } else {
                    self.count_out(delivery.requests());
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

    /// The next delivery, once there is enough for one or the last was long enough ago. A small delivery writes nearly as many pages as a
    /// large one.
    fn next_due(&mut self) -> Option<Arc<Delivery>> {
        let is_due = self.ending
            || self.sent.elapsed() >= self.limits.commit_every
            || self.shared.lock().is_worth_a_delivery(&self.limits);
        is_due.then(|| self.next()).flatten()
    }

    /// The next delivery out of the queue: batches of one run.
    fn next(&mut self) -> Option<Arc<Delivery>> {
        let most = self.limits.worth_a_delivery().clamp(1, TRANSACTION);
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

    /// So many requests of the queue are where they belong, or on disk.
    fn count_out(&self, requests: usize) {
        let mut queue = self.shared.lock();
        queue.waiting -= requests;
        queue.is_stuck &= queue.is_too_much(&self.limits);
        self.shared.changed.notify_all();
        if queue.on_disk == 0 && self.held.is_none() {
            queue.oldest = None;
        }
    }
}

#[cfg(test)]
mod tests;
