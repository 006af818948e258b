//! Counts one process's requests by call and step, and collects its names, in one pass from the
//! newest request to the oldest.

use std::collections::BTreeMap;
use std::time::Duration;

use memtap_model::{Call, Comm, WallClock};

use crate::{CallCount, CallStep, NameSince, ProcessCalls};

/// Maximum number of names returned, the latest ones. A process may rename itself without limit.
const NAMES: usize = 100;

/// Counts requests that are added newest first.
pub(crate) struct StepCount {
    /// Length of a step, nanoseconds.
    width: i64,
    steps: BTreeMap<(i64, Call), CallCount>,
    /// Latest first.
    names: Vec<NameSince>,
    /// True once a name was left out because the list is full.
    has_all_names: bool,
    rows: u64,
    since: Option<WallClock>,
}

impl StepCount {
    pub(crate) fn new(step: Duration) -> Self {
        let width = i64::try_from(step.as_nanos()).unwrap_or(i64::MAX).max(1);
        Self { width, steps: BTreeMap::new(), names: Vec::new(), has_all_names: false, rows: 0, since: None }
    }

    /// Counts one request. `name` is the process's name if known; pass `None` for other threads
    /// than the first, since they have names of their own.
    pub(crate) fn add(&mut self, call: Call, is_refused: bool, time: WallClock, name: Option<Comm>) {
        self.rows += 1;
        self.since = Some(self.since.map_or(time, |since| since.min(time)));
        let begin = time.0.saturating_sub(time.0.rem_euclid(self.width));
        let count = self.steps.entry((begin, call)).or_default();
        count.count += 1;
        count.refused += u64::from(is_refused);
        let Some(name) = name else { return };
        // Requests come newest first. Once a name did not fit, all earlier ones are left out.
        if self.has_all_names {
            return;
        }
        let known_names = self.names.len();
        match self.names.last_mut().filter(|known| known.name == name) {
            Some(known) => known.since = time,
            None if known_names < NAMES => self.names.push(NameSince { name, since: time }),
            None => self.has_all_names = true,
        }
    }

    /// Returns the counts, oldest step first. `cut`: there were more requests than were added.
    pub(crate) fn finish(self, cut: bool) -> ProcessCalls {
        let mut steps: Vec<CallStep> = Vec::new();
        for ((begin, call), count) in self.steps {
            match steps.last_mut().filter(|step| step.from.0 == begin) {
                Some(step) => step.calls.push((call, count)),
                None => steps.push(CallStep { from: WallClock(begin), calls: vec![(call, count)] }),
            }
        }
        let mut names = self.names;
        names.reverse();
        let step = Duration::from_nanos(self.width.unsigned_abs());
        ProcessCalls { step, steps, names, rows: self.rows, since: self.since, cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_hundred_names_are_returned() {
        let mut count = StepCount::new(Duration::from_secs(1));
        for n in (0..1000_i64).rev() {
            let name = if n % 2 == 0 { Comm::new(b"even") } else { Comm::new(b"odd") };
            count.add(Call::Brk, false, WallClock(n), Some(name));
        }
        let calls = count.finish(false);
        assert_eq!((calls.names.len(), calls.rows, calls.steps.len()), (NAMES, 1000, 1));
        assert_eq!((calls.names[0].since, calls.names[NAMES - 1].since), (WallClock(900), WallClock(999)));
    }
}
