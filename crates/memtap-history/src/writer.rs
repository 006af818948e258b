//! The writing side as others see it: a bounded queue that takes batches at once, what stands of them, and the end. `courier.rs` brings
//! them from here into the store.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use memtap_ledger::LiveView;
use memtap_model::WallClock;
use tokio::sync::Notify;

use crate::courier;
use crate::spool::Spool;
use crate::{AllProcesses, Batch, Clocks, DropCause, Reader, Run, Status, Store, StoreError};

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
    /// The clocks that ages are counted from.
    pub clocks: Clocks,
}

impl Limits {
    /// Requests from which on a delivery goes at once; and of a delivery at most, one batch aside: while it is under way, most of the queue is
    /// there for what comes.
    pub(crate) fn worth_a_delivery(&self) -> usize {
        self.queue_requests / 4
    }

    /// Requests, those under way among them, from which on the database is too slow: as many again as a delivery has, so that none goes to disk
    /// only because another is being written.
    pub(crate) fn too_many(&self) -> usize {
        self.queue_requests / 2
    }
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
            commit_every: Duration::from_millis(500),
            finish_within: Duration::from_secs(5),
            spool: None,
            clocks: Clocks::default(),
        }
    }
}

/// Batches that may wait, whatever is in them: ticks without requests pile up too while a database is away.
const BATCHES: usize = 10_000;
/// How long the spool may take to make room for a batch.
const A_MOMENT: Duration = Duration::from_millis(300);
/// Requests that were dropped as long ago are no news any more.
const LATELY: Duration = Duration::from_secs(60);

/// The running writer. Sending and asking never block on the database.
pub struct Handle {
    shared: Arc<Shared>,
    now: Mutex<Now>,
    reader: Arc<dyn Reader>,
    thread: Mutex<Option<JoinHandle<()>>>,
    limits: Limits,
}

/// Whose batches come now.
struct Now {
    run: Arc<Run>,
    /// What all processes had done before it, where it goes on with another run's ledger.
    before: Option<AllProcesses>,
}

/// A batch that waits.
pub(crate) struct Waiting {
    pub(crate) since: Instant,
    pub(crate) run: Arc<Run>,
    pub(crate) batch: Batch,
}

/// The queue, between those who fill it and the courier.
pub(crate) struct Shared {
    pub(crate) queue: Mutex<Queue>,
    /// Tells senders that there may be room.
    pub(crate) changed: Condvar,
    /// Wakes the courier.
    pub(crate) wake: Notify,
}

#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) batches: VecDeque<Waiting>,
    /// Requests in `batches` and in the transaction under way.
    pub(crate) waiting: usize,
    /// When requests were dropped last, by cause.
    pub(crate) dropped_at: BTreeMap<DropCause, Instant>,
    /// Somebody has waited for room in vain, and there has been none since.
    pub(crate) is_stuck: bool,
    /// When the oldest came that is not in the store, if that is none of `batches`.
    pub(crate) oldest: Option<Instant>,
    /// What a full queue means now.
    pub(crate) cause: Option<DropCause>,
    /// Requests on disk.
    pub(crate) on_disk: u64,
    pub(crate) status: Status,
    pub(crate) end_by: Option<Instant>,
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
    let shared = Arc::new(Shared::new(status));
    let thread = courier::spawn(store, limits.clone(), spool, Arc::clone(&shared))?;
    let now = Mutex::new(Now { run: Arc::new(run), before: None });
    Ok(Handle { shared, now, reader, thread: Mutex::new(Some(thread)), limits })
}

/// `None` when another memtap has it: two may write into one database.
fn open_spool(settings: &SpoolSettings) -> Result<Option<Spool>, StoreError> {
    let folder = &settings.folder;
    match Spool::open(folder, settings.max_bytes) {
        Ok(spool) => Ok(Some(spool)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            tracing::warn!(
                "another memtap uses the spool {}. This memtap continues without a spool. Choose another directory with --spool DIR",
                folder.display()
            );
            Ok(None)
        }
        Err(error) => Err(StoreError::Spool { folder: folder.clone(), reason: error.to_string() }),
    }
}

impl Handle {
    /// Ends the run and begins another: the wall clock was set, and `began` is when the view `last`, the run's last, was made by the clock as it
    /// is now. What `last` has counted is the other run's. The next batch must have all processes that live, not only those that have
    /// changed.
    pub fn begin_run(&self, began: WallClock, last: &LiveView) {
        {
            let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            let run = Run { id: Run::draw(), began, ..Run::clone(&now.run) };
            *now = Now { run: Arc::new(run), before: Some(last.into()) };
        }
        // Without a tick it is no sample.
        self.send(Batch { processes: last.living.to_vec(), ..Batch::default() });
    }

