//! Totals of a trace.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use memtap_ledger::BookedRequest;
use memtap_model::{CALLS, Call, CallTotals, Outcome};
use memtap_report::{Lang, bytes, count};

use super::loss::Cause;

#[derive(Debug, Default)]
pub(super) struct Summary {
    calls: [CallTotals; Call::COUNT],
    /// Refused requests by row of the call table and errno number.
    refusals: BTreeMap<(usize, u16), u64>,
    granted_bytes: u64,
    released_bytes: u64,
    lost: BTreeMap<Cause, u64>,
}

impl Summary {
    pub(super) fn count(&mut self, booked: &BookedRequest) {
        let request = &booked.request;
        let refused = match request.outcome {
            Outcome::Refused(errno) => {
                *self.refusals.entry((request.call.index(), errno.0)).or_default() += 1;
                true
            }
            Outcome::Granted(_) => false,
        };
        let shrinks = request.call == Call::Brk && request.delta_bytes < 0;
        let requested_bytes = if refused || shrinks { 0 } else { request.requested_bytes };
        self.calls[request.call.index()] +=
            CallTotals { count: 1, requested_bytes, refused: u64::from(refused) };
        let moved = request.delta_bytes.unsigned_abs();
        let sum = if request.delta_bytes < 0 { &mut self.released_bytes } else { &mut self.granted_bytes };
        *sum = sum.saturating_add(moved);
    }

    pub(super) fn lose(&mut self, cause: Cause, count: u64) {
        *self.lost.entry(cause).or_default() += count;
    }

    /// Summary for people. `not_shown` requests arrived but were not written.
    pub(super) fn text(&self, time: Duration, not_shown: u64) -> String {
        let number = |number| count(number, Lang::En);
        let size = |size| bytes(size, Lang::En);
        let made: u64 = self.calls.iter().map(|call| call.count).sum();
        let mut text = format!("{} requests in {:.1} s", number(made), time.as_secs_f64());
        let calls = CALLS.iter().zip(&self.calls).filter(|(_, totals)| totals.count > 0);
        if made > 0 {
            let (granted, released) = (size(self.granted_bytes), size(self.released_bytes));
            let _ = write!(text, "; virtual size: {granted} granted, {released} released\n{:<17}", "CALL");
            let _ = write!(text, " {:>12} {:>10} {:>10}", "REQUESTS", "REQUESTED", "REFUSED");
        }
        for (row, totals) in calls {
            let (requested, refused) = (size(totals.requested_bytes), number(totals.refused));
            let _ =
                write!(text, "\n{:<17} {:>12} {requested:>10} {refused:>10}", row.name, number(totals.count));
        }
        if !self.refusals.is_empty() {
            let _ = write!(text, "\nrefused: {}", self.refused().join(", "));
        }
        for (cause, lost) in &self.lost {
            let _ = write!(text, "\nlost, not counted above: {} ({})", number(*lost), cause.words());
        }
        if not_shown > 0 {
            let words = Cause::OutputTooSlow.words();
            let _ = write!(text, "\ncounted above, but not shown: {} ({words})", number(not_shown));
        }
        text
    }

    fn refused(&self) -> Vec<String> {
        let mut refusals: Vec<_> = self.refusals.iter().collect();
        refusals.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
        let descriptions = refusals.into_iter().map(|((row, errno), times)| {
            let errno = memtap_model::Errno(*errno);
            format!("{} {errno} {}", CALLS[*row].name, count(*times, Lang::En))
        });
        descriptions.collect()
    }
}
