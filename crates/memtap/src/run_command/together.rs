//! Total size of a run's processes at one moment. An address space that several processes share
//! counts once.

use std::collections::HashMap;

use memtap_model::{Observation, ProcessState, SpaceId, Tgid, WallClock};

/// Sizes of the running processes, and the highest sums so far.
#[derive(Debug, Default)]
pub(super) struct Together {
    processes: HashMap<Tgid, SpaceId>,
    spaces: HashMap<SpaceId, Space>,
    virtual_bytes: u64,
    resident_bytes: u64,
    pub(super) peak_virtual_bytes: u64,
    /// Highest known resident size. It is known only at readings and exits, so the true peak may be
    /// higher.
    pub(super) peak_resident_bytes: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Space {
    users: u32,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Together {
    /// Updates the sizes from an observation. Returns its time and the new virtual size, if it has
    /// one.
    pub(super) fn apply(&mut self, observation: &Observation) -> Option<(WallClock, u64)> {
        let at = match observation {
            Observation::Request(request) => {
                let space = *self.processes.get(&request.tgid)?;
                let resident = self.spaces.get(&space)?.resident_bytes;
                self.set(space, request.virtual_bytes, resident);
                request.time
            }
            Observation::Fork(state) | Observation::Exec(state) | Observation::Snapshot(state) => {
                self.update_process(state);
                state.time
            }
            Observation::Exit(state) => {
                // Use the process's peak together with the current sizes of the others.
                self.update_process(state);
                if let Some(space) = self.processes.get(&state.tgid).copied() {
                    let size = state.virtual_bytes.unwrap_or(0);
                    self.set(space, size, state.peak_resident_bytes.max(state.resident.set_bytes()));
                }
                self.remove_process(state.tgid);
                state.time
            }
            _ => return None,
        };
        Some((at, self.virtual_bytes))
    }

    fn update_process(&mut self, state: &ProcessState) {
        if self.processes.get(&state.tgid) != Some(&state.space) {
            self.remove_process(state.tgid);
            self.processes.insert(state.tgid, state.space);
            self.spaces.entry(state.space).or_default().users += 1;
        }
        if let Some(size) = state.virtual_bytes {
            self.set(state.space, size, state.resident.set_bytes());
        }
    }

    fn remove_process(&mut self, tgid: Tgid) {
        let Some(id) = self.processes.remove(&tgid) else { return };
        let Some(space) = self.spaces.get_mut(&id) else { return };
        space.users -= 1;
        if space.users == 0 {
            self.set(id, 0, 0);
            self.spaces.remove(&id);
        }
    }

    fn set(&mut self, id: SpaceId, virtual_bytes: u64, resident_bytes: u64) {
        let Some(space) = self.spaces.get_mut(&id) else { return };
        self.virtual_bytes = self.virtual_bytes - space.virtual_bytes + virtual_bytes;
        self.resident_bytes = self.resident_bytes - space.resident_bytes + resident_bytes;
        (space.virtual_bytes, space.resident_bytes) = (virtual_bytes, resident_bytes);
        self.peak_virtual_bytes = self.peak_virtual_bytes.max(self.virtual_bytes);
        self.peak_resident_bytes = self.peak_resident_bytes.max(self.resident_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtap_model::Resident;

    fn state(pid: u32, space: u64, virtual_bytes: u64, resident_bytes: u64) -> Box<ProcessState> {
        Box::new(ProcessState {
            tgid: Tgid(pid),
            space: SpaceId(space),
            virtual_bytes: Some(virtual_bytes),
            resident: Resident { anonymous_bytes: resident_bytes, ..Resident::default() },
            ..ProcessState::default()
        })
    }

    #[test]
    fn shared_address_spaces_count_once_and_peaks_are_sums_of_one_moment() {
        let mut together = Together::default();
        let mut sum = |observation: Observation| together.apply(&observation).map(|(_, sum)| sum);
        assert_eq!(sum(Observation::Fork(state(1, 1, 100, 10))), Some(100));
        assert_eq!(sum(Observation::Fork(state(2, 1, 100, 10))), Some(100), "a child of vfork");
        assert_eq!(sum(Observation::Exec(state(2, 2, 50, 5))), Some(150));
        let end = ProcessState { peak_resident_bytes: 40, ..*state(2, 2, 60, 1) };
        assert_eq!(sum(Observation::Exit(Box::new(end))), Some(100));
        assert_eq!(sum(Observation::Exit(state(1, 1, 120, 10))), Some(0));
        assert_eq!(sum(Observation::AllRead), None);
        assert_eq!((together.peak_virtual_bytes, together.peak_resident_bytes), (160, 50));
    }
}
