//! The running parts of `memtap serve`, the events that end them, and the shutdown. Parts stop in
//! the order in which data flows, each within its own time limit, so that one hanging part cannot
//! block the shutdown.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use memtap_capture::ReaderHandle;
use memtap_history::Status;
use memtap_ledger::LiveView;
use memtap_server::ServerError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::{deadline, panics};

/// Time limit for the source's last records and the ledger.
const BOOKED_WITHIN: Duration = Duration::from_millis(1200);
/// Time limit for the history. The store's own limits are lower.
const WRITTEN_WITHIN: Duration = Duration::from_millis(2400);
/// Time limit for the server's last responses.
const ANSWERED_WITHIN: Duration = Duration::from_millis(600);

/// The running parts.
pub(super) struct Running {
    pub(super) reader: ReaderHandle,
    pub(super) ledger: JoinHandle<()>,
    pub(super) store: Option<Arc<memtap_history::Handle>>,
    pub(super) server: JoinHandle<Result<(), ServerError>>,
    pub(super) stop_server: oneshot::Sender<()>,
    /// Keeps the last view of a recording available after its end; `None` for other sources.
    pub(super) last: Option<watch::Sender<Arc<LiveView>>>,
}

/// The signals that stop memtap: SIGINT (Ctrl-C) and SIGTERM (from service managers).
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }
}

impl Running {
    /// Waits for a signal (not a failure), a panic, or a part that ends by itself.
    pub(super) async fn wait_for_the_end(&mut self, signals: &mut Signals) -> anyhow::Result<()> {
        let endless = self.last.is_none();
        tokio::select! {
            biased;
            panic = panics::happens() => Err(anyhow!("{panic}. This is a bug in memtap. Report it, and restart memtap")),
            _ = signals.interrupt.recv() => Ok(()),
            _ = signals.terminate.recv() => Ok(()),
            done = &mut self.server => Err(match done {
                Ok(Err(error)) => error.into(),
                _ => anyhow!("the server ended unexpectedly"),
            }),
            _ = &mut self.ledger, if endless => Err(anyhow!("the source ended unexpectedly, see the log above")),
        }
    }

    /// Stops all parts. Data that cannot be written in time is in the spool or counted as lost, and
    /// the log reports it. It does not use the runtime: after a panic in one of its threads, timers
    /// may not work.
    pub(super) fn end(self, config: &Config) {
        deadline::begin();
        deadline::end_on_next_signal();
        tracing::info!("stopping: writing the captured data first");
        let Self { reader, ledger, store, server, stop_server, last: _last } = self;
        // The reader's thread also detaches from the kernel. The shutdown does not wait for that.
        in_thread(move || reader.stop());
        if !within(BOOKED_WITHIN, || ledger.is_finished()) {
            tracing::warn!("the source does not stop. Its last requests are not in the history");
        }
        if let Some(store) = store {
            let finished = in_thread(move || store.finish());
            match finished.recv_timeout(WRITTEN_WITHIN) {
                Ok(status) => report_missing(&status, config),
                Err(_) => tracing::warn!("the history does not stop. Its last requests may be missing"),
            }
        }
        let _ = stop_server.send(());
        within(ANSWERED_WITHIN, || server.is_finished());
    }
}

/// Runs `work` in its own thread, and returns the receiver of its result.
fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (result, comes) = channel();
    let thread = std::thread::Builder::new().name("memtap-ending".to_owned());
    // If the thread cannot start, no result arrives, as if the work took too long.
    let _ = thread.spawn(move || result.send(work()));
    comes
}

/// Waits until `is_so` returns true. Returns false on timeout.
fn within(time: Duration, is_so: impl Fn() -> bool) -> bool {
    let end = Instant::now() + time;
    while !is_so() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn report_missing(status: &Status, config: &Config) {
    let dropped = status.dropped_requests();
    if dropped > 0 {
        tracing::warn!("{dropped} requests are not in the history");
    }
    if status.spooled > 0 {
        tracing::warn!("{} requests {}", status.spooled, config.what_becomes_of_the_rest());
    }
}
