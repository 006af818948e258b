//! Moves batches from the queue into the store. One thread empties the queue, a second one calls
//! the database, and a spool on disk takes the backlog.
//!
//! Batches are written as deliveries, one delivery at a time. While the store fails or is slow,
//! deliveries go to the spool, and from there into the store, oldest first. The queue is written
//! directly again once the spool is empty. What does not fit on disk stays in the queue; what does
//! not fit there is dropped and counted. If the database hangs, it blocks only its own thread, and
//! nobody waits for that.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock::{AgeClock, Clocks};
use crate::spool::{Damage, PutError, Spool};
use crate::writer::{Limits, Queue, Shared};
use crate::{Appended, Batch, Delivery, DropCause, Run, Store, StoreError};

/// Maximum number of requests in a transaction (it has at least one batch). With a small queue the
/// limit is lower.
const MAX_REQUESTS: usize = 50_000;
/// Time between two rounds of housekeeping while they find work.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(1);
/// After a round without work, the next one waits for this time or this many requests: checking
/// takes longer than a tick.
const IDLE_HOUSEKEEPING: (Duration, u64) = (Duration::from_secs(10), 20_000);
const RETRY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// Starts both threads. Returns the one that ends last.
pub(crate) fn spawn(
    store: Box<dyn Store>,
    limits: Limits,
    spool: Option<Spool>,
    shared: Arc<Shared>,
) -> std::io::Result<JoinHandle<()>> {
    let (jobs, work) = mpsc::channel();
    let (answers, clocks) = (Arc::clone(&shared), limits.clocks.clone());
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let store = thread("memtap-store").spawn(move || serve_store(store, &work, &answers, &clocks))?;
    let courier = Courier {
        numbered: (0, 0),
        shared,
        limits,
        jobs,
        store,
        in_flight: None,
        held: None,
        spool,
        failed: None,
        last_sent: Instant::now(),
        written: 0,
        ending: false,
    };
    courier.publish_spool_status(None);
    thread("memtap-queue").spawn(move || courier.run())
}

/// Outcome of a delivery.
pub(crate) struct Answer {
    done: Result<Appended, StoreError>,
    /// As in [`Store::size`].
    size: (u64, u64),
}

/// Work for the store's thread.
enum Job {
    Deliver(Arc<Parcel>),
    Housekeeping,
}

/// An owned [`Delivery`], as stored in the spool.
#[derive(Serialize, Deserialize)]
struct Parcel {
    run: Run,
    sequence: u64,
    batches: Vec<Batch>,
}

impl Parcel {
    fn requests(&self) -> usize {
        self.batches.iter().map(|batch| batch.requests.len()).sum()
    }
}

/// Main loop of the store's thread. It ends when the sender of jobs is dropped.
fn serve_store(mut store: Box<dyn Store>, jobs: &mpsc::Receiver<Job>, shared: &Shared, clocks: &Clocks) {
    let mut newest_tick = None;
    let mut age = AgeClock::begin(clocks.now());
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Deliver(parcel) => {
                let delivery =
                    Delivery { run: &parcel.run, sequence: parcel.sequence, batches: &parcel.batches };
                let done = store.append(delivery);
                newest_tick = parcel.batches.iter().rev().find_map(|batch| batch.tick).or(newest_tick);
                let size = store.size();
                // Released before answering, so that the memory is free once the courier drops it.
                drop(parcel);
                shared.lock().answer = Some(Answer { done, size });
                shared.changed.notify_all();
            }
            Job::Housekeeping => {
                // A history ages with its own data: for a recording, that is the time in the
                // recording.
                let now = age.now(clocks.now());
                let result = store.housekeeping(newest_tick.map_or(now, |tick| now.min(tick)));
                let had_work = result.unwrap_or_else(|error| {
                    tracing::warn!("{error}");
                    true
                });
                let mut queue = shared.lock();
                (queue.is_housekeeping, queue.housekeeping_had_work) = (false, had_work);
            }
        }
    }
}

