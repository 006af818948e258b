//! What goes into a store: batches of one run, delivered together.

use std::io::Read as _;
use std::sync::Arc;

use memtap_ledger::{BookedRequest, LiveView, OomReport, ProcessSummary};
use memtap_model::{Call, CallTotals, Faults, HostReading, Resident, WallClock};
use serde::{Deserialize, Serialize};

/// One run of memtap, or one import: rows of a store belong to a run, and a process is told by its run, pid and start. A step of the wall
/// clock ends a run and begins another ([`Handle::begin_run`](crate::Handle::begin_run)), so that within a run times only go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Drawn at random, below 2^63.
    pub id: u64,
    /// The machine's name.
    pub hostname: String,
    /// Its kernel's release.
    pub kernel: String,
    /// The kernel's name for this boot (/proc/sys/kernel/random/boot_id); empty for an import.
    pub boot_id: String,
    /// Its page size, bytes.
    pub page_size: u64,
    /// When the run began.
    pub began: WallClock,
}

impl Run {
    /// An id that no other run has.
    #[must_use]
    pub fn draw() -> u64 {
        let mut bytes = [0; 8];
        // The kernel's random numbers do not fail after boot; the time and the pid would do as well.
        if std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).is_err() {
            let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            bytes = (time.as_nanos() as u64 ^ u64::from(std::process::id()) << 40).to_ne_bytes();
        }
        (u64::from_ne_bytes(bytes) >> 1).max(1)
    }
}

/// Batches that go into a store together: all of them or none, and never twice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// The run that observed them.
    pub run: Arc<Run>,
    /// Counts the deliveries of the run from 1. A store that has this one already (its answer was lost on
    /// the way) takes it as done.
    pub sequence: u64,
    /// The observations.
    pub batches: Vec<Batch>,
}

impl Delivery {
    /// Number of requests in it.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.batches.iter().map(|batch| batch.requests.len()).sum()
    }
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// Rows that the database refused for what is in them; all others are in.
    pub refused: u64,
    /// Why the first of them was refused.
    pub reason: Option<String>,
}

/// What all living processes have together at a tick, what all have done since memtap began, and the machine's memory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AllProcesses {
    /// Sum of their virtual sizes, bytes.
    pub virtual_bytes: u64,
    /// Sums of their resident memory; what they share counts once for each.
    pub resident: Resident,
    /// Requests that were made.
    pub requests: u64,
    /// Those of them that were refused.
    pub refused: u64,
    /// What was asked for and granted, bytes.
    pub requested_bytes: u64,
    /// What requests truly added, bytes.
    pub granted_bytes: u64,
    /// What they took away, bytes.
    pub released_bytes: u64,
    /// Page faults.
    pub faults: Faults,
    /// The requests by call, in the order of the call table.
    pub calls: [CallTotals; Call::COUNT],
    /// Those that did not come in the stream.
    pub lost: u64,
    /// The machine's memory; zero while no source has told of it.
    pub host: HostReading,
}

impl From<&LiveView> for AllProcesses {
    fn from(view: &LiveView) -> Self {
        let begin = Self {
            requests: view.totals.made,
            refused: view.totals.refused,
            requested_bytes: view.requested.total_bytes,
            granted_bytes: view.totals.granted_bytes,
            released_bytes: view.totals.released_bytes,
            faults: view.totals.faults,
            calls: view.totals.calls,
            lost: view.totals.lost_requests(),
            host: view.host.clone(),
            ..Self::default()
        };
        view.living.iter().fold(begin, |mut all, summary| {
            all.virtual_bytes = all.virtual_bytes.saturating_add(summary.virtual_bytes);
            all.resident.anonymous_bytes += summary.resident.anonymous_bytes;
            all.resident.file_bytes += summary.resident.file_bytes;
            all.resident.shmem_bytes += summary.resident.shmem_bytes;
            all.resident.swap_bytes += summary.resident.swap_bytes;
            all
        })
    }
}

/// What goes into a store at once. A request's process may come later: its
/// row is then made from the request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Batch {
    /// Requests in the stream's order.
    pub requests: Vec<BookedRequest>,
    /// Processes that are new or changed, at the end of a tick.
    pub processes: Vec<Arc<ProcessSummary>>,
    /// OOM kills since the tick before.
    pub oom_kills: Vec<Arc<OomReport>>,
    /// When the tick was that `processes` belong to.
    pub tick: Option<WallClock>,
    /// All processes together, at that tick.
    pub all: Option<AllProcesses>,
}
