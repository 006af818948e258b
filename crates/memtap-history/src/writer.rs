//! Writing side of the history: a bounded queue that accepts batches without blocking on the
//! database, its status, and shutdown. `courier.rs` moves the batches into the store.

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

/// Limits of the queue, and timing.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Maximum number of requests in memory, about 180 bytes each.
    pub queue_requests: usize,
    /// Time between two transactions.
    pub commit_every: Duration,
    /// Maximum duration of a shutdown.
    pub finish_within: Duration,
    /// Spool on disk for the backlog; `None`: no spool.
    pub spool: Option<SpoolSettings>,
    /// Clocks for ages.
    pub clocks: Clocks,
}

impl Limits {
    /// Number of requests from which a delivery is sent at once. It is also the maximum in a
    /// delivery (plus one batch), so that most of the queue stays free for new requests during a
    /// write.
    pub(crate) fn delivery_requests(&self) -> usize {
        self.queue_requests / 4
    }

    /// Number of requests, including those being written, from which the database counts as too
    /// slow. This is twice a delivery, so requests do not go to disk only because another delivery
    /// is being written.
    pub(crate) fn backlog_threshold(&self) -> usize {
        self.queue_requests / 2
    }
}

/// Spool on disk for deliveries while the database is unavailable.
#[derive(Debug, Clone)]
pub struct SpoolSettings {
    /// Directory for the spool alone. Only one memtap at a time can use it.
    pub folder: PathBuf,
    /// Maximum size, bytes.
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

/// Maximum number of queued batches, whatever they contain: ticks without requests also pile up
/// while a database is unavailable.
const MAX_BATCHES: usize = 10_000;
/// Maximum time that a sender waits for the spool to make room.
const ROOM_TIMEOUT: Duration = Duration::from_millis(300);
/// Time for which drops are reported as current.
const RECENT: Duration = Duration::from_secs(60);

/// The running writer. Its methods do not wait for the database, except for [`Self::finish`].
pub struct Handle {
    shared: Arc<Shared>,
    current: Mutex<CurrentRun>,
    reader: Arc<dyn Reader>,
    thread: Mutex<Option<JoinHandle<()>>>,
    limits: Limits,
}

/// The run to which new batches belong.
struct CurrentRun {
    run: Arc<Run>,
    /// Totals at the start of the run, if it continues with the ledger of an earlier run.
    before: Option<AllProcesses>,
}

/// A batch in the queue.
pub(crate) struct Waiting {
    pub(crate) since: Instant,
    pub(crate) run: Arc<Run>,
    pub(crate) batch: Batch,
}

/// The queue, shared between senders and the courier.
pub(crate) struct Shared {
    pub(crate) queue: Mutex<Queue>,
    /// Notifies senders that there may be room.
    pub(crate) changed: Condvar,
    /// Wakes the courier.
    pub(crate) wake: Notify,
}

#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) batches: VecDeque<Waiting>,
    /// Requests in `batches` and in the delivery being written.
    pub(crate) waiting: usize,
    /// Time of the last drop, by cause.
    pub(crate) dropped_at: BTreeMap<DropCause, Instant>,
    /// A sender has waited for room in vain, and there has been none since.
    pub(crate) is_stuck: bool,
    /// Arrival of the oldest data outside of `batches` that is not in the store yet.
    pub(crate) oldest: Option<Instant>,
    /// Cause to count for drops from a full queue, if it is not [`DropCause::QueueFull`].
    pub(crate) cause: Option<DropCause>,
    /// Requests in the spool.
    pub(crate) on_disk: u64,
    pub(crate) status: Status,
    pub(crate) end_by: Option<Instant>,
}

/// Starts the writer.
///
/// # Errors
/// If the reader, the threads or the spool cannot be opened.
pub fn spawn(store: Box<dyn Store>, run: Run, limits: Limits) -> Result<Handle, StoreError> {
    let reader = store.reader()?;
    let spool = limits.spool.as_ref().map(open_spool).transpose()?.flatten();
    let (rows, bytes) = store.size();
    let status = Status { kind: store.kind(), rows, bytes, ..Status::default() };
    let shared = Arc::new(Shared::new(status));
    let thread = courier::spawn(store, limits.clone(), spool, Arc::clone(&shared))?;
    let current = Mutex::new(CurrentRun { run: Arc::new(run), before: None });
    Ok(Handle { shared, current, reader, thread: Mutex::new(Some(thread)), limits })
}

