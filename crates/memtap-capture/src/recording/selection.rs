//! Processes and requests of a recording that are played back.

use std::collections::HashSet;

use memtap_model::{Observation, ProcessState, Tgid};

use crate::Filter;

/// The filter, with the processes that it selects.
#[derive(Debug)]
pub(super) struct Selection {
    filter: Filter,
    /// Pids of the filter, with their descendants if these are followed.
    processes: HashSet<Tgid>,
}

impl Selection {
    pub(super) fn new(filter: &Filter) -> Self {
        let processes = filter.pids.iter().copied().collect();
        // `processes` replaces the pids of the filter.
        Self { filter: Filter { pids: Vec::new(), ..filter.clone() }, processes }
    }

    /// Returns whether the observation is played back.
    pub(super) fn includes(&mut self, observation: &Observation) -> bool {
        match observation {
            Observation::Request(request) => {
                self.includes_process(request.tgid) && self.filter.is_match(request)
            }
            Observation::Snapshot(state) | Observation::Fork(state) => {
                self.follow(state);
                self.includes_process(state.tgid)
            }
            Observation::Exec(state) | Observation::Exit(state) => self.includes_process(state.tgid),
            Observation::Tally(tally) => self.includes_process(tally.process.tgid),
            Observation::Rename { tgid, .. } => self.includes_process(*tgid),
            Observation::Details(details) => self.includes_process(details.process.tgid),
            Observation::Oom(_) | Observation::Host(_) | Observation::AllRead | Observation::Lost { .. } => {
                true
            }
        }
    }

    fn includes_process(&self, tgid: Tgid) -> bool {
        self.processes.is_empty() || self.processes.contains(&tgid)
    }

    fn follow(&mut self, state: &ProcessState) {
        if self.filter.follow && self.processes.contains(&state.parent) {
            self.processes.insert(state.tgid);
        }
    }
}
