//! The ledger's thread: batches in; views, and what the store shall keep, out. It only books, so it needs no runtime, whose threads each batch would
//! wake as well.

use std::collections::BTreeSet;
use std::sync::Arc;

use memtap_ledger::{Ledger, LiveView, ProcessSummary};
use memtap_model::Tgid;
use tokio::sync::{mpsc, watch};

/// Runs until the source has ended and all its batches are booked. A source that `waits` is read no faster than the store can write.
/// `focus`: the processes that somebody looks at.
pub(crate) fn run(
    mut batches: mpsc::Receiver<memtap_capture::Batch>,
    mut ledger: Ledger,
    views: &watch::Sender<Arc<LiveView>>,
    mut focus: watch::Receiver<BTreeSet<Tgid>>,
    store: Option<&memtap_store::Handle>,
    waits: bool,
) {
    while let Some(batch) = batches.blocking_recv() {
        while waits && store.is_some_and(memtap_store::Handle::is_behind) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        // An error: there is no server any more.
        if focus.has_changed().unwrap_or(false) {
            ledger.focus(&focus.borrow_and_update());
        }
        let requests = ledger.apply_all(batch.observations);
        let view = batch.tick.map(|at| Arc::new(ledger.publish(at)));
        if let Some(store) = store {
            let processes = view.as_deref().map(for_history).unwrap_or_default();
            let oom_kills = view.as_ref().map(|view| view.fresh_oom_kills().to_vec()).unwrap_or_default();
            let all = view.as_deref().map(Into::into);
            store.send(memtap_store::Batch { requests, processes, oom_kills, tick: batch.tick, all });
        }
        if let Some(view) = view {
            views.send_replace(view);
        }
    }
}

/// Those that live and have changed, and all that have ended.
fn for_history(view: &LiveView) -> Vec<Arc<ProcessSummary>> {
    let living = view.changed.iter().filter(|summary| summary.ended_at.is_none());
    living.chain(&view.closed).cloned().collect()
}
