//! Reads a recording into a history, as fast as it can be read and written, for `memtap import` and
//! `memtap report`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use indicatif::{HumanCount, ProgressBar};
use memtap_capture::{Machine, SourceChoice};
use memtap_history::Limits;
use memtap_ledger::{Ledger, LiveView};
use memtap_model::{LossCause, WallClock};
use memtap_store::StoreUrl;
use tokio::sync::{mpsc, watch};

use crate::budget::Budget;
use crate::clock_steps::ClockSteps;
use crate::engine;
use crate::pipeline;

/// Result of reading a recording.
pub(crate) struct Replayed {
    /// Machine that the recording was made on.
    pub(crate) machine: Machine,
    /// Time of the last data in the recording.
    pub(crate) end: WallClock,
    /// Number of requests read from the recording.
    pub(crate) requests: u64,
    /// Requests in damaged parts of the recording; `None` if it is intact.
    pub(crate) damaged: Option<u64>,
}

/// Reads the whole recording into the store.
pub(crate) fn into_store(
    recording: &Path,
    store: &StoreUrl,
    kept: &memtap_history::Settings,
) -> anyhow::Result<Replayed> {
    let budget = Budget::of(64 << 20);
    let settings = memtap_capture::Settings::default();
    let opened = memtap_capture::open(&SourceChoice::Recording(recording.to_owned()), &settings)?;
    let machine = opened.machine.context("the recording does not name its machine")?;
    let store = engine::block_on(store.open(kept))?
        .context("--store none keeps no history. Choose a store with --store")?;
    let run = run_of(&machine);
    let limits = Limits { queue_requests: budget.queue_requests, ..Limits::default() };
    let store = Arc::new(memtap_history::spawn(store, run, limits)?);
    let progress = ProgressBar::new_spinner();
    progress.set_message(format!("reading {}", recording.display()));
    progress.enable_steady_tick(std::time::Duration::from_millis(200));

    let (views, view) = watch::channel(Arc::new(LiveView::default()));
    let (sender, batches) = mpsc::channel(budget.batches);
    let reader =
        memtap_capture::spawn(opened.source, &settings, sender).context("cannot start the capture thread")?;
    // No user looks at a process meanwhile.
    let (_, focus) = watch::channel(BTreeSet::new());
    let ledger = Ledger::new(memtap_ledger::Settings::default());
    pipeline::run(batches, ledger, &views, focus, Some(&store), true, &ClockSteps::default());
    reader.stop();
    let status = store.finish();
    progress.finish_and_clear();
    if status.dropped_requests() > 0 || status.spooled > 0 {
        let missing = HumanCount(status.dropped_requests() + status.spooled);
        bail!("{missing} requests are not in the history: {}", status.error.unwrap_or_default());
    }
    let last = view.borrow();
    let damaged = last.totals.lost.get(&LossCause::DamagedRecording).copied();
    Ok(Replayed { machine, end: last.at, requests: last.totals.seen, damaged })
}

/// Creates a run on this machine, with a new ID.
pub(crate) fn run_of(machine: &Machine) -> memtap_history::Run {
    memtap_history::Run {
        id: memtap_history::Run::draw(),
        hostname: machine.hostname.clone(),
        kernel: machine.kernel.clone(),
        boot_id: machine.boot_id.clone(),
        page_size: machine.page_size,
        began: machine.began,
    }
}
