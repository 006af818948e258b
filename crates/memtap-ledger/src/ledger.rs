//! The ledger itself: which observation changes which account, and the view that is published once a tick.

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

/// Processes that may end within one tick without being lost to the history.
const ENDS_A_TICK: usize = 20_000;

/// Bounds that the ledger works with.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many of the latest requests are kept for the views; of each process in focus, of a tick.
    pub latest_kept: usize,
    /// How many ended processes are kept for the views.
    pub ended_kept: usize,
    /// How many names the share tells apart.
    pub names_kept: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { latest_kept: 1000, ended_kept: 1000, names_kept: 4096 }
    }
}

/// All accounts. Feed it observations in the stream's order.
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
    /// Readings of all processes that are complete.
    pass: u64,
    /// Tallies of processes whose state has not come yet.
    early: HashMap<Tgid, Tally>,
    /// Whose end has come since the last reading was complete.
    ended_since_read: HashSet<ProcessId>,
    dirty: Vec<Tgid>,
    since: Since,
}

/// What happened since the last view.
#[derive(Debug, Default)]
struct Since {
    at: Option<WallClock>,
    tick: u64,
    /// In the stream.
    requests: u64,
    /// By the tallies.
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
            since: Since::default(),
        }
    }

    /// Books one observation; a request is given back with what the books add to it.
    pub fn apply(&mut self, observation: Observation) -> Option<BookedRequest> {
        let booked = self.book(observation);
        self.remember(booked.as_slice());
        booked
    }

    /// Books a batch; its requests are given back with what the books add to them.
    pub fn apply_all(&mut self, observations: Vec<Observation>) -> Vec<BookedRequest> {
        let mut booked = Vec::with_capacity(observations.len());
        booked.extend(observations.into_iter().filter_map(|observation| self.book(observation)));
        self.remember(&booked);
        // Of a reading of all processes, most are no requests; these may wait for long.
        if booked.len() < booked.capacity() / 2 {
            booked.shrink_to_fit();
        }
        booked
    }

    fn book(&mut self, observation: Observation) -> Option<BookedRequest> {
        match observation {
            Observation::Request(request) => return self.request(request),
            Observation::Tally(tally) => self.tally(*tally),
            Observation::Snapshot(state) => self.snapshot(&state),
            Observation::Fork(state) => self.fork(&state),
            Observation::Exec(state) => self.exec(&state),
            Observation::Exit(state) => self.exit(&state),
            Observation::Rename { tgid, name } => self.change(tgid, |account| account.rename(name)),
            Observation::Oom(kill) => {
                let living = |tgid| self.living.get(&tgid).map(|account| Arc::new(account.summary(None)));
                self.oom.kill(&kill, living);
            }
            Observation::Details(details) => self.change(details.process.tgid, |account| {
                if account.process == details.process {
                    account.details(&details);
                }
            }),
            Observation::Host(host) => self.host = host,
            Observation::AllRead => self.all_read(),
            Observation::Lost { cause, count } => self.lose(cause, count),
        }
        None
    }

    /// From now on, views tell the requests of these processes apart, however many others there are. Whoever calls bounds their number.
    pub fn focus(&mut self, pids: &BTreeSet<Tgid>) {
        self.focus.on(pids);
    }

    /// The wall clock was set by that many nanoseconds: the tick before counts as if it had been by the clock as it is now.
    pub fn clock_stepped(&mut self, by_ns: i64) {
        self.since.at = self.since.at.map(|at| WallClock(at.0.saturating_add(by_ns)));
    }

    fn request(&mut self, request: MemoryRequest) -> Option<BookedRequest> {
        let Some(account) = self.living.get_mut(&request.tgid) else {
            // Before the first reading is complete, what an unknown process did is part of its opening.
            if self.pass > 0 {
                self.lose(LossCause::UnknownProcess, 1);
            }
            return None;
        };
        let lost_before = account.lost_before(request.lost);
        let booked = BookedRequest { process: account.process, request, lost_before };
        account.request(&booked);
        if !std::mem::replace(&mut account.dirty, true) {
            self.dirty.push(account.process.tgid);
        }
        self.totals.seen += 1;
        self.since.requests += 1;
        self.focus.note(&booked, self.settings.latest_kept);
        Some(booked)
    }

    /// Of many, only those are copied that will be among the latest.
    fn remember(&mut self, booked: &[BookedRequest]) {
        let kept = self.settings.latest_kept;
        let fresh = &booked[booked.len().saturating_sub(kept)..];
        let beyond = (self.latest.len() + fresh.len()).saturating_sub(kept);
        self.latest.drain(..beyond);
        self.latest.extend(fresh.iter().cloned());
    }

    fn tally(&mut self, tally: Tally) {
        let tgid = tally.process.tgid;
        let Some(account) = self.living.get_mut(&tgid).filter(|account| account.process == tally.process)
        else {
            self.early.insert(tgid, tally);
            return;
        };
        let news = account.tally(&tally);
        self.by_name.add(account.name, news.requested_bytes(), news.mapped_bytes());
        for (sum, call) in self.totals.calls.iter_mut().zip(news.0) {
            *sum += call;
        }
        self.totals.made += news.requests();
        self.since.made += news.requests();
        self.totals.refused += news.refused();
        self.since.refused += news.refused();
        self.touch(tgid);
    }

    fn snapshot(&mut self, state: &ProcessState) {
        match self.living.get_mut(&state.tgid) {
            Some(account) if account.process == state.process() => {
                add_news(&mut self.totals, account, state);
                account.pass = self.pass;
                if account.reading(state) {
                    self.touch(state.tgid);
                }
            }
            // It was being read as it ended.
            _ if self.ended_since_read.contains(&state.process()) => {}
            _ => self.open(state),
        }
    }

    fn open(&mut self, state: &ProcessState) {
        // The pid may still be another process's, whose end was not seen.
        self.close(state.tgid, None, state.time);
        let mut account = Account::open(state);
        account.pass = self.pass;
        // What its requests did since the kernel side opened its account; before that there are none.
        self.totals.granted_bytes += account.books.granted_bytes;
        self.totals.released_bytes += account.books.released_bytes;
        self.living.insert(state.tgid, account);
        self.touch(state.tgid);
        if let Some(tally) = self.early.remove(&state.tgid) {
            self.tally(tally);
        }
    }

    fn fork(&mut self, state: &ProcessState) {
        self.open(state);
        let Some(mut child) = self.living.remove(&state.tgid) else { return };
        child.is_born();
        if let Some(parent) = self.living.get(&state.parent) {
            child.inherit(parent);
        }
        self.living.insert(state.tgid, child);
    }

    fn exec(&mut self, state: &ProcessState) {
        match self.living.get_mut(&state.tgid) {
            Some(account) if account.process == state.process() => {
                add_news(&mut self.totals, account, state);
                account.exec(state);
                account.pass = self.pass;
                self.touch(state.tgid);
            }
            _ => self.open(state),
        }
    }

    fn exit(&mut self, state: &ProcessState) {
        if let Some(account) =
            self.living.get(&state.tgid).filter(|account| account.process == state.process())
        {
            add_news(&mut self.totals, account, state);
            self.close(state.tgid, Some(state), state.time);
        }
        if self.ended_since_read.len() < ENDS_A_TICK {
            self.ended_since_read.insert(state.process());
        }
    }

    /// Whoever was in neither this reading nor the one before has gone without being seen to.
    fn all_read(&mut self) {
        let now = self.since.at.unwrap_or_default();
        let gone = self.living.values().filter(|account| account.followed && account.pass + 1 < self.pass);
        let gone: Vec<(Tgid, WallClock)> = gone.map(|account| (account.process.tgid, now)).collect();
        for (tgid, at) in gone {
            self.close(tgid, None, at);
        }
        self.early.clear();
        self.ended_since_read.clear();
        self.pass += 1;
    }

    fn close(&mut self, tgid: Tgid, last: Option<&ProcessState>, time: WallClock) {
        let Some(account) = self.living.remove(&tgid) else { return };
        let summary = account.end(last, time);
        if self.since.ended.len() < ENDS_A_TICK {
            self.since.ended.push(Arc::clone(&summary));
        } else {
            self.lose(LossCause::TooManyEnds, 1);
        }
        self.ended.push_back(summary);
        if self.ended.len() > self.settings.ended_kept
            && let Some(oldest) = self.ended.pop_front()
        {
            self.since.removed.push((oldest.process, oldest.started_at));
        }
    }

    fn change(&mut self, tgid: Tgid, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.living.get_mut(&tgid) {
            change(account);
            self.touch(tgid);
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
        let closed = std::mem::take(&mut self.since.ended);
        // Of a storm of ends, the views get those that are kept.
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
        self.rates(at, &since);
        let living = self.living_by_pid();
        self.oom.tick(at, &self.host, &living);
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
            focused: self.focus.take(),
            oom_kills: self.oom.kills(),
            fresh_oom_kills: self.oom.take_fresh(),
            requested: self.by_name.requested(),
            mapped: self.by_name.mapped(),
            totals: self.totals.clone(),
        }
    }

    fn rates(&mut self, at: WallClock, since: &Since) {
        let seconds = since.at.map_or(0.0, |earlier| at.seconds_since(earlier));
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        self.totals.per_second = rate(since.made);
        self.totals.refused_per_second = rate(since.refused);
        self.totals.oom_kills = self.oom.seen();
        self.totals.unexplained_bytes =
            self.living.values().map(|account| account.books.unexplained_bytes.unsigned_abs()).sum();
    }

    fn living_by_pid(&self) -> Arc<[Arc<ProcessSummary>]> {
        let mut living: Vec<_> = self.living.values().filter_map(Account::shown).cloned().collect();
        living.sort_unstable_by_key(|summary| summary.process.tgid);
        living.into()
    }
}

/// Adds what a state tells that its account does not have yet.
fn add_news(totals: &mut Totals, account: &Account, state: &ProcessState) {
    totals.faults += state.faults.since(account.faults);
    if let Some(causes) = &state.causes {
        totals.granted_bytes += causes.granted_bytes.saturating_sub(account.books.granted_bytes);
        totals.released_bytes += causes.released_bytes.saturating_sub(account.books.released_bytes);
    }
}
