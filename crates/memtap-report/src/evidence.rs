//! Evidence that the rules read: history of one machine in a range, and its current limits from
//! /proc. The work is bounded. Only large items are examined in detail, and the evidence lists what
//! was not examined.

use std::sync::Arc;
use std::time::Duration;

use memtap_history::{
    HostRun, LifetimeQuery, MachinePoint, Measure, Pending, ProcessLifetime, Range, Reader, Refused,
    RequestQuery, Sizes, StoreError, StoredOomKill, StoredRequest, UsageQuery,
};
use memtap_model::{Call, MachineLimits, ProcessLimits, Tgid, WallClock};

use crate::findings::{Text, strains};
use crate::track::{Track, lived, lived_s, resident};

/// Process lifetimes to read, largest resident set first.
const LIVES: usize = 5_000;
/// Steps that the range is divided into.
const STEPS: u64 = 120;
/// Processes whose course is read: each costs a query.
const TRACKS: usize = 60;
/// Processes whose request sizes are counted.
const SIZES: usize = 8;
/// Requests to count for each of these processes.
const SIZE_ROWS: usize = 200_000;
/// Processes whose largest requests are read, and the requests read for each.
const LARGEST: usize = 8;
const LARGEST_ROWS: usize = 1_000;
/// Combinations of process, call and errno to read, and refused requests with their arguments.
const REFUSALS: usize = 2_000;
const REFUSED_ROWS: usize = 5_000;
/// Processes to check for a mapping granted right after their heap was refused, and how long after
/// a refusal a mapping still counts.
const REFUSED_HEAPS: usize = 100;
const AT_ONCE_NS: i64 = 50_000_000;
/// Runs of memtap to read.
pub(crate) const RUNS: usize = 1_000;
/// OOM kills to read.
const KILLS: usize = 100;
/// Periods of memory pressure for which process growth is read.
const STRAINS: usize = 3;
/// Smallest change for which a course is read: no rule reports less.
const MOVED_BYTES: u64 = 8 << 20;
/// Requests per second of lifetime from which sizes are counted: a lower rate costs too little to
/// matter.
const BUSY_PER_SECOND: f64 = 20.0;
/// Divisor of the machine's memory: the largest requests are read for processes that have mapped at
/// least this part and do not use it.
const RESERVED_SHARE: u64 = 20;

/// Everything known about one machine in a range.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Range that was examined; `host` is always set.
    pub range: Range,
    /// Memory of the machine over time.
    pub machine: Vec<MachinePoint>,
    /// Processes of the range.
    pub lives: Vec<Traced>,
    /// Refused requests by process, call and errno.
    pub refusals: Vec<Refused>,
    /// Latest refused requests, with their arguments.
    pub refused: Vec<StoredRequest>,
    /// Processes (pid and start) that were granted a mapping as soon as their heap could not grow,
    /// so they got the memory they requested.
    pub mapped_instead: Vec<(Tgid, WallClock)>,
    /// OOM kills, latest first.
    pub oom_kills: Vec<StoredOomKill>,
    /// Periods in which memory was short.
    pub strains: Vec<Strain>,
    /// Current limits, if memtap runs on this machine.
    pub now: Option<Now>,
    /// Checks that were skipped.
    pub not_looked_at: Vec<NotLookedAt>,
}

/// A process lifetime with the details read for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Traced {
    /// Process lifetime as the history returns it.
    pub life: ProcessLifetime,
    /// Course of its sizes, if they changed enough.
    pub track: Option<Track>,
    /// Sizes that it requests, if it requests often.
    pub sizes: Option<Sizes>,
    /// Its largest granted requests and releases of that size, latest first. Read if the process
    /// has mapped much more than it uses.
    pub largest: Vec<StoredRequest>,
}

/// A period in which memory was short, with the processes that existed in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Strain {
    /// Start of the period.
    pub from: WallClock,
    /// End of the period.
    pub to: WallClock,
    /// Processes in the period, with their sizes before it and at its end.
    pub lives: Vec<ProcessLifetime>,
}

/// Limits of one machine at one moment, from /proc and the control groups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Now {
    /// Name of the machine.
    pub host: Arc<str>,
    /// Time at which the limits were read.
    pub at: WallClock,
    /// Limits of the machine itself.
    pub machine: MachineLimits,
    /// Virtual size that no cause explains, summed over all living processes.
    pub unexplained_bytes: u64,
    /// Limits of the living processes.
    pub living: Vec<Living>,
}

/// A living process with its limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Living {
    /// Process id.
    pub pid: Tgid,
    /// Start time.
    pub started_at: WallClock,
    /// Limits of the process.
    pub limits: ProcessLimits,
}

