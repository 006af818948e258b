//! Processes and programs of a range.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use memtap_history::{LifetimeQuery, Measure, ProcessLifetime, Program, ProgramQuery, Range, UsageQuery};
use memtap_model::{Tgid, WallClock};

use super::making::{Making, owned};
use super::{
    Ask, At, Process, ProgramCourse, ProgramSum, Ranking, ReportError, Resident, ShortLived,
    ShortLivedProgram, Totals,
};
use crate::track::{lived_s, resident as resident_bytes};

/// Queries of [`read`] and [`peaks`].
pub(super) const QUESTIONS: usize = 2;
/// Processes to read one by one, most requests first.
const LIVES: usize = 20_000;
/// Largest processes to read in addition, if there are more.
const LARGE: usize = 1_000;
/// Programs to read if a pattern selects among them.
const PROGRAMS: usize = 10_000;
/// Rows of a table, and of a longer one.
const ROWS: usize = 10;
const LONG_ROWS: usize = 15;
/// Programs in the chart.
const COURSES: usize = 8;
/// Lifetime below which a process counts as short-lived, seconds: it ends before anybody can
/// inspect it.
const SHORT_S: f64 = 10.0;

/// Processes of a range.
pub(super) struct Lived {
    lives: Vec<ProcessLifetime>,
    /// Number of processes that were not read.
    pub(super) more: u64,
}

pub(super) async fn read(
    making: &mut Making<'_, '_>,
    ask: &Ask,
    range: &Range,
) -> Result<Lived, ReportError> {
    let query = LifetimeQuery {
        range: range.clone(),
        pid: ask.pid,
        name: ask.name.as_ref().and_then(|pattern| pattern.part()).map(str::to_owned),
        by: Measure::Requests,
        limit: LIVES,
        ..LifetimeQuery::default()
    };
    let mut answer = making.ask(making.reader.lifetimes(&query)).await?;
    if answer.more > 0 {
        let large = LifetimeQuery { by: Measure::Resident, limit: LARGE, ..query };
        let known: HashSet<_> = answer.lives.iter().map(identity).collect();
        let mut large = making.ask(making.reader.lifetimes(&large)).await?.lives;
        large.retain(|life| !known.contains(&identity(life)));
        answer.more -= (large.len() as u64).min(answer.more);
        answer.lives.append(&mut large);
    }
    answer.lives.retain(|life| ask.is_of(&life.name, life.pid));
    Ok(Lived { lives: answer.lives, more: answer.more })
}

fn identity(life: &ProcessLifetime) -> (std::sync::Arc<str>, Tgid, WallClock) {
    (std::sync::Arc::clone(&life.host), life.pid, life.started_at)
}

impl Lived {
    /// Totals that follow from the processes themselves.
    pub(super) fn totals(&self, range: &Range) -> Totals {
        Totals {
            processes: self.lives.len() as u64 + self.more,
            short_lived: self.short(range).count() as u64,
            requested_bytes: self.lives.iter().map(|life| life.within.requested_bytes).sum(),
            ..Totals::default()
        }
    }

    /// Granted and released bytes of these processes: virtual size that requests added and removed.
    pub(super) fn moved(&self) -> (u64, u64) {
        let within = || self.lives.iter().map(|life| &life.within);
        (within().map(|point| point.granted_bytes).sum(), within().map(|point| point.released_bytes).sum())
    }

    /// Requests of these processes, and the refused ones among them.
    pub(super) fn requests(&self) -> (u64, u64) {
        let within = || self.lives.iter().map(|life| &life.within);
        (within().map(|point| point.requests).sum(), within().map(|point| point.refused).sum())
    }

    fn short(&self, range: &Range) -> impl Iterator<Item = &ProcessLifetime> {
        let (from, to) = (range.from, range.to);
        self.lives.iter().filter(move |life| {
            let ended = life.ended_at.filter(|ended| *ended < to && life.started_at >= from);
            ended.is_some_and(|ended| ended.seconds_since(life.started_at) < SHORT_S)
        })
    }

    /// Processes with the highest resident peak.
    pub(super) fn largest(&self, ask: &Ask) -> Vec<Process> {
        self.first(ask, |life| life.within.peak_resident_bytes)
    }

    /// Processes with the most requests.
    pub(super) fn busiest(&self, ask: &Ask) -> Vec<Process> {
        self.first(ask, |life| life.within.requests)
    }

    fn first(&self, ask: &Ask, amount: impl Fn(&ProcessLifetime) -> u64) -> Vec<Process> {
        let mut chosen: Vec<&ProcessLifetime> = self.lives.iter().filter(|life| amount(life) > 0).collect();
        chosen.sort_by_key(|life| (Reverse(amount(life)), life.pid));
        chosen.into_iter().take(LONG_ROWS).map(|life| process(life, &ask.range)).collect()
    }

