//! Accounts of traced processes. They correspond to the accounts that the eBPF side keeps in its
//! maps (`account.h`).
//!
//! Changes of an address space are found by comparing its size before and after calls. A change
//! during a call belongs to the call. A change found at the beginning of a call belongs to the
//! stack or to the kernel.

use memtap_model::{
    Call, CallTotals, Causes, Comm, Errno, Observation, Outcome, ProcessState, Refusals, SpaceId, Tally,
    WallClock,
};

use super::held::MemoryCall;
use super::sizes::SizeReader;
use crate::procfs::ProcessReading;

/// An address space.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) id: SpaceId,
    /// Virtual size as last booked, bytes.
    pub(super) booked: u64,
    /// Size of the stacks within it, bytes.
    pub(super) stack: u64,
    /// End of the heap, after the first call that returned it.
    pub(super) brk: Option<u64>,
    /// Change by all its processes, bytes.
    moved: i64,
    /// Number of calls that may change it and have not returned.
    pub(super) under_way: u32,
    /// Number of processes that use it.
    pub(super) users: u32,
}

impl Space {
    pub(super) fn new(id: SpaceId, reading: &ProcessReading, brk: Option<u64>) -> Self {
        let booked = reading.state.virtual_bytes.unwrap_or(0);
        Self { id, booked, stack: reading.stack_bytes, brk, moved: 0, under_way: 0, users: 0 }
    }

    /// Sets the size, and returns the part of it that was not booked yet.
    pub(super) fn settle(&mut self, size: u64) -> i64 {
        let change = size.cast_signed() - self.booked.cast_signed();
        self.booked = size;
        change
    }

    /// Returns the change made by a call that returned, given the size at that time if it could be
    /// read.
    pub(super) fn change_by(
        &mut self,
        call: &MemoryCall,
        outcome: Outcome,
        pages: Option<u64>,
        page: u64,
    ) -> i64 {
        let granted = matches!(outcome, Outcome::Granted(_));
        match (call.certain_delta(page).filter(|_| granted), pages) {
            // The size includes changes by other calls.
            (Some(delta), Some(_)) if self.under_way > 0 => {
                self.booked = self.booked.saturating_add_signed(delta);
                delta
            }
            (_, Some(pages)) => self.settle(pages * page),
            (delta, None) => {
                let delta = delta.unwrap_or(0);
                self.booked = self.booked.saturating_add_signed(delta);
                delta
            }
        }
    }
}

/// Cause of a change of the size.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cause {
    Request,
    Stack,
    Kernel,
}

/// Account of one process.
#[derive(Debug)]
pub(super) struct Account {
    /// State as last read. Causes, sizes and peaks are kept separately.
    pub(super) state: ProcessState,
    pub(super) space: SpaceId,
    causes: Causes,
    /// Change of its present space by the process itself.
    own: i64,
    /// Change of the space before the process joined it.
    base: i64,
    calls: [CallTotals; Call::COUNT],
    refusals: Vec<Refusals>,
    requests: u64,
    requests_reported: u64,
    peak_virtual: u64,
    peak_resident: u64,
    pub(super) sizes: SizeReader,
    /// Number of threads that are not about to end.
    pub(super) threads: u32,
}

impl Account {
    /// Opens an account with the virtual size at the start of the process. `born` replaces the
    /// start time from /proc, which is exact to 10 ms only.
    pub(super) fn open(reading: &ProcessReading, born: WallClock, space: &mut Space) -> Self {
        space.users += 1;
        let mut account = Self {
            state: ProcessState { started_at: born, ..reading.state },
            space: space.id,
            causes: Causes { opening_bytes: space.booked, ..Causes::default() },
            own: 0,
            base: space.moved,
            calls: [CallTotals::default(); Call::COUNT],
            refusals: Vec::new(),
            requests: 0,
            requests_reported: 0,
            peak_virtual: 0,
            peak_resident: 0,
            sizes: SizeReader::default(),
            threads: 1,
        };
        account.update(reading);
        account
    }