/// A check that was skipped, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotLookedAt {
    /// Number of processes that were not read, because the range has too many.
    Processes(u64),
    /// Memory of the machine: the history has no data about it in this range.
    Machine,
    /// Limits: they are not in the history, and the queried machine is another one.
    LimitsElsewhere,
    /// Limits: they are not in the history, and the range ended too long ago.
    LimitsThen,
    /// Requests and refusals: the source did not see them.
    Requests,
    /// Details: the time limit was reached.
    Time,
    /// Details: the history could not return them.
    History,
}

impl NotLookedAt {
    /// Name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Processes(_) => "lives",
            Self::Machine => "machine",
            Self::LimitsElsewhere | Self::LimitsThen => "limits",
            Self::Requests => "requests",
            Self::Time => "time",
            Self::History => "history",
        }
    }

    /// Explanation for people.
    #[must_use]
    pub fn text(self) -> Text {
        match self {
            Self::Processes(more) => Text::told(|lang| {
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

/// Reads the evidence of one machine, which `range.host` names. `now` has its limits, or why there
/// are none. Once `enough` returns true, no further detail is read.
///
/// # Errors
/// When the history cannot return the processes of the range.
pub async fn gather(
    reader: &dyn Reader,
    range: &Range,
    now: Result<Now, NotLookedAt>,
    enough: &(dyn Fn() -> bool + Sync),
) -> Result<Evidence, StoreError> {
    let query = LifetimeQuery {
        range: range.clone(),
        by: Measure::Resident,
        limit: LIVES,
        ..LifetimeQuery::default()
    };
    let answer = reader.lifetimes(&query).await?;
    let (now, no_limits) = now.map_or_else(|why| (None, Some(why)), |now| (Some(now), None));
    let mut evidence = Evidence {
        range: range.clone(),
        lives: answer.lives.into_iter().map(|life| Traced { life, ..Traced::default() }).collect(),
        now,
        ..Evidence::default()
    };
    if answer.more > 0 {
        evidence.not_looked_at.push(NotLookedAt::Processes(answer.more));
    }
    evidence.not_looked_at.extend(no_limits);
    Gathering { reader, enough, evidence: &mut evidence }.details().await;
    if evidence.machine.is_empty() {
        evidence.not_looked_at.push(NotLookedAt::Machine);
    }
    Ok(evidence)
}

/// Returns whether a run could see requests. Every machine makes some each second, if only memtap's
/// own, so a run that never counted one only read /proc.
pub(crate) fn saw_requests(run: &HostRun) -> bool {
    run.requests > 0 || run.lost > 0
}

struct Gathering<'a> {
    reader: &'a dyn Reader,
    enough: &'a (dyn Fn() -> bool + Sync),
    evidence: &'a mut Evidence,
}

impl Gathering<'_> {
    async fn details(&mut self) {
        let range = self.evidence.range.clone();
        let step = Duration::from_secs((span_s(&range) / STEPS).max(1));
        let refused = RequestQuery { refused: Some(true), ..within(&range) };
        if let Some(machine) = self.ask(self.reader.machine(&range, step)).await {
            self.evidence.machine = machine;
        }
        if let Some(runs) = self.ask(self.reader.runs(&range, RUNS)).await
            && !runs.is_empty()
            && !runs.iter().any(saw_requests)
        {
            self.evidence.not_looked_at.push(NotLookedAt::Requests);
        }
        if let Some(kills) = self.ask(self.reader.oom_kills(&range, KILLS)).await {
            self.evidence.oom_kills = kills;
        }
        let all = RequestQuery { limit: REFUSALS, ..refused.clone() };
        if let Some(refusals) = self.ask(self.reader.refusals(&all)).await {
            self.evidence.refusals = refusals;
        }
        if !self.evidence.refusals.is_empty() {
            let latest = RequestQuery { limit: REFUSED_ROWS, ..refused };
            if let Some(page) = self.ask(self.reader.requests(&latest)).await {
                self.evidence.refused = page.requests;
            }
        }
        self.mapped_instead(&range).await;
        self.strains(&range).await;
        self.tracks(&range, step).await;
        self.sizes(&range).await;
        self.largest(&range).await;
    }

    /// Runs a query unless `enough` returns true. Records in the evidence why an answer is missing.
    async fn ask<T>(&mut self, answer: Pending<'_, T>) -> Option<T> {
        let answer = if (self.enough)() {
            Err(NotLookedAt::Time)
        } else {
            answer.await.map_err(|_| NotLookedAt::History)
        };
        answer
            .inspect_err(|why| {
                if !self.evidence.not_looked_at.contains(why) {
                    self.evidence.not_looked_at.push(*why);
                }
            })
            .ok()
    }

    async fn mapped_instead(&mut self, range: &Range) {
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
            let mapped = self.ask(self.reader.requests(&query)).await;
            if mapped.is_some_and(|page| !page.requests.is_empty()) {
                self.evidence.mapped_instead.push((refused.pid, refused.started_at));
            }
        }
    }

    async fn strains(&mut self, range: &Range) {
        let mut stretches = strains(&self.evidence.machine);
        stretches.sort_by_key(|(from, to)| from.0 - to.0);
        stretches.truncate(STRAINS);
        for (from, to) in stretches {
            let query = LifetimeQuery {
                range: Range { from, to, ..range.clone() },
                by: Measure::Resident,
                limit: 1_000,
                ..LifetimeQuery::default()
            };
            if let Some(answer) = self.ask(self.reader.lifetimes(&query)).await {
                self.evidence.strains.push(Strain { from, to, lives: answer.lives });
            }
        }
    }

    async fn tracks(&mut self, range: &Range, step: Duration) {
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
            let points = self.ask(self.reader.usage(&query)).await;
            let traced = &mut self.evidence.lives[index];
            traced.track = points.map(|points| Track::of(&traced.life, range, &points));
        }
    }

    async fn sizes(&mut self, range: &Range) {
        let busy = |evidence: &Evidence, traced: &Traced| {
            let per_second =
                traced.life.within.requests as f64 / lived_s(&traced.life, &evidence.range).max(1.0);
            if per_second < BUSY_PER_SECOND { 0 } else { traced.life.within.requests }
        };
        for index in self.chosen(SIZES, busy) {
            let query =
                RequestQuery { limit: SIZE_ROWS, ..requests_of(&self.evidence.lives[index].life, range) };
            let sizes = self.ask(self.reader.sizes(&query)).await;
            self.evidence.lives[index].sizes = sizes;
        }
    }

    /// Reads the largest requests since the process started, also before the range: reserved memory
    /// stays reserved.
    async fn largest(&mut self, range: &Range) {
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
                ..requests_of(life, range)
            };
            if let Some(page) = self.ask(self.reader.requests(&query)).await {
                self.evidence.lives[index].largest = page.requests;
            }
        }
    }

    /// Returns the indexes of the processes with the largest amounts, at most `most`. A process
    /// with an amount of 0 is left out.
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

