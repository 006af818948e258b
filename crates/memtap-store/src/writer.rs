//! What writes: a bounded queue, a thread that empties it, a thread that talks to the database, a spool on disk beside them.
//!
//! Batches come from the queue and go into the store, some at a time, as a delivery, one after the other. While the store fails, or is not
//! back in time, deliveries go to the spool instead, and from there into the store, oldest first; only when the spool is empty does the queue
//! go straight to the store again. What finds no room on disk stays in the queue, and what finds none there is dropped and counted. The
//! database may hang as long as it likes: it keeps one thread, which nobody waits for.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use memtap_model::WallClock;
use serde::{Deserialize, Serialize};

use crate::spool::{Damage, NotPut, Spool};
use crate::{Appended, Batch, Delivery, DropCause, Reader, Run, Status, Store, StoreError};

/// Bounds of the queue and the pace of the thread.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests that may wait in memory, about 180 bytes each.
    pub queue_requests: usize,
    /// Between two transactions.
    pub commit_every: Duration,
    /// How long the end may take.
    pub finish_within: Duration,
    /// Where on disk more may wait; `None`: nowhere.
    pub spool: Option<SpoolSettings>,
}

/// Where deliveries wait on disk while the database is away.
#[derive(Debug, Clone)]
pub struct SpoolSettings {
    /// A folder of its own; one memtap at a time uses it.
    pub folder: PathBuf,
    /// Its size, at most.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_requests: 100_000,
            commit_every: Duration::from_millis(200),
            finish_within: Duration::from_secs(5),
            spool: None,
        }
    }
}

/// Requests in one transaction, at most (and at least one batch).
const TRANSACTION: usize = 50_000;
/// Batches that may wait, whatever is in them: ticks without requests pile up too while a database is away.
const BATCHES: usize = 10_000;
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(1);
const RETRY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// The running writer. Sending and asking never block on the database.
pub struct Handle {
    shared: Arc<Shared>,
    reader: Arc<dyn Reader>,
    thread: Mutex<Option<JoinHandle<()>>>,
    limits: Limits,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    batches: VecDeque<(Instant, Batch)>,
    /// Requests in `batches` and in the transaction under way.
    waiting: usize,
    /// When the oldest came that is not in the store, if that is none of `batches`.
    oldest: Option<Instant>,
    /// What a full queue means now.
    cause: Option<DropCause>,
    /// Requests on disk.
    on_disk: u64,
    /// What the store said of the delivery under way.
    answer: Option<Answer>,
    status: Status,
    end_by: Option<Instant>,
}

struct Answer {
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

/// Starts the writer.
///
/// # Errors
/// When there is no reader, no thread or no spool to be had.
pub fn spawn(store: Box<dyn Store>, run: Run, limits: Limits) -> Result<Handle, StoreError> {
    let reader = store.reader()?;
    let spool = limits.spool.as_ref().map(open_spool).transpose()?.flatten();
    let (rows, bytes) = store.size();
    let status = Status { kind: store.kind(), rows, bytes, ..Status::default() };
    let shared =
        Arc::new(Shared { queue: Mutex::new(Queue { status, ..Queue::default() }), changed: Condvar::new() });
    let (jobs, work) = mpsc::channel();
    let answers = Arc::clone(&shared);
    let store = std::thread::Builder::new()
        .name("memtap-store".to_owned())
        .spawn(move || serve_store(store, &work, &answers))?;
    let emptying = Loop {
        run,
        next_sequence: 1,
        shared: Arc::clone(&shared),
        limits: limits.clone(),
        jobs,
        store,
        flying: None,
        held: None,
        spool,
        failed: None,
        ending: false,
    };
    emptying.tell_spool(None);
    let thread = std::thread::Builder::new().name("memtap-queue".to_owned()).spawn(move || emptying.run())?;
    Ok(Handle { shared, reader, thread: Mutex::new(Some(thread)), limits })
}

/// The store's thread: one job after the other, until nobody has more.
fn serve_store(mut store: Box<dyn Store>, jobs: &mpsc::Receiver<Job>, shared: &Shared) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Deliver(parcel) => {
                let delivery =
                    Delivery { run: &parcel.run, sequence: parcel.sequence, batches: &parcel.batches };
                let done = store.append(delivery);
                let size = store.size();
                // The other side may now be the last to have it.
                drop(parcel);
                shared.lock().answer = Some(Answer { done, size });
                shared.changed.notify_all();
            }
            Job::KeepHouse => {
                if let Err(error) = store.housekeeping(now()) {
                    tracing::warn!("{error}");
                }
            }
        }
    }
}

