//! What only /proc tells of a process: its command line, its user's name, and where it runs. Read once a process and image (and
//! again when it is moved to another cgroup), a bounded number at a tick.

use std::collections::HashMap;
use std::sync::Arc;

use memtap_model::{Observation, Placement, ProcessDetails, ProcessId, Tgid, to_text, without_password};

use crate::procfs;

/// Reads of /proc at one tick; the rest waits for the next.
const AT_ONCE: usize = 256;
const COMMAND_BYTES: usize = 1024;
/// Bytes that are read of it: a password that the cut would take the end of could not be found.
const COMMAND_READ: usize = 8 << 10;
const CGROUP_BYTES: usize = 16 << 10;
/// Names of users, and places, that are remembered.
const KEPT: usize = 4096;

/// Which processes are known, and what many of them share.
#[derive(Debug, Default)]
pub(crate) struct Details {
    /// With the number that changes when a process is moved to another cgroup; `None` until a reading brought it.
    known: foldhash::HashMap<ProcessId, Option<u64>>,
    users: HashMap<u32, Arc<str>>,
    places: HashMap<Vec<u8>, Arc<Placement>>,
}

impl Details {
    /// Whether nothing was read of the process yet, or not since it was moved.
    pub(crate) fn is_new(&mut self, process: ProcessId, placement: u64) -> bool {
        let Some(known) = self.known.get_mut(&process) else { return true };
        *known.get_or_insert(placement) != placement
    }

    pub(crate) fn forget(&mut self, process: ProcessId) {
        self.known.remove(&process);
    }

    /// Lifecycle records were lost: whose account was closed for it lacks what was read once. All are read again, in time.
    pub(crate) fn forget_all(&mut self) {
        self.known.clear();
    }

    /// Reads of those that wait as many as one tick may.
    pub(crate) fn read(&mut self, waiting: &mut HashMap<Tgid, (ProcessId, u32)>, out: &mut Vec<Observation>) {
        let chosen: Vec<Tgid> = waiting.keys().copied().take(AT_ONCE).collect();
        for tgid in chosen {
            let Some((process, uid)) = waiting.remove(&tgid) else { continue };
            if let Some(command) = procfs::beginning(tgid.0, "cmdline", COMMAND_READ) {
                self.known.insert(process, None);
                let cgroup = procfs::beginning(tgid.0, "cgroup", CGROUP_BYTES).unwrap_or_default();
                let (user, runs_in) = (self.user(uid), self.place(cgroup));
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

    /// Processes of one cgroup share what it says.
    fn place(&mut self, cgroup: Vec<u8>) -> Arc<Placement> {
        if self.places.len() > KEPT {
            self.places.clear();
        }
        let place = self.places.entry(cgroup);
        Arc::clone(place.or_insert_with_key(|cgroup| Arc::new(Placement::from_proc_cgroup(&to_text(cgroup)))))
    }
}

/// A command line's beginning. That of a memtap, this one or another, is without the password of a store.
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

/// Arguments joined by blanks.
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
    fn a_memtaps_command_line_has_no_password() {
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
            matches!(&out[..], [Observation::Details(found)] if &*found.user == "root" && !found.command.is_empty())
        );
    }
}
