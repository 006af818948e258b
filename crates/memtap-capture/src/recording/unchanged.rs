//! Omission of unchanged states: most processes do nothing most of the time, but a reading contains
//! all of them. Unchanged states are not written, and are restored when the recording is read.

use std::collections::HashMap;

use memtap_model::{Observation, ProcessState, Tally, Tgid, WallClock};

/// Last state and tally of each process. Writer and reader have the same.
#[derive(Debug, Default)]
pub(super) struct LastKnown {
    states: HashMap<Tgid, State>,
    tallies: HashMap<Tgid, Tally>,
}

#[derive(Debug)]
struct State {
    state: ProcessState,
    /// True if the state was in the present reading.
    read: bool,
}

impl LastKnown {
    /// Returns whether the observation must be written, because it differs from the last one.
    pub(super) fn is_changed(&mut self, observation: &Observation) -> bool {
        if let Observation::Snapshot(state) = observation
            && let Some(known) = self.states.get_mut(&state.tgid)
            && known.state == (ProcessState { time: known.state.time, ..**state })
        {
            known.read = true;
            return false;
        }
        if let Observation::Tally(tally) = observation
            && self.tallies.get(&tally.process.tgid) == Some(tally)
        {
            return false;
        }
        self.update(observation);
        true
    }

    /// Takes over an observation that was written or read.
    pub(super) fn update(&mut self, observation: &Observation) {
        match observation {
            Observation::Snapshot(state) => {
                self.states.insert(state.tgid, State { state: **state, read: true });
            }
            Observation::Tally(tally) => {
                self.tallies.insert(tally.process.tgid, (**tally).clone());
            }
            Observation::Fork(state) | Observation::Exec(state) | Observation::Exit(state) => {
                self.forget(state.tgid);
            }
            _ => {}
        }
    }

    fn forget(&mut self, tgid: Tgid) {
        self.states.remove(&tgid);
        self.tallies.remove(&tgid);
    }

    /// Ends a reading that is written. Returns and forgets the known processes that were missing in
    /// it.
    pub(super) fn take_missing(&mut self) -> Vec<Tgid> {
        let missing = self.states.iter().filter(|(_, known)| !known.read).map(|(tgid, _)| *tgid);
        let mut missing: Vec<Tgid> = missing.collect();
        missing.sort_unstable();
        for tgid in &missing {
            self.forget(*tgid);
        }
        self.states.values_mut().for_each(|known| known.read = false);
        missing
    }

    /// Ends a reading that is read from a file. Returns the states that were omitted because they
    /// had not changed. The processes in `unread` were missing in the reading.
    pub(super) fn unchanged_states(&mut self, time: WallClock, unread: &[Tgid]) -> Vec<Observation> {
        for tgid in unread {
            self.forget(*tgid);
        }
        let mut unchanged = Vec::new();
        for known in self.states.values_mut() {
            if !std::mem::replace(&mut known.read, false) {
                unchanged.push(Observation::Snapshot(Box::new(ProcessState { time, ..known.state })));
            }
        }
        unchanged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtap_model::{CallTotals, ProcessId, StartTime};

    fn snapshot(pid: u32, time: i64, bytes: u64) -> Observation {
        let state = ProcessState {
            time: WallClock(time),
            tgid: Tgid(pid),
            start: StartTime(u64::from(pid)),
            virtual_bytes: Some(bytes),
            ..ProcessState::default()
        };
        Observation::Snapshot(Box::new(state))
    }

    fn tally(pid: u32, count: u64) -> Observation {
        let process = ProcessId { tgid: Tgid(pid), start: StartTime(u64::from(pid)) };
        let mut calls = [CallTotals::default(); memtap_model::Call::COUNT];
        calls[0].count = count;
        Observation::Tally(Box::new(Tally { process, calls, refusals: Vec::new(), refusals_beyond: 0 }))
    }

    /// Runs writer and reader over the same readings. The output must equal the input, in any
    /// order.
    #[test]
    fn omitted_states_are_restored() {
        let readings = [
            vec![tally(1, 1), snapshot(1, 1, 10), snapshot(2, 1, 20), snapshot(3, 1, 30)],
            vec![tally(1, 1), snapshot(1, 2, 10), snapshot(2, 2, 21), snapshot(3, 2, 30)],
            vec![snapshot(1, 3, 10), snapshot(3, 3, 30)],
            vec![snapshot(1, 4, 10), snapshot(2, 4, 21), snapshot(3, 4, 31)],
            vec![],
            vec![snapshot(1, 6, 10)],
        ];
        let (mut writer, mut reader) = (LastKnown::default(), LastKnown::default());
        let mut written = Vec::new();
        for (time, reading) in (1..).zip(readings) {
            let file: Vec<_> =
                reading.iter().filter(|observation| writer.is_changed(observation)).cloned().collect();
            written.push(file.len());
            let unread = writer.take_missing();
            file.iter().for_each(|observation| reader.update(observation));
            let mut out = file;
            out.extend(reader.unchanged_states(WallClock(time), &unread));
            let mut expected: Vec<_> =
                reading.iter().filter(|o| matches!(o, Observation::Snapshot(_))).collect();
            let mut actual: Vec<_> = out.iter().filter(|o| matches!(o, Observation::Snapshot(_))).collect();
            let key = |o: &&Observation| match o {
                Observation::Snapshot(state) => state.tgid,
                _ => Tgid(0),
            };
            expected.sort_by_key(key);
            actual.sort_by_key(key);
            assert_eq!(actual, expected, "reading {time}");
        }
        assert_eq!(written, [4, 1, 0, 2, 0, 1]);
    }
}
