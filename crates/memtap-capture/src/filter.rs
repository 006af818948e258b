//! Which processes and requests are wanted. The kernel side filters by itself (`bpf/watch.h`); other sources ask here.

use memtap_model::{Call, MemoryRequest, Outcome, Tgid};

/// What a source shall tell; by default everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of these processes only; none: of all.
    pub pids: Vec<Tgid>,
    /// Of their descendants too: those that live and those that are still to be born.
    pub follow: bool,
    /// Where no pids are given: of processes that have a thread with this in its name, small and capital letters being the same. It spares
    /// the kernel side the others; whoever asks looks at each request's name all the same, since sources may tell of more.
    pub name_part: Option<String>,
    /// These calls only; none: all.
    pub calls: Vec<Call>,
    /// Requests for at least so much, bytes.
    pub least_bytes: u64,
    /// Only what was refused.
    pub refused: bool,
}

impl Filter {
    /// Whether it names its processes.
    #[must_use]
    pub fn is_of_some(&self) -> bool {
        !self.pids.is_empty()
    }

    /// By which piece of a name the kernel side shall choose the processes.
    pub(crate) fn by_name(&self) -> Option<&str> {
        self.name_part.as_deref().filter(|part| !part.is_empty() && !self.is_of_some())
    }

    /// Whether the process is one of those named, or all are wanted.
    #[must_use]
    pub fn is_of(&self, tgid: Tgid) -> bool {
        self.pids.is_empty() || self.pids.contains(&tgid)
    }

    /// Whether the call is wanted.
    #[must_use]
    pub fn is_of_call(&self, call: Call) -> bool {
        self.calls.is_empty() || self.calls.contains(&call)
    }

    /// Whether a request of the processes named is wanted.
    #[must_use]
    pub fn is_match(&self, request: &MemoryRequest) -> bool {
        let refused = matches!(request.outcome, Outcome::Refused(_));
        self.is_of(request.tgid)
            && self.is_of_call(request.call)
            && request.requested_bytes >= self.least_bytes
            && (refused || !self.refused)
    }
}

#[cfg(test)]
mod tests {
    use memtap_model::{Comm, ScriptLine, WallClock};

    use super::*;

    #[test]
    fn a_request_must_be_all_that_is_asked_for() {
        let line =
            ScriptLine { call: Call::Mmap, pid: 7, name: Comm::new(b"x"), length: 8192, time: WallClock(0) };
        let request = MemoryRequest::from(&line);
        let matches = |filter: Filter| filter.is_match(&request);
        let wanted = Filter {
            pids: vec![Tgid(3), Tgid(7)],
            calls: vec![Call::Mmap],
            least_bytes: 8192,
            ..Filter::default()
        };
        assert!(matches(Filter::default()) && matches(wanted.clone()));
        assert!(!matches(Filter { pids: vec![Tgid(3)], ..wanted.clone() }));
        assert!(!matches(Filter { calls: vec![Call::Munmap], ..wanted.clone() }));
        assert!(!matches(Filter { least_bytes: 8193, ..wanted.clone() }));
        assert!(!matches(Filter { refused: true, ..wanted }));
    }
}
