//! `memtap serve`: opens the parts from the top down, so that what can fail fails before anything is captured, and
//! closes them in the order in which data flow.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::Context as _;
use memtap_capture::{Machine, Notice, SourceChoice};
use memtap_ledger::{Ledger, LiveView};
use memtap_model::WallClock;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

use crate::cli::ServeArguments;
use crate::clock_steps::ClockSteps;
use crate::config::Config;
use crate::{confine, limits, pipeline, replay};

/// A full batch between the capture thread and the ledger: 8,192 observations.
pub(crate) const OBSERVATION_BATCH_BYTES: u64 = 8192 * size_of::<memtap_model::Observation>() as u64;

pub(crate) fn run(arguments: &ServeArguments) -> anyhow::Result<()> {
    let config = Config::resolve(arguments)?;
    confine::prioritise(&config.source, arguments.priority.nice);
    let stays_root = confine::begin_as_own_user(config.user.as_ref(), &config.places())?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).on_thread_start(confine::thread).enable_all().build()?;
    runtime.block_on(serve(config, stays_root))
}

async fn serve(config: Config, stays_root: Option<Notice>) -> anyhow::Result<()> {
    let settings = memtap_server::Settings {
        listen: config.listen,
        cors_origins: config.cors_origins.clone(),
        bounds: memtap_server::Bounds::of_this_process(),
    };
    let listener = memtap_server::bind(&settings).await?;
    let address = listener.local_addr()?;
    if !confine::attaches(&config.source) {
        confine::attached()?;
    }
    // Of a recording it is known now whose memory it tells of; anything else begins to watch only when the rest is there.
    let recording = match &config.source {
        SourceChoice::Recording(_) => Some(memtap_capture::open(&config.source, &config.capture)?),
        _ => None,
    };
    let machine = match recording.as_ref().and_then(|opened| opened.machine.clone()) {
        Some(machine) => machine,
        None => this_machine()?,
    };
    let is_recorded = recording.is_some();
    // A store talks to its database, which takes its time, in threads of its own: they are started by one that attaches nothing.
    let (config, machine) = (Arc::new(config), Arc::new(machine));
    let opening = (Arc::clone(&config), Arc::clone(&machine));
    let store = tokio::task::spawn_blocking(move || open_store(&opening.0, &opening.1)).await??;
    // Until here an interrupt ends memtap at once: an old history may be under way to the present schema, and stays as it was then.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let capture = config.capture.clone();
    let mut opened = recording.map_or_else(|| memtap_capture::open(&config.source, &capture), Ok)?;
    opened.notices.extend(stays_root);
    confine::attached()?;
    confine::watching();
    // What the kernel's types took while the programs were loaded.
    crate::give_back_heap();
    let (kind, plan) = (opened.source.kind(), opened.source.plan());
    for notice in &opened.notices {
        tracing::warn!("{}; to mend it: {}", notice.what, notice.mend);
    }
    let info = info(kind, plan, opened.notices, &machine);
    let ledger = Ledger::new(memtap_ledger::Settings::default());

    let (views, view) = watch::channel(Arc::new(LiveView::default()));
    // The last view of a recording stays when there come no more.
    let _last = is_recorded.then(|| views.clone());
    let (sender, batches) = mpsc::channel(config.budget.batches);
    let reader =
        memtap_capture::spawn(opened.source, &capture, sender).context("cannot start the capture thread")?;
    let (focus, focused) = watch::channel(BTreeSet::new());
    let kept = store.clone();
    let steps = ClockSteps::default();
    let noted = steps.clone();
    let mut ledger_task = tokio::task::spawn_blocking(move || {
        pipeline::run(batches, ledger, &views, focused, kept.as_deref(), is_recorded, &noted);
    });
    let (stop_server, stopped) = oneshot::channel::<()>();
    let state = match is_recorded {
        true => recorded_state(view, store.as_ref(), info),
        false => live_state(view, store.as_ref(), info),
    };
    let state = state.with_focus(focus).with_notices(Arc::new(move || steps.notices()));
    let mut server = tokio::spawn(async move {
        let stop = async { drop(stopped.await) };
        memtap_server::serve(listener, &settings, state, stop).await
    });
    tracing::info!(
        "{} {}{}; dashboard on http://{address}; history in {}",
        if is_recorded { "reading a" } else { "watching with" },
        kind.name(),
        plan.map(|plan| format!(" (plan {})", plan.name())).unwrap_or_default(),
        config.store
    );

    let ended = tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        done = &mut server => done?.map_err(anyhow::Error::from).and_then(|()| Err(anyhow::anyhow!("the server ended by itself"))),
        done = &mut ledger_task, if !is_recorded => done.map_err(Into::into).and_then(|()| Err(anyhow::anyhow!("the source ended by itself; see the log above"))),
    };
    tracing::info!("ending: what was captured is booked and written first");
    tokio::task::spawn_blocking(move || reader.stop()).await?;
    if is_recorded || !ledger_task.is_finished() {
        ledger_task.await?;
    }
    if let Some(store) = store {
        let status = tokio::task::spawn_blocking(move || store.finish()).await?;
        let dropped = status.dropped_requests();
        if dropped > 0 {
            tracing::warn!("{dropped} requests are not in the history");
        }
        if status.spooled > 0 {
            tracing::warn!("{} requests {}", status.spooled, config.what_becomes_of_the_rest());
        }
    }
    let _ = stop_server.send(());
    if !server.is_finished() {
        server.await??;
    }
    ended
}