    /// Takes over a reading, except for its size, which is booked by cause.
    pub(super) fn update(&mut self, reading: &ProcessReading) {
        self.state = ProcessState { started_at: self.state.started_at, ..reading.state };
        self.peak_virtual = self.peak_virtual.max(reading.highest_virtual_bytes);
        self.peak_resident = self.peak_resident.max(reading.highest_resident_bytes);
    }

    pub(super) fn book(&mut self, space: &mut Space, cause: Cause, change: i64) {
        match cause {
            Cause::Request if change >= 0 => self.causes.granted_bytes += change.unsigned_abs(),
            Cause::Request => self.causes.released_bytes += change.unsigned_abs(),
            Cause::Stack => self.causes.stack_bytes += change,
            Cause::Kernel => self.causes.kernel_bytes += change,
        }
        self.own += change;
        space.moved += change;
    }

    /// Counts a request. `asked_bytes` are the bytes that count as requested; for brk, growth only.
    pub(super) fn count(&mut self, call: Call, asked_bytes: u64, outcome: Outcome) {
        self.requests += 1;
        let totals = &mut self.calls[call.index()];
        totals.count += 1;
        match outcome {
            Outcome::Granted(_) => {
                totals.requested_bytes = totals.requested_bytes.saturating_add(asked_bytes)
            }
            Outcome::Refused(errno) => {
                totals.refused += 1;
                self.count_refusal(call, errno);
            }
        }
    }

    fn count_refusal(&mut self, call: Call, errno: Errno) {
        match self.refusals.iter_mut().find(|refusals| refusals.call == call && refusals.errno == errno) {
            Some(refusals) => refusals.count += 1,
            None => self.refusals.push(Refusals { call, errno, count: 1 }),
        }
    }

    /// Books an exec: the process continues with a new image in a new space.
    pub(super) fn exec(&mut self, reading: &ProcessReading, old: &mut Space, new: &mut Space) {
        self.leave(old);
        self.causes.exec_bytes += new.booked.cast_signed() - self.causes.balance();
        (self.space, self.own, self.base) = (new.id, 0, new.moved);
        new.users += 1;
        self.threads = 1;
        self.update(reading);
    }

    /// The process leaves its space. Changes by other processes are booked as shared.
    pub(super) fn leave(&mut self, space: &mut Space) {
        self.causes.shared_bytes += self.by_others(space);
        self.base = space.moved - self.own;
        space.users -= 1;
    }

    /// Change by other processes in the present space.
    fn by_others(&self, space: &Space) -> i64 {
        space.moved - self.base - self.own
    }

    pub(super) fn rename(&mut self, name: Comm, out: &mut Vec<Observation>) {
        if self.state.name != name {
            self.tally(out);
            self.state.name = name;
            out.push(Observation::Rename { tgid: self.state.tgid, name });
        }
    }

    /// Adds a tally, if there were requests since the last one.
    pub(super) fn tally(&mut self, out: &mut Vec<Observation>) {
        if std::mem::replace(&mut self.requests_reported, self.requests) == self.requests {
            return;
        }
        out.push(Observation::Tally(Box::new(Tally {
            process: self.state.process(),
            calls: self.calls,
            refusals: self.refusals.clone(),
            refusals_beyond: 0,
        })));
    }

    /// Adds a tally and the state, as the observation that `kind` creates.
    pub(super) fn report(
        &mut self,
        kind: fn(Box<ProcessState>) -> Observation,
        space: &Space,
        time: WallClock,
        out: &mut Vec<Observation>,
    ) {
        self.tally(out);
        let shared_bytes = self.causes.shared_bytes + self.by_others(space);
        out.push(kind(Box::new(ProcessState {
            time,
            causes: Some(Causes { shared_bytes, ..self.causes }),
            space: space.id,
            virtual_bytes: Some(space.booked),
            peak_virtual_bytes: self.peak_virtual,
            peak_resident_bytes: self.peak_resident,
            ..self.state
        })));
    }
}
