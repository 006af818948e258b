//! The ledger: books each observation into its account, and publishes a view once a tick.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};
use memtap_model::{
    HostReading, LossCause, MemoryRequest, Observation, ProcessId, ProcessState, Tally, Tgid, WallClock,
};

use crate::account::Account;
use crate::by_name::ByName;
use crate::focus::Focus;
use crate::oom::OomLog;
use crate::{BookedRequest, LiveView, ProcessSummary, Totals};

/// Number of processes that may end within one tick before ends are lost to the history.
const ENDS_A_TICK: usize = 20_000;

/// Bounds on what the ledger keeps.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Number of latest requests kept for the views. It also bounds the requests of each process in
    /// focus per tick.
    pub latest_kept: usize,
    /// Number of ended processes kept for the views.
    pub ended_kept: usize,
    /// Number of names that the shares distinguish.
    pub names_kept: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { latest_kept: 1000, ended_kept: 1000, names_kept: 4096 }
    }
}

/// All accounts. Observations must be applied in the order of the stream.
#[derive(Debug)]
pub struct Ledger {
    settings: Settings,
    living: HashMap<Tgid, Account>,
    ended: VecDeque<Arc<ProcessSummary>>,
    latest: VecDeque<BookedRequest>,
    focus: Focus,
    by_name: ByName,
    oom: OomLog,
    host: HostReading,
    totals: Totals,
    /// Number of completed readings of all processes.
    pass: u64,
    /// Tallies of processes whose state has not arrived yet.
    early: HashMap<Tgid, Tally>,
    /// Processes whose exit arrived since the last completed reading.
    ended_since_read: HashSet<ProcessId>,
    dirty: Vec<Tgid>,
    since: SinceLastView,
}

