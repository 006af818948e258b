//! What the handlers share: all of it read-only.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use memtap_api::RunsAs;
use memtap_history::{Reader, Status};
use memtap_ledger::LiveView;
use memtap_model::{AllLimits, Mappings, Notice, Proportional, Tgid};
use tokio::sync::{Semaphore, watch};

use crate::clients::{Bounds, Clients};
use crate::rest::Pulse;
use crate::walks::Walks;

/// Where to listen and who may call.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A loopback address.
    pub listen: SocketAddr,
    /// Origins that browsers may call from.
    pub cors_origins: Vec<String>,
    /// What all clients together may take.
    pub bounds: Bounds,
}

/// Facts that do not change while memtap runs.
#[derive(Debug, Clone)]
pub struct Info {
    /// memtap's version.
    pub version: &'static str,
    /// The source's name.
    pub source: &'static str,
    /// By which plan requests are seen; `None` when they are not.
    pub plan: Option<&'static str>,
    /// What that plan does and costs.
    pub plan_about: Option<String>,
    /// What the user should know.
    pub notices: Vec<Notice>,
    /// As whom memtap runs.
    pub runs_as: RunsAs,
    /// The machine.
    pub host: HostFacts,
    /// When memtap started.
    pub started: Instant,
}

/// The machine.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// Its name.
    pub hostname: String,
    /// Its kernel's release.
    pub kernel: String,
    /// Bytes of a page.
    pub page_size: u64,
    /// Processors.
    pub cpus: usize,
}

/// Asks the store how it is doing.
pub type StoreStatus = Arc<dyn Fn() -> Status + Send + Sync>;

/// Asks the kernel for one process's [`Proportional`] memory. It walks the process's pages, which may take a while.
pub type AskProportional = Arc<dyn Fn(u32) -> std::io::Result<Proportional> + Send + Sync>;

/// Asks the kernel what one process has mapped. It walks the process's pages, which may take a while.
pub type AskMappings = Arc<dyn Fn(u32) -> std::io::Result<Mappings> + Send + Sync>;

/// Asks /proc for everything that limits one process.
pub type AskOwnLimits = Arc<dyn Fn(u32) -> std::io::Result<AllLimits> + Send + Sync>;

/// Asks the kernel for what only the present has of one process.
#[derive(Clone)]
pub struct AskKernel {
    /// Its memory with shared pages split.
    pub proportional: AskProportional,
    /// Its mappings.
    pub mappings: AskMappings,
    /// Its limits.
    pub limits: AskOwnLimits,
}

/// Asks /proc for the limits of the processes of a view.
pub type AskLimits = Arc<dyn Fn(&LiveView) -> memtap_report::Now + Send + Sync>;

/// Notices that came after the start.
pub type AskNotices = Arc<dyn Fn() -> Vec<Notice> + Send + Sync>;

/// What the handlers read.
#[derive(Clone)]
pub struct State {
    pub(crate) view: watch::Receiver<Arc<LiveView>>,
    pub(crate) reader: Option<Arc<dyn Reader>>,
    pub(crate) store_status: StoreStatus,
    pub(crate) walks: Arc<Walks>,
    pub(crate) limits: Option<AskLimits>,
    /// Where the ledger hears whose requests somebody looks at.
    pub(crate) focus: Option<watch::Sender<BTreeSet<Tgid>>>,
    /// Who looks for findings.
    pub(crate) looking: Arc<Semaphore>,
    /// Notices beyond those of `info`.
    pub(crate) notices: Option<AskNotices>,
    pub(crate) info: Arc<Info>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) pulse: Arc<Pulse>,
}

impl State {
    /// From the ledger's views, the store's reading side (if there is a store), and the facts.
    #[must_use]
    pub fn new(
        view: watch::Receiver<Arc<LiveView>>,
        reader: Option<Arc<dyn Reader>>,
        store_status: StoreStatus,
        kernel: AskKernel,
        info: Info,
    ) -> Self {
        Self {
            view,
            reader,
            store_status,
            walks: Arc::new(Walks::new(kernel)),
            limits: None,
            focus: None,
            notices: None,
            looking: Arc::new(Semaphore::new(1)),
            info: Arc::new(info),
            clients: Arc::new(Clients::new(Bounds::default())),
            pulse: Arc::default(),
        }
    }

    /// With the limits of living processes, which findings then tell of.
    #[must_use]
    pub fn with_limits(self, ask: AskLimits) -> Self {
        Self { limits: Some(ask), ..self }
    }

    /// With the ledger's ear for the processes that somebody looks at: their views then have `focused`.
    #[must_use]
    pub fn with_focus(self, focus: watch::Sender<BTreeSet<Tgid>>) -> Self {
        Self { focus: Some(focus), ..self }
    }

    /// The limits of living processes, as far as they can be read.
    pub(crate) async fn limits_now(&self) -> Option<Arc<memtap_report::Now>> {
        let ask = self.limits.clone()?;
        self.walks.all_limits(ask, self.now()).await.ok()
    }

    /// With notices that come while memtap runs.
    #[must_use]
    pub fn with_notices(self, ask: AskNotices) -> Self {
        Self { notices: Some(ask), ..self }
    }

    /// All notices that hold now.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let fresh = self.notices.as_ref().map(|ask| ask()).unwrap_or_default();
        self.info.notices.iter().cloned().chain(fresh).collect()
    }

    /// The latest view.
    pub(crate) fn now(&self) -> Arc<LiveView> {
        Arc::clone(&self.view.borrow())
    }
}
