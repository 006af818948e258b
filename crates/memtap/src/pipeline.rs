//! The ledger thread: receives batches, publishes views, and sends data to the store. It only
//! updates the ledger, so it needs no runtime, whose threads each batch would also wake.

use std::collections::BTreeSet;
use std::sync::Arc;

use memtap_ledger::{Ledger, LiveView, ProcessSummary};
use memtap_model::{Tgid, WallClock};
use tokio::sync::{mpsc, watch};

use crate::clock_steps::ClockSteps;

/// Runs until the source has ended and all its batches are in the ledger. If `waits` is set, the
/// source is read no faster than the store can write. `focus` holds the processes that a user looks
/// at. Steps of the clock are added to `steps`.
pub(crate) fn run(
    mut batches: mpsc::Receiver<memtap_capture::Batch>,
    mut ledger: Ledger,
    views: &watch::Sender<Arc<LiveView>>,
    mut focus: watch::Receiver<BTreeSet<Tgid>>,
    store: Option<&memtap_history::Handle>,
    waits: bool,
    steps: &ClockSteps,
) {
    // True until the history has received the running processes of a new run.
    let mut is_new_run = false;
    while let Some(batch) = batches.blocking_recv() {
        while waits && store.is_some_and(memtap_history::Handle::is_behind) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        // An error means that the server has stopped.
        if focus.has_changed().unwrap_or(false) {
            ledger.focus(&focus.borrow_and_update());
        }
        if let Some(by_ns) = batch.clock_step {
            let last = Arc::clone(&views.borrow());
            let last_by_new_clock = WallClock(last.at.0.saturating_add(by_ns));
            steps.note(last.at, last_by_new_clock, store.is_some());
            ledger.clock_stepped(by_ns);
            if let Some(store) = store {
                store.begin_run(last_by_new_clock, &last);
                is_new_run = true;
            }
        }
        let requests = ledger.apply_all(batch.observations);
        let view = batch.tick.map(|at| Arc::new(ledger.publish(at)));
        if let Some(store) = store {
            let processes = view.as_deref().map(|view| for_history(view, is_new_run)).unwrap_or_default();
            is_new_run &= view.is_none();
            let oom_kills = view.as_ref().map(|view| view.fresh_oom_kills().to_vec()).unwrap_or_default();
            let all = view.as_deref().map(Into::into);
            store.send(memtap_history::Batch { requests, processes, oom_kills, tick: batch.tick, all });
        }
        if let Some(view) = view {
            views.send_replace(view);
        }
    }
}

/// Returns the running processes (only changed ones, unless the run is new) and all ended ones.
fn for_history(view: &LiveView, is_new_run: bool) -> Vec<Arc<ProcessSummary>> {
    let living = if is_new_run { &view.living[..] } else { &view.changed[..] };
    let living = living.iter().filter(|summary| summary.ended_at.is_none());
    living.chain(&view.closed).cloned().collect()
}
