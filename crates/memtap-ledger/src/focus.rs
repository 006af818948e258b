//! Requests of the few processes that somebody looks at: beside a busy neighbour they would not be among the latest of all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use memtap_model::Tgid;

use crate::{BookedRequest, Focused};

/// Processes in focus, with their requests since the last view.
#[derive(Debug, Default)]
pub(crate) struct Focus {
    of: BTreeMap<Tgid, Since>,
}

#[derive(Debug, Default)]
struct Since {
    /// Whether it was in focus at the last view: what is told of a tick is all of it.
    is_whole: bool,
    requests: VecDeque<BookedRequest>,
    more: u64,
}

impl Focus {
    /// From now on these, and no others.
    pub(crate) fn on(&mut self, wanted: &BTreeSet<Tgid>) {
        self.of.retain(|tgid, _| wanted.contains(tgid));
        for tgid in wanted {
            self.of.entry(*tgid).or_default();
        }
    }

    /// Takes a request, if it is of one of them; of many, the latest `kept` stay.
    pub(crate) fn note(&mut self, booked: &BookedRequest, kept: usize) {
        if self.of.is_empty() {
            return;
        }
        let Some(since) = self.of.get_mut(&booked.request.tgid) else { return };
        if since.requests.len() >= kept {
            since.requests.pop_front();
            since.more += 1;
        }
        since.requests.push_back(booked.clone());
    }

    /// What came since the last view, of each that was in focus then.
    pub(crate) fn take(&mut self) -> Vec<Focused> {
        let mut focused = Vec::new();
        for (pid, since) in &mut self.of {
            let (requests, skipped) = (std::mem::take(&mut since.requests), std::mem::take(&mut since.more));
            if std::mem::replace(&mut since.is_whole, true) {
                let requests: Arc<[BookedRequest]> = requests.into_iter().collect();
                focused.push(Focused { pid: *pid, requests, skipped });
            }
        }
        focused
    }
}
