//! What the handlers share: all of it read-only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use memtap_ledger::LiveView;
use memtap_store::{Reader, Status};
use tokio::sync::watch;

/// Where to listen and who may call.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A loopback address.
    pub listen: SocketAddr,
    /// Origins that browsers may call from.
    pub cors_origins: Vec<String>,
}

/// Facts that do not change while memtap runs.
#[derive(Debug, Clone)]
pub struct Info {
    /// memtap's version.
    pub version: &'static str,
    /// The source's name.
    pub source: &'static str,
    /// What the user should know.
    pub notices: Vec<Notice>,
    /// The machine.
    pub host: HostFacts,
    /// When memtap started.
    pub started: Instant,
}

/// Something that the user should know, with its mend.
#[derive(Debug, Clone)]
pub struct Notice {
    /// What is missing.
    pub what: String,
    /// What mends it.
    pub mend: String,
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

/// What the handlers read.
#[derive(Clone)]
pub struct State {
    pub(crate) view: watch::Receiver<Arc<LiveView>>,
    pub(crate) reader: Option<Arc<dyn Reader>>,
    pub(crate) store_status: StoreStatus,
    pub(crate) info: Arc<Info>,
}

impl State {
    /// From the ledger's views, the store's reading side (if there is a store), and the facts.
    #[must_use]
    pub fn new(
        view: watch::Receiver<Arc<LiveView>>,
        reader: Option<Arc<dyn Reader>>,
        store_status: StoreStatus,
        info: Info,
    ) -> Self {
        Self { view, reader, store_status, info: Arc::new(info) }
    }

    /// The latest view.
    pub(crate) fn now(&self) -> Arc<LiveView> {
        Arc::clone(&self.view.borrow())
    }
}
