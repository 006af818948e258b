//! Models from memtap's own capture: source and ledger, no store.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use memtap_capture::SourceChoice;
use memtap_ledger::{Ledger, LiveView};
use memtap_tui::{About, Model, Modeller};
use tokio::sync::{mpsc, watch};

use super::Feed;
use crate::budget::Budget;
use crate::cli::TopArguments;
use crate::clock_steps::ClockSteps;
use crate::confine;
use crate::pipeline;
use crate::serve::this_machine;

/// Requests kept for the streams of single processes. There is no history to query.
const LATEST: usize = 5000;

/// Starts the capture.
pub(super) fn open(source: &SourceChoice, arguments: &TopArguments) -> anyhow::Result<Feed> {
    let budget = Budget::of(arguments.memory);
    let capture = memtap_capture::Settings {
        ring_bytes: budget.ring_bytes,
        accounts: budget.accounts,
        speed: Some(arguments.speed),
        tick: arguments.pace.duration(),
        rest: std::time::Duration::from_millis(200),
        ..memtap_capture::Settings::default()
    };
    let opened = confine::open(source, &capture, arguments.priority.nice)?;
    let machine = opened.machine.map_or_else(this_machine, Ok)?;
    let about = About {
        hostname: machine.hostname,
        source: opened.source.kind().name().to_owned(),
        plan: opened.source.plan().map(|plan| plan.name().to_owned()),
        via: None,
        notices: opened.notices.into_iter().map(Into::into).collect(),
    };
    let (views, view) = watch::channel(Arc::new(LiveView::default()));
    let (sender, batches) = mpsc::channel(budget.batches);
    let reader =
        memtap_capture::spawn(opened.source, &capture, sender).context("cannot start the capture thread")?;
    let ledger = Ledger::new(memtap_ledger::Settings { latest_kept: LATEST, ..Default::default() });
    // The view's own requests are enough for the process on the screen.
    let (_, focus) = watch::channel(BTreeSet::new());
    tokio::task::spawn_blocking(move || {
        pipeline::run(batches, ledger, &views, focus, None, false, &ClockSteps::default());
    });
    let (sender, models) = watch::channel(Arc::default());
    tokio::spawn(model(view, Modeller::new(about), sender));
    let end = match source {
        SourceChoice::Recording(_) => "the recording ends here",
        _ => "the source ended unexpectedly; the screen shows the last data",
    };
    Ok(Feed { models, reader: Some(reader), end })
}

async fn model(
    mut view: watch::Receiver<Arc<LiveView>>,
    mut modeller: Modeller,
    models: watch::Sender<Arc<Model>>,
) {
    while view.changed().await.is_ok() {
        let view = Arc::clone(&view.borrow_and_update());
        models.send_replace(Arc::new(modeller.model(&view)));
    }
}
