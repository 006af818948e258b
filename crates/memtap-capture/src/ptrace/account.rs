//! The accounts of traced processes: what the eBPF side keeps in its maps, `account.h`, is kept here, with the same meaning.
//!
//! All changes of an address space are found by its size before and after: what a call changed while it was under way is the call's, what
//! is found as a call begins is the stack's or the kernel's.

use memtap_model::{
    Call, CallTotals, Causes, Comm, Errno, Observation, Outcome, ProcessState, Refusals, SpaceId, Tally,
    WallClock,
};

use super::held::MemoryCall;
use super::sizes::SizeReader;
use crate::procfs::Life;

/// An address space.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) id: SpaceId,
    /// Its virtual size as last booked, bytes.
    pub(super) booked: u64,
    /// Its stacks' part of that.
    pub(super) stack: u64,
    /// The end of the heap, once a call has told it.
    pub(super) brk: Option<u64>,
    /// What all its processes have changed it by.
    moved: i64,
    /// Calls that may change it and have not come back.
    pub(super) under_way: u32,
    /// Processes that have it.
    pub(super) users: u32,
}

impl Space {
    pub(super) fn new(id: SpaceId, life: &Life, brk: Option<u64>) -> Self {
        let booked = life.state.virtual_bytes.unwrap_or(0);
        Self { id, booked, stack: life.stack_bytes, brk, moved: 0, under_way: 0, users: 0 }
    }

    /// Its size is this now; gives what is not booked of that.
    pub(super) fn settle(&mut self, size: u64) -> i64 {
        let change = size.cast_signed() - self.booked.cast_signed();
        self.booked = size;
        change
    }

    /// What a call that has come back changed, with the size that was found then, if it was.
    pub(super) fn change_by(
        &mut self,
        call: &MemoryCall,
        outcome: Outcome,
        pages: Option<u64>,
        page: u64,
    ) -> i64 {
        let granted = matches!(outcome, Outcome::Granted(_));
        match (call.sure_delta(page).filter(|_| granted), pages) {
            // Others' changes are in the size as well.
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

/// Why a size changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cause {
    Request,
    Stack,
    Kernel,
}

/// One process life.
#[derive(Debug)]
pub(super) struct Account {
    /// As last read; its causes, sizes and peaks are kept beside it.
    pub(super) state: ProcessState,
    pub(super) space: SpaceId,
    causes: Causes,
    /// What it has itself changed its present space by.
    own: i64,
    /// What had been moved in the space when it came.
    base: i64,
    calls: [CallTotals; Call::COUNT],
    refusals: Vec<Refusals>,
    requests: u64,
    requests_told: u64,
    peak_virtual: u64,
    peak_resident: u64,
    pub(super) sizes: SizeReader,
    /// Threads that are not about to end.
    pub(super) threads: u32,
}

impl Account {
    /// With what the process has as it is born. (/proc knows that moment to a hundredth of a second only.)
    pub(super) fn open(life: &Life, born: WallClock, space: &mut Space) -> Self {
        space.users += 1;
        let mut account = Self {
            state: ProcessState { started_at: born, ..life.state },
            space: space.id,
            causes: Causes { opening_bytes: space.booked, ..Causes::default() },
            own: 0,
            base: space.moved,
            calls: [CallTotals::default(); Call::COUNT],
            refusals: Vec::new(),
            requests: 0,
            requests_told: 0,
            peak_virtual: 0,
            peak_resident: 0,
            sizes: SizeReader::default(),
            threads: 1,
        };
        account.note(life);
        account
    }

    /// What a reading found, but for its size: that is booked by its causes.
    pub(super) fn note(&mut self, life: &Life) {
        self.state = ProcessState { started_at: self.state.started_at, ..life.state };
        self.peak_virtual = self.peak_virtual.max(life.highest_virtual_bytes);
        self.peak_resident = self.peak_resident.max(life.highest_resident_bytes);
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

    /// `asked_bytes`: what counts as asked for, of a break that grew only.
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
                self.refuse(call, errno);
            }
        }
    }

    fn refuse(&mut self, call: Call, errno: Errno) {
        match self.refusals.iter_mut().find(|refusals| refusals.call == call && refusals.errno == errno) {
            Some(refusals) => refusals.count += 1,
            None => self.refusals.push(Refusals { call, errno, count: 1 }),
        }
    }

    /// It has another image from here on, in a space of its own.
    pub(super) fn exec(&mut self, life: &Life, old: &mut Space, new: &mut Space) {
        self.leave(old);
        self.causes.exec_bytes += new.booked.cast_signed() - self.causes.balance();
        (self.space, self.own, self.base) = (new.id, 0, new.moved);
        new.users += 1;
        self.threads = 1;
        self.note(life);
    }

    /// What others did in the space stands in its books from now on.
    pub(super) fn leave(&mut self, space: &mut Space) {
        self.causes.shared_bytes += self.by_others(space);
        self.base = space.moved - self.own;
        space.users -= 1;
    }

    /// What others have done in the space that it is in.
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

    /// What its calls have come to, if that is news.
    pub(super) fn tally(&mut self, out: &mut Vec<Observation>) {
        if std::mem::replace(&mut self.requests_told, self.requests) == self.requests {
            return;
        }
        out.push(Observation::Tally(Box::new(Tally {
            process: self.state.process(),
            calls: self.calls,
            refusals: self.refusals.clone(),
            refusals_beyond: 0,
        })));
    }

    /// Tally and state, as which observation `kind` says.
    pub(super) fn tell(
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
