//! Processes that the kernel's iterator skips although they have memory: some virtual machines
//! protect their first process in this way. /proc still shows their sizes. They are searched once,
//! because such a process is protected from the beginning.

use std::collections::{HashMap, HashSet};

use memtap_model::{Observation, ProcessId, StartTime, Tgid, WallClock};

use crate::{Filter, clock, procfs};

/// The search, or its result.
#[derive(Debug)]
pub(super) enum Hidden {
    /// The first reading is not complete. `reported` contains the processes in it. Processes that
    /// started after `since` are reported by their forks.
    Searching { reported: HashSet<Tgid>, since: StartTime, filter: Filter },
    /// Hidden processes that still run.
    Found(HashMap<Tgid, ProcessId>),
}

impl Hidden {
    pub(super) fn new(filter: Filter) -> Self {
        Self::Searching { reported: HashSet::new(), since: clock::since_boot(), filter }
    }

    /// Notes that the kernel side reported this process.
    pub(super) fn mark_reported(&mut self, tgid: Tgid) {
        if let Self::Searching { reported, .. } = self {
            reported.insert(tgid);
        }
    }

    /// Reads the hidden processes from /proc.
    pub(super) fn read(&mut self, boot: WallClock, out: &mut Vec<Observation>) {
        if let Self::Searching { reported, since, filter } = self {
            // If no process was reported, the reading failed, or no process matches the filter.
            if reported.is_empty() && !filter.is_of_some() && filter.by_name().is_none() {
                return;
            }
            *self = Self::Found(search(reported, *since, filter, boot));
        }
        let Self::Found(hidden) = self else { return };
        hidden.retain(|tgid, process| match procfs::read_state(tgid.0, boot) {
            Some(state) if state.process() == *process => {
                out.push(Observation::Snapshot(Box::new(state)));
                true
            }
            _ => {
                out.push(Observation::Exit(Box::new(procfs::last_state(*process))));
                false
            }
        });
    }
}

fn search(
    reported: &HashSet<Tgid>,
    since: StartTime,
    filter: &Filter,
    boot: WallClock,
) -> HashMap<Tgid, ProcessId> {
    let wanted: Vec<u32> = match &filter.pids[..] {
        // Processes that the kernel side chooses by name are reported by it.
        [] if filter.by_name().is_some() => Vec::new(),
        [] => procfs::pids().collect(),
        some => some.iter().map(|pid| pid.0).collect(),
    };
    let others = wanted.into_iter().filter(|pid| !reported.contains(&Tgid(*pid)));
    let older = others.filter_map(|pid| procfs::read_state(pid, boot)).filter(|state| state.start < since);
    older.map(|state| (state.tgid, state.process())).collect()
}
