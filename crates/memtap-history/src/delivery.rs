//! Input of a store: batches of one run, delivered together.

use std::io::Read as _;
use std::sync::Arc;

use memtap_ledger::{BookedRequest, LiveView, OomReport, ProcessSummary};
use memtap_model::{Call, CallTotals, Faults, HostReading, Resident, WallClock};
use serde::{Deserialize, Serialize};

/// A run of memtap, or an import. Rows of a store belong to a run; a process is identified by its
/// run, pid and start time. When the wall clock is set, the run ends and another begins
/// ([`Handle::begin_run`](crate::Handle::begin_run)), so times within a run only increase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Random, below 2^63.
    pub id: u64,
    /// Host name of the machine.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// The kernel's boot id (/proc/sys/kernel/random/boot_id); empty for an import.
    pub boot_id: String,
    /// Page size, bytes.
    pub page_size: u64,
    /// Start of the run.
    pub began: WallClock,
}

impl Run {
    /// Returns a random id that no other run has.
    #[must_use]
    pub fn draw() -> u64 {
        let mut bytes = [0; 8];
        // Reading random numbers does not fail after boot. If it does, the time and the pid are
        // unique enough.
        if std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).is_err() {
            let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            bytes = (time.as_nanos() as u64 ^ u64::from(std::process::id()) << 40).to_ne_bytes();
        }
        (u64::from_ne_bytes(bytes) >> 1).max(1)
    }
}

/// Batches that a store writes together: all of them or none, and never twice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// Run that observed the batches.
    pub run: Arc<Run>,
    /// Number of the delivery within the run, from 1. If a store already has this delivery, because
    /// its answer was lost, it returns success and writes nothing.
    pub sequence: u64,
    /// Observations to write.
    pub batches: Vec<Batch>,
}

impl Delivery {
    /// Number of requests in all batches.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.batches.iter().map(|batch| batch.requests.len()).sum()
    }
}

/// Outcome of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// Number of rows that the database refused because of their content. All others were written.
    pub refused: u64,
    /// Reason for the first refused row.
    pub reason: Option<String>,
}

/// Memory of all running processes at a tick, their activity since memtap started, and the
/// machine's memory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AllProcesses {
    /// Sum of the virtual sizes, bytes.
    pub virtual_bytes: u64,
    /// Sums of the resident memory. Shared pages count once per process.
    pub resident: Resident,
    /// Number of requests.
    pub requests: u64,
    /// Number of refused requests.
    pub refused: u64,
    /// Bytes requested by calls that were granted.
    pub requested_bytes: u64,
    /// Bytes by which requests increased virtual sizes.
    pub granted_bytes: u64,
    /// Bytes by which requests decreased virtual sizes.
    pub released_bytes: u64,
    /// Page faults.
    pub faults: Faults,
    /// Requests by call, in the order of the call table.
    pub calls: [CallTotals; Call::COUNT],
    /// Requests whose records did not reach memtap.
    pub lost: u64,
    /// The machine's memory; zero until a source has reported it.
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

/// Data that is written together. A request's process may come in a later batch; until then, its
/// row is made from the request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Batch {
    /// Requests in the order of the stream.
    pub requests: Vec<BookedRequest>,
    /// Processes that are new or changed, as of the end of a tick.
    pub processes: Vec<Arc<ProcessSummary>>,
    /// OOM kills since the previous tick.
    pub oom_kills: Vec<Arc<OomReport>>,
    /// Time of the tick at which `processes` were read.
    pub tick: Option<WallClock>,
    /// Sums over all processes at that tick.
    pub all: Option<AllProcesses>,
}
