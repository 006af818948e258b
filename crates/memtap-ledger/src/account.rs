//! The account of one process.

use std::sync::Arc;

use memtap_model::{
    CALLS, Call, CallTotals, Causes, Comm, Faults, Placement, ProcessDetails, ProcessId, ProcessState,
    Resident, SpaceId, Tally, Tgid, WallClock,
};

use crate::{BookedRequest, Books, Peaks, ProcessSummary};

/// Number of readings that may still correct the opening. A process that ran before memtap started
/// may have been in the middle of a request when its account was opened.
const OPENING_READINGS: u32 = 3;

#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) process: ProcessId,
    space: SpaceId,
    pub(crate) books: Books,
    /// True if the account is in the list of accounts that changed since the last tick.
    pub(crate) dirty: bool,
    /// The last reading of all processes that contained this one.
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
    peaks: Peaks,
    tick_peaks: Peaks,
    /// True if a view has shown these peaks. The next ones belong to another tick.
    peaks_shown: bool,
    /// Bytes mapped and unmapped when the process got its current name.
    named_from: (u64, u64),
    first_request: Option<WallClock>,
    last_request: Option<WallClock>,
    /// Number of lost requests, as of the last request in the stream.
    lost_reported: u32,
    /// Difference that the last reading found. It is most likely in flight and will be booked
    /// later. It is unexplained only if the next reading finds the same difference and nothing was
    /// booked in between.
    in_flight: i64,
    readings: u32,
    /// Summary in the last view.
    last_shown: Option<Arc<ProcessSummary>>,
}

