//! What only /proc tells of a process: its command line and its user's name. Read once a process and image, a bounded
//! number at a tick.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;

use memtap_model::{Observation, ProcessDetails, ProcessId, Tgid};

/// Reads of /proc at one tick; the rest waits for the next.
const AT_ONCE: usize = 256;
const COMMAND_BYTES: u64 = 1024;
const NAMES_KEPT: usize = 4096;

/// Which processes are known, and users' names.
#[derive(Debug, Default)]
pub(crate) struct Details {
    known: HashSet<ProcessId>,
    users: HashMap<u32, String>,
}

impl Details {
    /// Whether nothing was read of the process yet.
    pub(crate) fn is_new(&self, process: ProcessId) -> bool {
        !self.known.contains(&process)
    }

    pub(crate) fn forget(&mut self, process: ProcessId) {
        self.known.remove(&process);
    }

    /// Reads of those that wait as many as one tick may.
    pub(crate) fn read(&mut self, waiting: &mut HashMap<Tgid, (ProcessId, u32)>, out: &mut Vec<Observation>) {
        let chosen: Vec<Tgid> = waiting.keys().copied().take(AT_ONCE).collect();
        for tgid in chosen {
            let Some((process, uid)) = waiting.remove(&tgid) else { continue };
            if let Some(command) = command(tgid) {
                self.known.insert(process);
                out.push(Observation::Details(ProcessDetails { process, command, user: self.user(uid) }));
            }
        }
    }

    fn user(&mut self, uid: u32) -> String {
        if self.users.len() > NAMES_KEPT {
            self.users.clear();
        }
        let name = || nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name);
        self.users.entry(uid).or_insert_with(|| name().unwrap_or_else(|| uid.to_string())).clone()
    }
}

/// The command line of a process that still lives.
fn command(tgid: Tgid) -> Option<String> {
    let file = std::fs::File::open(format!("/proc/{}/cmdline", tgid.0)).ok()?;
    let mut bytes = Vec::new();
    file.take(COMMAND_BYTES).read_to_end(&mut bytes).ok()?;
    Some(words(&bytes))
}

/// Arguments joined by blanks; bytes that are not UTF-8 as `\xNN`.
fn words(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text.trim_end_matches('\0').replace('\0', " ")
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
    fn reads_itself_once() {
        let own = Tgid(std::process::id());
        let process = ProcessId { tgid: own, ..ProcessId::default() };
        let mut waiting = HashMap::from([(own, (process, 0))]);
        let mut out = Vec::new();
        let mut details = Details::default();
        details.read(&mut waiting, &mut out);
        assert!(waiting.is_empty() && !details.is_new(process));
        assert!(
            matches!(&out[..], [Observation::Details(found)] if found.user == "root" && !found.command.is_empty())
        );
    }
}
