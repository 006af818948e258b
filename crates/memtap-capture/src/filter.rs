//! Filter for processes and requests. The kernel side filters by itself (`bpf/watch.h`); other
//! sources use this type.

use memtap_model::{Call, MemoryRequest, Outcome, Tgid};

/// Processes and requests that a source reports; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these processes; empty means all.
    pub pids: Vec<Tgid>,
    /// Also their descendants, existing and future.
    pub follow: bool,
    /// Without pids: only processes with a thread whose name contains this text, in upper or lower
    /// case. The kernel side skips other processes. Other sources may report more, so callers check
    /// the name of each request.
    pub name_part: Option<String>,
    /// Only these calls; empty means all.
    pub calls: Vec<Call>,
    /// Only requests for at least this many bytes.
    pub least_bytes: u64,
    /// Only refused requests.
    pub refused: bool,
}

impl Filter {
    /// Returns whether the filter lists pids.
    #[must_use]
    pub fn is_of_some(&self) -> bool {
        !self.pids.is_empty()
    }

    /// Returns the text that names must contain, if the kernel side chooses processes by name.
    pub(crate) fn by_name(&self) -> Option<&str> {
        self.name_part.as_deref().filter(|part| !part.is_empty() && !self.is_of_some())
    }

    /// Returns whether the pids include this one, or all processes are included.
    #[must_use]
    pub fn is_of(&self, tgid: Tgid) -> bool {
        self.pids.is_empty() || self.pids.contains(&tgid)
    }

    /// Returns whether the filter includes the call.
    #[must_use]
    pub fn includes_call(&self, call: Call) -> bool {
        self.calls.is_empty() || self.calls.contains(&call)
    }

    /// Returns whether the filter includes the request. The name is not checked.
    #[must_use]
    pub fn is_match(&self, request: &MemoryRequest) -> bool {
        let refused = matches!(request.outcome, Outcome::Refused(_));
        self.is_of(request.tgid)
            && self.includes_call(request.call)
            && request.requested_bytes >= self.least_bytes
            && (refused || !self.refused)
    }
}

#[cfg(test)]
mod tests {
    use memtap_model::{Comm, ScriptLine, WallClock};

    use super::*;

    #[test]
    fn a_request_must_match_every_condition() {
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
