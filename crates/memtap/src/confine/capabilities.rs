//! Which capabilities are kept, and how long.

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};

/// To the end: what /proc tells only of one's own processes.
const ALWAYS: [Capability; 1] = [Capability::CAP_SYS_PTRACE];

/// Of root that becomes nobody else, to the end: the history may lie in somebody's folder, and SQLite gives that user the files beside it.
const FILES: [Capability; 3] =
    [Capability::CAP_CHOWN, Capability::CAP_DAC_OVERRIDE, Capability::CAP_DAC_READ_SEARCH];

/// Until the address is taken and the kernel is watched. A reading of all processes goes on without them (from Linux 5.19 on,
/// kernel/bpf/syscall.c: only what loads a program or makes a map asks for CAP_BPF).
const START: [Capability; 3] =
    [Capability::CAP_BPF, Capability::CAP_PERFMON, Capability::CAP_NET_BIND_SERVICE];

/// What some containers give in place of CAP_BPF and CAP_PERFMON. Until the kernel is watched.
const IN_PLACE: Capability = Capability::CAP_SYS_ADMIN;

/// Those that the file of the program has brought may be there without being in effect (`setcap ...=p`: where a container withholds them, the
/// program starts all the same).
pub(super) fn raise() -> Result<(), CapsError> {
    caps::set(None, CapSet::Effective, &caps::read(None, CapSet::Permitted)?)
}

/// Of the capabilities that are there, those that memtap has a use for.
pub(super) fn needed(keeps_user: bool) -> CapsHashSet {
    let files = FILES.into_iter().filter(|_| keeps_user && nix::unistd::geteuid().is_root());
    let mut wanted: CapsHashSet = ALWAYS.into_iter().chain(START).chain(files).collect();
    let there = caps::read(None, CapSet::Permitted).unwrap_or_default();
    if !there.contains(&Capability::CAP_BPF) || !there.contains(&Capability::CAP_PERFMON) {
        wanted.insert(IN_PLACE);
    }
    wanted.intersection(&there).copied().collect()
}

/// Whatever is not `kept` can never come back, where the kernel lets us say so.
pub(super) fn bound(kept: &CapsHashSet) -> Result<(), CapsError> {
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        return Ok(());
    }
    let there = caps::read(None, CapSet::Bounding)?;
    there.difference(kept).try_for_each(|capability| caps::drop(None, CapSet::Bounding, *capability))
}

/// Gives up all but `kept`, which is part of what is permitted.
pub(super) fn keep(kept: &CapsHashSet) -> Result<(), CapsError> {
    caps::set(None, CapSet::Effective, kept)?;
    caps::set(None, CapSet::Permitted, kept)?;
    caps::clear(None, CapSet::Inheritable)
}

/// Gives up what only the start needs, in the calling thread.
pub(super) fn end_of_start() -> Result<(), CapsError> {
    let mut kept = caps::read(None, CapSet::Permitted)?;
    kept.retain(|capability| !START.contains(capability) && *capability != IN_PLACE);
    keep(&kept)
}

/// Gives up what only opening needs, files as well, in the calling thread.
pub(super) fn keep_for_reading() -> Result<(), CapsError> {
    let mut kept = caps::read(None, CapSet::Permitted)?;
    kept.retain(|capability| ALWAYS.contains(capability));
    keep(&kept)
}

/// Gives up all, in the calling thread.
pub(super) fn keep_none() -> Result<(), CapsError> {
    keep(&CapsHashSet::new())
}

/// Those of the calling thread, sorted.
pub(super) fn names() -> Vec<String> {
    let there = caps::read(None, CapSet::Effective).unwrap_or_default();
    let mut names: Vec<String> = there.iter().map(ToString::to_string).collect();
    names.sort_unstable();
    names
}
