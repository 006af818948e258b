//! The parts of `memtap serve` while they run, what ends them, and their end: in the order in which data flow, each within its time, so that
//! one that hangs keeps nobody from ending.

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

/// For the source's last records and the ledger.
const BOOKED_WITHIN: Duration = Duration::from_millis(1200);
/// For the history; the store's own bounds are below it.
const WRITTEN_WITHIN: Duration = Duration::from_millis(2400);
/// For the server's last answers.
const ANSWERED_WITHIN: Duration = Duration::from_millis(600);

/// All that runs.
pub(super) struct Running {
    pub(super) reader: ReaderHandle,
    pub(super) ledger: JoinHandle<()>,
    pub(super) store: Option<Arc<memtap_history::Handle>>,
    pub(super) server: JoinHandle<Result<(), ServerError>>,
    pub(super) stop_server: oneshot::Sender<()>,
    /// Keeps the last view of a recording when no more come; `None` for other sources.
    pub(super) last: Option<watch::Sender<Arc<LiveView>>>,
}

/// Ctrl-C, and what a service is ended with.
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
    /// Waits for a signal (which is no failure), a panic, or a part that ends by itself.
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

    /// Ends all parts. What cannot be written in time is in the spool or counted, and the log says so. It asks nothing of the runtime: a panic in
    /// one of its threads can leave it without timers.
    pub(super) fn end(self, config: &Config) {
        deadline::begin();
        deadline::end_on_next_signal();
        tracing::info!("stopping: writing the captured data first");
        let Self { reader, ledger, store, server, stop_server, last: _last } = self;
        // Its thread also detaches from the kernel. Nobody needs to wait for that.
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

/// Does the work in a thread of its own, and gives where its result comes.
fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (result, comes) = channel();
    let thread = std::thread::Builder::new().name("memtap-ending".to_owned());
    // Without a thread there is no result, as when it takes too long.
    let _ = thread.spawn(move || result.send(work()));
    comes
}

/// Waits until it is so; `false`: it takes too long.
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
