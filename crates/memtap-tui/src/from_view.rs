//! Models made from the ledger's views.

use std::sync::Arc;

use memtap_api::{Process, Request, Time};
use memtap_ledger::{LiveView, ProcessSummary};

use crate::model::{About, Model};

/// Makes models of views. Unchanged processes are taken from the previous model.
#[derive(Debug)]
pub struct Modeller {
    about: Arc<About>,
    living: Vec<Made>,
    ended: Vec<Made>,
    latest: Vec<Arc<Request>>,
    seen: u64,
}

/// A summary, and the process made from it.
type Made = (Arc<ProcessSummary>, Arc<Process>);

impl Modeller {
    /// Returns a converter for the views of one capture.
    #[must_use]
    pub fn new(about: About) -> Self {
        Self { about: Arc::new(about), living: Vec::new(), ended: Vec::new(), latest: Vec::new(), seen: 0 }
    }

    /// Returns the model of a view. Views must come in their order; some may be skipped.
    pub fn model(&mut self, view: &LiveView) -> Model {
        let total_bytes = view.host.total_bytes;
        renew(&mut self.living, &view.living, total_bytes, |summary| summary.process.tgid);
        renew(&mut self.ended, &view.ended, total_bytes, |summary| summary.ended_at);
        let processes = |made: &[Made]| made.iter().map(|(_, process)| Arc::clone(process)).collect();
        Model {
            at: Time(view.at).timestamp(),
            about: Arc::clone(&self.about),
            host: view.host.clone(),
            totals: (&view.totals).into(),
            unexplained_bytes: view.totals.unexplained_bytes,
            oom_kills: view.totals.oom_kills,
            living: processes(&self.living),
            ended: processes(&self.ended),
            latest: self.latest(view),
            trouble: None,
        }
    }

    fn latest(&mut self, view: &LiveView) -> Vec<Arc<Request>> {
        let fresh = view.totals.seen - std::mem::replace(&mut self.seen, view.totals.seen);
        let fresh = usize::try_from(fresh).unwrap_or(usize::MAX).min(view.latest.len());
        let known = view.latest.len() - fresh;
        self.latest.drain(..self.latest.len().saturating_sub(known));
        let fresh = &view.latest[known..];
        self.latest.extend(fresh.iter().map(|booked| Arc::new(Request::from(booked))));
        self.latest.clone()
    }
}

/// Converts new and changed summaries. Both lists are in the order of `place`.
fn renew<Place: Ord>(
    made: &mut Vec<Made>,
    now: &[Arc<ProcessSummary>],
    total_bytes: u64,
    place: impl Fn(&ProcessSummary) -> Place,
) {
    let mut before = std::mem::take(made).into_iter().peekable();
    made.extend(now.iter().map(|summary| {
        let same = |(old, _): &Made| Arc::ptr_eq(old, summary);
        while before.next_if(|old| !same(old) && place(&old.0) <= place(summary)).is_some() {}
        let fresh = || (Arc::clone(summary), Arc::new(Process::new(summary, total_bytes)));
        before.next_if(same).unwrap_or_else(fresh)
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtap_ledger::{Ledger, Settings};
    use memtap_model::{
        Call, Causes, Comm, Errno, MemoryRequest, Observation, Outcome, ProcessId, ProcessState, StartTime,
        Tally, Tgid, Tid, WallClock,
    };

    fn state(pid: u32, virtual_bytes: u64) -> Box<ProcessState> {
        let causes = Causes { opening_bytes: virtual_bytes, ..Causes::default() };
        Box::new(ProcessState {
            tgid: Tgid(pid),
            name: Comm::new(b"a\x1b\xff"),
            causes: Some(causes),
            virtual_bytes: Some(virtual_bytes),
            ..ProcessState::default()
        })
    }

    fn request(pid: u32) -> Observation {
        Observation::Request(MemoryRequest {
            time: WallClock(5_000_000_000),
            tgid: Tgid(pid),
            tid: Tid(pid),
            name: Comm::new(b"a"),
            call: Call::Mmap,
            whole: true,
            arguments: [0, 4096, 3, 0x22, 0],
            outcome: Outcome::Refused(Errno::ENOMEM),
            requested_bytes: 4096,
            delta_bytes: 0,
            virtual_bytes: 8192,
            file: None,
            lost: 0,
        })
    }

    #[test]
    fn what_has_not_changed_is_not_made_again_and_requests_come_once() {
        let mut ledger = Ledger::new(Settings { latest_kept: 3, ..Settings::default() });
        let mut modeller = Modeller::new(About::default());
        for pid in [1, 2] {
            ledger.apply(Observation::Snapshot(state(pid, 8192)));
        }
        ledger.apply(request(1));
        let first = modeller.model(&ledger.publish(WallClock(1_000_000_000)));
        assert_eq!((first.living[0].name.as_str(), first.living[0].virtual_bytes), ("a\u{1b}\\xff", 8192));
        assert_eq!(first.latest.len(), 1);
        assert_eq!(first.latest[0].error.as_deref(), Some("ENOMEM"));
        assert_eq!(first.latest[0].arguments, "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS");

        let mut calls = [memtap_model::CallTotals::default(); Call::COUNT];
        calls[Call::Mmap.index()] = memtap_model::CallTotals { count: 2, requested_bytes: 0, refused: 2 };
        let refusals = vec![memtap_model::Refusals { call: Call::Mmap, errno: Errno::ENOMEM, count: 2 }];
        let process = ProcessId { tgid: Tgid(2), start: StartTime(0) };
        ledger.apply(Observation::Tally(Box::new(Tally { process, calls, refusals, refusals_beyond: 0 })));
        for _ in 0..2 {
            ledger.apply(request(2));
        }
        let second = modeller.model(&ledger.publish(WallClock(2_000_000_000)));
        assert!(
            Arc::ptr_eq(&first.living[0], &second.living[0])
                && !Arc::ptr_eq(&first.living[1], &second.living[1])
        );
        assert_eq!(second.living[1].calls["mmap"].refused, 2);
        assert_eq!(second.living[1].refusals[0].error, "ENOMEM");
        assert!(Arc::ptr_eq(&first.latest[0], &second.latest[0]), "it was made before");
        assert_eq!(second.latest.iter().map(|request| request.pid).collect::<Vec<_>>(), [1, 2, 2]);

        // The oldest are dropped.
        ledger.apply(request(1));
        ledger.apply(Observation::Exit(state(2, 0)));
        let third = modeller.model(&ledger.publish(WallClock(3_000_000_000)));
        assert_eq!(third.latest.iter().map(|request| request.pid).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!((third.living.len(), third.ended[0].pid), (1, 2));
        assert!(third.ended[0].end_time.is_some());
    }
}
