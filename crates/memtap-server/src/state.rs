//! Shared state of the handlers, which is read-only.

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

/// Address to listen on, and the clients that may call.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A loopback address.
    pub listen: SocketAddr,
    /// Origins from which browsers may call.
    pub cors_origins: Vec<String>,
    /// Bounds on the resources of all clients together.
    pub bounds: Bounds,
}

/// Facts that do not change while memtap runs.
#[derive(Debug, Clone)]
pub struct Info {
    /// Version of memtap.
    pub version: &'static str,
    /// Name of the source.
    pub source: &'static str,
    /// Plan by which requests are captured; `None` if they are not.
    pub plan: Option<&'static str>,
    /// Description of the plan and its cost.
    pub plan_about: Option<String>,
    /// Problems that the user should know about.
    pub notices: Vec<Notice>,
    /// User and privileges of memtap.
    pub runs_as: RunsAs,
    /// The machine.
    pub host: HostFacts,
    /// Time at which memtap started.
    pub started: Instant,
}

/// The machine.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// Name of the machine.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// Size of a page, bytes.
    pub page_size: u64,
    /// Number of processors.
    pub cpus: usize,
}

/// Returns the status of the store.
pub type StoreStatus = Arc<dyn Fn() -> Status + Send + Sync>;

/// Reads the [`Proportional`] memory of a process from the kernel, which walks the pages of the
/// process for it. This may take a while.
pub type AskProportional = Arc<dyn Fn(u32) -> std::io::Result<Proportional> + Send + Sync>;

/// Reads the mappings of a process from the kernel, which walks the pages of the process for it.
/// This may take a while.
pub type AskMappings = Arc<dyn Fn(u32) -> std::io::Result<Mappings> + Send + Sync>;

/// Reads all limits of a process from /proc.
pub type AskOwnLimits = Arc<dyn Fn(u32) -> std::io::Result<AllLimits> + Send + Sync>;

/// Reads data about one process that the kernel provides for the present only.
#[derive(Clone)]
pub struct AskKernel {
    /// Reads the memory with shared pages divided.
    pub proportional: AskProportional,
    /// Reads the mappings.
    pub mappings: AskMappings,
    /// Reads the limits.
    pub limits: AskOwnLimits,
}

/// Reads the limits of all processes of a view from /proc.
pub type AskLimits = Arc<dyn Fn(&LiveView) -> memtap_report::Now + Send + Sync>;

/// Returns the notices that were added after the start.
pub type AskNotices = Arc<dyn Fn() -> Vec<Notice> + Send + Sync>;

/// Data that the handlers read.
#[derive(Clone)]
pub struct State {
    pub(crate) view: watch::Receiver<Arc<LiveView>>,
    pub(crate) reader: Option<Arc<dyn Reader>>,
    pub(crate) store_status: StoreStatus,
    pub(crate) walks: Arc<Walks>,
    pub(crate) limits: Option<AskLimits>,
    /// Channel to the ledger with the processes in focus.
    pub(crate) focus: Option<watch::Sender<BTreeSet<Tgid>>>,
    /// Permit to compute findings or a report.
    pub(crate) looking: Arc<Semaphore>,
    /// Notices in addition to those of `info`.
    pub(crate) notices: Option<AskNotices>,
    pub(crate) info: Arc<Info>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) pulse: Arc<Pulse>,
}

impl State {
    /// Creates the state from the ledger's views, the store's reader (if there is a store), and the
    /// facts.
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

    /// Adds a reader of the limits of living processes, which findings use.
    #[must_use]
    pub fn with_limits(self, ask: AskLimits) -> Self {
        Self { limits: Some(ask), ..self }
    }

    /// Adds a channel to the ledger for the processes in focus. Views then have `focused`.
    #[must_use]
    pub fn with_focus(self, focus: watch::Sender<BTreeSet<Tgid>>) -> Self {
        Self { focus: Some(focus), ..self }
    }

    /// Limits of living processes, as far as they can be read.
    pub(crate) async fn limits_now(&self) -> Option<Arc<memtap_report::Now>> {
        let ask = self.limits.clone()?;
        self.walks.all_limits(ask, self.now()).await.ok()
    }

    /// Adds a source of notices that are created while memtap runs.
    #[must_use]
    pub fn with_notices(self, ask: AskNotices) -> Self {
        Self { notices: Some(ask), ..self }
    }

    /// All current notices.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let fresh = self.notices.as_ref().map(|ask| ask()).unwrap_or_default();
        self.info.notices.iter().cloned().chain(fresh).collect()
    }

    /// The latest view.
    pub(crate) fn now(&self) -> Arc<LiveView> {
        Arc::clone(&self.view.borrow())
    }
}
