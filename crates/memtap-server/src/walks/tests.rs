//! Tests with a fake kernel. It counts its walks, takes a given time on the clock of the test, and
//! can be held during a walk.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Weak};

use memtap_model::{StartTime, Tgid};

use super::*;

/// Duration of a walk.
const WALK: Duration = Duration::from_secs(3);
/// Time after which a walk ends by itself if a failed test does not release it.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Kernel {
    walks: AtomicU64,
    running: AtomicU64,
    most_running: AtomicU64,
    /// Clock of the test, milliseconds.
    now_ms: AtomicU64,
    fails: AtomicBool,
    is_held: Mutex<bool>,
    released: Condvar,
}

impl Kernel {
    fn walk(&self) -> io::Result<u64> {
        let number = self.walks.fetch_add(1, Ordering::SeqCst) + 1;
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let held = self.released.wait_timeout_while(lock(&self.is_held), PATIENCE, |is_held| *is_held);
        drop(held);
        self.pass(WALK);
        self.running.fetch_sub(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            Err(io::ErrorKind::PermissionDenied.into())
        } else {
            Ok(number)
        }
    }

    fn pass(&self, time: Duration) {
        self.now_ms.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn walks(&self) -> u64 {
        self.walks.load(Ordering::SeqCst)
    }

    fn hold(&self, is_held: bool) {
        *lock(&self.is_held) = is_held;
        self.released.notify_all();
    }
}

/// A kernel whose PSS is the number of the walk. Mappings have that number in `more_files`.
fn counted() -> (Arc<Kernel>, Arc<Walks>) {
    let kernel = Arc::<Kernel>::default();
    let (pss, mapped, clock) = (Arc::clone(&kernel), Arc::clone(&kernel), Arc::clone(&kernel));
    let ask = AskKernel {
        proportional: Arc::new(move |_| {
            pss.walk().map(|number| Proportional { pss_bytes: number, uss_bytes: 0, swap_pss_bytes: 0 })
        }),
        mappings: Arc::new(move |_| {
            let empty =
                |more_files| Mappings { classes: vec![], files: vec![], more_files, has_resident: true };
            mapped.walk().map(empty)
        }),
        limits: Arc::new(|_| Err(io::ErrorKind::Unsupported.into())),
    };
    let begin = Instant::now();
    let now = move || begin + Duration::from_millis(clock.now_ms.load(Ordering::SeqCst));
    (kernel, Arc::new(Walks::with_clock(ask, Box::new(now))))
}

fn process(pid: u32, start: u64) -> ProcessId {
    ProcessId { tgid: Tgid(pid), start: StartTime(start) }
}

fn reading(number: u64, age: Duration) -> Result<Reading<Proportional>, Unread> {
    Ok(Reading { value: Proportional { pss_bytes: number, uss_bytes: 0, swap_pss_bytes: 0 }, age })
}

async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it does not come");
}

#[tokio::test]
async fn twenty_simultaneous_clients_share_one_walk() {
    let (kernel, walks) = counted();
    kernel.hold(true);
    let ask = || {
        let walks = Arc::clone(&walks);
        tokio::spawn(async move { walks.proportional(process(7, 1)).await })
    };
    let first = ask();
    until(|| kernel.walks() == 1).await;
    let others: Vec<_> = (0..19).map(|_| ask()).collect();
    let place = Arc::clone(&lock(&walks.places)[&process(7, 1)]);
    until(|| Arc::strong_count(&place) > 20).await;
    kernel.hold(false);
    assert_eq!(first.await.unwrap(), reading(1, Duration::ZERO));
    for other in others {
        assert_eq!(other.await.unwrap(), reading(1, Duration::ZERO));
    }
    assert_eq!(kernel.walks(), 1);
}

#[tokio::test]
async fn the_pause_is_twenty_times_as_long_as_the_walk() {
    let (kernel, walks) = counted();
    let ask = async || walks.proportional(process(7, 1)).await;
    assert_eq!(ask().await, reading(1, Duration::ZERO));
    kernel.pass(WALK * 20 - Duration::from_millis(1));
    assert_eq!(ask().await, reading(1, WALK * 20 - Duration::from_millis(1)), "the last answer with its age");
    kernel.pass(Duration::from_millis(1));
    assert_eq!(ask().await, reading(2, Duration::ZERO));
}