    /// Queues a batch. When too much waits already, its requests are dropped and counted; its processes are kept. Before that, the spool has a
    /// moment to make room: only where it does not, nobody waits for it again until it has.
    pub fn send(&self, mut batch: Batch) {
        let run = {
            let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Some(all), Some(before)) = (&mut batch.all, &now.before) {
                all.leave_out(before);
            }
            Arc::clone(&now.run)
        };
        let mut queue = self.wait_for_room(batch.requests.len());
        let cause = queue.cause.unwrap_or(DropCause::QueueFull);
        if queue.waiting + batch.requests.len() > self.limits.queue_requests {
            queue.count_dropped(cause, batch.requests.len() as u64);
            batch.requests = Vec::new();
        }
        if queue.batches.len() >= BATCHES
            && let Some(Waiting { batch: oldest, .. }) = queue.batches.pop_front()
        {
            queue.waiting -= oldest.requests.len();
            queue.count_dropped(cause, oldest.requests.len() as u64);
        }
        let nothing = batch.requests.is_empty() && batch.processes.is_empty() && batch.oom_kills.is_empty();
        if nothing && batch.all.is_none() {
            return;
        }
        queue.waiting += batch.requests.len();
        queue.batches.push_back(Waiting { since: Instant::now(), run, batch });
        // So many are not left to the clock.
        if queue.is_worth_a_delivery(&self.limits) {
            self.shared.wake.notify_one();
        }
    }

    /// Waits while the queue is full and goes to disk.
    fn wait_for_room(&self, requests: usize) -> MutexGuard<'_, Queue> {
        let is_full = |queue: &mut Queue| {
            queue.batches.len() >= BATCHES
                || queue.waiting > 0 && queue.waiting + requests > self.limits.queue_requests
        };
        let mut queue = self.shared.lock();
        let is_spooled = self.limits.spool.is_some() && queue.cause.is_none() && queue.end_by.is_none();
        if queue.is_stuck || !is_spooled || !is_full(&mut queue) {
            return queue;
        }
        self.shared.wake.notify_one();
        let waited = self.shared.changed.wait_timeout_while(queue, A_MOMENT, |queue| is_full(queue));
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.is_stuck = is_full(&mut queue);
        queue
    }

    /// Whether so much waits in memory that whoever can wait had better do so.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.shared.lock().is_too_much(&self.limits)
    }

    /// How the store is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let queue = self.shared.lock();
        let since = queue.oldest.or(queue.batches.front().map(|waiting| waiting.since));
        Status {
            lag_s: since.map_or(0.0, |since| since.elapsed().as_secs_f64()),
            spooled: queue.waiting as u64 + queue.on_disk,
            dropping: queue.dropping(Instant::now()),
            ..queue.status.clone()
        }
    }

    /// The reading side.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader)
    }

    /// Writes what waits, for a bounded time, and ends the thread. With a spool, what could not be written is on disk then; anything else
    /// is counted as dropped. Returns the last status.
    pub fn finish(&self) -> Status {
        self.shared.lock().end_by = Some(Instant::now() + self.limits.finish_within);
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the database thread panicked");
        }
        self.shared.lock().drop_what_waits();
        self.status()
    }
}

impl AllProcesses {
    /// Leaves out of what was done what had been done `before`.
    pub(crate) fn leave_out(&mut self, before: &Self) {
        for (count, before) in [
            (&mut self.requests, before.requests),
            (&mut self.refused, before.refused),
            (&mut self.requested_bytes, before.requested_bytes),
            (&mut self.granted_bytes, before.granted_bytes),
            (&mut self.released_bytes, before.released_bytes),
            (&mut self.faults.minor, before.faults.minor),
            (&mut self.faults.major, before.faults.major),
            (&mut self.lost, before.lost),
        ] {
            *count = count.saturating_sub(before);
        }
        for (call, before) in self.calls.iter_mut().zip(before.calls) {
            *call = call.since(before);
        }
    }
}

impl Queue {
    /// Counts what is neither in the store nor on disk: it ends with the program.
    fn drop_what_waits(&mut self) {
        let cause = self.cause.unwrap_or(DropCause::Ended);
        let waiting = std::mem::take(&mut self.waiting);
        self.count_dropped(cause, waiting as u64);
        self.batches.clear();
    }

    /// Counts requests that are dropped.
    pub(crate) fn count_dropped(&mut self, cause: DropCause, requests: u64) {
        if requests > 0 {
            *self.status.dropped.entry(cause).or_default() += requests;
            self.dropped_at.insert(cause, Instant::now());
        }
    }

    fn dropping(&self, now: Instant) -> Vec<DropCause> {
        let lately = self.dropped_at.iter().filter(|(_, at)| now.saturating_duration_since(**at) < LATELY);
        lately.map(|(cause, _)| *cause).collect()
    }

    pub(crate) fn is_worth_a_delivery(&self, limits: &Limits) -> bool {
        self.waiting >= limits.worth_a_delivery() || self.batches.len() >= BATCHES / 4
    }

    /// Whether so much waits that the database is too slow: what comes next goes to the spool.
    pub(crate) fn is_too_much(&self, limits: &Limits) -> bool {
        self.waiting >= limits.too_many() || self.batches.len() >= BATCHES / 2
    }
}

impl Shared {
    pub(crate) fn new(status: Status) -> Self {
        let queue = Queue { status, ..Queue::default() };
        Self { queue: Mutex::new(queue), changed: Condvar::new(), wake: Notify::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_news_for_a_minute() {
        let mut queue = Queue::default();
        queue.count_dropped(DropCause::Refused, 0);
        queue.count_dropped(DropCause::QueueFull, 3);
        let now = Instant::now();
        assert_eq!(queue.dropping(now), [DropCause::QueueFull]);
        assert_eq!(queue.dropping(now + LATELY), []);
        assert_eq!(queue.status.dropped[&DropCause::QueueFull], 3, "the count stays");
    }
}
