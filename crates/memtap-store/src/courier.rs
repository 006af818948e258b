//! From the queue into the store: a thread that empties the queue, a thread that talks to the database, a spool on disk beside them.
//!
//! Batches go into the store some at a time, as a delivery, one after the other. While the store fails, or is not back in time, deliveries
//! go to the spool instead, and from there into the store, oldest first; only when the spool is empty does the queue go straight to the
//! store again. What finds no room on disk stays in the queue, and what finds none there is dropped and counted. The database may hang as
//! long as it likes: it keeps one thread, which nobody waits for.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock::{AgeClock, Clocks};
use crate::spool::{Damage, NotPut, Spool};
use crate::writer::{Limits, Queue, Shared};
use crate::{Appended, Batch, Delivery, DropCause, Run, Store, StoreError};

/// Requests in one transaction, at most (and at least one batch); fewer where the queue is small.
const TRANSACTION: usize = 50_000;
/// Between two steps of housekeeping, while there is something to do in them.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(1);
/// Where the last found nothing, the next waits so long, or for so many requests: to look takes longer than a tick.
const NOTHING_TO_KEEP: (Duration, u64) = (Duration::from_secs(10), 20_000);
const RETRY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// Starts both threads; gives the one that ends when all is done.
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
        flying: None,
        held: None,
        spool,
        failed: None,
        flew: Instant::now(),
        written: 0,
        ending: false,
    };
    courier.tell_spool(None);
    thread("memtap-queue").spawn(move || courier.run())
}

/// What became of a delivery.
pub(crate) struct Answer {
    done: Result<Appended, StoreError>,
    /// As [`Store::size`].
    size: (u64, u64),
}

/// What the store's thread is to do.
enum Job {
    Deliver(Arc<Parcel>),
    KeepHouse,
}

/// A delivery that waits.
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

/// The store's thread: one job after the other, until nobody has more.
fn serve_store(mut store: Box<dyn Store>, jobs: &mpsc::Receiver<Job>, shared: &Shared, clocks: &Clocks) {
    let mut told = None;
    let mut age = AgeClock::begin(clocks.now());
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Deliver(parcel) => {
                let delivery =
                    Delivery { run: &parcel.run, sequence: parcel.sequence, batches: &parcel.batches };
                let done = store.append(delivery);
                told = parcel.batches.iter().rev().find_map(|batch| batch.tick).or(told);
                let size = store.size();
                // The other side may now be the last to have it.
                drop(parcel);
                shared.lock().answer = Some(Answer { done, size });
                shared.changed.notify_all();
            }
            Job::KeepHouse => {
                // A history ages as it is written: one that a recording tells is of the recording's time.
                let now = age.now(clocks.now());
                let kept = store.housekeeping(told.map_or(now, |told| now.min(told)));
                let had_work = kept.unwrap_or_else(|error| {
                    tracing::warn!("{error}");
                    true
                });
                let mut queue = shared.lock();
                (queue.keeps_house, queue.house_had_work) = (false, had_work);
            }
        }
    }
}

/// `since` the last step, which `had_work` or not, when so many requests have been `written`.
fn house_is_due(since: Duration, had_work: bool, written: u64) -> bool {
    let (long, much) = NOTHING_TO_KEEP;
    since >= HOUSEKEEPING_EVERY && (had_work || written >= much || since >= long)
}

/// What the thread owns that empties the queue.
struct Courier {
    /// The run that was numbered last, and its last delivery.
    numbered: (u64, u64),
    shared: Arc<Shared>,
    limits: Limits,
    jobs: mpsc::Sender<Job>,
    store: JoinHandle<()>,
    /// The delivery under way.
    flying: Option<Flying>,
    /// A delivery for which there is no room on disk; it comes after all that is there.
    held: Option<Arc<Parcel>>,
    spool: Option<Spool>,
    /// Since the store failed last: when to try again, and how long to wait after that.
    failed: Option<(Instant, Duration)>,
    /// When the last delivery was sent.
    flew: Instant,
    /// Requests since the last housekeeping.
    written: u64,
    /// The end has been asked for.
    ending: bool,
}

struct Flying {
    parcel: Arc<Parcel>,
    /// It is on disk as well, as the first.
    spooled: bool,
}

