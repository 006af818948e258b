//! Runs work on a database file in a thread, so that no other thread waits for the disk.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use memtap_history::StoreError;
use tokio::sync::oneshot;

/// Maximum time that a drop waits for the thread, which closes the file.
const END_WITHIN: Duration = Duration::from_millis(500);

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

/// Handle of the thread. Dropping it ends the thread.
pub(super) struct Worker<T> {
    jobs: Option<mpsc::Sender<Job<T>>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Worker<T> {
    /// Starts the thread with the value that it works on.
    pub(super) fn start(name: &str, mut subject: T) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel::<Job<T>>();
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || queue.iter().for_each(|job| job(&mut subject)))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs `work` in the thread, after all earlier work. Work whose caller no longer waits for it
    /// is not begun.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut T) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (answer, result) = oneshot::channel();
        let job: Job<T> = Box::new(move |subject| {
            if !answer.is_closed() {
                let _ = answer.send(work(subject));
            }
        });
        let is_sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        match result.await {
            Ok(done) if is_sent => done,
            _ => Err(crashed()),
        }
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        self.jobs = None;
        let Some(thread) = self.thread.take() else { return };
        let end_by = Instant::now() + END_WITHIN;
        while !thread.is_finished() && Instant::now() < end_by {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Runs `work` in a new thread.
pub(super) async fn run<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, StoreError> + Send + 'static,
) -> Result<R, StoreError> {
    Worker::start("memtap-sqlite", ())?.run(move |()| work()).await
}

fn crashed() -> StoreError {
    StoreError::Database {
        database: String::new(),
        away: false,
        reason: "its thread crashed (a bug in memtap)".to_owned(),
        fix: "Restart memtap: queued data is written then",
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn work_is_done_in_order_and_a_panic_is_an_error() {
        let worker = Worker::start("test", Vec::new()).unwrap();
        let push = |n: u32| {
            worker.run(move |list: &mut Vec<u32>| {
                list.push(n);
                Ok(list.clone())
            })
        };
        assert_eq!(wait(async { (push(1).await.unwrap(), push(2).await.unwrap()) }), (vec![1], vec![1, 2]));
        let panicked = wait(worker.run(|_| -> Result<(), _> { panic!("by this test") }));
        assert!(panicked.unwrap_err().to_string().contains("Restart memtap"));
        assert!(wait(push(3)).is_err());
    }

    #[test]
    fn work_that_nobody_waits_for_is_not_begun() {
        let worker = Worker::start("test", 0_u32).unwrap();
        let (release, gate) = mpsc::channel::<()>();
        let held = worker.run(move |_| {
            let _ = gate.recv();
            Ok(())
        });
        let mut held = Box::pin(held);
        assert!(held.as_mut().now_or_never().is_none());
        let mut cancelled = Box::pin(worker.run(|count| {
            *count += 1;
            Ok(())
        }));
        assert!(cancelled.as_mut().now_or_never().is_none());
        drop(cancelled);
        release.send(()).unwrap();
        wait(held).unwrap();
        assert_eq!(wait(worker.run(|count| Ok(*count))).unwrap(), 0);
    }
}
