//! Requests of the few processes that users look at. A busy process would displace them from the
//! latest requests of all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use memtap_model::Tgid;

use crate::{BookedRequest, Focused};

/// Processes in focus, with their requests since the last view.
#[derive(Debug, Default)]
pub(crate) struct Focus {
    processes: BTreeMap<Tgid, Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    /// True if the process was already in focus at the last view, so that its requests of this tick
    /// are complete.
    is_complete: bool,
    requests: VecDeque<BookedRequest>,
    skipped: u64,
}

impl Focus {
    /// Sets the processes in focus. All others leave it.
    pub(crate) fn set(&mut self, pids: &BTreeSet<Tgid>) {
        self.processes.retain(|tgid, _| pids.contains(tgid));
        for tgid in pids {
            self.processes.entry(*tgid).or_default();
        }
    }

    /// Records a request of a process in focus. Only the latest `kept` requests are kept.
    pub(crate) fn record(&mut self, booked: &BookedRequest, kept: usize) {
        if self.processes.is_empty() {
            return;
        }
        let Some(pending) = self.processes.get_mut(&booked.request.tgid) else { return };
        if pending.requests.len() >= kept {
            pending.requests.pop_front();
            pending.skipped += 1;
        }
        pending.requests.push_back(booked.clone());
    }

    /// Returns the requests since the last view, for each process that was in focus then.
    pub(crate) fn take_requests(&mut self) -> Vec<Focused> {
        let mut focused = Vec::new();
        for (pid, pending) in &mut self.processes {
            let (requests, skipped) =
                (std::mem::take(&mut pending.requests), std::mem::take(&mut pending.skipped));
            if std::mem::replace(&mut pending.is_complete, true) {
                let requests: Arc<[BookedRequest]> = requests.into_iter().collect();
                focused.push(Focused { pid: *pid, requests, skipped });
            }
        }
        focused
    }
}
