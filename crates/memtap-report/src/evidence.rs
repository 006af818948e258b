//! What the rules read: gathered from the history for one machine and a range, and what /proc says of the limits now. The work is
//! bounded: what is large enough to matter is looked at closely, and what was not looked at is told.

use std::sync::Arc;
use std::time::Duration;

use memtap_model::{Call, MachineLimits, ProcessLimits, Tgid, WallClock};
use memtap_store::{
    HostRun, Life, LifeQuery, MachinePoint, Measure, Range, Reader, Refused, RequestQuery, Sizes, StoreError,
    StoredOomKill, StoredRequest, UsageQuery,
};

use crate::findings::{Text, strains};
use crate::track::{Track, lived, lived_s, resident};

/// Lives that are read at all, the largest first.
const LIVES: usize = 5_000;
/// Steps that a range is cut into.
const STEPS: u64 = 120;
/// Lives whose course is read: each costs a query.
const TRACKS: usize = 60;
/// Lives whose sizes are counted.
const SIZES: usize = 8;
/// Requests that are counted for each.
const SIZE_ROWS: usize = 200_000;
/// Lives whose largest requests are read, and how many.
const LARGEST: usize = 8;
const LARGEST_ROWS: usize = 1_000;
/// Pairs of process, call and errno; and refused requests with their arguments.
const REFUSALS: usize = 2_000;
const REFUSED_ROWS: usize = 5_000;
/// Processes of which it is looked whether they mapped what their heap was refused, and how long after they do so at once.
const REFUSED_HEAPS: usize = 100;
const AT_ONCE_NS: i64 = 50_000_000;
/// Runs of memtap that are looked at.
pub(crate) const RUNS: usize = 1_000;
/// OOM kills.
const KILLS: usize = 100;
/// Stretches of pressure within which it is looked who grew.
const STRAINS: usize = 3;
/// A course is read of what grew or rose by so much: no rule tells of less.
const MOVED_BYTES: u64 = 8 << 20;
/// Sizes are counted of what asks so often for each second of its life: fewer requests cost nothing that matters.
const BUSY_PER_SECOND: f64 = 20.0;
/// The largest requests are read of what has mapped this part of the machine's memory and does not use it.
const RESERVED_SHARE: u64 = 20;

/// What is known of one machine in a range.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The machine (`host` is always there) and the range.
    pub range: Range,
    /// The machine over time.
    pub machine: Vec<MachinePoint>,
    /// The processes.
    pub lives: Vec<Traced>,
    /// Refused requests by process, call and errno.
    pub refusals: Vec<Refused>,
    /// The latest refused requests, with their arguments.
    pub refused: Vec<StoredRequest>,
    /// Processes (pid and start) that were granted a mapping as soon as their heap could not grow: they have what they asked for.
    pub mapped_instead: Vec<(Tgid, WallClock)>,
    /// OOM kills, the latest first.
    pub oom_kills: Vec<StoredOomKill>,
    /// Stretches in which memory was short.
    pub strains: Vec<Strain>,
    /// Limits now, when it is this machine and memtap runs on it.
    pub now: Option<Now>,
    /// What was not looked at.
    pub not_looked_at: Vec<NotLookedAt>,
}

/// A process life with what was read of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Traced {
    /// Itself.
    pub life: Life,
    /// Its course, where it moved enough.
    pub track: Option<Track>,
    /// Which sizes it asks for, where it asks often.
    pub sizes: Option<Sizes>,
    /// The largest requests that it was granted, and its releases as large, latest first; where it has much more than it uses.
    pub largest: Vec<StoredRequest>,
}

/// A stretch in which memory was short, and the processes that lived in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Strain {
    /// Where it begins.
    pub from: WallClock,
    /// Where it ends.
    pub to: WallClock,
    /// The lives within it: their sizes before and at its end.
    pub lives: Vec<Life>,
}

/// What /proc and the control groups say of one machine's limits at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Now {
    /// Which machine.
    pub host: Arc<str>,
    /// When.
    pub at: WallClock,
    /// The machine's own limits.
    pub machine: MachineLimits,
    /// Virtual size that no cause explains, over all living processes.
    pub unexplained_bytes: u64,
    /// Of living processes.
    pub living: Vec<Living>,
}

/// A living process with its limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Living {
    /// Its pid.
    pub pid: Tgid,
    /// When it started.
    pub started_at: WallClock,
    /// Its limits.
    pub limits: ProcessLimits,
}

