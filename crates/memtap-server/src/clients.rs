//! Bounds on the resources of all clients together, and counters of refused clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds on the resources of clients.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Largest number of open connections, including WebSockets.
    pub connections: usize,
    /// Largest number of Engine.IO sessions, with or without a namespace.
    pub sessions: usize,
    /// Time for a client to send the header of a request, and again for its body. An idle
    /// connection is closed after the same time.
    pub header_time: Duration,
    /// Longest time for which a client may read nothing of the data sent to it.
    pub stall_time: Duration,
    /// Longest time for which an Engine.IO session may have no namespace.
    pub join_time: Duration,
}

impl Bounds {
    /// Returns the bounds for this process. Connections use at most half of its open file limit.
    #[must_use]
    pub fn of_this_process() -> Self {
        let bounds = Self::default();
        let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        let half = usize::try_from(files / 2).unwrap_or(usize::MAX);
        Self { connections: bounds.connections.min(half), ..bounds }
    }
}

impl Default for Bounds {
    /// Space for 128 clients in each namespace, each with a session and a connection, and as many
    /// connections for REST.
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

/// Current use by clients, and the number of clients that were refused or cut off since the start.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) bounds: Bounds,
    pub(crate) connections: Gate,
    pub(crate) sessions: Gate,
    /// Requests from pages of other sites.
    pub(crate) cross_site: AtomicU64,
    /// Clients that read nothing of the data sent to them.
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

    /// Returns each cause with its name in the API and its count.
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

    /// Takes a slot, which is free again when it is dropped. Returns `None` and counts a refusal if
    /// all are in use.
    pub(crate) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok();
        if slot.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        slot
    }

    /// Number of slots in use.
    pub(crate) fn taken(&self) -> usize {
        self.most.saturating_sub(self.slots.available_permits())
    }

    /// Number of slots.
    pub(crate) fn most(&self) -> usize {
        self.most
    }
}
