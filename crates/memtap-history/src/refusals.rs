//! Refused requests, put together by process, call and errno.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use memtap_model::{Call, Errno, Tgid, WallClock};

use crate::Refused;
use crate::rows::{Details, RefusedRow};

/// Takes rows, the newest first: those that it has no room for are the oldest.
pub(crate) struct Refusals {
    limit: usize,
    /// By row of the process, call and errno.
    found: HashMap<(u64, Call, Errno), Refused>,
    /// The host until it is known.
    nowhere: Arc<str>,
}

impl Refusals {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, found: HashMap::new(), nowhere: "".into() }
    }

    pub(crate) fn add(&mut self, row: &RefusedRow) {
        let (key, is_full) = ((row.process, row.call, row.errno), self.found.len() >= self.limit);
        if let Some(known) = self.found.get_mut(&key) {
            known.count_in(1, row.size, [row.time; 2]);
        } else if !is_full {
            let none = Refused {
                host: Arc::clone(&self.nowhere),
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
            self.found.insert(key, none);
        }
    }

    /// The rows of the processes.
    pub(crate) fn processes(&self) -> Vec<u64> {
        let mut processes: Vec<u64> = self.found.keys().map(|(process, ..)| *process).collect();
        processes.sort_unstable();
        processes.dedup();
        processes
    }

    /// The latest first. Of one boot, the rows of several runs of memtap are one life.
    pub(crate) fn finish(self, details: &HashMap<u64, Details>) -> Vec<Refused> {
        let mut merged: HashMap<_, Refused> = HashMap::new();
        for ((process, call, errno), refused) in self.found {
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

    /// Takes what another row of the same process tells.
    fn join(&mut self, other: &Self) {
        if other.last > self.last {
            self.name = other.name;
        }
        self.started_at = self.started_at.min(other.started_at);
        self.count_in(other.count, other.largest_bytes, [other.first, other.last]);
    }
}
