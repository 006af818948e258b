//! A recording into a history, as fast as it can be read and written: what `memtap import` and `memtap report` do with one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use indicatif::{HumanCount, ProgressBar};
use memtap_capture::{Machine, SourceChoice};
use memtap_ledger::{Ledger, LiveView};
use memtap_model::{LossCause, WallClock};
use memtap_store::{Limits, StoreUrl};
use tokio::sync::{mpsc, watch};

use crate::budget::Budget;
use crate::clock_steps::ClockSteps;
use crate::pipeline;

/// What a recording came to.
pub(crate) struct Replayed {
    /// The machine it was made on.
    pub(crate) machine: Machine,
    /// The moment that it tells of last.
    pub(crate) end: WallClock,
    /// Requests that are in the history.
    pub(crate) requests: u64,
    /// Requests in its damaged parts; `None` where it is whole.
    pub(crate) damaged: Option<u64>,
}

/// Reads the recording to its end into the store.
pub(crate) fn into_store(
    recording: &Path,
    store: &StoreUrl,
    kept: &memtap_store::Settings,
) -> anyhow::Result<Replayed> {
    let budget = Budget::of(64 << 20);
    let settings = memtap_capture::Settings::default();
    let opened = memtap_capture::open(&SourceChoice::Recording(recording.to_owned()), &settings)?;
    let machine = opened.machine.context("the recording does not name its machine")?;
    let store = memtap_store::open(store, kept)?
        .context("--store none keeps no history. Choose a store with --store")?;
    let run = run_of(&machine);
    let limits = Limits { queue_requests: budget.queue_requests, ..Limits::default() };
    let store = Arc::new(memtap_store::spawn(store, run, limits)?);
    let progress = ProgressBar::new_spinner();
    progress.set_message(format!("reading {}", recording.display()));
    progress.enable_steady_tick(std::time::Duration::from_millis(200));

    let (views, view) = watch::channel(Arc::new(LiveView::default()));
    let (sender, batches) = mpsc::channel(budget.batches);
    let reader =
        memtap_capture::spawn(opened.source, &settings, sender).context("cannot start the capture thread")?;
    // Nobody looks at it meanwhile.
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

/// A run of memtap's, on the machine that the recording is of.
pub(crate) fn run_of(machine: &Machine) -> memtap_store::Run {
    memtap_store::Run {
        id: memtap_store::Run::draw(),
        hostname: machine.hostname.clone(),
        kernel: machine.kernel.clone(),
        boot_id: machine.boot_id.clone(),
        page_size: machine.page_size,
        began: machine.began,
    }
}