    pub(super) fn short_lived(&self, range: &Range) -> ShortLived {
        let mut all = ShortLived { below_s: SHORT_S, ..ShortLived::default() };
        let mut programs: HashMap<&str, ShortLivedProgram> = HashMap::new();
        for life in self.short(range) {
            let program = programs.entry(&life.name).or_default();
            all.processes += 1;
            all.requests += life.within.requests;
            all.requested_bytes += life.within.requested_bytes;
            program.processes += 1;
            program.requests += life.within.requests;
            program.requested_bytes += life.within.requested_bytes;
        }
        all.programs = programs
            .into_iter()
            .map(|(name, program)| ShortLivedProgram { name: name.to_owned(), ..program })
            .collect();
        all.programs.sort_by(|a, b| b.processes.cmp(&a.processes).then_with(|| a.name.cmp(&b.name)));
        all.programs.truncate(ROWS);
        all
    }

    /// Sizes of the processes of each name, at the start and at the end of the range.
    fn sizes(&self, by: Measure, range: &Range) -> Option<HashMap<&str, (u64, u64)>> {
        let size: fn(&ProcessLifetime) -> (u64, u64) = match by {
            Measure::Resident => |life| (life.before_resident_bytes, resident_bytes(&life.within)),
            Measure::Virtual => |life| (life.before_virtual_bytes, life.within.virtual_bytes),
            _ => return None,
        };
        let mut sizes: HashMap<&str, (u64, u64)> = HashMap::new();
        for life in &self.lives {
            let (before, after) = size(life);
            let sum = sizes.entry(&life.name).or_default();
            sum.0 += before;
            // An ended process has no memory at the end.
            sum.1 += if life.ended_at.is_some_and(|ended| ended < range.to) { 0 } else { after };
        }
        Some(sizes)
    }
}

fn process(life: &ProcessLifetime, range: &Range) -> Process {
    Process {
        host: owned(&life.host),
        pid: life.pid.0,
        start_time: At(life.started_at),
        end_time: life.ended_at.map(At),
        lived_s: lived_s(life, range),
        name: life.name.clone(),
        user: life.user.clone(),
        container: life.container.clone(),
        unit: life.unit.clone(),
        before_resident_bytes: life.before_resident_bytes,
        resident_bytes: resident_bytes(&life.within),
        peak_resident_bytes: life.within.peak_resident_bytes,
        peak_resident_time: At(life.peak_resident_at),
        virtual_bytes: life.within.virtual_bytes,
        peak_virtual_bytes: life.within.peak_virtual_bytes,
        requests: life.within.requests,
        refused: life.within.refused,
        requested_bytes: life.within.requested_bytes,
        granted_bytes: life.within.granted_bytes,
    }
}

/// Programs of a range by a measure, restricted to the requested ones, and the value of all others.
async fn programs(
    making: &mut Making<'_, '_>,
    ask: &Ask,
    range: &Range,
    by: Measure,
    (top, step): (usize, Duration),
) -> Result<memtap_history::Programs, ReportError> {
    let top = if ask.name.is_some() { PROGRAMS } else { top };
    let query = ProgramQuery { range: range.clone(), by, top, step };
    let mut answer = making.ask(making.reader.programs(&query)).await?;
    if ask.name.is_some() {
        answer.programs.retain(|program| ask.is_named(&program.name));
        (answer.others, answer.other_names) = (Program::default(), 0);
    }
    Ok(answer)
}

pub(super) async fn ranking(
    making: &mut Making<'_, '_>,
    ask: &Ask,
    by: Measure,
    lived: &Lived,
    before: Option<&Lived>,
) -> Result<Ranking, ReportError> {
    let (mut sums, mut others) = if ask.pid.is_some() {
        (lived.sums(by), (0, 0))
    } else {
        let answer = programs(making, ask, &ask.range, by, (ROWS, Duration::ZERO)).await?;
        let others = (answer.other_names, answer.others.value);
        (answer.programs.into_iter().map(ProgramSum::from).collect(), others)
    };
    sums.retain(|sum| sum.value > 0);
    others.0 += sums.len().saturating_sub(ROWS) as u64;
    others.1 += sums.iter().skip(ROWS).map(|sum| sum.value).sum::<u64>();
    sums.truncate(ROWS);
    let sizes = lived.sizes(by, &ask.range);
    let compared = compared(making, ask, by, before).await?;
    for sum in &mut sums {
        if let Some(sizes) = &sizes {
            let (start, end) = sizes.get(sum.name.as_str()).copied().unwrap_or_default();
            (sum.at_start, sum.at_end) = (Some(start), Some(end));
        }
        if let Some(compared) = &compared {
            sum.compared = Some(compared.get(&sum.name).copied().unwrap_or_default());
        }
    }
    Ok(Ranking { by, programs: sums, other_programs: others.0, other_value: others.1 })
}

/// Value of each program in the range to compare with.
async fn compared(
    making: &mut Making<'_, '_>,
    ask: &Ask,
    by: Measure,
    before: Option<&Lived>,
) -> Result<Option<HashMap<String, u64>>, ReportError> {
    let (Some(span), Some(before)) = (ask.compare, before) else { return Ok(None) };
    if ask.pid.is_some() {
        return Ok(Some(before.sums(by).into_iter().map(|sum| (sum.name, sum.value)).collect()));
    }
    let range = Range { host: ask.range.host.clone(), from: span.from.0, to: span.to.0 };
    let answer = programs(making, ask, &range, by, (PROGRAMS, Duration::ZERO)).await?;
    Ok(Some(answer.programs.into_iter().map(|program| (program.name, program.value)).collect()))
}

