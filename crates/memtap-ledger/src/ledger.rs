//! The ledger itself: which observation changes which account, and the view that is published once a tick.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use memtap_model::{
    HostReading, LossCause, MemoryRequest, Observation, Outcome, PageSize, ProcessId, ProcessState, Tgid,
    WallClock,
};

use crate::account::Account;
use crate::by_name::ByName;
use crate::requests::requested_bytes;
use crate::space::Spaces;
use crate::{BookedRequest, LiveView, ProcessSummary, Totals};

/// Bounds and facts that the ledger works with.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The machine's page size.
    pub page: PageSize,
    /// How many of the latest requests are kept for the views.
    pub latest_kept: usize,
    /// How many ended processes are kept for the views.
    pub ended_kept: usize,
    /// How many names the share tells apart.
    pub names_kept: usize,
}

impl Settings {
    /// The default bounds.
    #[must_use]
    pub fn new(page: PageSize) -> Self {
        Self { page, latest_kept: 1000, ended_kept: 1000, names_kept: 4096 }
    }
}

/// All accounts. Feed it observations in the stream's order.
#[derive(Debug)]
pub struct Ledger {
    settings: Settings,
    spaces: Spaces,
    living: HashMap<Tgid, Account>,
    ended: VecDeque<Arc<ProcessSummary>>,
    latest: VecDeque<BookedRequest>,
    by_name: ByName,
    host: HostReading,
    totals: Totals,
    opened: bool,
    dirty: Vec<Tgid>,
    since: Since,
}