/// What was not looked at, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotLookedAt {
    /// More processes than are read.
    Lives(u64),
    /// The machine's memory: the history has no data about it in this range.
    Machine,
    /// Limits: they are not in the history, and this is not the machine that is asked.
    LimitsElsewhere,
    /// Limits: they are not in the history, and the range has ended before.
    LimitsThen,
    /// Requests and refusals: the source did not see them.
    Requests,
    /// Details, since the time for it was used up.
    Time,
    /// Details, since the history did not give them.
    History,
}

impl NotLookedAt {
    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lives(_) => "lives",
            Self::Machine => "machine",
            Self::LimitsElsewhere | Self::LimitsThen => "limits",
            Self::Requests => "requests",
            Self::Time => "time",
            Self::History => "history",
        }
    }

    /// In words.
    #[must_use]
    pub fn text(self) -> Text {
        match self {
            Self::Lives(more) => Text::told(|lang| {
                let more = crate::count(more, lang);
                lang.pick(
                    format!("{more} smaller processes, because this range has too many to check them all."),
                    format!("{more} procesos menores, porque este intervalo tiene demasiados para revisarlos todos."),
                )
            }),
            Self::Machine => Text::both(
                "The machine's memory: the history has no data about it in this range.",
                "La memoria de la máquina: el historial no tiene datos de ella en este intervalo.",
            ),
            Self::LimitsElsewhere => Text::both(
                "Limits of processes and control groups: memtap knows only those of the machine that it runs on.",
                "Los límites de procesos y grupos de control: memtap solo conoce los de la máquina en la que se ejecuta.",
            ),
            Self::LimitsThen => Text::both(
                "Limits of processes and control groups: memtap knows only the present ones, and this range is in the past.",
                "Los límites de procesos y grupos de control: memtap solo conoce los actuales, y este intervalo ya pasó.",
            ),
            Self::Requests => Text::both(
                "Requests, refusals and OOM kills: they were not visible in this range (source: procfs).",
                "Las solicitudes, los rechazos y las muertes por OOM: no eran visibles en este intervalo (fuente: procfs).",
            ),
            Self::Time => Text::both(
                "Details of some processes: the time limit was reached. Choose a shorter range.",
                "Los detalles de algunos procesos: se agotó el tiempo. Elija un intervalo más corto.",
            ),
            Self::History => Text::both(
                "Details of some processes: the history did not answer.",
                "Los detalles de algunos procesos: el historial no respondió.",
            ),
        }
    }
}

/// Reads the evidence of one machine (`range.host` names it), with its limits or why there are none. After `enough` says so, no further detail is read.
///
/// # Errors
/// When the history does not tell the processes of the range.
pub fn gather(
    reader: &dyn Reader,
    range: &Range,
    now: Result<Now, NotLookedAt>,
    enough: &dyn Fn() -> bool,
) -> Result<Evidence, StoreError> {
    let query =
        LifeQuery { range: range.clone(), by: Measure::Resident, limit: LIVES, ..LifeQuery::default() };
    let found = reader.lives(&query)?;
    let (now, no_limits) = now.map_or_else(|why| (None, Some(why)), |now| (Some(now), None));
    let mut evidence = Evidence {
        range: range.clone(),
        lives: found.lives.into_iter().map(|life| Traced { life, ..Traced::default() }).collect(),
        now,
        ..Evidence::default()
    };
    if found.more > 0 {
        evidence.not_looked_at.push(NotLookedAt::Lives(found.more));
    }
    evidence.not_looked_at.extend(no_limits);
    Gathering { reader, enough, evidence: &mut evidence }.details();
    if evidence.machine.is_empty() {
        evidence.not_looked_at.push(NotLookedAt::Machine);
    }
    Ok(evidence)
}

/// Whether a run could see requests. A machine makes some in every second, if only memtap's own: a run that counted none in all of its time
/// read /proc alone.
pub(crate) fn saw_requests(run: &HostRun) -> bool {
    run.requests > 0 || run.lost > 0
}

struct Gathering<'a> {
    reader: &'a dyn Reader,
    enough: &'a dyn Fn() -> bool,
    evidence: &'a mut Evidence,
}