impl Lived {
    /// Sums by name. Used for a single pid, whose processes may have several names.
    fn sums(&self, by: Measure) -> Vec<ProgramSum> {
        let mut sums: HashMap<&str, ProgramSum> = HashMap::new();
        for life in &self.lives {
            let sum = sums.entry(&life.name).or_default();
            sum.processes += 1;
            match by {
                Measure::Requested => sum.value += life.within.requested_bytes,
                Measure::Granted => sum.value += life.within.granted_bytes,
                Measure::Requests => sum.value += life.within.requests,
                Measure::Refused => sum.value += life.within.refused,
                Measure::Resident => sum.value = sum.value.max(life.within.peak_resident_bytes),
                Measure::Virtual => sum.value = sum.value.max(life.within.peak_virtual_bytes),
            }
        }
        let mut sums: Vec<ProgramSum> =
            sums.into_iter().map(|(name, sum)| ProgramSum { name: name.to_owned(), ..sum }).collect();
        sums.sort_by(|a, b| b.value.cmp(&a.value).then_with(|| a.name.cmp(&b.name)));
        sums
    }
}

impl From<Program> for ProgramSum {
    fn from(program: Program) -> Self {
        Self { name: program.name, processes: program.lives, value: program.value, ..Self::default() }
    }
}

pub(super) async fn resident(
    making: &mut Making<'_, '_>,
    ask: &Ask,
    step: Duration,
) -> Result<Resident, ReportError> {
    let answer = programs(making, ask, &ask.range, Measure::Resident, (COURSES, step)).await?;
    let course = |program: Program| ProgramCourse {
        name: program.name,
        series: program.series.into_iter().map(|(at, value)| (At(at), value)).collect(),
    };
    let shown = answer.programs.into_iter().filter(|program| program.value > 0).take(COURSES);
    Ok(Resident { step_s: answer.step.as_secs_f64(), programs: shown.map(course).collect() })
}

/// Fills in the peaks and the granted and released bytes. With a name pattern, they are sums over
/// the selected processes. Otherwise they come from the stored usage of one pid or of all
/// processes.
pub(super) async fn peaks(
    making: &mut Making<'_, '_>,
    ask: &Ask,
    (range, step): (&Range, Duration),
    lived: &Lived,
    totals: &mut Totals,
) -> Result<(), ReportError> {
    if ask.name.is_some() && ask.pid.is_none() {
        totals.peak_resident_bytes = peak(making, ask, range, Measure::Resident, step).await?;
        totals.peak_virtual_bytes = peak(making, ask, range, Measure::Virtual, step).await?;
        if totals.peak_virtual_bytes.is_some() {
            let (granted, released) = lived.moved();
            (totals.granted_bytes, totals.released_bytes) = (Some(granted), Some(released));
        }
        return Ok(());
    }
    let query = UsageQuery {
        host: range.host.clone(),
        pid: ask.pid,
        from: range.from,
        to: range.to,
        step,
        ..UsageQuery::default()
    };
    let points = making.ask(making.reader.usage(&query)).await?;
    totals.peak_virtual_bytes = points.iter().map(|point| point.peak_virtual_bytes).max();
    totals.peak_resident_bytes = points.iter().map(|point| point.peak_resident_bytes).max();
    if !points.is_empty() {
        // An import has no samples, and the processes read are not all if there are many, so the
        // larger sum is the right one.
        let requested = points.iter().map(|point| point.requested_bytes).sum();
        totals.requested_bytes = totals.requested_bytes.max(requested);
        totals.granted_bytes = Some(points.iter().map(|point| point.granted_bytes).sum());
        totals.released_bytes = Some(points.iter().map(|point| point.released_bytes).sum());
    }
    Ok(())
}

/// Highest sum of the selected programs at the end of a step.
async fn peak(
    making: &mut Making<'_, '_>,
    ask: &Ask,
    range: &Range,
    by: Measure,
    step: Duration,
) -> Result<Option<u64>, ReportError> {
    let answer = programs(making, ask, range, by, (PROGRAMS, step)).await?;
    if answer.programs.len() == 1 {
        // For one program this figure must equal its value in the rankings, which use the finest
        // steps.
        let finest = programs(making, ask, range, by, (PROGRAMS, Duration::ZERO)).await?;
        return Ok(finest.programs.first().map(|program| program.value).filter(|value| *value > 0));
    }
    let steps = answer.programs.iter().map(|program| program.series.len()).max().unwrap_or(0);
    let at = |step: usize| -> u64 {
        answer.programs.iter().filter_map(|program| Some(program.series.get(step)?.1)).sum()
    };
    Ok((0..steps).map(at).max().filter(|peak| *peak > 0))
}
