//! Which processes of a recording are told of, and which of their requests.

use std::collections::HashSet;

use memtap_model::{Observation, ProcessState, Tgid};

use crate::Filter;

/// The filter, with the processes that it has come to mean.
#[derive(Debug)]
pub(super) struct Chosen {
    filter: Filter,
    /// Those named and, if they are followed, their descendants.
    processes: HashSet<Tgid>,
}

impl Chosen {
    pub(super) fn of(filter: &Filter) -> Self {
        let processes = filter.pids.iter().copied().collect();
        // Whose requests they are is judged here.
        Self { filter: Filter { pids: Vec::new(), ..filter.clone() }, processes }
    }

    /// Whether it is to be told.
    pub(super) fn has(&mut self, observation: &Observation) -> bool {
        match observation {
            Observation::Request(request) => self.is_of(request.tgid) && self.filter.is_match(request),
            Observation::Snapshot(state) | Observation::Fork(state) => {
                self.follow(state);
                self.is_of(state.tgid)
            }
            Observation::Exec(state) | Observation::Exit(state) => self.is_of(state.tgid),
            Observation::Tally(tally) => self.is_of(tally.process.tgid),
            Observation::Rename { tgid, .. } => self.is_of(*tgid),
            Observation::Details(details) => self.is_of(details.process.tgid),
            Observation::Oom(_) | Observation::Host(_) | Observation::AllRead | Observation::Lost { .. } => {
                true
            }
        }
    }

    fn is_of(&self, tgid: Tgid) -> bool {
        self.processes.is_empty() || self.processes.contains(&tgid)
    }

    fn follow(&mut self, state: &ProcessState) {
        if self.filter.follow && self.processes.contains(&state.parent) {
            self.processes.insert(state.tgid);
        }
    }
}
