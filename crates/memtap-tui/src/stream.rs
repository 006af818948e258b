//! The latest requests of the process that is shown in detail.

use std::collections::VecDeque;
use std::sync::Arc;

use memtap_api::{ProcessId, Request};

use crate::model::Model;

/// Maximum number of entries.
const KEPT: usize = 500;

/// One entry of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Request(Arc<Request>),
    /// More requests arrived at once than the model holds, so some of this process may be missing.
    Gap,
}

/// Latest entries, newest last.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    process: Option<ProcessId>,
    /// Number of the last request that was examined.
    seen: u64,
    entries: VecDeque<Entry>,
}

impl Stream {
    /// Adds the new requests of this process. For a process that was not followed before, adds
    /// those that the model still holds.
    pub(crate) fn follow(&mut self, process: Option<ProcessId>, model: &Model) {
        let same = self.process == process && model.totals.seen >= self.seen;
        let from = if same { self.seen } else { 0 };
        if !same {
            self.entries.clear();
        }
        self.process = process;
        let fresh = usize::try_from(model.totals.seen - from).unwrap_or(usize::MAX);
        self.seen = model.totals.seen;
        let Some(ProcessId { pid, start_time }) = process else { return };
        if same && fresh > model.latest.len() && self.entries.back() != Some(&Entry::Gap) {
            self.entries.push_back(Entry::Gap);
        }
        let latest = &model.latest[model.latest.len().saturating_sub(fresh)..];
        let own = latest.iter().filter(|request| request.pid == pid && request.timestamp >= start_time);
        self.entries.extend(own.map(|request| Entry::Request(Arc::clone(request))));
        self.entries.drain(..self.entries.len().saturating_sub(KEPT));
    }

    pub(crate) fn entries(&self) -> &VecDeque<Entry> {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtap_api::{Address, Time};
    use memtap_model::Call;

    fn model(seen: u64, pids: &[u32]) -> Model {
        let request = |pid: &u32| {
            Arc::new(Request {
                host: None,
                timestamp: Time::default(),
                pid: *pid,
                tid: *pid,
                process_name: String::new(),
                call: Call::Mmap.into(),
                memory_size: 0,
                address: Address(0),
                delta_bytes: 0,
                errno: None,
                error: None,
                virtual_bytes: 0,
                arguments: String::new(),
                file: None,
                lost_before: 0,
            })
        };
        let mut model = Model { latest: pids.iter().map(request).collect(), ..Model::default() };
        model.totals.seen = seen;
        model
    }

    #[test]
    fn each_request_comes_once_and_a_gap_is_told() {
        let process = Some(ProcessId { pid: 7, start_time: Time::default() });
        let mut stream = Stream::default();
        stream.follow(process, &model(3, &[7, 8, 7]));
        assert_eq!(stream.entries().len(), 2, "what the model has of it");
        stream.follow(process, &model(4, &[8, 7, 7]));
        assert_eq!(stream.entries().len(), 3);
        stream.follow(process, &model(4, &[8, 7, 7]));
        assert_eq!(stream.entries().len(), 3, "nothing is new");
        stream.follow(process, &model(20, &[7, 8, 8]));
        assert_eq!(stream.entries().len(), 5);
        assert_eq!(stream.entries()[3], Entry::Gap);
        // Another memtap answers, whose numbers start again.
        stream.follow(process, &model(2, &[7, 8]));
        assert_eq!(stream.entries().len(), 1);
        stream.follow(None, &model(2, &[7, 8]));
        assert!(stream.entries().is_empty());
    }

    #[test]
    fn entries_are_bounded() {
        let process = Some(ProcessId { pid: 7, start_time: Time::default() });
        let mut stream = Stream::default();
        for times in 1..10 {
            stream.follow(process, &model(times * 100, &[7; 100]));
        }
        assert_eq!(stream.entries().len(), KEPT);
    }
}