fn open_store(config: &Config, machine: &Machine) -> anyhow::Result<Option<Arc<memtap_store::Handle>>> {
    let Some(store) = memtap_store::open(&config.store, &config.kept)? else {
        return Ok(None);
    };
    let run = replay::run_of(machine);
    Ok(Some(Arc::new(memtap_store::spawn(store, run, config.limits())?)))
}

/// The memory of this machine: what the history does not have, the kernel tells.
fn live_state(
    view: watch::Receiver<Arc<LiveView>>,
    store: Option<&Arc<memtap_store::Handle>>,
    info: memtap_server::Info,
) -> memtap_server::State {
    let hostname: Arc<str> = info.host.hostname.as_str().into();
    let kernel = memtap_server::AskKernel {
        proportional: Arc::new(proportional),
        mappings: Arc::new(memtap_capture::read_mappings),
        limits: Arc::new(memtap_capture::read_limits),
    };
    memtap_server::State::new(view, reader(store), status(store), kernel, info)
        .with_limits(Arc::new(move |view| limits::read(Arc::clone(&hostname), view)))
}

/// The memory of a recording: its pids are none of this kernel's.
fn recorded_state(
    view: watch::Receiver<Arc<LiveView>>,
    store: Option<&Arc<memtap_store::Handle>>,
    info: memtap_server::Info,
) -> memtap_server::State {
    fn untold() -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, "a recording does not have it")
    }
    let kernel = memtap_server::AskKernel {
        proportional: Arc::new(|_| Err(untold())),
        mappings: Arc::new(|_| Err(untold())),
        limits: Arc::new(|_| Err(untold())),
    };
    memtap_server::State::new(view, reader(store), status(store), kernel, info)
}

fn reader(store: Option<&Arc<memtap_store::Handle>>) -> Option<Arc<dyn memtap_store::Reader>> {
    store.map(|store| store.reader())
}

fn status(store: Option<&Arc<memtap_store::Handle>>) -> Arc<dyn Fn() -> memtap_store::Status + Send + Sync> {
    match store {
        Some(store) => {
            let store = Arc::clone(store);
            Arc::new(move || store.status())
        }
        None => Arc::new(|| memtap_store::Status { kind: "none", ..Default::default() }),
    }
}

fn proportional(pid: u32) -> std::io::Result<memtap_server::Proportional> {
    let found = memtap_capture::read_proportional(pid)?;
    Ok(memtap_server::Proportional {
        pss_bytes: found.pss_bytes,
        uss_bytes: found.uss_bytes,
        swap_pss_bytes: found.swap_pss_bytes,
    })
}

fn info(
    kind: memtap_capture::SourceKind,
    plan: Option<memtap_capture::Plan>,
    notices: Vec<memtap_capture::Notice>,
    machine: &Machine,
) -> memtap_server::Info {
    let notice =
        |notice: memtap_capture::Notice| memtap_server::Notice { what: notice.what, mend: notice.mend };
    memtap_server::Info {
        version: env!("CARGO_PKG_VERSION"),
        source: kind.name(),
        plan: plan.map(memtap_capture::Plan::name),
        plan_about: plan.map(memtap_capture::Plan::about),
        notices: notices.into_iter().map(notice).collect(),
        runs_as: confine::runs_as(),
        host: memtap_server::HostFacts {
            hostname: machine.hostname.clone(),
            kernel: machine.kernel.clone(),
            page_size: machine.page_size,
            cpus: machine.cpus,
        },
        started: Instant::now(),
    }
}

/// The machine as it is now.
pub(crate) fn this_machine() -> anyhow::Result<Machine> {
    let name = nix::sys::utsname::uname()?;
    let page =
        nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?.context("the page size is unknown")?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Ok(Machine {
        began: WallClock(i64::try_from(now.as_nanos())?),
        hostname: name.nodename().to_string_lossy().into_owned(),
        kernel: name.release().to_string_lossy().into_owned(),
        boot_id: boot_id.trim().to_owned(),
        page_size: u64::try_from(page)?,
        cpus: std::thread::available_parallelism()?.get(),
    })
}
