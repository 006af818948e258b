//! `memtap serve`: opens its parts from the top down, so that whatever can fail fails before the
//! capture starts, and closes them in the order in which data flows.

mod running;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use memtap_capture::{Machine, SourceChoice};
use memtap_ledger::{Ledger, LiveView};
use memtap_model::{Notice, WallClock};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};

use crate::cli::ServeArguments;
use crate::clock_steps::ClockSteps;
use crate::config::Config;
use crate::settings_file::SettingsFile;
use crate::{confine, deadline, limits, log, panics, pipeline, replay};
use running::{Running, Signals};

/// Size of a full batch between the capture thread and the ledger: 8,192 observations.
pub(crate) const OBSERVATION_BATCH_BYTES: u64 = 8192 * size_of::<memtap_model::Observation>() as u64;

/// Maximum wait for the runtime's tasks at exit: a query of a hanging database blocks a thread.
const RUNTIME_ENDS_WITHIN: Duration = Duration::from_millis(300);

pub(crate) fn run(arguments: &ServeArguments, file: &SettingsFile) -> anyhow::Result<()> {
    let config = Config::resolve(arguments, file)?;
    confine::prioritise(&config.source, arguments.priority.nice);
    let stays_root = confine::begin_as_own_user(config.user.as_ref(), &config.places())?;
    log::in_background(confine::thread);
    deadline::watch(confine::thread)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).on_thread_start(confine::thread).enable_all().build()?;
    let runtime = Engine(Some(runtime));
    let Some(engine) = &runtime.0 else { return Ok(()) };
    let config = Arc::new(config);
    let (running, cause) = engine.block_on(async {
        let (mut running, mut signals) = start(&config, stays_root).await?;
        let cause = running.wait_for_the_end(&mut signals).await;
        anyhow::Ok((running, cause))
    })?;
    running.end(&config);
    cause
}

/// The runtime, with a bounded shutdown. Dropped directly, for example when a panic unwinds, a
/// runtime waits forever for a thread that hangs.
struct Engine(Option<Runtime>);

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(RUNTIME_ENDS_WITHIN);
        }
    }
}

/// Starts all parts, from the top down.
async fn start(config: &Arc<Config>, stays_root: Option<Notice>) -> anyhow::Result<(Running, Signals)> {
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
    let (recording, machine) = machine(config)?;
    let is_recorded = recording.is_some();
    let store = open_store(config, &machine).await?;
    let mut opened = recording.map_or_else(|| open_source(config), Ok)?;
    opened.notices.extend(stays_root);
    confine::attached()?;
    confine::watching();
    // Before this point a signal ends memtap at once. An interrupted migration leaves an old
    // history unchanged.
    let signals = Signals::new()?;
    let what = what_is_watched(&opened);
    for notice in &opened.notices {
        tracing::warn!("{}. To fix it: {}", notice.what, notice.fix);
    }
    let info = info(opened.source.kind(), opened.source.plan(), opened.notices, &machine);
    let ledger = Ledger::new(memtap_ledger::Settings::default());
    let (views, view) = watch::channel(Arc::new(LiveView::default()));
    let last = is_recorded.then(|| views.clone());
    let (sender, batches) = mpsc::channel(config.budget.batches);
    let reader = memtap_capture::spawn(opened.source, &config.capture, sender)
        .context("cannot start the capture thread")?;
    let (focus, focused) = watch::channel(BTreeSet::new());
    let kept = store.clone();
    let steps = ClockSteps::default();
    let noted = steps.clone();
    let ledger = tokio::task::spawn_blocking(move || {
        pipeline::run(batches, ledger, &views, focused, kept.as_deref(), is_recorded, &noted);
    });
    let state = match is_recorded {
        true => recorded_state(view, store.as_ref(), info),
        false => live_state(view, store.as_ref(), info),
    };
    let fresh = move || panics::notice().into_iter().chain(steps.notices()).collect();
    let state = state.with_focus(focus).with_notices(Arc::new(fresh));
    let (stop_server, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let stop = async { drop(stopped.await) };
        memtap_server::serve(listener, &settings, state, stop).await
    });
    tracing::info!("{what}; dashboard on http://{address}; history in {}", config.store);
    Ok((Running { reader, ledger, store, server, stop_server, last }, signals))
}

