//! What a recording leaves out: of a machine's processes most do nothing most of the time, and a reading tells of each of them. What is as it
//! was is not written, and comes again as the recording is read.

use std::collections::HashMap;

use memtap_model::{Observation, ProcessState, Tally, Tgid, WallClock};

/// What was told last of each process, as whoever reads has it too.
#[derive(Debug, Default)]
pub(super) struct Told {
    states: HashMap<Tgid, State>,
    tallies: HashMap<Tgid, Tally>,
}

#[derive(Debug)]
struct State {
    state: ProcessState,
    /// It came in the present reading.
    read: bool,
}

impl Told {
    /// Whether `observation` must be written: it says something new.
    pub(super) fn is_news(&mut self, observation: &Observation) -> bool {
        if let Observation::Snapshot(state) = observation
            && let Some(told) = self.states.get_mut(&state.tgid)
            && told.state == (ProcessState { time: told.state.time, ..**state })
        {
            told.read = true;
            return false;
        }
        if let Observation::Tally(tally) = observation
            && self.tallies.get(&tally.process.tgid) == Some(tally)
        {
            return false;
        }
        self.note(observation);
        true
    }

    /// Notes what was written, or read.
    pub(super) fn note(&mut self, observation: &Observation) {
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

    /// A reading ends that was written: gives the known processes that it did not find, which are not known any more.
    pub(super) fn unread(&mut self) -> Vec<Tgid> {
        let missing = self.states.iter().filter(|(_, told)| !told.read).map(|(tgid, _)| *tgid);
        let mut missing: Vec<Tgid> = missing.collect();
        missing.sort_unstable();
        for tgid in &missing {
            self.forget(*tgid);
        }
        self.states.values_mut().for_each(|told| told.read = false);
        missing
    }

    /// A reading ends that is read: gives those that it found as they were, but for the ones in `unread`.
    pub(super) fn as_they_were(&mut self, time: WallClock, unread: &[Tgid]) -> Vec<Observation> {
        for tgid in unread {
            self.forget(*tgid);
        }
        let mut again = Vec::new();
        for told in self.states.values_mut() {
            if !std::mem::replace(&mut told.read, false) {
                again.push(Observation::Snapshot(Box::new(ProcessState { time, ..told.state })));
            }
        }
        again
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

    /// Both sides over the same readings; what comes out must be what went in, in any order.
    #[test]
    fn what_is_left_out_comes_again() {
        let readings = [
            vec![tally(1, 1), snapshot(1, 1, 10), snapshot(2, 1, 20), snapshot(3, 1, 30)],
            vec![tally(1, 1), snapshot(1, 2, 10), snapshot(2, 2, 21), snapshot(3, 2, 30)],
            vec![snapshot(1, 3, 10), snapshot(3, 3, 30)],
            vec![snapshot(1, 4, 10), snapshot(2, 4, 21), snapshot(3, 4, 31)],
            vec![],
            vec![snapshot(1, 6, 10)],
        ];
        let (mut writer, mut reader) = (Told::default(), Told::default());
        let mut written = Vec::new();
        for (time, reading) in (1..).zip(readings) {
            let file: Vec<_> =
                reading.iter().filter(|observation| writer.is_news(observation)).cloned().collect();
            written.push(file.len());
            let unread = writer.unread();
            file.iter().for_each(|observation| reader.note(observation));
            let mut out = file;
            out.extend(reader.as_they_were(WallClock(time), &unread));
            let mut expected: Vec<_> =
                reading.iter().filter(|o| matches!(o, Observation::Snapshot(_))).collect();
            let mut found: Vec<_> = out.iter().filter(|o| matches!(o, Observation::Snapshot(_))).collect();
            let key = |o: &&Observation| match o {
                Observation::Snapshot(state) => state.tgid,
                _ => Tgid(0),
            };
            expected.sort_by_key(key);
            found.sort_by_key(key);
            assert_eq!(found, expected, "reading {time}");
        }
        assert_eq!(written, [4, 1, 0, 2, 0, 1]);
    }
}
