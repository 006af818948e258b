//! The capabilities that memtap keeps, and for how long.

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};

/// Kept until exit: /proc shows some files only to the process's owner without it.
const ALWAYS: [Capability; 1] = [Capability::CAP_SYS_PTRACE];

/// Kept until exit by root that stays root: the history may be in another user's directory, and
/// SQLite makes that user the owner of the files beside it.
const FILES: [Capability; 3] =
    [Capability::CAP_CHOWN, Capability::CAP_DAC_OVERRIDE, Capability::CAP_DAC_READ_SEARCH];

/// Kept until the address is bound and the programs are attached. Reading all processes works
/// without them (Linux 5.19 and later, kernel/bpf/syscall.c: only loading a program or creating a
/// map requires CAP_BPF).
const START: [Capability; 3] =
    [Capability::CAP_BPF, Capability::CAP_PERFMON, Capability::CAP_NET_BIND_SERVICE];

/// Granted by some containers in place of CAP_BPF and CAP_PERFMON. Kept until the programs are
/// attached.
const IN_PLACE: Capability = Capability::CAP_SYS_ADMIN;

/// Makes the permitted capabilities effective. File capabilities may be permitted without being
/// effective (`setcap ...=p`): then the program also starts in a container that withholds them.
pub(super) fn raise() -> Result<(), CapsError> {
    caps::set(None, CapSet::Effective, &caps::read(None, CapSet::Permitted)?)
}

/// Returns the permitted capabilities that memtap uses.
pub(super) fn needed(keeps_user: bool) -> CapsHashSet {
    let files = FILES.into_iter().filter(|_| keeps_user && nix::unistd::geteuid().is_root());
    let mut wanted: CapsHashSet = ALWAYS.into_iter().chain(START).chain(files).collect();
    let there = caps::read(None, CapSet::Permitted).unwrap_or_default();
    if !there.contains(&Capability::CAP_BPF) || !there.contains(&Capability::CAP_PERFMON) {
        wanted.insert(IN_PLACE);
    }
    wanted.intersection(&there).copied().collect()
}

/// Removes everything except `kept` from the bounding set, so that it cannot come back. Does
/// nothing without CAP_SETPCAP.
pub(super) fn bound(kept: &CapsHashSet) -> Result<(), CapsError> {
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        return Ok(());
    }
    let there = caps::read(None, CapSet::Bounding)?;
    there.difference(kept).try_for_each(|capability| caps::drop(None, CapSet::Bounding, *capability))
}

/// Drops all capabilities except `kept`, a subset of the permitted ones.
pub(super) fn keep(kept: &CapsHashSet) -> Result<(), CapsError> {
    caps::set(None, CapSet::Effective, kept)?;
    caps::set(None, CapSet::Permitted, kept)?;
    caps::clear(None, CapSet::Inheritable)
}

/// Drops the capabilities that only the start needs, in the calling thread.
pub(super) fn end_of_start() -> Result<(), CapsError> {
    let mut kept = caps::read(None, CapSet::Permitted)?;
    kept.retain(|capability| !START.contains(capability) && *capability != IN_PLACE);
    keep(&kept)
}

/// Drops the capabilities that only opening needs, including those for files, in the calling
/// thread.
pub(super) fn keep_for_reading() -> Result<(), CapsError> {
    let mut kept = caps::read(None, CapSet::Permitted)?;
    kept.retain(|capability| ALWAYS.contains(capability));
    keep(&kept)
}

/// Drops all capabilities of the calling thread.
pub(super) fn keep_none() -> Result<(), CapsError> {
    keep(&CapsHashSet::new())
}

/// Effective capabilities of the calling thread, sorted by name.
pub(super) fn names() -> Vec<String> {
    let there = caps::read(None, CapSet::Effective).unwrap_or_default();
    let mut names: Vec<String> = there.iter().map(ToString::to_string).collect();
    names.sort_unstable();
    names
}