/// Returns whether another round is due. `since`: time since the last one; `had_work`: whether it
/// found work; `written`: requests written since then.
fn is_housekeeping_due(since: Duration, had_work: bool, written: u64) -> bool {
    let (long, much) = IDLE_HOUSEKEEPING;
    since >= HOUSEKEEPING_EVERY && (had_work || written >= much || since >= long)
}

/// State of the thread that empties the queue.
struct Courier {
    /// Run and number of the last delivery.
    numbered: (u64, u64),
    shared: Arc<Shared>,
    limits: Limits,
    jobs: mpsc::Sender<Job>,
    store: JoinHandle<()>,
    /// The delivery being written.
    in_flight: Option<InFlight>,
    /// A delivery that did not fit in the spool. It is younger than all spooled ones.
    held: Option<Arc<Parcel>>,
    spool: Option<Spool>,
    /// While the store fails: time of the next attempt, and the current delay between attempts.
    failed: Option<(Instant, Duration)>,
    /// Time of the last delivery.
    last_sent: Instant,
    /// Requests written since the last housekeeping.
    written: u64,
    /// Shutdown has begun.
    ending: bool,
}

struct InFlight {
    parcel: Arc<Parcel>,
    /// The delivery is also on disk, as the first record of the spool.
    spooled: bool,
}

impl Courier {
    fn run(mut self) {
        let mut last_housekeeping = Instant::now();
        loop {
            let end_by = self.pause();
            self.run_once();
            if let Some(end_by) = end_by {
                self.ending = true;
                if self.is_done(end_by) {
                    break;
                }
            } else if self.failed.is_none() {
                let had_work = self.shared.lock().housekeeping_had_work;
                if is_housekeeping_due(last_housekeeping.elapsed(), had_work, self.written) {
                    last_housekeeping = Instant::now();
                    self.request_housekeeping();
                }
            }
        }
        self.end();
    }

    fn request_housekeeping(&mut self) {
        self.written = 0;
        if self.store.is_finished() {
            let message =
                "the database thread crashed (a bug in memtap). Restart memtap: queued data is written then";
            self.shared.lock().status.error = Some(message.to_owned());
        }
        if !std::mem::replace(&mut self.shared.lock().is_housekeeping, true) {
            let _ = self.jobs.send(Job::Housekeeping);
        }
    }

    /// Returns whether shutdown is complete or out of time. Spooled deliveries may stay on disk if
    /// the store fails.
    fn is_done(&mut self, end_by: Instant) -> bool {
        // If the store's thread has panicked, nothing more can be written.
        let late = Instant::now() >= end_by || self.store.is_finished();
        if self.failed.is_some() || late {
            self.spool_all();
        }
        let in_flight = self.in_flight.as_ref().is_some_and(|in_flight| !in_flight.spooled);
        let in_memory = in_flight || self.held.is_some() || !self.shared.lock().batches.is_empty();
        let on_disk = self.in_flight.is_some() || self.has_spooled();
        late || !in_memory && (!on_disk || self.failed.is_some())
    }

    /// Waits for the store's thread to end, unless it hangs.
    fn end(self) {
        drop(self.jobs);
        let end_by = Instant::now() + Duration::from_millis(500);
        while !self.store.is_finished() && Instant::now() < end_by {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.store.is_finished() && self.store.join().is_err() {
            tracing::error!("the database thread panicked");
        }
    }

    fn has_spooled(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| !spool.is_empty())
    }

