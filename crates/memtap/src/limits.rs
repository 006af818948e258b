//! The limits of living processes, for the findings: read from /proc when somebody asks for findings. Who lives, the ledger's view tells, or
//! the history where memtap itself runs elsewhere or not at all.

use std::sync::Arc;

use memtap_capture::LimitReader;
use memtap_history::{Life, LifeQuery, Measure, Range, Reader, StoreError};
use memtap_ledger::{LiveView, ProcessSummary};
use memtap_model::WallClock;
use memtap_report::{Living, Now};

/// The largest so many are read: a small one is near no limit.
const PROCESSES: usize = 500;
/// Mappings are counted of a process that has made this part of `vm.max_map_count` in requests: each makes two at the most, when it splits one.
const MAPPINGS_PART: u64 = 4;
/// Starts of one pid that lie nearer are the same: clocks and stores round, seconds.
const START_S: f64 = 1.5;

/// The limits as they are now, on the machine of that name.
pub(crate) fn read(host: Arc<str>, view: &LiveView) -> Now {
    let mut reader = LimitReader::new();
    let machine = reader.machine();
    let mut largest: Vec<&Arc<ProcessSummary>> = view.living.iter().collect();
    largest.sort_by_key(|summary| std::cmp::Reverse(summary.virtual_bytes));
    let living = largest.into_iter().take(PROCESSES).map(|summary| {
        let many = summary.books.requests() >= machine.max_map_count / MAPPINGS_PART;
        // What it mapped before memtap came is not among its requests.
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

/// The limits as they are now, of this machine's processes that a range of the history knows and that still live.
///
/// # Errors
/// When the history does not tell the processes of the range.
pub(crate) async fn of_history(reader: &dyn Reader, range: &Range) -> Result<Now, StoreError> {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let host: Arc<str> = name.to_string_lossy().into();
    let range = Range { host: Some(host.to_string()), ..range.clone() };
    let query = LifeQuery { range, by: Measure::Virtual, limit: PROCESSES, ..LifeQuery::default() };
    let found = reader.lives(&query).await?.lives;
    let mut limits = LimitReader::new();
    let machine = limits.machine();
    let living = found.iter().filter(|life| lives(life)).map(|life| {
        let many = life.within.requests >= machine.max_map_count / MAPPINGS_PART;
        // What it mapped before the range is not among its requests.
        let unknown = life.within.virtual_bytes / 4096 >= machine.max_map_count / 2;
        let limits = limits.process(life.pid.0, many || unknown);
        Living { pid: life.pid, started_at: life.started_at, limits }
    });
    let living = living.collect();
    // What no cause explains is known to the memtap that watches.
    Ok(Now { host, at: now(), machine, unexplained_bytes: 0, living })
}

/// Whether it is still the process of that pid.
fn lives(life: &Life) -> bool {
    let started_at = memtap_capture::started_at(life.pid.0);
    life.ended_at.is_none() && started_at.is_some_and(|at| at.seconds_since(life.started_at).abs() < START_S)
}

fn now() -> WallClock {
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    WallClock(i64::try_from(at.as_nanos()).unwrap_or(i64::MAX))
}