/// Events since the last view.
#[derive(Debug, Default)]
struct SinceLastView {
    at: Option<WallClock>,
    tick: u64,
    /// Requests in the stream.
    requests: u64,
    /// Requests counted by the tallies.
    made: u64,
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
            living: HashMap::new(),
            ended: VecDeque::new(),
            latest: VecDeque::new(),
            focus: Focus::default(),
            by_name: ByName::new(settings.names_kept),
            oom: OomLog::default(),
            host: HostReading::default(),
            totals: Totals::default(),
            pass: 0,
            early: HashMap::new(),
            ended_since_read: HashSet::new(),
            dirty: Vec::new(),
            since: SinceLastView::default(),
        }
    }

    /// Books one observation. A request is returned as booked.
    pub fn apply(&mut self, observation: Observation) -> Option<BookedRequest> {
        let booked = self.book(observation);
        self.keep_latest(booked.as_slice());
        booked
    }

    /// Books a batch and returns its requests as booked.
    pub fn apply_all(&mut self, observations: Vec<Observation>) -> Vec<BookedRequest> {
        let mut booked = Vec::with_capacity(observations.len());
        booked.extend(observations.into_iter().filter_map(|observation| self.book(observation)));
        self.keep_latest(&booked);
        // A reading of all processes has few requests, and its result may stay in a queue for long.
        if booked.len() < booked.capacity() / 2 {
            booked.shrink_to_fit();
        }
        booked
    }

    fn book(&mut self, observation: Observation) -> Option<BookedRequest> {
        match observation {
            Observation::Request(request) => return self.book_request(request),
            Observation::Tally(tally) => self.book_tally(*tally),
            Observation::Snapshot(state) => self.book_snapshot(&state),
            Observation::Fork(state) => self.book_fork(&state),
            Observation::Exec(state) => self.book_exec(&state),
            Observation::Exit(state) => self.book_exit(&state),
            Observation::Rename { tgid, name } => self.change_account(tgid, |account| account.rename(name)),
            Observation::Oom(kill) => {
                let living = |tgid| self.living.get(&tgid).map(|account| Arc::new(account.summary(None)));
                self.oom.record_kill(&kill, living);
            }
            Observation::Details(details) => self.change_account(details.process.tgid, |account| {
                if account.process == details.process {
                    account.set_details(&details);
                }
            }),
            Observation::Host(host) => self.host = host,
            Observation::AllRead => self.finish_reading(),
            Observation::Lost { cause, count } => self.count_lost(cause, count),
        }
        None
    }

    /// Sets the processes whose requests the views show separately, however many requests others
    /// make. The caller bounds the number of processes.
    pub fn focus(&mut self, pids: &BTreeSet<Tgid>) {
        self.focus.set(pids);
    }

    /// Records that the wall clock was set by `by_ns` nanoseconds. The time of the last tick is
    /// moved to the new clock.
    pub fn clock_stepped(&mut self, by_ns: i64) {
        self.since.at = self.since.at.map(|at| WallClock(at.0.saturating_add(by_ns)));
    }

    fn book_request(&mut self, request: MemoryRequest) -> Option<BookedRequest> {
        let Some(account) = self.living.get_mut(&request.tgid) else {
            // Until the first reading is complete, requests of an unknown process are part of its
            // opening.
            if self.pass > 0 {
                self.count_lost(LossCause::UnknownProcess, 1);
            }
            return None;
        };
        let lost_before = account.lost_before(request.lost);
        let booked = BookedRequest { process: account.process, request, lost_before };
        account.record_request(&booked);
        if !std::mem::replace(&mut account.dirty, true) {
            self.dirty.push(account.process.tgid);
        }
        self.totals.seen += 1;
        self.since.requests += 1;
        self.focus.record(&booked, self.settings.latest_kept);
        Some(booked)
    }

    /// Keeps the latest requests. Only those that will remain are cloned.
    fn keep_latest(&mut self, booked: &[BookedRequest]) {
        let kept = self.settings.latest_kept;
        let fresh = &booked[booked.len().saturating_sub(kept)..];
        let beyond = (self.latest.len() + fresh.len()).saturating_sub(kept);
        self.latest.drain(..beyond);
        self.latest.extend(fresh.iter().cloned());
    }

    fn book_tally(&mut self, tally: Tally) {
        let tgid = tally.process.tgid;
        let Some(account) = self.living.get_mut(&tgid).filter(|account| account.process == tally.process)
        else {
            self.early.insert(tgid, tally);
            return;
        };
        let deltas = account.book_tally(&tally);
        self.by_name.add(account.name, deltas.requested_bytes(), deltas.mapped_bytes());
        for (sum, call) in self.totals.calls.iter_mut().zip(deltas.0) {
            *sum += call;
        }
        self.totals.made += deltas.requests();
        self.since.made += deltas.requests();
        self.totals.refused += deltas.refused();
        self.since.refused += deltas.refused();
        self.mark_dirty(tgid);
    }

    fn book_snapshot(&mut self, state: &ProcessState) {
        match self.living.get_mut(&state.tgid) {
            Some(account) if account.process == state.process() => {
                add_deltas(&mut self.totals, account, state);
                account.pass = self.pass;
                if account.book_reading(state) {
                    self.mark_dirty(state.tgid);
                }
            }
            // The process ended while it was being read.
            _ if self.ended_since_read.contains(&state.process()) => {}
            _ => self.open_account(state),
        }
    }

    fn open_account(&mut self, state: &ProcessState) {
        // The pid may still belong to a process whose exit was not seen.
        self.close_account(state.tgid, None, state.time);
        let mut account = Account::open(state);
        account.pass = self.pass;
        // Bytes that requests changed since the kernel side opened its account; 0 for a new
        // account.
        self.totals.granted_bytes += account.books.granted_bytes;
        self.totals.released_bytes += account.books.released_bytes;
        self.living.insert(state.tgid, account);
        self.mark_dirty(state.tgid);
        if let Some(tally) = self.early.remove(&state.tgid) {
            self.book_tally(tally);
        }
    }

    fn book_fork(&mut self, state: &ProcessState) {
        self.open_account(state);
        let Some(mut child) = self.living.remove(&state.tgid) else { return };
        child.end_opening();
        if let Some(parent) = self.living.get(&state.parent) {
            child.inherit(parent);
        }
        self.living.insert(state.tgid, child);
    }

    fn book_exec(&mut self, state: &ProcessState) {
        match self.living.get_mut(&state.tgid) {
            Some(account) if account.process == state.process() => {
                add_deltas(&mut self.totals, account, state);
                account.book_exec(state);
                account.pass = self.pass;
                self.mark_dirty(state.tgid);
            }
            _ => self.open_account(state),
        }
    }

    fn book_exit(&mut self, state: &ProcessState) {
        if let Some(account) =
            self.living.get(&state.tgid).filter(|account| account.process == state.process())
        {
            add_deltas(&mut self.totals, account, state);
            self.close_account(state.tgid, Some(state), state.time);
        }
        if self.ended_since_read.len() < ENDS_A_TICK {
            self.ended_since_read.insert(state.process());
        }
    }

    /// Closes the followed accounts of processes that were missing in this reading and in the one
    /// before: their exit was not seen.
    fn finish_reading(&mut self) {
        let now = self.since.at.unwrap_or_default();
        let missing = self.living.values().filter(|account| account.followed && account.pass + 1 < self.pass);
        let missing: Vec<(Tgid, WallClock)> = missing.map(|account| (account.process.tgid, now)).collect();
        for (tgid, at) in missing {
            self.close_account(tgid, None, at);
        }
        self.early.clear();
        self.ended_since_read.clear();
        self.pass += 1;
    }

    fn close_account(&mut self, tgid: Tgid, last: Option<&ProcessState>, time: WallClock) {
        let Some(account) = self.living.remove(&tgid) else { return };
        let summary = account.close(last, time);
        if self.since.ended.len() < ENDS_A_TICK {
            self.since.ended.push(Arc::clone(&summary));
        } else {
            self.count_lost(LossCause::TooManyEnds, 1);
        }
        self.ended.push_back(summary);
        if self.ended.len() > self.settings.ended_kept
            && let Some(oldest) = self.ended.pop_front()
        {
            self.since.removed.push((oldest.process, oldest.started_at));
        }
    }

    fn change_account(&mut self, tgid: Tgid, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.living.get_mut(&tgid) {
            change(account);
            self.mark_dirty(tgid);
        }
    }

    fn count_lost(&mut self, cause: LossCause, count: u64) {
        if count > 0 {
            *self.totals.lost.entry(cause).or_default() += count;
        }
    }

    fn mark_dirty(&mut self, tgid: Tgid) {
        if let Some(account) = self.living.get_mut(&tgid)
            && !account.dirty
        {
            account.dirty = true;
            self.dirty.push(tgid);
        }
    }

    /// Returns the view at `at`, with the changes since the last view.
    pub fn publish(&mut self, at: WallClock) -> LiveView {
        let closed = std::mem::take(&mut self.since.ended);
        // If very many processes ended, the view contains only the latest ones.
        let kept = closed.len().saturating_sub(self.settings.ended_kept);
        let mut changed = closed[kept..].to_vec();
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
        self.update_rates(at, &since);
        let living = self.living_by_pid();
        self.oom.record_tick(at, &self.host, &living);
        let fresh = usize::try_from(since.requests).unwrap_or(usize::MAX).min(self.latest.len());
        LiveView {
            at,
            tick: since.tick,
            host: self.host.clone(),
            living,
            ended: self.ended.iter().cloned().collect(),
            changed,
            closed,
            removed: since.removed,
            latest: self.latest.iter().cloned().collect(),
            fresh,
            skipped: since.requests - fresh as u64,
            focused: self.focus.take_requests(),
            oom_kills: self.oom.kills(),
            fresh_oom_kills: self.oom.take_fresh(),
            requested: self.by_name.requested(),
            mapped: self.by_name.mapped(),
            totals: self.totals.clone(),
        }
    }

    fn update_rates(&mut self, at: WallClock, since: &SinceLastView) {
        let seconds = since.at.map_or(0.0, |earlier| at.seconds_since(earlier));
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        self.totals.per_second = rate(since.made);
        self.totals.refused_per_second = rate(since.refused);
        self.totals.oom_kills = self.oom.seen();
        self.totals.unexplained_bytes =
            self.living.values().map(|account| account.books.unexplained_bytes.unsigned_abs()).sum();
    }

    fn living_by_pid(&self) -> Arc<[Arc<ProcessSummary>]> {
        let mut living: Vec<_> = self.living.values().filter_map(Account::last_summary).cloned().collect();
        living.sort_unstable_by_key(|summary| summary.process.tgid);
        living.into()
    }
}

/// Adds the amounts of a state that exceed those in its account.
fn add_deltas(totals: &mut Totals, account: &Account, state: &ProcessState) {
    totals.faults += state.faults.since(account.faults);
    if let Some(causes) = &state.causes {
        totals.granted_bytes += causes.granted_bytes.saturating_sub(account.books.granted_bytes);
        totals.released_bytes += causes.released_bytes.saturating_sub(account.books.released_bytes);
    }
}
