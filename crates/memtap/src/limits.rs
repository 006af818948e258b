//! Limits of running processes, for the findings. memtap reads them from /proc when a client
//! requests findings. The list of running processes comes from the ledger's view, or from the
//! history when memtap runs elsewhere or not at all.

use std::sync::Arc;

use memtap_capture::LimitReader;
use memtap_history::{LifetimeQuery, Measure, ProcessLifetime, Range, Reader, StoreError};
use memtap_ledger::{LiveView, ProcessSummary};
use memtap_model::WallClock;
use memtap_report::{Living, Now};

/// Maximum number of processes that are read, largest first. A small process is near no limit.
const PROCESSES: usize = 500;
/// Mappings are counted only for a process that made at least 1/4 of `vm.max_map_count` requests. A
/// request creates at most two mappings, when it splits one.
const MAPPINGS_PART: u64 = 4;
/// Maximum difference between two start times of the same process, in seconds. Clocks and stores
/// round.
const START_S: f64 = 1.5;

/// Reads the current limits. `host` is the name of this machine.
pub(crate) fn read(host: Arc<str>, view: &LiveView) -> Now {
    let mut reader = LimitReader::new();
    let machine = reader.machine();
    let mut largest: Vec<&Arc<ProcessSummary>> = view.living.iter().collect();
    largest.sort_by_key(|summary| std::cmp::Reverse(summary.virtual_bytes));
    let living = largest.into_iter().take(PROCESSES).map(|summary| {
        let many = summary.books.requests() >= machine.max_map_count / MAPPINGS_PART;
        // The ledger does not count requests made before memtap started.
        let unknown = summary.books.opening_bytes / 4096 >= machine.max_map_count / 2;
        Living {
            pid: summary.process.tgid,
            started_at: summary.started_at,
            limits: reader.process(summary.process.tgid.0, many || unknown),
        }
    });
    Now {
        host,
        at: now(),
        machine,
        unexplained_bytes: view.totals.unexplained_bytes,
        living: living.collect(),
    }
}

/// Reads the current limits of this machine's processes that are in a range of the history and
/// still running.
///
///  # Errors
///  If the history cannot return the processes of the range.
pub(crate) async fn of_history(reader: &dyn Reader, range: &Range) -> Result<Now, StoreError> {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let host: Arc<str> = name.to_string_lossy().into();
    let range = Range { host: Some(host.to_string()), ..range.clone() };
    let query = LifetimeQuery { range, by: Measure::Virtual, limit: PROCESSES, ..LifetimeQuery::default() };
    let recorded = reader.lifetimes(&query).await?.lives;
    let mut limits = LimitReader::new();
    let machine = limits.machine();
    let living = recorded.iter().filter(|life| is_running(life)).map(|life| {
        let many = life.within.requests >= machine.max_map_count / MAPPINGS_PART;
        // The query does not count requests made before the range.
        let unknown = life.within.virtual_bytes / 4096 >= machine.max_map_count / 2;
        let limits = limits.process(life.pid.0, many || unknown);
        Living { pid: life.pid, started_at: life.started_at, limits }
    });
    let living = living.collect();
    // Only the memtap that watches knows the unexplained bytes.
    Ok(Now { host, at: now(), machine, unexplained_bytes: 0, living })
}

/// Returns whether the process still runs, by its PID and start time.
fn is_running(life: &ProcessLifetime) -> bool {
    let started_at = memtap_capture::started_at(life.pid.0);
    life.ended_at.is_none() && started_at.is_some_and(|at| at.seconds_since(life.started_at).abs() < START_S)
}

fn now() -> WallClock {
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    WallClock(i64::try_from(at.as_nanos()).unwrap_or(i64::MAX))
}