/// Returns the watched machine, and the recording if the source is one. A recording names its own
/// machine. Other sources are opened after all other parts.
fn machine(config: &Config) -> anyhow::Result<(Option<memtap_capture::Opened>, Arc<Machine>)> {
    let recording = match &config.source {
        SourceChoice::Recording(_) => Some(memtap_capture::open(&config.source, &config.capture)?),
        _ => None,
    };
    let machine = match recording.as_ref().and_then(|opened| opened.machine.clone()) {
        Some(machine) => machine,
        None => this_machine()?,
    };
    Ok((recording, Arc::new(machine)))
}

fn open_source(config: &Config) -> Result<memtap_capture::Opened, memtap_capture::CaptureError> {
    let opened = memtap_capture::open(&config.source, &config.capture)?;
    // Release the heap memory that parsing the kernel's types used while the programs were loaded.
    crate::give_back_heap();
    Ok(opened)
}

/// Describes the source and its plan, for the log.
fn what_is_watched(opened: &memtap_capture::Opened) -> String {
    let (kind, plan) = (opened.source.kind(), opened.source.plan());
    let plan = plan.map(|plan| format!(" (plan {})", plan.name())).unwrap_or_default();
    let how = if kind == memtap_capture::SourceKind::Recording { "reading a" } else { "watching with" };
    format!("{how} {}{plan}", kind.name())
}

/// Opens the store and starts its threads. Threads inherit capabilities, so a thread of the runtime
/// starts them, and not this one, which can still attach programs to the kernel.
async fn open_store(
    config: &Arc<Config>,
    machine: &Arc<Machine>,
) -> anyhow::Result<Option<Arc<memtap_history::Handle>>> {
    let (config, machine) = (Arc::clone(config), Arc::clone(machine));
    let opening = tokio::spawn(async move {
        let Some(store) = config.store.open(&config.kept).await? else {
            return Ok(None);
        };
        let run = replay::run_of(&machine);
        Ok(Some(Arc::new(memtap_history::spawn(store, run, config.limits())?)))
    });
    opening.await?
}

/// State for this machine: the kernel answers what the history does not contain.
fn live_state(
    view: watch::Receiver<Arc<LiveView>>,
    store: Option<&Arc<memtap_history::Handle>>,
    info: memtap_server::Info,
) -> memtap_server::State {
    let hostname: Arc<str> = info.host.hostname.as_str().into();
    let kernel = memtap_server::AskKernel {
        proportional: Arc::new(memtap_capture::read_proportional),
        mappings: Arc::new(memtap_capture::read_mappings),
        limits: Arc::new(memtap_capture::read_limits),
    };
    memtap_server::State::new(view, reader(store), status(store), kernel, info)
        .with_limits(Arc::new(move |view| limits::read(Arc::clone(&hostname), view)))
}

/// State for a recording: its process IDs do not belong to this kernel.
fn recorded_state(
    view: watch::Receiver<Arc<LiveView>>,
    store: Option<&Arc<memtap_history::Handle>>,
    info: memtap_server::Info,
) -> memtap_server::State {
    fn not_in_recording() -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, "not available in a recording")
    }
    let kernel = memtap_server::AskKernel {
        proportional: Arc::new(|_| Err(not_in_recording())),
        mappings: Arc::new(|_| Err(not_in_recording())),
        limits: Arc::new(|_| Err(not_in_recording())),
    };
    memtap_server::State::new(view, reader(store), status(store), kernel, info)
}

fn reader(store: Option<&Arc<memtap_history::Handle>>) -> Option<Arc<dyn memtap_history::Reader>> {
    store.map(|store| store.reader())
}

fn status(
    store: Option<&Arc<memtap_history::Handle>>,
) -> Arc<dyn Fn() -> memtap_history::Status + Send + Sync> {
    match store {
        Some(store) => {
            let store = Arc::clone(store);
            Arc::new(move || store.status())
        }
        None => Arc::new(|| memtap_history::Status { kind: "none", ..Default::default() }),
    }
}

fn info(
    kind: memtap_capture::SourceKind,
    plan: Option<memtap_capture::Plan>,
    notices: Vec<Notice>,
    machine: &Machine,
) -> memtap_server::Info {
    memtap_server::Info {
        version: env!("CARGO_PKG_VERSION"),
        source: kind.name(),
        plan: plan.map(memtap_capture::Plan::name),
        plan_about: plan.map(memtap_capture::Plan::about),
        notices,
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

/// Facts about this machine, with the current time.
pub(crate) fn this_machine() -> anyhow::Result<Machine> {
    let name = nix::sys::utsname::uname()?;
    let page =
        nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?.context("cannot read the page size")?;
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