impl Courier {
    fn run(mut self) {
        let mut kept_house = Instant::now();
        loop {
            let end_by = self.pause();
            self.turn();
            if let Some(end_by) = end_by {
                self.ending = true;
                if self.is_done(end_by) {
                    break;
                }
            } else if self.failed.is_none() {
                let had_work = self.shared.lock().house_had_work;
                if house_is_due(kept_house.elapsed(), had_work, self.written) {
                    kept_house = Instant::now();
                    self.keep_house();
                }
            }
        }
        self.end();
    }

    fn keep_house(&mut self) {
        self.written = 0;
        if self.store.is_finished() {
            let gone =
                "the database thread crashed (a bug in memtap). Restart memtap: queued data is written then";
            self.shared.lock().status.error = Some(gone.to_owned());
        }
        if !std::mem::replace(&mut self.shared.lock().keeps_house, true) {
            let _ = self.jobs.send(Job::KeepHouse);
        }
    }

    /// Whether nothing is left to do at the end, or no time. What is on disk waits there as well as it does here.
    fn is_done(&mut self, end_by: Instant) -> bool {
        // A thread that has ended by a panic brings nothing into the store any more.
        let late = Instant::now() >= end_by || self.store.is_finished();
        if self.failed.is_some() || late {
            self.spool_all();
        }
        let flying = self.flying.as_ref().is_some_and(|flying| !flying.spooled);
        let in_memory = flying || self.held.is_some() || !self.shared.lock().batches.is_empty();
        let on_disk = self.flying.is_some() || self.spools();
        late || !in_memory && (!on_disk || self.failed.is_some())
    }

    /// Lets the store's thread end, unless it hangs.
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

