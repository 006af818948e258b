//! The limits of living processes, for the findings: read from /proc when somebody asks for findings.

use std::sync::Arc;

use memtap_capture::LimitReader;
use memtap_ledger::{LiveView, ProcessSummary};
use memtap_model::WallClock;
use memtap_report::{Living, Now};

/// The largest so many are read: a small one is near no limit.
const PROCESSES: usize = 500;
/// Mappings are counted of a process that has made this part of `vm.max_map_count` in requests: each makes two at the most, when it splits one.
const MAPPINGS_PART: u64 = 4;

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
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Now {
        host,
        at: WallClock(i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)),
        machine,
        unexplained_bytes: view.totals.unexplained_bytes,
        living: living.collect(),
    }
}
