//! One account: what is known of one process life.

use std::sync::Arc;

use memtap_model::{
    CALLS, Call, CallTotals, Causes, Comm, Faults, Placement, ProcessDetails, ProcessId, ProcessState,
    Resident, SpaceId, Tally, Tgid, WallClock,
};

use crate::{BookedRequest, Books, Peaks, ProcessSummary};

/// A process that ran before the start may have had a request under way when its account was opened. What a reading finds so soon after
/// the opening is part of it.
const OPENING_READINGS: u32 = 3;

#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) process: ProcessId,
    space: SpaceId,
    pub(crate) books: Books,
    /// Listed among the accounts that changed since the last tick.
    pub(crate) dirty: bool,
    /// The last reading of all processes that told of it.
    pub(crate) pass: u64,
    pub(crate) followed: bool,
    started_at: WallClock,
    pub(crate) name: Comm,
    command: Arc<str>,
    user: Arc<str>,
    runs_in: Arc<Placement>,
    parent: Tgid,
    inner_pid: Option<u32>,
    session: u32,
    threads: u32,
    resident: Resident,
    pub(crate) faults: Faults,
    life_peaks: Peaks,
    tick_peaks: Peaks,
    /// A view has these: the next that come are of another tick.
    peaks_shown: bool,
    /// What the calls had come to when it got its name.
    named_from: (u64, u64),
    first_request: Option<WallClock>,
    last_request: Option<WallClock>,
    /// As of the last request in the stream.
    lost_told: u32,
    /// A difference that the last reading found. It is most likely something in flight, which will be booked; only when the next reading
    /// finds the same, and nothing was booked in between, is it no such thing.
    in_flight: i64,
    readings: u32,
    /// What the last view showed.
    shown: Option<Arc<ProcessSummary>>,
}

impl Account {
    /// Opens an account with what the process has.
    pub(crate) fn open(state: &ProcessState) -> Self {
        let causes = state
            .causes
            .unwrap_or(Causes { opening_bytes: state.virtual_bytes.unwrap_or(0), ..Causes::default() });
        let mut account = Self {
            process: state.process(),
            space: state.space,
            books: Books::open(causes.opening_bytes),
            dirty: false,
            pass: 0,
            followed: state.causes.is_some(),
            started_at: state.started_at,
            name: state.name,
            command: Arc::default(),
            user: state.uid.to_string().into(),
            runs_in: Arc::default(),
            parent: state.parent,
            inner_pid: state.inner_pid,
            session: state.session,
            threads: state.threads,
            resident: state.resident,
            faults: state.faults,
            life_peaks: Peaks::default(),
            tick_peaks: Peaks::default(),
            peaks_shown: false,
            named_from: (0, 0),
            first_request: None,
            last_request: None,
            lost_told: state.lost as u32,
            in_flight: 0,
            readings: 0,
            shown: None,
        };
        account.books.take(&causes);
        account.books.lost = state.lost;
        account.note(state);
        account
    }

    /// A child runs its parent's command, where its parent runs, until it execs.
    pub(crate) fn inherit(&mut self, parent: &Self) {
        self.command = Arc::clone(&parent.command);
        self.user = Arc::clone(&parent.user);
        self.runs_in = Arc::clone(&parent.runs_in);
    }

    /// A child is no process that ran before the start.
    pub(crate) fn is_born(&mut self) {
        self.readings = OPENING_READINGS;
    }

    /// A reading told of it; gives whether it told anything new. Most processes do nothing most of the time.
    pub(crate) fn reading(&mut self, state: &ProcessState) -> bool {
        if state.space != self.space {
            // Its exec was not told.
            self.exec(state);
            return true;
        }
        self.readings = self.readings.saturating_add(1);
        if self.has(state) {
            return false;
        }
        match &state.causes {
            Some(causes) => {
                let before = (self.books.balance(), self.books.requests());
                self.take(causes, state.lost);
                let quiet = before == (self.books.balance(), self.books.requests());
                if let Some(found) = state.virtual_bytes {
                    self.judge(found, quiet);
                }
            }
            // Nothing explains a change.
            None => self.books.opening_bytes = state.virtual_bytes.unwrap_or(0),
        }
        self.note(state);
        true
    }

