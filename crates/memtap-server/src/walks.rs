//! Walks over the address spaces of processes. At most one runs for each process; clients share its
//! result, and a pause follows it.
//!
//! The kernel holds the lock of an address space while it walks it, so the mmap and munmap calls of
//! the process wait. The pause after a walk is therefore twenty times as long as the walk. Walks of
//! one kind thus take at most 1/21 of the time, regardless of the number of clients. During the
//! pause, clients get the last answer with its age.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memtap_ledger::LiveView;
use memtap_model::{AllLimits, Mappings, ProcessId, Proportional};
use tokio::sync::Semaphore;

use crate::state::{AskKernel, AskLimits};

/// Length of the pause after a walk, as a multiple of its duration.
const REST: u32 = 20;
/// Largest number of simultaneous walks over all processes.
const WALKS: usize = 2;
/// Number of processes whose answers are kept. With two simultaneous walks, about forty processes
/// are in their pause.
const KEPT: usize = 64;

/// An answer, and its age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading<T> {
    pub(crate) value: T,
    pub(crate) age: Duration,
}

/// Reason for a missing answer. Clients share it like an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) kind: io::ErrorKind,
    pub(crate) why: String,
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self { kind: error.kind(), why: error.to_string() }
    }
}

/// Result of a walk, and the end of the pause after it.
#[derive(Debug)]
struct Walk<T> {
    answer: Result<T, Unread>,
    ended: Instant,
    rest_ends: Instant,
}

/// The last walk of one kind.
type Last<T> = Mutex<Option<Walk<T>>>;

/// Last walks of one process, or in `all_limits` of all processes together.
#[derive(Debug, Default)]
struct Place {
    /// Locked during a walk of any kind.
    turn: Arc<tokio::sync::Mutex<()>>,
    proportional: Last<Proportional>,
    mappings: Last<Mappings>,
    limits: Last<AllLimits>,
    all_limits: Last<Arc<memtap_report::Now>>,
}

impl Place {
    /// Time from which a walk of every kind may start; `None` before the first walk.
    fn rest_ends(&self) -> Option<Instant> {
        fn pause_end<T>(last: &Last<T>) -> Option<Instant> {
            lock(last).as_ref().map(|walk| walk.rest_ends)
        }
        [pause_end(&self.proportional), pause_end(&self.mappings), pause_end(&self.limits)]
            .into_iter()
            .flatten()
            .max()
    }
}

/// All walks that the server requests from the kernel.
pub(crate) struct Walks {
    kernel: AskKernel,
    running: Semaphore,
    places: Mutex<HashMap<ProcessId, Arc<Place>>>,
    everywhere: Arc<Place>,
    now: Clock,
}

type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

impl Walks {
    pub(crate) fn new(kernel: AskKernel) -> Self {
        Self::with_clock(kernel, Box::new(Instant::now))
    }

    fn with_clock(kernel: AskKernel, now: Clock) -> Self {
        let running = Semaphore::new(WALKS);
        Self { kernel, running, places: Mutex::default(), everywhere: Arc::default(), now }
    }

    /// Memory of the process with shared pages divided.
    pub(crate) async fn proportional(
        self: &Arc<Self>,
        process: ProcessId,
    ) -> Result<Reading<Proportional>, Unread> {
        let ask = Arc::clone(&self.kernel.proportional);
        self.shared(self.place(process), |place| &place.proportional, move || ask(process.tgid.0)).await
    }

    /// Mappings of the process.
    pub(crate) async fn mappings(self: &Arc<Self>, process: ProcessId) -> Result<Reading<Mappings>, Unread> {
        let ask = Arc::clone(&self.kernel.mappings);
        self.shared(self.place(process), |place| &place.mappings, move || ask(process.tgid.0)).await
    }

    /// Limits of the process. Reading them counts its mappings.
    pub(crate) async fn limits(self: &Arc<Self>, process: ProcessId) -> Result<Reading<AllLimits>, Unread> {
        let ask = Arc::clone(&self.kernel.limits);
        self.shared(self.place(process), |place| &place.limits, move || ask(process.tgid.0)).await
    }

    /// Limits of the processes of a view. Reading them counts the mappings of some processes.
    pub(crate) async fn all_limits(
        self: &Arc<Self>,
        ask: AskLimits,
        view: Arc<LiveView>,
    ) -> Result<Arc<memtap_report::Now>, Unread> {
        let place = Arc::clone(&self.everywhere);
        let read = self.shared(place, |place| &place.all_limits, move || Ok(Arc::new(ask(&view)))).await;
        read.map(|reading| reading.value)
    }

    /// Returns the last answer during the pause. Otherwise returns the answer of a walk that ends
    /// after now, whether it is already running or starts here.
    async fn shared<T: Clone + Send + 'static>(
        self: &Arc<Self>,
        place: Arc<Place>,
        last: fn(&Place) -> &Last<T>,
        walk: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<Reading<T>, Unread> {
        let asked = (self.now)();
        if let Some(answer) = self.kept(last(&place), asked) {
            return answer;
        }
        let turn = Arc::clone(&place.turn).lock_owned().await;
        if let Some(answer) = self.kept(last(&place), asked) {
            return answer;
        }
        // Runs in a task of its own, so that a client that disconnects cannot cause a second walk
        // at the same time.
        let walks = Arc::clone(self);
        let walking = tokio::spawn(async move {
            let _turn = turn;
            walks.walk(last(&place), walk).await
        });
        walking.await.unwrap_or_else(|error| Err(io::Error::other(error).into()))
    }

    /// Returns the last answer, if the pause is not over or the walk ended after `asked`.
    fn kept<T: Clone>(&self, last: &Last<T>, asked: Instant) -> Option<Result<Reading<T>, Unread>> {
        let now = (self.now)();
        let last = lock(last);
        let walk = last.as_ref().filter(|walk| now < walk.rest_ends || asked <= walk.ended)?;
        let age = now.saturating_duration_since(walk.ended);
        Some(walk.answer.clone().map(|value| Reading { value, age }))
    }

    async fn walk<T: Clone + Send + 'static>(
        &self,
        last: &Last<T>,
        walk: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<Reading<T>, Unread> {
        // The semaphore is never closed.
        let _running = self.running.acquire().await;
        let begun = (self.now)();
        let walked = tokio::task::spawn_blocking(walk).await;
        let answer = walked.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(Unread::from);
        let ended = (self.now)();
        let rest_ends = ended + (ended - begun) * REST;
        *lock(last) = Some(Walk { answer: answer.clone(), ended, rest_ends });
        answer.map(|value| Reading { value, age: Duration::ZERO })
    }

    /// Returns the entry of a process. Creating one evicts entries whose pause is over.
    fn place(&self, process: ProcessId) -> Arc<Place> {
        let mut places = lock(&self.places);
        if !places.contains_key(&process) {
            make_room(&mut places, (self.now)());
        }
        Arc::clone(places.entry(process).or_default())
    }
}

/// Removes entries whose pause is over, then those whose pause ends first. Entries in use stay:
/// there are at most as many as connections.
fn make_room(places: &mut HashMap<ProcessId, Arc<Place>>, now: Instant) {
    let is_used = |place: &Arc<Place>| Arc::strong_count(place) > 1;
    places.retain(|_, place| is_used(place) || place.rest_ends().is_some_and(|end| now < end));
    while places.len() >= KEPT {
        let unused = places.iter().filter(|(_, place)| !is_used(place));
        let Some((&first, _)) = unused.min_by_key(|(_, place)| place.rest_ends()) else { return };
        places.remove(&first);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
