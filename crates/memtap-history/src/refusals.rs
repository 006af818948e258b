//! Refused requests, grouped by process, call and errno.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use memtap_model::{Call, Errno, Tgid, WallClock};

use crate::Refused;
use crate::rows::{Details, RefusedRow};

/// Groups refused requests, which are added newest first. When the limit is reached, older groups
/// are left out.
pub(crate) struct Refusals {
    limit: usize,
    /// By process row, call and errno.
    groups: HashMap<(u64, Call, Errno), Refused>,
    /// Placeholder for the host name until it is known.
    no_host: Arc<str>,
}

impl Refusals {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, groups: HashMap::new(), no_host: "".into() }
    }

    pub(crate) fn add(&mut self, row: &RefusedRow) {
        let (key, is_full) = ((row.process, row.call, row.errno), self.groups.len() >= self.limit);
        if let Some(known) = self.groups.get_mut(&key) {
            known.count_in(1, row.size, [row.time; 2]);
        } else if !is_full {
            let none = Refused {
                host: Arc::clone(&self.no_host),
                pid: Tgid(0),
                started_at: WallClock(0),
                name: row.name,
                call: row.call,
                errno: row.errno,
                count: 1,
                largest_bytes: row.size,
                first: row.time,
                last: row.time,
            };
            self.groups.insert(key, none);
        }
    }

    /// Row ids of all processes, sorted.
    pub(crate) fn processes(&self) -> Vec<u64> {
        let mut processes: Vec<u64> = self.groups.keys().map(|(process, ..)| *process).collect();
        processes.sort_unstable();
        processes.dedup();
        processes
    }

    /// Returns the groups, latest first. Within one boot, rows of a process from several memtap
    /// runs become one group.
    pub(crate) fn finish(self, details: &HashMap<u64, Details>) -> Vec<Refused> {
        let mut merged: HashMap<_, Refused> = HashMap::new();
        for ((process, call, errno), refused) in self.groups {
            let Some(details) = details.get(&process) else { continue };
            let (host, boot) = (Arc::clone(&details.host), details.boot.clone());
            let (pid, start, started_at) = (details.pid, details.start, details.started_at);
            let refused = Refused { host: Arc::clone(&host), pid, started_at, ..refused };
            let key = (host, boot, pid, start, call, errno);
            match merged.get_mut(&key) {
                Some(known) => known.join(&refused),
                None => drop(merged.insert(key, refused)),
            }
        }
        let mut all: Vec<Refused> = merged.into_values().collect();
        all.sort_by_key(|refused| {
            (Reverse(refused.last), refused.pid, refused.call, refused.errno.0, Arc::clone(&refused.host))
        });
        all
    }
}

impl Refused {
    fn count_in(&mut self, count: u64, largest_bytes: u64, [first, last]: [WallClock; 2]) {
        self.count += count;
        self.largest_bytes = self.largest_bytes.max(largest_bytes);
        self.first = self.first.min(first);
        self.last = self.last.max(last);
    }

    /// Merges the group of another row of the same process.
    fn join(&mut self, other: &Self) {
        if other.last > self.last {
            self.name = other.name;
        }
        self.started_at = self.started_at.min(other.started_at);
        self.count_in(other.count, other.largest_bytes, [other.first, other.last]);
    }
}