    /// Waits until there is work. Returns the deadline if shutdown was requested.
    fn pause(&self) -> Option<Instant> {
        let queue = self.shared.lock();
        let (in_flight, has_spooled) = (self.in_flight.is_some(), self.has_spooled());
        let wait = match (self.failed, queue.end_by) {
            (_, Some(end_by)) if in_flight && !self.store.is_finished() => {
                end_by.saturating_duration_since(Instant::now())
            }
            (Some(_), Some(_)) => RETRY[0],
            (None, Some(_)) => Duration::ZERO,
            (None, None)
                if !in_flight
                    && (has_spooled || self.held.is_some() || queue.fills_a_delivery(&self.limits)) =>
            {
                Duration::ZERO
            }
            (Some((at, _)), None) if !has_spooled => at.saturating_duration_since(Instant::now()),
            _ if in_flight || queue.batches.is_empty() => self.limits.commit_every,
            _ => self.limits.commit_every.saturating_sub(self.last_sent.elapsed()),
        };
        // A full queue is work only if requests can leave it.
        let straight = !in_flight && !has_spooled && self.failed.is_none();
        let to_disk = self.spool.is_some() && queue.cause.is_none();
        let is_enough = |queue: &Queue| match straight {
            true => queue.fills_a_delivery(&self.limits),
            false => to_disk && queue.is_backlogged(&self.limits),
        };
        let waited = self.shared.changed.wait_timeout_while(queue, wait, |queue| {
            let is_asked_to_end = queue.end_by.is_some() && !self.ending;
            queue.answer.is_none() && !is_asked_to_end && !is_enough(queue)
        });
        waited.map_or_else(|poisoned| poisoned.into_inner().0.end_by, |(queue, _)| queue.end_by)
    }

    fn run_once(&mut self) {
        let answer = self.shared.lock().answer.take();
        if let Some(answer) = answer {
            self.handle_answer(answer);
        }
        let is_backlogged = self.shared.lock().is_backlogged(&self.limits);
        if self.has_spooled() || is_backlogged && (self.in_flight.is_some() || self.failed.is_some()) {
            self.spool_all();
        }
        let may_try = self.failed.is_none_or(|(at, _)| self.ending || Instant::now() >= at);
        if self.in_flight.is_none() && may_try {
            self.send_next();
        }
    }

    /// Sends the next delivery to the store. While any delivery is on disk, even an unreadable one,
    /// no younger delivery is sent.
    fn send_next(&mut self) {
        let spooled = self.first_spooled();
        self.in_flight = match spooled {
            Some(parcel) => Some(InFlight { parcel: Arc::new(parcel), spooled: true }),
            None if self.has_spooled() => None,
            None => self
                .held
                .take()
                .or_else(|| self.next_due_parcel())
                .map(|parcel| InFlight { parcel, spooled: false }),
        };
        if let Some(in_flight) = &self.in_flight {
            self.last_sent = Instant::now();
            let _ = self.jobs.send(Job::Deliver(Arc::clone(&in_flight.parcel)));
        }
    }

    fn handle_answer(&mut self, answer: Answer) {
        let Some(in_flight) = self.in_flight.take() else { return };
        match answer.done {
            Ok(appended) => {
                self.succeeded(&appended, answer.size);
                self.written += in_flight.parcel.requests() as u64;
                if in_flight.spooled {
                    self.remove_spooled();
                } else {
                    self.release(in_flight.parcel.requests());
                }
            }
            Err(error) => {
                self.fail(&error);
                if in_flight.spooled {
                    return;
                }
                if self.put(&in_flight.parcel) {
                    self.release(in_flight.parcel.requests());
                } else {
                    self.held = Some(in_flight.parcel);
                }
            }
        }
    }

