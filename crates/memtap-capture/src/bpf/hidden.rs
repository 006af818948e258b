//! Processes that the kernel's iterator passes over although they have memory: some virtual machines guard their first process so.
//! /proc still tells their sizes. Looked for once, since such a guard stands from the beginning.

use std::collections::{HashMap, HashSet};

use memtap_model::{Observation, ProcessId, StartTime, Tgid, WallClock};

use crate::{Filter, clock, procfs};

/// The search and what it found.
#[derive(Debug)]
pub(super) enum Hidden {
    /// The first reading: who is in it. What started after `since` was seen being born, or will be.
    Looking { told: HashSet<Tgid>, since: StartTime, filter: Filter },
    /// Who was not, and still lives.
    Found(HashMap<Tgid, ProcessId>),
}

impl Hidden {
    pub(super) fn new(filter: Filter) -> Self {
        Self::Looking { told: HashSet::new(), since: clock::since_boot(), filter }
    }

    /// The kernel told of this process.
    pub(super) fn told(&mut self, tgid: Tgid) {
        if let Self::Looking { told, .. } = self {
            told.insert(tgid);
        }
    }

    /// Reads the hidden ones from /proc.
    pub(super) fn read(&mut self, boot: WallClock, out: &mut Vec<Observation>) {
        if let Self::Looking { told, since, filter } = self {
            // Not one was told: the reading has failed, or nobody who is wanted lives.
            if told.is_empty() && !filter.is_of_some() && filter.by_name().is_none() {
                return;
            }
            *self = Self::Found(search(told, *since, filter, boot));
        }
        let Self::Found(hidden) = self else { return };
        hidden.retain(|tgid, process| match procfs::state(tgid.0, boot) {
            Some(state) if state.process() == *process => {
                out.push(Observation::Snapshot(Box::new(state)));
                true
            }
            _ => {
                out.push(Observation::Exit(Box::new(procfs::ended(*process))));
                false
            }
        });
    }
}

fn search(
    told: &HashSet<Tgid>,
    since: StartTime,
    filter: &Filter,
    boot: WallClock,
) -> HashMap<Tgid, ProcessId> {
    let wanted: Vec<u32> = match &filter.pids[..] {
        // Whom the kernel side chooses by name, it tells.
        [] if filter.by_name().is_some() => Vec::new(),
        [] => procfs::pids().collect(),
        some => some.iter().map(|pid| pid.0).collect(),
    };
    let others = wanted.into_iter().filter(|pid| !told.contains(&Tgid(*pid)));
    let older = others.filter_map(|pid| procfs::state(pid, boot)).filter(|state| state.start < since);
    older.map(|state| (state.tgid, state.process())).collect()
}