fn now() -> WallClock {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallClock(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

/// `None` when another memtap has it: two may write into one database.
fn open_spool(settings: &SpoolSettings) -> Result<Option<Spool>, StoreError> {
    let folder = &settings.folder;
    match Spool::open(folder, settings.max_bytes) {
        Ok(spool) => Ok(Some(spool)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            tracing::warn!(
                "another memtap uses the spool {}: this one goes without; name another with --spool DIR",
                folder.display()
            );
            Ok(None)
        }
        Err(error) => Err(StoreError::Spool { folder: folder.clone(), reason: error.to_string() }),
    }
}

impl Handle {
    /// Queues a batch. When too much waits already, its requests are dropped and counted; its processes are kept.
    pub fn send(&self, mut batch: Batch) {
        let mut queue = self.shared.lock();
        let cause = queue.cause.unwrap_or(DropCause::QueueFull);
        if queue.waiting + batch.requests.len() > self.limits.queue_requests {
            queue.status.drop(cause, batch.requests.len() as u64);
            batch.requests = Vec::new();
        }
        if queue.batches.len() >= BATCHES
            && let Some((_, oldest)) = queue.batches.pop_front()
        {
            queue.waiting -= oldest.requests.len();
            queue.status.drop(cause, oldest.requests.len() as u64);
        }
        let nothing = batch.requests.is_empty() && batch.processes.is_empty() && batch.oom_kills.is_empty();
        if nothing && batch.all.is_none() {
            return;
        }
        queue.waiting += batch.requests.len();
        queue.batches.push_back((Instant::now(), batch));
        // One that would not fit at twice the pace is not left to the clock.
        if queue.waiting >= self.limits.queue_requests / 2 {
            self.shared.changed.notify_all();
        }
    }

    /// How the store is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let queue = self.shared.lock();
        let since = queue.oldest.or(queue.batches.front().map(|(since, _)| *since));
        Status {
            lag_s: since.map_or(0.0, |since| since.elapsed().as_secs_f64()),
            spooled: queue.waiting as u64 + queue.on_disk,
            ..queue.status.clone()
        }
    }

    /// The reading side.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader)
    }

    /// Writes what waits, for a bounded time, and ends the thread; with a spool, what could not be written is on disk then. Says how it
    /// stands.
    pub fn finish(&self) -> Status {
        self.shared.lock().end_by = Some(Instant::now() + self.limits.finish_within);
        self.shared.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the store's thread has panicked");
        }
        self.status()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread owns that empties the queue.
struct Loop {
    run: Run,
    next_sequence: u64,
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
    /// The end has been asked for.
    ending: bool,
}

struct Flying {
    parcel: Arc<Parcel>,
    /// It is on disk as well, as the first.
    spooled: bool,
}

impl Loop {
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
            } else if kept_house.elapsed() > HOUSEKEEPING_EVERY && self.failed.is_none() {
                kept_house = Instant::now();
                let _ = self.jobs.send(Job::KeepHouse);
            }
        }
        self.end();
    }

    /// Whether nothing is left to do at the end, or no time. What is on disk waits there as well as it does here.
    fn is_done(&mut self, end_by: Instant) -> bool {
        let late = Instant::now() >= end_by;
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
        let end_by = Instant::now() + Duration::from_secs(1);
        while !self.store.is_finished() && Instant::now() < end_by {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.store.is_finished() && self.store.join().is_err() {
            tracing::error!("the store's thread has panicked");
        }
    }

    fn spools(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| !spool.is_empty())
    }

    /// So many requests in the queue are too many.
    fn much(&self) -> usize {
        self.limits.queue_requests / 2
    }

    /// Waits until there is something to do; gives when to be done, once the end has been asked for.
    fn pause(&self) -> Option<Instant> {
        let queue = self.shared.lock();
        let (flying, spools, much) = (self.flying.is_some(), self.spools(), self.much());
        let wait = match (self.failed, queue.end_by) {
            (_, Some(end_by)) if flying => end_by.saturating_duration_since(Instant::now()),
            (Some(_), Some(_)) => RETRY[0],
            (None, Some(_)) => Duration::ZERO,
            (None, None) if !flying && (spools || self.held.is_some() || queue.waiting >= TRANSACTION) => {
                Duration::ZERO
            }
            (Some((at, _)), None) if !spools => at.saturating_duration_since(Instant::now()),
            _ => self.limits.commit_every,
        };
        // A full queue is something to do only when something can leave it.
        let straight = !flying && !spools && self.failed.is_none();
        let wakes = straight || self.spool.is_some() && queue.cause.is_none();
        let waited = self.shared.changed.wait_timeout_while(queue, wait, |queue| {
            let told = queue.end_by.is_some() && !self.ending;
            queue.answer.is_none() && !told && !(wakes && queue.waiting >= much)
        });
        waited.map_or_else(|poisoned| poisoned.into_inner().0.end_by, |(queue, _)| queue.end_by)
    }

    fn turn(&mut self) {
        let answer = self.shared.lock().answer.take();
        if let Some(answer) = answer {
            self.landed(answer);
        }
        let much = self.shared.lock().waiting >= self.much();
        if self.spools() || much && (self.flying.is_some() || self.failed.is_some()) {
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
            None => self.held.take().or_else(|| self.take()).map(|parcel| Flying { parcel, spooled: false }),
        };
        if let Some(flying) = &self.flying {
            let _ = self.jobs.send(Job::Deliver(Arc::clone(&flying.parcel)));
        }
    }

    fn landed(&mut self, answer: Answer) {
        let Some(flying) = self.flying.take() else { return };
        match answer.done {
            Ok(appended) => {
                self.succeeded(&appended, answer.size);
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
        queue.status.drop(DropCause::Refused, appended.refused);
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

    /// The next delivery out of the queue.
    fn take(&mut self) -> Option<Arc<Parcel>> {
        let mut queue = self.shared.lock();
        let (mut batches, mut requests) = (Vec::new(), 0);
        let oldest = queue.batches.front().map(|(since, _)| *since);
        while requests < TRANSACTION
            && let Some((_, batch)) = queue.batches.pop_front()
        {
            requests += batch.requests.len();
            batches.push(batch);
        }
        if batches.is_empty() {
            return None;
        }
        queue.oldest = queue.oldest.or(oldest);
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        Some(Arc::new(Parcel { run: self.run.clone(), sequence, batches }))
    }

    /// So many requests of the queue are where they belong, or on disk.
    fn left(&self, requests: usize) {
        let mut queue = self.shared.lock();
        queue.waiting -= requests;
        if queue.on_disk == 0 && self.held.is_none() {
            queue.oldest = None;
        }
    }

    /// Moves the queue to disk, as far as there is room; what is under way stays the first.
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
                    tracing::error!("the spool cannot be written: {error}");
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
                        tracing::error!("a record of the spool cannot be read: {error}");
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
            tracing::error!("{} records of the spool are damaged", damage.records);
        }
        let cause = self.shared.lock().cause;
        self.tell_spool(cause);
        self.shared.lock().status.drop(DropCause::SpoolDamaged, damage.requests);
    }

    /// The first delivery on disk is in the store.
    fn taken(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        if let Err(error) = spool.taken() {
            self.unreadable(&error);
        }
        self.tell_spool(None);
    }

    fn unreadable(&mut self, error: &std::io::Error) {
        tracing::error!("the spool cannot be read: {error}");
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
