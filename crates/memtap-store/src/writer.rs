//! The thread that writes: a bounded queue before it, a patient loop inside.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use memtap_model::WallClock;

use crate::{Batch, Delivery, Reader, Run, Status, Store, StoreError};

/// Bounds of the queue and the pace of the thread.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests that may wait, about 180 bytes each; what comes beyond is dropped and counted.
    pub queue_requests: usize,
    /// Between two transactions.
    pub commit_every: Duration,
    /// How long the end may take.
    pub finish_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_requests: 300_000,
            commit_every: Duration::from_millis(200),
            finish_within: Duration::from_secs(5),
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
    oldest: Option<Instant>,
    status: Status,
    end_by: Option<Instant>,
}

/// Starts the writer.
///
/// # Errors
/// When there is no reader or no thread to be had.
pub fn spawn(store: Box<dyn Store>, run: Run, limits: Limits) -> Result<Handle, StoreError> {
    let reader = store.reader()?;
    let (rows, bytes) = store.size();
    let status = Status { kind: store.kind(), rows, bytes, ..Status::default() };
    let queue = Mutex::new(Queue { status, ..Queue::default() });
    let shared = Arc::new(Shared { queue, changed: Condvar::new() });
    let writing = Arc::clone(&shared);
    let work = Loop { store, run, sequence: 1, shared: writing, limits, held: Vec::new(), wait: RETRY[0] };
    let thread = std::thread::Builder::new().name("memtap-store".to_owned()).spawn(move || work.run())?;
    Ok(Handle { shared, reader, thread: Mutex::new(Some(thread)), limits })
}

impl Handle {
    /// Queues a batch. When too much waits already, its requests are dropped and counted; its processes are kept.
    pub fn send(&self, mut batch: Batch) {
        let mut queue = self.shared.lock();
        if queue.waiting + batch.requests.len() > self.limits.queue_requests {
            queue.status.dropped += batch.requests.len() as u64;
            batch.requests = Vec::new();
        }
        if queue.batches.len() >= BATCHES
            && let Some((_, oldest)) = queue.batches.pop_front()
        {
            queue.waiting -= oldest.requests.len();
            queue.status.dropped += oldest.requests.len() as u64;
        }
        if batch.requests.is_empty() && batch.processes.is_empty() && batch.oom_kills.is_empty() {
            return;
        }
        queue.waiting += batch.requests.len();
        queue.batches.push_back((Instant::now(), batch));
    }

    /// How the store is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let queue = self.shared.lock();
        let since = queue.oldest.or(queue.batches.front().map(|(since, _)| *since));
        Status {
            lag_s: since.map_or(0.0, |since| since.elapsed().as_secs_f64()),
            spooled: queue.waiting as u64,
            ..queue.status.clone()
        }
    }

    /// The reading side.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader)
    }

    /// Writes what waits, for a bounded time, and ends the thread. Says how it stands then.
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

/// What the thread owns.
struct Loop {
    store: Box<dyn Store>,
    run: Run,
    /// Of the delivery that is written next.
    sequence: u64,
    shared: Arc<Shared>,
    limits: Limits,
    /// Batches of a transaction that failed: tried again until it goes.
    held: Vec<Batch>,
    wait: Duration,
}

impl Loop {
    fn run(mut self) {
        let mut kept_house = Instant::now();
        loop {
            let end_by = self.pause();
            self.take();
            let done = self.write();
            if kept_house.elapsed() > HOUSEKEEPING_EVERY && end_by.is_none() {
                kept_house = Instant::now();
                self.keep_house();
            }
            let Some(end_by) = end_by else { continue };
            let empty = self.held.is_empty() && self.shared.lock().batches.is_empty();
            if empty || Instant::now() > end_by {
                return;
            }
            if !done {
                std::thread::sleep(RETRY[0]);
            }
        }
    }

    /// Waits until the next transaction is due; gives when to be done, once the end has been asked for.
    fn pause(&self) -> Option<Instant> {
        let queue = self.shared.lock();
        if queue.end_by.is_some() {
            return queue.end_by;
        }
        let backlog = queue.waiting >= TRANSACTION && self.held.is_empty();
        let wait = match (backlog, self.held.is_empty()) {
            (true, _) => Duration::ZERO,
            (false, true) => self.limits.commit_every,
            (false, false) => self.wait,
        };
        let waited = self.shared.changed.wait_timeout_while(queue, wait, |queue| queue.end_by.is_none());
        waited.map_or_else(|poisoned| poisoned.into_inner().0.end_by, |(queue, _)| queue.end_by)
    }

    /// Takes what the next transaction shall write.
    fn take(&mut self) {
        if !self.held.is_empty() {
            return;
        }
        let mut queue = self.shared.lock();
        let mut requests = 0;
        queue.oldest = queue.batches.front().map(|(since, _)| *since);
        while requests < TRANSACTION
            && let Some((_, batch)) = queue.batches.pop_front()
        {
            requests += batch.requests.len();
            self.held.push(batch);
        }
    }

    fn write(&mut self) -> bool {
        if self.held.is_empty() {
            return true;
        }
        let delivery = Delivery { run: &self.run, sequence: self.sequence, batches: &self.held };
        let done = self.store.append(delivery);
        let (rows, bytes) = self.store.size();
        let mut queue = self.shared.lock();
        match done {
            Ok(appended) => {
                if let Some(reason) = appended.reason {
                    tracing::error!("the database refused {} rows: {reason}", appended.refused);
                }
                queue.status.dropped += appended.refused;
                self.sequence += 1;
                queue.waiting -= self.held.iter().map(|batch| batch.requests.len()).sum::<usize>();
                queue.oldest = None;
                queue.status = Status { rows, bytes, error: None, ..queue.status.clone() };
                self.held.clear();
                self.wait = RETRY[0];
                true
            }
            Err(error) => {
                let text = error.to_string();
                if queue.status.error.as_ref() != Some(&text) {
                    tracing::error!("{text}");
                }
                queue.status.error = Some(text);
                self.wait = (self.wait * 2).min(RETRY[1]);
                false
            }
        }
    }

    fn keep_house(&mut self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = WallClock(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
        if let Err(error) = self.store.housekeeping(now) {
            tracing::warn!("{error}");
        }
    }
}