/// Returns how much the resident set changed, or 0 if that cannot matter. A process near a limit
/// always counts.
fn moved(evidence: &Evidence, traced: &Traced) -> u64 {
    let ProcessLifetime { within, before_resident_bytes, .. } = &traced.life;
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

fn requests_of(life: &ProcessLifetime, range: &Range) -> RequestQuery {
    RequestQuery { pid: Some(life.pid), started_at: Some(life.started_at), ..within(range) }
}

impl Evidence {
    /// Memory of the machine, bytes; 0 if the history has no machine data.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.machine.iter().map(|point| point.host.total_bytes).max().unwrap_or(0)
    }

    /// Returns the part of the range that the history covers: memtap may have started within it.
    pub(crate) fn watched(&self) -> (WallClock, WallClock) {
        let Range { from, to, .. } = self.range;
        let ends = self.machine.first().zip(self.machine.last());
        ends.map_or((from, to), |(first, last)| {
            let step = i64::try_from(last.step.as_nanos()).unwrap_or(0);
            (from.max(first.from), to.min(WallClock(last.from.0.saturating_add(step))))
        })
    }

    /// Memory available at the end of the range.
    pub(crate) fn available_bytes(&self) -> Option<u64> {
        self.machine.last().map(|point| point.host.available_bytes)
    }

    /// Limits of a living process.
    pub(crate) fn limits_of(&self, pid: Tgid, started_at: WallClock) -> Option<&ProcessLimits> {
        let living = &self.now.as_ref()?.living;
        let process = living.iter().find(|one| one.pid == pid && same_second(one.started_at, started_at))?;
        Some(&process.limits)
    }

    /// Finds a process by its pid and start time.
    pub(crate) fn life(&self, pid: Tgid, started_at: WallClock) -> Option<&Traced> {
        self.lives
            .iter()
            .find(|traced| traced.life.pid == pid && same_second(traced.life.started_at, started_at))
    }
}

/// Returns whether two start times of a pid are the same process: clocks and stores round them.
fn same_second(a: WallClock, b: WallClock) -> bool {
    a.seconds_since(b).abs() < 1.5
}