impl Account {
    /// Opens an account with the current virtual size of the process.
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
            peaks: Peaks::default(),
            tick_peaks: Peaks::default(),
            peaks_shown: false,
            named_from: (0, 0),
            first_request: None,
            last_request: None,
            lost_reported: state.lost as u32,
            in_flight: 0,
            readings: 0,
            last_shown: None,
        };
        account.books.set_causes(&causes);
        account.books.lost = state.lost;
        account.update(state);
        account
    }

    /// Copies command, user and placement from the parent: they are the same until the child calls
    /// exec.
    pub(crate) fn inherit(&mut self, parent: &Self) {
        self.command = Arc::clone(&parent.command);
        self.user = Arc::clone(&parent.user);
        self.runs_in = Arc::clone(&parent.runs_in);
    }

    /// Ends the readings that may correct the opening: the process did not run before memtap
    /// started.
    pub(crate) fn end_opening(&mut self) {
        self.readings = OPENING_READINGS;
    }

    /// Books a reading. Returns whether it changed anything: most processes do nothing most of the
    /// time.
    pub(crate) fn book_reading(&mut self, state: &ProcessState) -> bool {
        if state.space != self.space {
            // The exec of this process was not seen.
            self.book_exec(state);
            return true;
        }
        self.readings = self.readings.saturating_add(1);
        if self.contains(state) {
            return false;
        }
        match &state.causes {
            Some(causes) => {
                let before = (self.books.balance(), self.books.requests());
                self.set_causes(causes, state.lost);
                let is_quiet = before == (self.books.balance(), self.books.requests());
                if let Some(virtual_bytes) = state.virtual_bytes {
                    self.judge(virtual_bytes, is_quiet);
                }
            }
            // No cause can explain a change.
            None => self.books.opening_bytes = state.virtual_bytes.unwrap_or(0),
        }
        self.update(state);
        true
    }

    /// Returns whether the account already contains the state, so that booking it would change
    /// nothing.
    fn contains(&self, state: &ProcessState) -> bool {
        let is_booked = match &state.causes {
            Some(causes) => {
                self.books.has_causes(causes) && self.books.lost == state.lost && self.has_judged(state)
            }
            None => self.books.opening_bytes == state.virtual_bytes.unwrap_or(0),
        };
        is_booked
            && self.followed == state.causes.is_some()
            && self.resident == state.resident
            && self.faults == state.faults
            && self.threads == state.threads
            && self.tick_peaks == Peaks::from_state(state)
            && self.name == state.name
            && (self.parent, self.inner_pid, self.session) == (state.parent, state.inner_pid, state.session)
    }

    /// Returns whether judging the state's virtual size again would change nothing.
    fn has_judged(&self, state: &ProcessState) -> bool {
        state.virtual_bytes.is_none_or(|virtual_bytes| {
            let difference = self.difference(virtual_bytes);
            difference == self.in_flight && difference == self.books.unexplained_bytes
        })
    }

    fn set_causes(&mut self, causes: &Causes, lost: u64) {
        if !self.followed {
            // The kernel side opened an account in the meantime.
            self.followed = true;
            self.books.opening_bytes = causes.opening_bytes;
            self.books.unexplained_bytes = 0;
        }
        self.books.set_causes(causes);
        self.books.lost = lost;
    }

    /// Compares the virtual size of a reading with the books. A difference counts once two readings
    /// in a row have found it.
    fn judge(&mut self, virtual_bytes: u64, is_quiet: bool) {
        let difference = self.difference(virtual_bytes);
        let is_settled = difference == 0 || (is_quiet && difference == self.in_flight);
        self.in_flight = difference;
        if !is_settled {
            return;
        }
        if difference != 0 && self.readings < OPENING_READINGS {
            self.books.opening_bytes = self.books.opening_bytes.saturating_add_signed(difference);
            self.in_flight = 0;
        } else {
            self.books.unexplained_bytes = difference;
        }
    }

    /// Returns the bytes of a virtual size that no cause explains.
    fn difference(&self, virtual_bytes: u64) -> i64 {
        let explained = self.books.balance() - i128::from(self.books.unexplained_bytes);
        i64::try_from(i128::from(virtual_bytes) - explained).unwrap_or(i64::MAX)
    }

    /// Books an exec. Unexplained bytes belonged to the old address space, which no longer exists.
    pub(crate) fn book_exec(&mut self, state: &ProcessState) {
        self.space = state.space;
        // The command belongs to the old image. The next details contain the new one, unless the
        // process ends first.
        self.command = Arc::default();
        match &state.causes {
            Some(causes) => {
                self.set_causes(causes, state.lost);
                self.books.opening_bytes = causes.opening_bytes;
                self.books.unexplained_bytes = 0;
            }
            None => self.books.opening_bytes = state.virtual_bytes.unwrap_or(0),
        }
        self.in_flight = 0;
        self.end_opening();
        self.update(state);
    }

    fn update(&mut self, state: &ProcessState) {
        self.followed = state.causes.is_some();
        self.resident = state.resident;
        self.parent = state.parent;
        self.inner_pid = state.inner_pid;
        self.session = state.session;
        self.threads = state.threads;
        self.faults = state.faults;
        self.rename(state.name);
        let before = if self.peaks_shown { Peaks::default() } else { self.tick_peaks };
        self.tick_peaks = before.max(Peaks::from_state(state));
        self.peaks_shown = false;
        self.peaks = self.peaks.max(self.tick_peaks);
    }

    pub(crate) fn set_details(&mut self, details: &ProcessDetails) {
        self.command = Arc::clone(&details.command);
        self.user = Arc::clone(&details.user);
        self.runs_in = Arc::clone(&details.runs_in);
    }

    /// Records a request of the stream. It changes no sums, which come with the tally.
    pub(crate) fn record_request(&mut self, booked: &BookedRequest) {
        self.lost_reported = booked.request.lost;
        self.first_request.get_or_insert(booked.request.time);
        self.last_request = Some(booked.request.time);
    }

    pub(crate) fn lost_before(&self, lost: u32) -> u32 {
        lost.wrapping_sub(self.lost_reported)
    }

    /// Books a tally. Returns the requests that are new since the last one.
    pub(crate) fn book_tally(&mut self, tally: &Tally) -> CallDeltas {
        let before = std::mem::replace(&mut self.books.calls, tally.calls);
        if self.books.refusals[..] != tally.refusals[..] {
            self.books.refusals = tally.refusals.clone().into();
        }
        self.books.refusals_beyond = tally.refusals_beyond;
        CallDeltas(std::array::from_fn(|index| tally.calls[index].since(before[index])))
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

    /// Closes the account, books the remaining virtual size as ended, and returns the last summary.
    /// A difference in the last state can no longer be in flight, so it is unexplained.
    pub(crate) fn close(mut self, last: Option<&ProcessState>, at: WallClock) -> Arc<ProcessSummary> {
        if let Some(state) = last
            && let Some(causes) = &state.causes
        {
            self.set_causes(causes, state.lost);
            if let Some(virtual_bytes) = state.virtual_bytes {
                self.books.unexplained_bytes = self.difference(virtual_bytes);
            }
            self.update(state);
        }
        self.books.ended_bytes = self.books.virtual_bytes();
        self.resident = Resident::default();
        Arc::new(self.summary(Some(at)))
    }

    /// Returns the summary for the view, and whether it differs from the last one.
    pub(crate) fn show(&mut self) -> (Arc<ProcessSummary>, bool) {
        let summary = self.summary(None);
        self.peaks_shown = true;
        match &self.last_shown {
            Some(shown) if **shown == summary => (Arc::clone(shown), false),
            _ => {
                let shown = Arc::new(summary);
                self.last_shown = Some(Arc::clone(&shown));
                (shown, true)
            }
        }
    }

    /// Returns the summary in the last view, if the account was in it.
    pub(crate) fn last_summary(&self) -> Option<&Arc<ProcessSummary>> {
        self.last_shown.as_ref()
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
            peaks: self.peaks,
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

/// Sums the requested bytes of the calls that ask for memory.
fn requested_bytes(calls: &[CallTotals; Call::COUNT]) -> u64 {
    let asking = CALLS.iter().zip(calls).filter(|(row, _)| row.asks);
    asking.fold(0, |sum, (_, call)| sum.saturating_add(call.requested_bytes))
}

/// Requests that a tally added, by call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallDeltas(pub(crate) [CallTotals; Call::COUNT]);

impl CallDeltas {
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
