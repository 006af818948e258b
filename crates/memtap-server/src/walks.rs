//! Walks over processes' address spaces: one at a time for each process, shared by all who ask, and followed by a rest.
//!
//! The kernel holds the lock of an address space while it walks it, so that the process's own mmap and munmap wait. However many
//! ask, a process is therefore walked at most a twenty-first of its time for each kind of walk: after one it rests for twenty
//! times as long as that took, and whoever asks meanwhile gets the last answer with its age.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memtap_ledger::LiveView;
use memtap_model::{AllLimits, Mappings, ProcessId, Proportional};
use tokio::sync::Semaphore;

use crate::state::{AskKernel, AskLimits};

/// The rest after a walk, in times of its duration.
const REST: u32 = 20;
/// Walks at one time over all processes.
const WALKS: usize = 2;
/// Processes whose answers are kept. With two walks at a time about forty rest at one time.
const KEPT: usize = 64;

/// An answer, and how long ago it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading<T> {
    pub(crate) value: T,
    pub(crate) age: Duration,
}

/// Why there is no answer; shared like an answer.
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

/// How a walk came out, and until when the next one waits.
#[derive(Debug)]
struct Walk<T> {
    answer: Result<T, Unread>,
    ended: Instant,
    rest_ends: Instant,
}

/// The last walk of one kind.
type Last<T> = Mutex<Option<Walk<T>>>;

/// What is kept of one process, or in `all_limits` of all.
#[derive(Debug, Default)]
struct Place {
    /// Held during a walk of any kind.
    turn: Arc<tokio::sync::Mutex<()>>,
    proportional: Last<Proportional>,
    mappings: Last<Mappings>,
    limits: Last<AllLimits>,
    all_limits: Last<Arc<memtap_report::Now>>,
}

impl Place {
    /// When the next walk of some kind may begin; `None` before any.
    fn rest_ends(&self) -> Option<Instant> {
        fn of<T>(last: &Last<T>) -> Option<Instant> {
            lock(last).as_ref().map(|walk| walk.rest_ends)
        }
        [of(&self.proportional), of(&self.mappings), of(&self.limits)].into_iter().flatten().max()
    }
}

/// All walks that the server asks the kernel for.
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

    /// The process's memory with shared pages split.
    pub(crate) async fn proportional(
        self: &Arc<Self>,
        process: ProcessId,
    ) -> Result<Reading<Proportional>, Unread> {
        let ask = Arc::clone(&self.kernel.proportional);
        self.shared(self.place(process), |place| &place.proportional, move || ask(process.tgid.0)).await
    }

    /// The process's mappings.
    pub(crate) async fn mappings(self: &Arc<Self>, process: ProcessId) -> Result<Reading<Mappings>, Unread> {
        let ask = Arc::clone(&self.kernel.mappings);
        self.shared(self.place(process), |place| &place.mappings, move || ask(process.tgid.0)).await
    }

    /// The process's limits: its mappings are counted for them.
    pub(crate) async fn limits(self: &Arc<Self>, process: ProcessId) -> Result<Reading<AllLimits>, Unread> {
        let ask = Arc::clone(&self.kernel.limits);
        self.shared(self.place(process), |place| &place.limits, move || ask(process.tgid.0)).await
    }

    /// The limits of the view's processes: mappings of some of them are counted.
    pub(crate) async fn all_limits(
        self: &Arc<Self>,
        ask: AskLimits,
        view: Arc<LiveView>,
    ) -> Result<Arc<memtap_report::Now>, Unread> {
        let place = Arc::clone(&self.everywhere);
        let read = self.shared(place, |place| &place.all_limits, move || Ok(Arc::new(ask(&view)))).await;
        read.map(|reading| reading.value)
    }

    /// The last answer while the process rests; else that of a walk which ends after now, be it under way or begun here.
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
        // A task of its own: a client that goes away must not let another walk begin beside this one.
        let walks = Arc::clone(self);
        let walking = tokio::spawn(async move {
            let _turn = turn;
            walks.walk(last(&place), walk).await
        });
        walking.await.unwrap_or_else(|error| Err(io::Error::other(error).into()))
    }

    /// The last answer, if the process still rests or the walk ended after `asked`.
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
        // It is never closed.
        let _running = self.running.acquire().await;
        let begun = (self.now)();
        let walked = tokio::task::spawn_blocking(walk).await;
        let answer = walked.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(Unread::from);
        let ended = (self.now)();
        let rest_ends = ended + (ended - begun) * REST;
        *lock(last) = Some(Walk { answer: answer.clone(), ended, rest_ends });
        answer.map(|value| Reading { value, age: Duration::ZERO })
    }

    /// The place of a process; those that no longer rest make room for a new one.
    fn place(&self, process: ProcessId) -> Arc<Place> {
        let mut places = lock(&self.places);
        if !places.contains_key(&process) {
            make_room(&mut places, (self.now)());
        }
        Arc::clone(places.entry(process).or_default())
    }
}

/// Removes places that no longer rest, and then those whose rest ends first. Places in use stay: there are at most as many as connections.
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