    /// Whether all that a state tells is here already, so that booking it would change nothing.
    fn has(&self, state: &ProcessState) -> bool {
        let is_booked = match &state.causes {
            Some(causes) => self.books.have(causes) && self.books.lost == state.lost && self.explains(state),
            None => self.books.opening_bytes == state.virtual_bytes.unwrap_or(0),
        };
        is_booked
            && self.followed == state.causes.is_some()
            && self.resident == state.resident
            && self.faults == state.faults
            && self.threads == state.threads
            && self.tick_peaks == Peaks::of(state)
            && self.name == state.name
            && (self.parent, self.inner_pid, self.session) == (state.parent, state.inner_pid, state.session)
    }

    /// Whether what a reading finds is judged already as it would be again.
    fn explains(&self, state: &ProcessState) -> bool {
        state.virtual_bytes.is_none_or(|found| {
            let difference = self.difference(found);
            difference == self.in_flight && difference == self.books.unexplained_bytes
        })
    }

    fn take(&mut self, causes: &Causes, lost: u64) {
        if !self.followed {
            // The kernel side has found room for an account meanwhile.
            self.followed = true;
            self.books.opening_bytes = causes.opening_bytes;
            self.books.unexplained_bytes = 0;
        }
        self.books.take(causes);
        self.books.lost = lost;
    }

    /// A reading found this virtual size. What the books do not explain stands when it has stood before.
    fn judge(&mut self, found: u64, quiet: bool) {
        let difference = self.difference(found);
        let stands = difference == 0 || (quiet && difference == self.in_flight);
        self.in_flight = difference;
        if !stands {
            return;
        }
        if difference != 0 && self.readings < OPENING_READINGS {
            self.books.opening_bytes = self.books.opening_bytes.saturating_add_signed(difference);
            self.in_flight = 0;
        } else {
            self.books.unexplained_bytes = difference;
        }
    }

    /// What the causes do not explain of a size.
    fn difference(&self, found: u64) -> i64 {
        let explained = self.books.balance() - i128::from(self.books.unexplained_bytes);
        i64::try_from(i128::from(found) - explained).unwrap_or(i64::MAX)
    }

    /// A new image: whatever no cause explained stood in the old space and has gone with it.
    pub(crate) fn exec(&mut self, state: &ProcessState) {
        self.space = state.space;
        // That of the old image; the new one's comes with the next details, unless the process is gone by then.
        self.command = Arc::default();
        match &state.causes {
            Some(causes) => {
                self.take(causes, state.lost);
                self.books.opening_bytes = causes.opening_bytes;
                self.books.unexplained_bytes = 0;
            }
            None => self.books.opening_bytes = state.virtual_bytes.unwrap_or(0),
        }
        self.in_flight = 0;
        self.is_born();
        self.note(state);
    }

    fn note(&mut self, state: &ProcessState) {
        self.followed = state.causes.is_some();
        self.resident = state.resident;
        self.parent = state.parent;
        self.inner_pid = state.inner_pid;
        self.session = state.session;
        self.threads = state.threads;
        self.faults = state.faults;
        self.rename(state.name);
        let before = if self.peaks_shown { Peaks::default() } else { self.tick_peaks };
        self.tick_peaks = before.max(Peaks::of(state));
        self.peaks_shown = false;
        self.life_peaks = self.life_peaks.max(self.tick_peaks);
    }

    pub(crate) fn details(&mut self, details: &ProcessDetails) {
        self.command = Arc::clone(&details.command);
        self.user = Arc::clone(&details.user);
        self.runs_in = Arc::clone(&details.runs_in);
    }

    /// A request in the stream; gives how many were lost before it. The sums are the tally's.
    pub(crate) fn request(&mut self, booked: &BookedRequest) {
        self.lost_told = booked.request.lost;
        self.first_request.get_or_insert(booked.request.time);
        self.last_request = Some(booked.request.time);
    }

    pub(crate) fn lost_before(&self, lost: u32) -> u32 {
        lost.wrapping_sub(self.lost_told)
    }