/// What happened since the last view.
#[derive(Debug, Default)]
struct Since {
    at: Option<WallClock>,
    tick: u64,
    requests: u64,
    refused: u64,
    ended: Vec<Arc<ProcessSummary>>,
    removed: Vec<(ProcessId, WallClock)>,
}

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            spaces: Spaces::default(),
            living: HashMap::new(),
            ended: VecDeque::new(),
            latest: VecDeque::new(),
            by_name: ByName::new(settings.names_kept),
            host: HostReading::default(),
            totals: Totals::default(),
            opened: false,
            dirty: Vec::new(),
            since: Since::default(),
        }
    }

    /// Books one observation; a request is also given out, with what the books add to it.
    pub fn apply(&mut self, observation: &Observation) -> Option<BookedRequest> {
        match observation {
            Observation::Request(request) => return self.request(request),
            Observation::Snapshot(state) => self.snapshot(state),
            Observation::Fork(state) => self.fork(state),
            Observation::Exec(state) => self.exec(state),
            Observation::Exit { process, time } => self.exit(*process, *time),
            Observation::Details(details) => {
                if let Some(account) = self.living.get_mut(&details.process.tgid)
                    && account.process == details.process
                {
                    account.details(details);
                    self.touch(details.process.tgid);
                }
            }
            Observation::Host(host) => self.host = host.clone(),
            Observation::Opened => self.opened = true,
            Observation::Lost { cause, count } => self.lose(*cause, *count),
        }
        None
    }

    fn request(&mut self, request: &MemoryRequest) -> Option<BookedRequest> {
        let Some(account) = self.living.get_mut(&request.tgid) else {
            // Before the first reading is complete, what an unknown process did is part of its opening.
            if self.opened {
                self.lose(LossCause::UnknownProcess, 1);
            }
            return None;
        };
        account.catch_up(
            self.spaces.get(account.space).map_or(account.virtual_bytes, |space| space.virtual_bytes),
        );
        let (change, brk_before) = match request.outcome {
            Outcome::Granted(_) => self.spaces.granted(request),
            Outcome::Refused(_) => (self.spaces.refused(request), request.brk),
        };
        account.books.stack_bytes += change.stack;
        account.books.book_delta(change.rest);
        account.virtual_bytes = account.virtual_bytes.saturating_add_signed(change.stack + change.rest);
        let booked = BookedRequest {
            process: account.process,
            request: *request,
            requested_bytes: requested_bytes(request, brk_before, change.rest, self.settings.page),
            delta_bytes: change.rest,
        };
        account.request(&booked);
        self.touch(request.tgid);
        self.keep(&booked);
        Some(booked)
    }

    fn keep(&mut self, booked: &BookedRequest) {
        self.by_name.add(booked);
        self.totals.seen += 1;
        self.since.requests += 1;
        if booked.refused() {
            self.totals.refused += 1;
            self.since.refused += 1;
        }
        if self.latest.len() >= self.settings.latest_kept {
            self.latest.pop_front();
        }
        self.latest.push_back(*booked);
    }

    fn snapshot(&mut self, state: &ProcessState) {
        let known = self.living.get(&state.tgid).is_some_and(|account| account.process == state.process());
        if !known {
            self.open(state);
            return;
        }
        let change = self.spaces.reading(state);
        let Some(account) = self.living.get_mut(&state.tgid) else { return };
        if state.followed {
            account.books.stack_bytes += change.stack;
            account.books.unexplained_bytes += change.rest;
            account.virtual_bytes = account.virtual_bytes.saturating_add_signed(change.stack + change.rest);
            account.catch_up(
                self.spaces.get(account.space).map_or(account.virtual_bytes, |space| space.virtual_bytes),
            );
        } else {
            account.virtual_bytes = state.virtual_bytes;
            account.books.opening_bytes = state.virtual_bytes;
        }
        account.reading(state);
        self.touch(state.tgid);
    }

    fn open(&mut self, state: &ProcessState) {
        // The pid may still be another process's, whose end was not seen.
        self.close(state.tgid, state.time);
        let virtual_bytes = self.spaces.enter(state).virtual_bytes;
        self.living.insert(state.tgid, Account::open(state, virtual_bytes));
        self.touch(state.tgid);
    }

    fn fork(&mut self, state: &ProcessState) {
        self.open(state);
        let Some(mut child) = self.living.remove(&state.tgid) else { return };
        if let Some(parent) = self.living.get(&state.parent) {
            child.inherit(parent);
        }
        self.living.insert(state.tgid, child);
    }

    fn exec(&mut self, state: &ProcessState) {
        let Some(account) = self.living.get_mut(&state.tgid) else {
            self.open(state);
            return;
        };
        self.spaces.leave(account.space);
        let virtual_bytes = self.spaces.enter(state).virtual_bytes;
        account.exec(state, virtual_bytes);
        self.touch(state.tgid);
    }

    fn exit(&mut self, process: ProcessId, time: WallClock) {
        if self.living.get(&process.tgid).is_some_and(|account| account.process == process) {
            self.close(process.tgid, time);
        }
    }

    fn close(&mut self, tgid: Tgid, time: WallClock) {
        let Some(account) = self.living.remove(&tgid) else { return };
        self.spaces.leave(account.space);
        let summary = account.end(time);
        // Of a storm of ends within one tick, the views get those that are kept.
        if self.since.ended.len() < self.settings.ended_kept {
            self.since.ended.push(Arc::clone(&summary));
        }
        self.ended.push_back(summary);
        if self.ended.len() > self.settings.ended_kept
            && let Some(oldest) = self.ended.pop_front()
        {
            self.since.removed.push((oldest.process, oldest.started_at));
        }
    }

    fn lose(&mut self, cause: LossCause, count: u64) {
        if count > 0 {
            *self.totals.lost.entry(cause).or_default() += count;
        }
    }

    fn touch(&mut self, tgid: Tgid) {
        if let Some(account) = self.living.get_mut(&tgid)
            && !account.dirty
        {
            account.dirty = true;
            self.dirty.push(tgid);
        }
    }

    /// The view as of `at`, with what changed since the last one.
    pub fn publish(&mut self, at: WallClock) -> LiveView {
        let mut changed = std::mem::take(&mut self.since.ended);
        for tgid in std::mem::take(&mut self.dirty) {
            let Some(account) = self.living.get_mut(&tgid) else { continue };
            account.dirty = false;
            if let (summary, true) = account.show() {
                changed.push(summary);
            }
        }
        let since = std::mem::take(&mut self.since);
        self.since.at = Some(at);
        self.since.tick = since.tick + 1;
        self.rates(at, &since);
        let fresh = usize::try_from(since.requests).unwrap_or(usize::MAX).min(self.latest.len());
        LiveView {
            at,
            tick: since.tick,
            host: self.host.clone(),
            living: self.living_by_pid(),
            ended: self.ended.iter().cloned().collect(),
            changed,
            removed: since.removed,
            latest: self.latest.iter().copied().collect(),
            fresh,
            skipped: since.requests - fresh as u64,
            requested: self.by_name.requested(),
            mapped: self.by_name.mapped(),
            totals: self.totals.clone(),
        }
    }

    fn rates(&mut self, at: WallClock, since: &Since) {
        let seconds = since.at.map_or(0.0, |earlier| at.seconds_since(earlier));
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        self.totals.per_second = rate(since.requests);
        self.totals.refused_per_second = rate(since.refused);
        self.totals.unexplained_bytes =
            self.living.values().map(|account| account.books.unexplained_bytes.unsigned_abs()).sum();
    }

    fn living_by_pid(&self) -> Arc<[Arc<ProcessSummary>]> {
        let mut living: Vec<_> = self.living.values().filter_map(Account::shown).cloned().collect();
        living.sort_unstable_by_key(|summary| summary.process.tgid);
        living.into()
    }
}
