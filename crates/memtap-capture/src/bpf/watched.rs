//! Whom the kernel side watches at the start, where the filter is of some processes. What is born or ends from then on it sees by itself.

use std::collections::HashSet;

use memtap_model::Tgid;

use super::driver::Driver;
use crate::{CaptureError, Filter, clock, procfs};

/// Makes the set right, now that the programs are attached.
pub(super) fn complete(driver: &mut Driver, filter: &Filter) -> Result<(), CaptureError> {
    let mut watched: HashSet<Tgid> = filter.pids.iter().copied().collect();
    for pid in &watched {
        leave_out_the_dead(driver, *pid)?;
    }
    // Spares the look at all processes of the machine.
    if !filter.follow || watched.iter().all(|pid| has_no_child(*pid)) {
        return Ok(());
    }
    // Whoever is watched has no further child unseen: once a look finds nobody new, there is nobody left.
    loop {
        let new = children(&watched);
        if new.is_empty() {
            return Ok(());
        }
        for child in new {
            driver.watch(child)?;
            leave_out_the_dead(driver, child)?;
            watched.insert(child);
        }
    }
}

/// Whose end came before it was watched stays in the set, and another process may get its number.
fn leave_out_the_dead(driver: &mut Driver, pid: Tgid) -> Result<(), CaptureError> {
    if lives(pid) { Ok(()) } else { driver.unwatch(pid) }
}

/// A first thread that has ended leaves a process without memory, and the other threads with it.
fn lives(pid: Tgid) -> bool {
    let threads = || std::fs::read_dir(format!("/proc/{}/task", pid.0)).map_or(0, Iterator::count);
    procfs::state(pid.0, clock::boot()).is_some() || threads() > 1
}

/// Certain of a process with one thread alone: others may hand their children over to each other while they are asked.
fn has_no_child(pid: Tgid) -> bool {
    let threads = || std::fs::read_dir(format!("/proc/{0}/task", pid.0)).map_or(0, Iterator::count);
    let of_the_first = format!("/proc/{0}/task/{0}/children", pid.0);
    std::fs::read(of_the_first).is_ok_and(|children| children.is_empty()) && threads() == 1
}

fn children(parents: &HashSet<Tgid>) -> Vec<Tgid> {
    let boot = clock::boot();
    let states = procfs::pids().filter_map(|pid| procfs::state(pid, boot));
    let born = states.filter(|state| parents.contains(&state.parent) && !parents.contains(&state.tgid));
    born.map(|state| state.tgid).collect()
}