/// Returns `None` if another memtap uses the spool; both may still write into the same database.
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
    /// Ends the run and begins another, because the wall clock was set. `last` is the last view of
    /// the ended run, and `began` is the time of that view on the new clock. Totals in `last`
    /// belong to the ended run. The next batch must contain all running processes, not only the
    /// changed ones.
    pub fn begin_run(&self, began: WallClock, last: &LiveView) {
        {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            let run = Run { id: Run::draw(), began, ..Run::clone(&current.run) };
            *current = CurrentRun { run: Arc::new(run), before: Some(last.into()) };
        }
        // A batch without a tick adds no samples.
        self.send(Batch { processes: last.living.to_vec(), ..Batch::default() });
    }

    /// Queues a batch. If the queue is full, waits a moment for the spool to make room. If that
    /// fails, the requests are dropped and counted, but the processes are kept; then nobody waits
    /// again until there is room.
    pub fn send(&self, mut batch: Batch) {
        let run = {
            let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Some(all), Some(before)) = (&mut batch.all, &current.before) {
                all.subtract(before);
            }
            Arc::clone(&current.run)
        };
        let mut queue = self.wait_for_room(batch.requests.len());
        let cause = queue.cause.unwrap_or(DropCause::QueueFull);
        if queue.waiting + batch.requests.len() > self.limits.queue_requests {
            queue.count_dropped(cause, batch.requests.len() as u64);
            batch.requests = Vec::new();
        }
        if queue.batches.len() >= MAX_BATCHES
            && let Some(Waiting { batch: oldest, .. }) = queue.batches.pop_front()
        {
            queue.waiting -= oldest.requests.len();
            queue.count_dropped(cause, oldest.requests.len() as u64);
        }
        let is_empty = batch.requests.is_empty() && batch.processes.is_empty() && batch.oom_kills.is_empty();
        if is_empty && batch.all.is_none() {
            return;
        }
        queue.waiting += batch.requests.len();
        queue.batches.push_back(Waiting { since: Instant::now(), run, batch });
        // A full delivery does not wait for the next commit time.
        if queue.fills_a_delivery(&self.limits) {
            self.shared.wake.notify_one();
        }
    }

    /// Waits while the queue is full, if the spool can make room.
    fn wait_for_room(&self, requests: usize) -> MutexGuard<'_, Queue> {
        let is_full = |queue: &mut Queue| {
            queue.batches.len() >= MAX_BATCHES
                || queue.waiting > 0 && queue.waiting + requests > self.limits.queue_requests
        };
        let mut queue = self.shared.lock();
        let is_spooled = self.limits.spool.is_some() && queue.cause.is_none() && queue.end_by.is_none();
        if queue.is_stuck || !is_spooled || !is_full(&mut queue) {
            return queue;
        }
        self.shared.wake.notify_one();
        let waited = self.shared.changed.wait_timeout_while(queue, ROOM_TIMEOUT, |queue| is_full(queue));
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.is_stuck = is_full(&mut queue);
        queue
    }

    /// Returns whether the backlog is so large that a caller which can wait should do so.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.shared.lock().is_backlogged(&self.limits)
    }

    /// Returns the state of the store and the queue.
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

    /// Returns a reader of the store.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader)
    }

    /// Writes the backlog for a bounded time, then ends the thread. With a spool, what could not be
    /// written is on disk; otherwise it is counted as dropped. Returns the last status.
    pub fn finish(&self) -> Status {
        self.shared.lock().end_by = Some(Instant::now() + self.limits.finish_within);
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the database thread panicked");
        }
        self.shared.lock().drop_waiting();
        self.status()
    }
}

impl AllProcesses {
    /// Subtracts the totals of an earlier run.
    pub(crate) fn subtract(&mut self, before: &Self) {
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
    /// Counts everything that is neither in the store nor on disk as dropped, at exit.
    fn drop_waiting(&mut self) {
        let cause = self.cause.unwrap_or(DropCause::Ended);
        let waiting = std::mem::take(&mut self.waiting);
        self.count_dropped(cause, waiting as u64);
        self.batches.clear();
    }

    /// Counts dropped requests.
    pub(crate) fn count_dropped(&mut self, cause: DropCause, requests: u64) {
        if requests > 0 {
            *self.status.dropped.entry(cause).or_default() += requests;
            self.dropped_at.insert(cause, Instant::now());
        }
    }

    fn dropping(&self, now: Instant) -> Vec<DropCause> {
        let recent = self.dropped_at.iter().filter(|(_, at)| now.saturating_duration_since(**at) < RECENT);
        recent.map(|(cause, _)| *cause).collect()
    }

    pub(crate) fn fills_a_delivery(&self, limits: &Limits) -> bool {
        self.waiting >= limits.delivery_requests() || self.batches.len() >= MAX_BATCHES / 4
    }

    /// Returns whether the backlog shows that the database is too slow. New requests then go to the
    /// spool.
    pub(crate) fn is_backlogged(&self, limits: &Limits) -> bool {
        self.waiting >= limits.backlog_threshold() || self.batches.len() >= MAX_BATCHES / 2
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
    fn drops_are_current_for_a_minute() {
        let mut queue = Queue::default();
        queue.count_dropped(DropCause::Refused, 0);
        queue.count_dropped(DropCause::QueueFull, 3);
        let now = Instant::now();
        assert_eq!(queue.dropping(now), [DropCause::QueueFull]);
        assert_eq!(queue.dropping(now + RECENT), []);
        assert_eq!(queue.status.dropped[&DropCause::QueueFull], 3, "the count stays");
    }
}