impl Gathering<'_> {
    fn details(&mut self) {
        let range = self.evidence.range.clone();
        let step = Duration::from_secs((span_s(&range) / STEPS).max(1));
        let refused = RequestQuery { refused: Some(true), ..within(&range) };
        if let Some(machine) = self.ask(|reader| reader.machine(&range, step)) {
            self.evidence.machine = machine;
        }
        if let Some(runs) = self.ask(|reader| reader.runs(&range, RUNS))
            && !runs.is_empty()
            && !runs.iter().any(saw_requests)
        {
            self.evidence.not_looked_at.push(NotLookedAt::Requests);
        }
        if let Some(kills) = self.ask(|reader| reader.oom_kills(&range, KILLS)) {
            self.evidence.oom_kills = kills;
        }
        let all = RequestQuery { limit: REFUSALS, ..refused.clone() };
        if let Some(refusals) = self.ask(|reader| reader.refusals(&all)) {
            self.evidence.refusals = refusals;
        }
        if !self.evidence.refusals.is_empty() {
            let latest = RequestQuery { limit: REFUSED_ROWS, ..refused };
            if let Some(page) = self.ask(|reader| reader.requests(&latest)) {
                self.evidence.refused = page.requests;
            }
        }
        self.mapped_instead(&range);
        self.strains(&range);
        self.tracks(&range, step);
        self.sizes(&range);
        self.largest(&range);
    }

    /// Asks, unless it is enough; what fails is told.
    fn ask<T>(&mut self, ask: impl FnOnce(&dyn Reader) -> Result<T, StoreError>) -> Option<T> {
        let answer = if (self.enough)() {
            Err(NotLookedAt::Time)
        } else {
            ask(self.reader).map_err(|_| NotLookedAt::History)
        };
        answer
            .inspect_err(|why| {
                if !self.evidence.not_looked_at.contains(why) {
                    self.evidence.not_looked_at.push(*why);
                }
            })
            .ok()
    }

    fn mapped_instead(&mut self, range: &Range) {
        let heaps = self.evidence.refusals.iter().filter(|refused| refused.call == Call::Brk);
        let heaps: Vec<Refused> = heaps.take(REFUSED_HEAPS).cloned().collect();
        for refused in heaps {
            let query = RequestQuery {
                pid: Some(refused.pid),
                started_at: Some(refused.started_at),
                calls: vec![Call::Mmap],
                refused: Some(false),
                from: Some(refused.last),
                to: Some(WallClock(refused.last.0.saturating_add(AT_ONCE_NS))),
                limit: 1,
                ..within(range)
            };
            let mapped = self.ask(|reader| reader.requests(&query));
            if mapped.is_some_and(|page| !page.requests.is_empty()) {
                self.evidence.mapped_instead.push((refused.pid, refused.started_at));
            }
        }
    }

    fn strains(&mut self, range: &Range) {
        let mut stretches = strains(&self.evidence.machine);
        stretches.sort_by_key(|(from, to)| from.0 - to.0);
        stretches.truncate(STRAINS);
        for (from, to) in stretches {
            let query = LifeQuery {
                range: Range { from, to, ..range.clone() },
                by: Measure::Resident,
                limit: 1_000,
                ..LifeQuery::default()
            };
            if let Some(found) = self.ask(|reader| reader.lives(&query)) {
                self.evidence.strains.push(Strain { from, to, lives: found.lives });
            }
        }
    }

    fn tracks(&mut self, range: &Range, step: Duration) {
        for index in self.chosen(TRACKS, moved) {
            let life = &self.evidence.lives[index].life;
            let (from, to) = lived(life, range);
            let query = UsageQuery {
                host: Some(life.host.to_string()),
                pid: Some(life.pid),
                started_at: Some(life.started_at),
                from,
                to: WallClock(to.0.saturating_add(1)),
                step: step.min(Duration::from_secs((lived_s(life, range) / STEPS as f64) as u64 + 1)),
                ..UsageQuery::default()
            };
            let points = self.ask(|reader| reader.usage(&query));
            let traced = &mut self.evidence.lives[index];
            traced.track = points.map(|points| Track::of(&traced.life, range, &points));
        }
    }

    fn sizes(&mut self, range: &Range) {
        let busy = |evidence: &Evidence, traced: &Traced| {
            let per_second =
                traced.life.within.requests as f64 / lived_s(&traced.life, &evidence.range).max(1.0);
            if per_second < BUSY_PER_SECOND { 0 } else { traced.life.within.requests }
        };
        for index in self.chosen(SIZES, busy) {
            let query = RequestQuery { limit: SIZE_ROWS, ..of(&self.evidence.lives[index].life, range) };
            let sizes = self.ask(|reader| reader.sizes(&query));
            self.evidence.lives[index].sizes = sizes;
        }
    }

    /// Also of before the range: what is reserved stays so.
    fn largest(&mut self, range: &Range) {
        let total = self.evidence.total_bytes();
        if total == 0 {
            return;
        }
        let least = total / RESERVED_SHARE;
        let idle = |_: &Evidence, traced: &Traced| {
            let within = &traced.life.within;
            let idle = within.virtual_bytes.saturating_sub(resident(within));
            if idle < least || traced.life.ended_at.is_some() { 0 } else { idle }
        };
        for index in self.chosen(LARGEST, idle) {
            let life = &self.evidence.lives[index].life;
            let query = RequestQuery {
                calls: vec![Call::Mmap, Call::Munmap, Call::Mremap],
                min_size: Some(least / 4),
                refused: Some(false),
                from: Some(life.started_at),
                limit: LARGEST_ROWS,
                ..of(life, range)
            };
            if let Some(page) = self.ask(|reader| reader.requests(&query)) {
                self.evidence.lives[index].largest = page.requests;
            }
        }
    }

    /// The lives with the most of something, at most so many; those with none of it are left out.
    fn chosen(&self, most: usize, amount: impl Fn(&Evidence, &Traced) -> u64) -> Vec<usize> {
        let evidence = &*self.evidence;
        let amounts = evidence.lives.iter().map(|traced| amount(evidence, traced));
        let mut chosen: Vec<(u64, usize)> = amounts
            .enumerate()
            .map(|(index, amount)| (amount, index))
            .filter(|(amount, _)| *amount > 0)
            .collect();
        chosen.sort_unstable_by(|a, b| b.cmp(a));
        chosen.into_iter().take(most).map(|(_, index)| index).collect()
    }
}