    fn spools(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| !spool.is_empty())
    }

    /// Waits until there is something to do; gives when to be done, once the end has been asked for.
    fn pause(&self) -> Option<Instant> {
        let queue = self.shared.lock();
        let (flying, spools) = (self.flying.is_some(), self.spools());
        let wait = match (self.failed, queue.end_by) {
            (_, Some(end_by)) if flying && !self.store.is_finished() => {
                end_by.saturating_duration_since(Instant::now())
            }
            (Some(_), Some(_)) => RETRY[0],
            (None, Some(_)) => Duration::ZERO,
            (None, None)
                if !flying && (spools || self.held.is_some() || queue.is_worth_a_delivery(&self.limits)) =>
            {
                Duration::ZERO
            }
            (Some((at, _)), None) if !spools => at.saturating_duration_since(Instant::now()),
            _ if flying || queue.batches.is_empty() => self.limits.commit_every,
            _ => self.limits.commit_every.saturating_sub(self.flew.elapsed()),
        };
        // A full queue is something to do only when something can leave it.
        let straight = !flying && !spools && self.failed.is_none();
        let to_disk = self.spool.is_some() && queue.cause.is_none();
        let is_enough = |queue: &Queue| match straight {
            true => queue.is_worth_a_delivery(&self.limits),
            false => to_disk && queue.is_too_much(&self.limits),
        };
        let waited = self.shared.changed.wait_timeout_while(queue, wait, |queue| {
            let told = queue.end_by.is_some() && !self.ending;
            queue.answer.is_none() && !told && !is_enough(queue)
        });
        waited.map_or_else(|poisoned| poisoned.into_inner().0.end_by, |(queue, _)| queue.end_by)
    }

    fn turn(&mut self) {
        let answer = self.shared.lock().answer.take();
        if let Some(answer) = answer {
            self.landed(answer);
        }
        let is_too_much = self.shared.lock().is_too_much(&self.limits);
        if self.spools() || is_too_much && (self.flying.is_some() || self.failed.is_some()) {
            self.spool_all();
        }
        let may_try = self.failed.is_none_or(|(at, _)| self.ending || Instant::now() >= at);
        if self.flying.is_none() && may_try {
            self.fly();
        }
    }

    /// Gives the store its next delivery. While there is one on disk, even if it cannot be read now, none that is younger.
    fn fly(&mut self) {
        let spooled = self.first_spooled();
        self.flying = match spooled {
            Some(parcel) => Some(Flying { parcel: Arc::new(parcel), spooled: true }),
            None if self.spools() => None,
            None => {
                self.held.take().or_else(|| self.take_due()).map(|parcel| Flying { parcel, spooled: false })
            }
        };
        if let Some(flying) = &self.flying {
            self.flew = Instant::now();
            let _ = self.jobs.send(Job::Deliver(Arc::clone(&flying.parcel)));
        }
    }

    fn landed(&mut self, answer: Answer) {
        let Some(flying) = self.flying.take() else { return };
        match answer.done {
            Ok(appended) => {
                self.succeeded(&appended, answer.size);
                self.written += flying.parcel.requests() as u64;
                if flying.spooled {
                    self.taken();
                } else {
                    self.left(flying.parcel.requests());
                }
            }
            Err(error) => {
                self.fail(&error);
                if flying.spooled {
                    return;
                }
                if self.put(&flying.parcel) {
                    self.left(flying.parcel.requests());
                } else {
                    self.held = Some(flying.parcel);
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
    fn take_due(&mut self) -> Option<Arc<Parcel>> {
        let is_due = self.ending
            || self.flew.elapsed() >= self.limits.commit_every
            || self.shared.lock().is_worth_a_delivery(&self.limits);
        is_due.then(|| self.take()).flatten()
    }

    /// The next delivery out of the queue: batches of one run.
    fn take(&mut self) -> Option<Arc<Parcel>> {
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
        Some(Arc::new(Parcel { run: Run::clone(&run), sequence, batches }))
    }

    /// So many requests of the queue are where they belong, or on disk.
    fn left(&self, requests: usize) {
        let mut queue = self.shared.lock();
        queue.waiting -= requests;
        queue.is_stuck &= queue.is_too_much(&self.limits);
        self.shared.changed.notify_all();
        if queue.on_disk == 0 && self.held.is_none() {
            queue.oldest = None;
        }
    }

    /// Moves the queue to disk, as far as there is room; what is under way stays the first. An answer of the store ends it, so that a stream
    /// that comes without end does not keep the store waiting.
    fn spool_all(&mut self) {
        if self.spool.is_none() {
            return;
        }
        if let Some(parcel) =
            self.flying.as_ref().filter(|flying| !flying.spooled).map(|flying| Arc::clone(&flying.parcel))
        {
            if !self.put(&parcel) {
                return;
            }
            self.left(parcel.requests());
            if let Some(flying) = &mut self.flying {
                flying.spooled = true;
            }
        }
        while let Some(parcel) = self.held.take().or_else(|| self.take()) {
            if !self.put(&parcel) {
                self.held = Some(parcel);
                return;
            }
            self.left(parcel.requests());
            if !self.ending && self.shared.lock().answer.is_some() {
                return;
            }
        }
    }

    /// Puts a parcel on disk; `false` when it cannot be.
    fn put(&mut self, parcel: &Parcel) -> bool {
        let Some(spool) = &mut self.spool else { return false };
        let requests = u32::try_from(parcel.requests()).unwrap_or(u32::MAX);
        let put = match postcard::to_stdvec(parcel) {
            Ok(bytes) => spool.put(&bytes, requests),
            Err(error) => Err(NotPut::Disk(std::io::Error::other(error))),
        };
        let cause = match put {
            Ok(()) => None,
            Err(NotPut::Full) => Some(DropCause::SpoolFull),
            Err(NotPut::Disk(error)) => {
                if self.shared.lock().cause != Some(DropCause::SpoolFailed) {
                    tracing::error!("cannot write the spool: {error}");
                }
                Some(DropCause::SpoolFailed)
            }
        };
        self.tell_spool(cause);
        cause.is_none()
    }

    /// The first delivery on disk that can be read; what is damaged before it is counted.
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
                        self.taken();
                        damage.requests += before - self.spool.as_ref().map_or(0, Spool::requests);
                        self.damaged(damage);
                        continue;
                    }
                },
                Err(error) => {
                    self.unreadable(&error);
                    None
                }
            };
            self.damaged(damage);
            let (parcel, waited) = parcel?;
            self.shared.lock().oldest = Instant::now().checked_sub(waited);
            return Some(parcel);
        }
    }

    fn damaged(&self, damage: Damage) {
        if damage.records > 0 {
            tracing::error!("the spool contains {} damaged records", damage.records);
        }
        let cause = self.shared.lock().cause;
        self.tell_spool(cause);
        self.shared.lock().count_dropped(DropCause::SpoolDamaged, damage.requests);
    }

    /// The first delivery on disk is in the store.
    fn taken(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        if let Err(error) = spool.taken() {
            self.unreadable(&error);
        }
        // A spool that was full is so until something has found room in it, or nothing is there.
        let cause = self.shared.lock().cause.filter(|_| self.spools());
        self.tell_spool(cause);
    }

    fn unreadable(&mut self, error: &std::io::Error) {
        tracing::error!("cannot read the spool: {error}");
        self.failed = Some((Instant::now() + RETRY[1], RETRY[1]));
    }

    fn tell_spool(&self, cause: Option<DropCause>) {
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
