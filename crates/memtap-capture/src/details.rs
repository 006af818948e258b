//! Details of processes that only /proc has: command line, name of the user, cgroup. They are read
//! once for each process and image, and again after the process moved to another cgroup. The number
//! of reads per tick is bounded.

use std::collections::HashMap;
use std::sync::Arc;

use memtap_model::{Observation, Placement, ProcessDetails, ProcessId, Tgid, to_text, without_password};

use crate::procfs;

/// Maximum number of processes read at one tick. The others wait for the next tick.
const AT_ONCE: usize = 256;
const COMMAND_BYTES: usize = 1024;
/// Bytes read of a command line. This is more than is kept, because a password is only recognized
/// if its end was read.
const COMMAND_READ: usize = 8 << 10;
const CGROUP_BYTES: usize = 16 << 10;
/// Maximum number of entries in each cache.
const KEPT: usize = 4096;

/// Processes whose details were read, and caches for what many of them share.
#[derive(Debug, Default)]
pub(crate) struct Details {
    /// Number that changes when a process moves to another cgroup; `None` until the next reading.
    known: foldhash::HashMap<ProcessId, Option<u64>>,
    users: HashMap<u32, Arc<str>>,
    placements: HashMap<Vec<u8>, Arc<Placement>>,
}

impl Details {
    /// Returns whether the details of the process were not read yet, or not since it moved.
    pub(crate) fn is_new(&mut self, process: ProcessId, placement: u64) -> bool {
        let Some(known) = self.known.get_mut(&process) else { return true };
        *known.get_or_insert(placement) != placement
    }

    pub(crate) fn forget(&mut self, process: ProcessId) {
        self.known.remove(&process);
    }

    /// Forgets all processes after lifecycle records were lost: accounts closed because of the loss
    /// lack their details. All details are read again over the next ticks.
    pub(crate) fn forget_all(&mut self) {
        self.known.clear();
    }

    /// Reads the details of waiting processes, as many as one tick allows.
    pub(crate) fn read(&mut self, waiting: &mut HashMap<Tgid, (ProcessId, u32)>, out: &mut Vec<Observation>) {
        let chosen: Vec<Tgid> = waiting.keys().copied().take(AT_ONCE).collect();
        for tgid in chosen {
            let Some((process, uid)) = waiting.remove(&tgid) else { continue };
            if let Some(command) = procfs::read_beginning(tgid.0, "cmdline", COMMAND_READ) {
                self.known.insert(process, None);
                let cgroup = procfs::read_beginning(tgid.0, "cgroup", CGROUP_BYTES).unwrap_or_default();
                let (user, runs_in) = (self.user(uid), self.placement(cgroup));
                out.push(Observation::Details(ProcessDetails {
                    process,
                    command: command_line(tgid, &command).into(),
                    user,
                    runs_in,
                }));
            }
        }
    }

    fn user(&mut self, uid: u32) -> Arc<str> {
        if self.users.len() > KEPT {
            self.users.clear();
        }
        let name = || nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name);
        self.users.entry(uid).or_insert_with(|| name().unwrap_or_else(|| uid.to_string()).into()).clone()
    }

    /// Returns the cached placement of a cgroup, which all its processes share.
    fn placement(&mut self, cgroup: Vec<u8>) -> Arc<Placement> {
        if self.placements.len() > KEPT {
            self.placements.clear();
        }
        let placement = self.placements.entry(cgroup);
        Arc::clone(
            placement.or_insert_with_key(|cgroup| Arc::new(Placement::from_proc_cgroup(&to_text(cgroup)))),
        )
    }
}

/// Returns the beginning of a command line. Passwords are removed if the program is memtap, this
/// process or another.
fn command_line(process: Tgid, bytes: &[u8]) -> String {
    let beginning = |bytes: &[u8]| words(&bytes[..bytes.len().min(COMMAND_BYTES)]);
    let program = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let is_memtap = program.rsplit(|byte| *byte == b'/').next() == Some(b"memtap");
    if !is_memtap && process.0 != std::process::id() {
        return beginning(bytes);
    }
    let shown = bytes.split(|byte| *byte == 0).map(|word| match std::str::from_utf8(word) {
        Ok(word) => without_password(word).into_owned().into_bytes(),
        Err(_) => word.to_vec(),
    });
    beginning(&shown.collect::<Vec<_>>().join(&0))
}

/// Joins the arguments with blanks.
fn words(bytes: &[u8]) -> String {
    to_text(bytes).trim_end_matches('\0').replace('\0', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_text() {
        assert_eq!(words(b"perl\0-e\0print \"\xff\"\0"), "perl -e print \"\\xff\"");
        assert_eq!(words(b""), "");
    }

    #[test]
    fn a_command_line_of_memtap_has_no_password() {
        let line = b"/usr/bin/memtap\0serve\0--store\0mysql://me:secret@db/memtap\0";
        let other = Tgid(0);
        assert_eq!(command_line(other, line), "/usr/bin/memtap serve --store mysql://me:***@db/memtap");
        assert!(command_line(Tgid(std::process::id()), &line[9..]).ends_with("mysql://me:***@db/memtap"));
        let cut = [&line[..], &[b'x'; COMMAND_READ]].concat();
        assert_eq!(command_line(other, &cut).len(), COMMAND_BYTES);
        let long =
            [b"memtap\0", &[b'x'; COMMAND_BYTES - 32][..], b"\0mysql://me:secret@db/memtap\0"].concat();
        assert!(!command_line(other, &long).contains("secr"), "a password at the cut");
        assert!(
            command_line(other, b"wget\0http://me:secret@host\0").contains("secret"),
            "others are as they are"
        );
    }

    #[test]
    fn reads_itself_once() {
        let own = Tgid(std::process::id());
        let process = ProcessId { tgid: own, ..ProcessId::default() };
        let mut waiting = HashMap::from([(own, (process, 0))]);
        let mut out = Vec::new();
        let mut details = Details::default();
        details.read(&mut waiting, &mut out);
        assert!(waiting.is_empty() && !details.is_new(process, 7));
        assert!(!details.is_new(process, 7) && details.is_new(process, 8), "it was moved");
        assert!(
            matches!(&out[..], [Observation::Details(details)] if &*details.user == "root" && !details.command.is_empty())
        );
    }
}