    /// Gives the requests that are new.
    pub(crate) fn tally(&mut self, tally: &Tally) -> News {
        let before = std::mem::replace(&mut self.books.calls, tally.calls);
        if self.books.refusals[..] != tally.refusals[..] {
            self.books.refusals = tally.refusals.clone().into();
        }
        self.books.refusals_beyond = tally.refusals_beyond;
        News(std::array::from_fn(|index| tally.calls[index].since(before[index])))
    }

    pub(crate) fn rename(&mut self, name: Comm) {
        if self.name != name {
            self.name = name;
            self.named_from = (self.mapped_bytes(), self.released_by_munmap());
        }
    }

    fn requested_bytes(&self) -> u64 {
        requested_bytes(&self.books.calls)
    }

    fn mapped_bytes(&self) -> u64 {
        self.call(Call::Mmap).requested_bytes
    }

    fn released_by_munmap(&self) -> u64 {
        self.call(Call::Munmap).requested_bytes
    }

    fn call(&self, call: Call) -> CallTotals {
        self.books.calls[call.index()]
    }

    /// The last summary: everything goes back. With its last state, what no cause explains can no longer be in flight.
    pub(crate) fn end(mut self, last: Option<&ProcessState>, at: WallClock) -> Arc<ProcessSummary> {
        if let Some(state) = last
            && let Some(causes) = &state.causes
        {
            self.take(causes, state.lost);
            if let Some(found) = state.virtual_bytes {
                self.books.unexplained_bytes = self.difference(found);
            }
            self.note(state);
        }
        self.books.ended_bytes = self.books.virtual_bytes();
        self.resident = Resident::default();
        Arc::new(self.summary(Some(at)))
    }

    /// The summary for the view, and whether it differs from the one before.
    pub(crate) fn show(&mut self) -> (Arc<ProcessSummary>, bool) {
        let summary = self.summary(None);
        self.peaks_shown = true;
        match &self.shown {
            Some(shown) if **shown == summary => (Arc::clone(shown), false),
            _ => {
                let shown = Arc::new(summary);
                self.shown = Some(Arc::clone(&shown));
                (shown, true)
            }
        }
    }

    /// What the last view showed, if it showed this account.
    pub(crate) fn shown(&self) -> Option<&Arc<ProcessSummary>> {
        self.shown.as_ref()
    }

    pub(crate) fn summary(&self, ended_at: Option<WallClock>) -> ProcessSummary {
        ProcessSummary {
            process: self.process,
            started_at: self.started_at,
            name: self.name,
            command: Arc::clone(&self.command),
            user: Arc::clone(&self.user),
            runs_in: Arc::clone(&self.runs_in),
            parent: self.parent,
            inner_pid: self.inner_pid,
            session: self.session,
            threads: self.threads,
            ended_at,
            virtual_bytes: self.books.virtual_bytes(),
            resident: self.resident,
            faults: self.faults,
            peaks: self.life_peaks,
            tick_peaks: self.tick_peaks,
            books: self.books.clone(),
            requested_bytes: self.requested_bytes(),
            named_mmap_bytes: self.mapped_bytes().saturating_sub(self.named_from.0),
            named_munmap_bytes: self.released_by_munmap().saturating_sub(self.named_from.1),
            first_request: self.first_request,
            last_request: self.last_request,
        }
    }
}

/// Sum of what the calls that ask have asked for and been granted.
fn requested_bytes(calls: &[CallTotals; Call::COUNT]) -> u64 {
    let asking = CALLS.iter().zip(calls).filter(|(row, _)| row.asks);
    asking.fold(0, |sum, (_, call)| sum.saturating_add(call.requested_bytes))
}

/// What a tally brought, by call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct News(pub(crate) [CallTotals; Call::COUNT]);

impl News {
    pub(crate) fn requests(&self) -> u64 {
        self.0.iter().map(|call| call.count).sum()
    }

    pub(crate) fn refused(&self) -> u64 {
        self.0.iter().map(|call| call.refused).sum()
    }

    pub(crate) fn requested_bytes(&self) -> u64 {
        requested_bytes(&self.0)
    }

    pub(crate) fn mapped_bytes(&self) -> u64 {
        self.0[Call::Mmap.index()].requested_bytes
    }
}