#[tokio::test]
async fn another_process_with_the_same_pid_has_its_own_answer() {
    let (_, walks) = counted();
    assert_eq!(walks.proportional(process(7, 1)).await, reading(1, Duration::ZERO));
    assert_eq!(walks.proportional(process(7, 2)).await, reading(2, Duration::ZERO));
    assert_eq!(walks.proportional(process(7, 1)).await, reading(1, WALK));
}

#[tokio::test]
async fn clients_share_a_failed_walk_and_its_pause() {
    let (kernel, walks) = counted();
    let ask = async || walks.proportional(process(7, 1)).await;
    kernel.fails.store(true, Ordering::SeqCst);
    let denied = Unread::from(io::Error::from(io::ErrorKind::PermissionDenied));
    assert_eq!(ask().await, Err(denied.clone()));
    kernel.fails.store(false, Ordering::SeqCst);
    assert_eq!((ask().await, kernel.walks()), (Err(denied), 1));
    kernel.pass(WALK * 20);
    assert_eq!(ask().await, reading(2, Duration::ZERO));
}

#[tokio::test]
async fn a_disconnected_client_does_not_cause_a_second_walk() {
    let (kernel, walks) = counted();
    kernel.hold(true);
    let impatient = Arc::clone(&walks);
    let first = tokio::spawn(async move { impatient.proportional(process(7, 1)).await });
    until(|| kernel.walks() == 1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let patient = Arc::clone(&walks);
    let second = tokio::spawn(async move { patient.proportional(process(7, 1)).await });
    tokio::task::yield_now().await;
    kernel.hold(false);
    assert_eq!(second.await.unwrap(), reading(1, Duration::ZERO), "the first one's walk");
}

#[tokio::test]
async fn walks_are_limited_per_process_and_in_total() {
    let (kernel, walks) = counted();
    let mut asked = Vec::new();
    for pid in 0..4 {
        for _ in 0..5 {
            let (pss, mapped) = (Arc::clone(&walks), Arc::clone(&walks));
            asked.push(tokio::spawn(async move { pss.proportional(process(pid, 1)).await.is_ok() }));
            asked.push(tokio::spawn(async move { mapped.mappings(process(pid, 1)).await.is_ok() }));
        }
    }
    for one in asked {
        assert!(one.await.unwrap());
    }
    assert_eq!(kernel.walks(), 8, "four processes, two kinds");
    assert!(kernel.most_running.load(Ordering::SeqCst) <= WALKS as u64);

    let (kernel, walks) = counted();
    kernel.hold(true);
    let (pss, mapped) = (Arc::clone(&walks), Arc::clone(&walks));
    let pss = tokio::spawn(async move { pss.proportional(process(7, 1)).await.is_ok() });
    let mapped = tokio::spawn(async move { mapped.mappings(process(7, 1)).await.is_ok() });
    let place = || lock(&walks.places).get(&process(7, 1)).map_or(0, Arc::strong_count);
    until(|| kernel.walks() == 1 && place() == 3).await;
    kernel.hold(false);
    assert!(pss.await.unwrap() && mapped.await.unwrap());
    assert_eq!((kernel.walks(), kernel.most_running.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn entries_are_bounded_and_evicted_after_their_pause() {
    let (kernel, walks) = counted();
    for pid in 0..200 {
        let _ = walks.mappings(process(pid, 1)).await;
        assert!(lock(&walks.places).len() <= KEPT);
    }
    assert_eq!(kernel.walks(), 200);
    let last = Arc::downgrade(&lock(&walks.places)[&process(199, 1)]);
    kernel.pass(WALK * 20);
    let _ = walks.mappings(process(200, 1)).await;
    assert_eq!((lock(&walks.places).len(), Weak::strong_count(&last)), (1, 0));
}
