//! How much all clients together may take of memtap, and what was refused beyond it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds on what clients take.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Connections open at one time, WebSockets included.
    pub connections: usize,
    /// Engine.IO sessions at one time, with or without a namespace.
    pub sessions: usize,
    /// How long a client may take to send a request's header, and again its body. An idle connection is closed after that time too.
    pub header_time: Duration,
    /// How long a client may read nothing of what is sent to it.
    pub stall_time: Duration,
    /// How long an Engine.IO session may be outside of every namespace.
    pub join_time: Duration,
}

impl Bounds {
    /// The bounds for this process: connections take at most half of the files that it may open.
    #[must_use]
    pub fn of_this_process() -> Self {
        let bounds = Self::default();
        let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        let half = usize::try_from(files / 2).unwrap_or(usize::MAX);
        Self { connections: bounds.connections.min(half), ..bounds }
    }
}

impl Default for Bounds {
    /// Room for 128 clients in each namespace, each with a session and a connection of its own, and as many connections for REST.
    fn default() -> Self {
        Self {
            connections: 512,
            sessions: 256,
            header_time: Duration::from_secs(15),
            stall_time: Duration::from_secs(60),
            join_time: Duration::from_secs(10),
        }
    }
}

/// What clients take now, and how many were refused or cut off since the start.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) bounds: Bounds,
    pub(crate) connections: Gate,
    pub(crate) sessions: Gate,
    /// Requests of other sites' pages.
    pub(crate) cross_site: AtomicU64,
    /// Clients that read nothing of what was sent to them.
    pub(crate) stalled: AtomicU64,
}

impl Clients {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            connections: Gate::new(bounds.connections),
            sessions: Gate::new(bounds.sessions),
            cross_site: AtomicU64::new(0),
            stalled: AtomicU64::new(0),
            bounds,
        }
    }

    /// Each cause by its name in the interface, with its count.
    pub(crate) fn refused(&self) -> [(&'static str, u64); 4] {
        [
            ("connections_full", &self.connections.refused),
            ("sessions_full", &self.sessions.refused),
            ("cross_site", &self.cross_site),
            ("stalled_client", &self.stalled),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}

/// A bounded number of slots.
#[derive(Debug)]
pub(crate) struct Gate {
    slots: Arc<Semaphore>,
    most: usize,
    refused: AtomicU64,
}

impl Gate {
    fn new(most: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(most)), most, refused: AtomicU64::new(0) }
    }

    /// A slot until it is dropped; `None`, which is counted, when all are taken.
    pub(crate) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok();
        if slot.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        slot
    }

    /// How many slots are taken now.
    pub(crate) fn taken(&self) -> usize {
        self.most.saturating_sub(self.slots.available_permits())
    }

    /// How many slots there are.
    pub(crate) fn most(&self) -> usize {
        self.most
    }
}