/// By how much a life moved, when that may matter; those near a limit always.
fn moved(evidence: &Evidence, traced: &Traced) -> u64 {
    let Life { within, before_resident_bytes, .. } = &traced.life;
    let living = evidence.now.iter().flat_map(|now| &now.living);
    let tight = living.filter(|living| living.pid == traced.life.pid).any(|Living { limits, .. }| {
        let shares = [limits.address_space, limits.data, limits.locked, limits.mappings];
        let group = limits.cgroup.as_ref().map(|group| group.memory);
        shares.into_iter().chain([group]).flatten().any(|used| used.share() > 0.5)
    });
    let moved = within.peak_resident_bytes.saturating_sub(*before_resident_bytes);
    if tight {
        u64::MAX
    } else if moved >= MOVED_BYTES {
        moved
    } else {
        0
    }
}

fn span_s(range: &Range) -> u64 {
    (range.to.0.saturating_sub(range.from.0) / 1_000_000_000).unsigned_abs()
}

fn within(range: &Range) -> RequestQuery {
    RequestQuery {
        host: range.host.clone(),
        from: Some(range.from),
        to: Some(range.to),
        ..RequestQuery::default()
    }
}

fn of(life: &Life, range: &Range) -> RequestQuery {
    RequestQuery { pid: Some(life.pid), started_at: Some(life.started_at), ..within(range) }
}

impl Evidence {
    /// The machine's memory; 0 when the history has none of it.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.machine.iter().map(|point| point.host.total_bytes).max().unwrap_or(0)
    }

    /// From where to where the history tells of the range: memtap may have begun within it.
    pub(crate) fn watched(&self) -> (WallClock, WallClock) {
        let Range { from, to, .. } = self.range;
        let ends = self.machine.first().zip(self.machine.last());
        ends.map_or((from, to), |(first, last)| {
            let step = i64::try_from(last.step.as_nanos()).unwrap_or(0);
            (from.max(first.from), to.min(WallClock(last.from.0.saturating_add(step))))
        })
    }

    /// What was available at the end of the range.
    pub(crate) fn available_bytes(&self) -> Option<u64> {
        self.machine.last().map(|point| point.host.available_bytes)
    }

    /// The limits of a living process.
    pub(crate) fn limits_of(&self, pid: Tgid, started_at: WallClock) -> Option<&ProcessLimits> {
        let living = &self.now.as_ref()?.living;
        let found = living.iter().find(|one| one.pid == pid && same_second(one.started_at, started_at))?;
        Some(&found.limits)
    }

    /// The life of a pid that began then.
    pub(crate) fn life(&self, pid: Tgid, started_at: WallClock) -> Option<&Traced> {
        self.lives
            .iter()
            .find(|traced| traced.life.pid == pid && same_second(traced.life.started_at, started_at))
    }
}

/// Whether two starts of a pid are the same: clocks and stores round.
fn same_second(a: WallClock, b: WallClock) -> bool {
    a.seconds_since(b).abs() < 1.5
}
