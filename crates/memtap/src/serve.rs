//! `memtap serve`: opens the parts from the top down, so that what can fail fails before anything is captured, and
//! closes them in the order in which data flow.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::Context as _;
use memtap_ledger::{Ledger, LiveView};
use memtap_model::WallClock;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

use crate::cli::ServeArguments;
use crate::config::Config;
use crate::{limits, pipeline};

/// A full batch between the capture thread and the ledger: 8,192 observations.
pub(crate) const OBSERVATION_BATCH_BYTES: u64 = 8192 * size_of::<memtap_model::Observation>() as u64;

pub(crate) fn run(arguments: &ServeArguments) -> anyhow::Result<()> {
    let config = Config::resolve(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(&config))
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let settings =
        memtap_server::Settings { listen: config.listen, cors_origins: config.cors_origins.clone() };
    let listener = memtap_server::bind(&settings).await?;
    let address = listener.local_addr()?;
    let host = host_facts()?;
    // A store talks to its database, which takes its time.
    let store = tokio::task::block_in_place(|| open_store(config, &host))?;
    // Until here an interrupt ends memtap at once: an old history may be under way to the present schema, and stays as it was then.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let capture = config.capture.clone();
    let opened = memtap_capture::open(&config.source, &capture)?;
    let (kind, plan) = (opened.source.kind(), opened.source.plan());
    for notice in &opened.notices {
        tracing::warn!("{}; to mend it: {}", notice.what, notice.mend);
    }
    let info = info(kind, plan, opened.notices, host);
    let ledger = Ledger::new(memtap_ledger::Settings::default());

    let (views, view) = watch::channel(Arc::new(LiveView::default()));
    let (sender, batches) = mpsc::channel(config.budget.batches);
    let reader =
        memtap_capture::spawn(opened.source, capture, sender).context("cannot start the capture thread")?;
    let mut ledger_task = tokio::spawn(pipeline::run(batches, ledger, views, store.clone()));
    let (stop_server, stopped) = oneshot::channel::<()>();
    let state = server_state(view, store.as_ref(), info);
    let mut server = tokio::spawn(async move {
        let stop = async { drop(stopped.await) };
        memtap_server::serve(listener, &settings, state, stop).await
    });
    tracing::info!(
        "watching with {}{}; dashboard on http://{address}; history in {}",
        kind.name(),
        plan.map(|plan| format!(" (plan {})", plan.name())).unwrap_or_default(),
        config.store
    );

    let ended = tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        done = &mut server => done?.map_err(anyhow::Error::from).and_then(|()| Err(anyhow::anyhow!("the server ended by itself"))),
        _ = &mut ledger_task => Err(anyhow::anyhow!("the source ended by itself; see the log above")),
    };
    tracing::info!("ending: what was captured is booked and written first");
    tokio::task::spawn_blocking(move || reader.stop()).await?;
    if !ledger_task.is_finished() {
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

fn open_store(
    config: &Config,
    host: &memtap_server::HostFacts,
) -> anyhow::Result<Option<Arc<memtap_store::Handle>>> {
    let Some(store) = memtap_store::open(&config.store, &config.kept)? else {
        return Ok(None);
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let run = memtap_store::Run {
        id: memtap_store::Run::draw(),
        hostname: host.hostname.clone(),
        kernel: host.kernel.clone(),
        boot_id: boot_id.trim().to_owned(),
        page_size: host.page_size,
        began: WallClock(i64::try_from(now.as_nanos())?),
    };
    Ok(Some(Arc::new(memtap_store::spawn(store, run, config.limits())?)))
}

fn server_state(
    view: watch::Receiver<Arc<LiveView>>,
    store: Option<&Arc<memtap_store::Handle>>,
    info: memtap_server::Info,
) -> memtap_server::State {
    let reader = store.map(|store| store.reader());
    let status: Arc<dyn Fn() -> memtap_store::Status + Send + Sync> = match store {
        Some(store) => {
            let store = Arc::clone(store);
            Arc::new(move || store.status())
        }
        None => Arc::new(|| memtap_store::Status { kind: "none", ..Default::default() }),
    };
    let hostname: Arc<str> = info.host.hostname.as_str().into();
    let kernel = memtap_server::AskKernel {
        proportional: Arc::new(proportional),
        mappings: Arc::new(memtap_capture::read_mappings),
        limits: Arc::new(memtap_capture::read_limits),
    };
    memtap_server::State::new(view, reader, status, kernel, info)
        .with_limits(Arc::new(move |view| limits::read(Arc::clone(&hostname), view)))
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
    host: memtap_server::HostFacts,
) -> memtap_server::Info {
    let notice =
        |notice: memtap_capture::Notice| memtap_server::Notice { what: notice.what, mend: notice.mend };
    memtap_server::Info {
        version: env!("CARGO_PKG_VERSION"),
        source: kind.name(),
        plan: plan.map(memtap_capture::Plan::name),
        plan_about: plan.map(memtap_capture::Plan::about),
        notices: notices.into_iter().map(notice).collect(),
        host,
        started: Instant::now(),
    }
}

fn host_facts() -> anyhow::Result<memtap_server::HostFacts> {
    let name = nix::sys::utsname::uname()?;
    let page =
        nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?.context("the page size is unknown")?;
    Ok(memtap_server::HostFacts {
        hostname: name.nodename().to_string_lossy().into_owned(),
        kernel: name.release().to_string_lossy().into_owned(),
        page_size: u64::try_from(page)?,
        cpus: std::thread::available_parallelism()?.get(),
    })
}