    fn succeeded(&mut self, appended: &Appended, size: (u64, u64)) {
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
        let text = error.to_string();
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
    fn next_due_parcel(&mut self) -> Option<Arc<Parcel>> {
        let is_due = self.ending
            || self.last_sent.elapsed() >= self.limits.commit_every
            || self.shared.lock().fills_a_delivery(&self.limits);
        is_due.then(|| self.next_parcel()).flatten()
    }

    /// Removes a delivery from the queue: batches of one run.
    fn next_parcel(&mut self) -> Option<Arc<Parcel>> {
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
        Some(Arc::new(Parcel { run: Run::clone(&run), sequence, batches }))
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

    /// Moves the queue to disk until the spool is full. The delivery in flight goes first. Stops
    /// when the store has answered, so that a steady stream of requests does not keep the store
    /// waiting.
    fn spool_all(&mut self) {
        if self.spool.is_none() {
            return;
        }
        if let Some(parcel) = self
            .in_flight
            .as_ref()
            .filter(|in_flight| !in_flight.spooled)
            .map(|in_flight| Arc::clone(&in_flight.parcel))
        {
            if !self.put(&parcel) {
                return;
            }
            self.release(parcel.requests());
            if let Some(in_flight) = &mut self.in_flight {
                in_flight.spooled = true;
            }
        }
        while let Some(parcel) = self.held.take().or_else(|| self.next_parcel()) {
            if !self.put(&parcel) {
                self.held = Some(parcel);
                return;
            }
            self.release(parcel.requests());
            if !self.ending && self.shared.lock().answer.is_some() {
                return;
            }
        }
    }

    /// Writes a parcel to the spool. Returns `false` if that fails.
    fn put(&mut self, parcel: &Parcel) -> bool {
        let Some(spool) = &mut self.spool else { return false };
        let requests = u32::try_from(parcel.requests()).unwrap_or(u32::MAX);
        let put = match postcard::to_stdvec(parcel) {
            Ok(bytes) => spool.put(&bytes, requests),
            Err(error) => Err(PutError::Disk(std::io::Error::other(error))),
        };
        let cause = match put {
            Ok(()) => None,
            Err(PutError::Full) => Some(DropCause::SpoolFull),
            Err(PutError::Disk(error)) => {
                if self.shared.lock().cause != Some(DropCause::SpoolFailed) {
                    tracing::error!("cannot write the spool: {error}");
                }
                Some(DropCause::SpoolFailed)
            }
        };
        self.publish_spool_status(cause);
        cause.is_none()
    }

    /// Returns the first readable delivery of the spool. Damaged records before it are counted.
    fn first_spooled(&mut self) -> Option<Parcel> {
        loop {
            let spool = self.spool.as_mut()?;
            let first = spool.first();
            let mut damage = spool.take_damage();
            let parcel = match first {
                Ok(None) => None,
                Ok(Some((bytes, waited))) => match postcard::from_bytes::<Parcel>(&bytes) {
                    Ok(parcel) => Some((parcel, waited)),
                    Err(error) => {
                        tracing::error!("cannot read a record of the spool: {error}");
                        let before = spool.requests();
                        self.remove_spooled();
                        damage.requests += before - self.spool.as_ref().map_or(0, Spool::requests);
                        self.count_damage(damage);
                        continue;
                    }
                },
                Err(error) => {
                    self.unreadable(&error);
                    None
                }
            };
            self.count_damage(damage);
            let (parcel, waited) = parcel?;
            self.shared.lock().oldest = Instant::now().checked_sub(waited);
            return Some(parcel);
        }
    }

    fn count_damage(&self, damage: Damage) {
        if damage.records > 0 {
            tracing::error!("the spool contains {} damaged records", damage.records);
        }
        let cause = self.shared.lock().cause;
        self.publish_spool_status(cause);
        self.shared.lock().count_dropped(DropCause::SpoolDamaged, damage.requests);
    }

    /// Removes the first delivery from the spool.
    fn remove_spooled(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        if let Err(error) = spool.remove_first() {
            self.unreadable(&error);
        }
        // A full spool counts as full until a write succeeds or it is empty.
        let cause = self.shared.lock().cause.filter(|_| self.has_spooled());
        self.publish_spool_status(cause);
    }

    fn unreadable(&mut self, error: &std::io::Error) {
        tracing::error!("cannot read the spool: {error}");
        self.failed = Some((Instant::now() + RETRY[1], RETRY[1]));
    }

    fn publish_spool_status(&self, cause: Option<DropCause>) {
        let Some(spool) = &self.spool else { return };
        let mut queue = self.shared.lock();
        queue.cause = cause;
        queue.on_disk = spool.requests();
        queue.status.spool_bytes = spool.bytes();
        if spool.is_empty() && self.held.is_none() {
            queue.oldest = None;
        }
    }
}

#[cfg(test)]
mod tests;
