//! Processes that the kernel side watches at the start if the filter selects processes. Later
//! births and ends are handled by the kernel side.

use std::collections::HashSet;

use memtap_model::Tgid;

use super::driver::Driver;
use crate::{CaptureError, Filter, clock, procfs};

/// Completes the set of watched processes after the programs have been attached.
pub(super) fn complete(driver: &mut Driver, filter: &Filter) -> Result<(), CaptureError> {
    let mut watched: HashSet<Tgid> = filter.pids.iter().copied().collect();
    for pid in &watched {
        unwatch_if_ended(driver, *pid)?;
    }
    // Avoids reading all processes of the machine.
    if !filter.follow || watched.iter().all(|pid| has_no_child(*pid)) {
        return Ok(());
    }
    // Children of watched processes join the set by themselves, so the set is complete when a
    // search finds no new process.
    loop {
        let new = children(&watched);
        if new.is_empty() {
            return Ok(());
        }
        for child in new {
            driver.watch(child)?;
            unwatch_if_ended(driver, child)?;
            watched.insert(child);
        }
    }
}

/// Removes a process that ended before it was watched. It would stay in the set, and another
/// process may get its pid.
fn unwatch_if_ended(driver: &mut Driver, pid: Tgid) -> Result<(), CaptureError> {
    if is_running(pid) { Ok(()) } else { driver.unwatch(pid) }
}

/// Returns whether a process runs. If its first thread has ended, it has no memory in /proc, but it
/// has other threads.
fn is_running(pid: Tgid) -> bool {
    let threads = || std::fs::read_dir(format!("/proc/{}/task", pid.0)).map_or(0, Iterator::count);
    procfs::read_state(pid.0, clock::boot()).is_some() || threads() > 1
}

/// Returns whether a process certainly has no child. With several threads this is unknown, because
/// a child may move between them while they are read.
fn has_no_child(pid: Tgid) -> bool {
    let threads = || std::fs::read_dir(format!("/proc/{0}/task", pid.0)).map_or(0, Iterator::count);
    let first_thread = format!("/proc/{0}/task/{0}/children", pid.0);
    std::fs::read(first_thread).is_ok_and(|children| children.is_empty()) && threads() == 1
}

fn children(parents: &HashSet<Tgid>) -> Vec<Tgid> {
    let boot = clock::boot();
    let states = procfs::pids().filter_map(|pid| procfs::read_state(pid, boot));
    let born = states.filter(|state| parents.contains(&state.parent) && !parents.contains(&state.tgid));
    born.map(|state| state.tgid).collect()
}
