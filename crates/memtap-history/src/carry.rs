//! Process lifetimes and programs in a range. A sample is written only for steps in which a process
//! changed, so its last sizes are carried forward until the process or its run ended.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use memtap_model::{Call, SizeRule, WallClock};

use crate::cover::{Cover, nanoseconds, seconds};
use crate::rows::{Details, ProcessRow, RunRow, SampleRow};
use crate::steps::Point as _;
use crate::{Measure, ProcessLifetime, Program, Programs, Range, UsagePoint};

/// A process lifetime while its samples are added.
struct Lifetime {
    /// Latest row of the process. Its times span all rows.
    row: ProcessRow,
    /// Index of the run of `row`.
    run: usize,
    /// Last second with a sample in any of its runs; `None` if they have no samples.
    watched_s: Option<i64>,
    /// True if results include the lifetime: it has requests in the range, or its run has samples.
    has_data: bool,
    program: usize,
    /// Virtual size and resident set at the start of the range.
    before: [u64; 2],
    within: UsagePoint,
    peaks_at_s: [i64; 2],
    /// Second of the sample that set the sizes in `within`; `None` before the first sample.
    sized_s: Option<i64>,
    /// Size currently counted for its program, if the measure is a size.
    counted: u64,
}

/// All lifetimes with one process name.
#[derive(Default)]
struct Named {
    name: String,
    lives: u64,
    /// By start of the step: the sum within the step, or for sizes the change since the step
    /// before.
    steps: BTreeMap<i64, i128>,
}

/// Builds process lifetimes and programs from rows and samples.
pub(crate) struct Carry {
    pub(crate) cover: Cover,
    runs: Vec<RunRow>,
    /// Measure by which programs are summed; `None` if programs are not needed.
    measure: Option<Measure>,
    lives: Vec<Lifetime>,
    /// For each run: index of the lifetime by process row.
    rows: Vec<HashMap<u64, usize>>,
    programs: Vec<Named>,
}

impl Carry {
    /// Creates the lifetimes from rows that may overlap the range. `runs` are ordered by their
    /// start. Within one boot, rows from several memtap runs become one lifetime.
    pub(crate) fn new(
        cover: Cover,
        runs: Vec<RunRow>,
        rows: impl IntoIterator<Item = ProcessRow>,
        measure: Option<Measure>,
    ) -> Self {
        let run_of: HashMap<u64, usize> = runs.iter().enumerate().map(|(at, run)| (run.id, at)).collect();
        let mut boots = HashMap::new();
        let boots: Vec<usize> = runs.iter().enumerate().map(|(at, run)| boot(run, at, &mut boots)).collect();
        let mut identities = HashMap::new();
        let mut carry = Self {
            cover,
            rows: vec![HashMap::new(); runs.len()],
            runs,
            measure,
            lives: Vec::new(),
            programs: Vec::new(),
        };
        for row in rows {
            let Some(run) = run_of.get(&row.run).copied() else { continue };
            let watched_s = Some(carry.runs[run].sampled_s).filter(|at| *at > 0);
            if !carry.cover.has(&row, watched_s) {
                continue;
            }
            let next = carry.lives.len();
            let life = *identities.entry((boots[run], row.pid, row.start)).or_insert(next);
            carry.rows[run].insert(row.id, life);
            match carry.lives.get_mut(life) {
                Some(known) => known.join(row, run, watched_s),
                None => carry.lives.push(Lifetime::new(row, run, watched_s, carry.cover.from_s)),
            }
        }
        if measure.is_some() {
            carry.assign_programs();
        }
        carry
    }

    /// Assigns each lifetime to a program, by its last name.
    fn assign_programs(&mut self) {
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for life in &mut self.lives {
            let next = self.programs.len();
            life.program = *by_name.entry(&life.row.name).or_insert(next);
            if life.program == next {
                self.programs.push(Named { name: life.row.name.clone(), ..Named::default() });
            }
        }
    }

    pub(crate) fn runs(&self) -> &[RunRow] {
        &self.runs
    }

    /// Process rows of the run with this index in [`Self::runs`].
    pub(crate) fn rows(&self, run: usize) -> Vec<u64> {
        self.rows_of(run, |_| true)
    }

    /// Process rows that may have had memory before the range.
    pub(crate) fn older_rows(&self, run: usize) -> Vec<u64> {
        let from = nanoseconds(self.cover.from_s);
        self.rows_of(run, |life| life.row.started_at < from)
    }

    fn rows_of(&self, run: usize, is_selected: impl Fn(&Lifetime) -> bool) -> Vec<u64> {
        let selected = self.rows[run].iter().filter(|(_, life)| is_selected(&self.lives[**life]));
        let mut rows: Vec<u64> = selected.map(|(row, _)| *row).collect();
        rows.sort_unstable();
        rows
    }

    /// Adds the last sample before the range. It is ignored if another run already has samples in
    /// the range: after the clock was set back, two runs cover the same time.
    pub(crate) fn before(&mut self, run: usize, row: u64, point: &UsagePoint) {
        let Some(life) = self.rows[run].get(&row).copied() else { return };
        if self.lives[life].sized_s.is_some() {
            return;
        }
        let had = point.carried();
        self.lives[life].before = [had.virtual_bytes, had.resident_bytes()];
        self.lives[life].within = had;
        self.count(life, self.cover.from_s, &had);
    }

    /// Adds a sample in the range. Within a run, the samples of a process must be in order of time.
    /// If two runs cover the same time, the sizes that were added first are kept.
    pub(crate) fn sample(&mut self, run: usize, row: &SampleRow) {
        let SampleRow { process, at_s, ref point } = *row;
        let Some(life) = self.rows[run].get(&process).copied() else { return };
        let begin = at_s.max(self.cover.from_s);
        let is_late = self.lives[life].sized_s.is_some_and(|sized_s| begin < sized_s);
        self.lives[life].add_sample(begin, point, is_late);
        if !(is_late && self.measure.is_some_and(Measure::is_size)) {
            self.count(life, at_s, point);
        }
    }

    /// Adds a sample to its program. A sample after the end of a process has the changes from
    /// before its end.
    fn count(&mut self, life: usize, at_s: i64, point: &UsagePoint) {
        let Some(measure) = self.measure else { return };
        let life = &mut self.lives[life];
        let steps = &mut self.programs[life.program].steps;
        let (step, amount) = (self.cover.begin(at_s.max(self.cover.from_s)), point.amount(measure));
        if measure.is_size() {
            let step = step.min(life.end_step(&self.cover));
            let change = i128::from(amount) - i128::from(std::mem::replace(&mut life.counted, amount));
            *steps.entry(step).or_default() += change;
        } else {
            *steps.entry(step).or_default() += i128::from(amount);
        }
    }

    /// Returns the largest lifetimes, each with the id of its latest row, and the number of further
    /// lifetimes.
    pub(crate) fn lives(mut self, by: Measure, limit: usize) -> (Vec<(u64, ProcessLifetime)>, u64) {
        self.lives.retain(|life| life.has_data);
        let size = |life: &Lifetime| match by {
            Measure::Virtual => life.within.peak_virtual_bytes,
            Measure::Resident => life.within.peak_resident_bytes,
            by => life.within.amount(by),
        };
        let runs = &self.runs;
        self.lives.sort_by_cached_key(|life| {
            (Reverse(size(life)), Arc::clone(&runs[life.run].host), life.row.pid, life.row.started_at)
        });
        let more = self.lives.len().saturating_sub(limit) as u64;
        let range = &self.cover.range;
        let lives = self.lives.into_iter().take(limit).map(|life| {
            let host = Arc::clone(&runs[life.run].host);
            (life.row.id, life.into_life(host, range))
        });
        (lives.collect(), more)
    }

    /// Returns the largest programs, with a series if requested.
    pub(crate) fn programs(mut self, top: usize, with_series: bool) -> Programs {
        let Some(measure) = self.measure else { return Programs::default() };
        for life in self.lives.iter().filter(|life| life.has_data) {
            let program = &mut self.programs[life.program];
            program.lives += 1;
            // An ended process has no size.
            if life.counted > 0 {
                *program.steps.entry(life.end_step(&self.cover)).or_default() -= i128::from(life.counted);
            }
        }
        let mut programs: Vec<(u64, Named)> = std::mem::take(&mut self.programs)
            .into_iter()
            .filter(|program| program.lives > 0)
            .map(|program| (program.value(measure, &self.cover), program))
            .collect();
        programs.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.name.cmp(&other.name)));
        let others = programs.split_off(top.min(programs.len()));
        let other_names = others.len() as u64;
        let others = others.into_iter().fold(Named::default(), |all, (_, program)| all.and(program));
        let programs = programs.into_iter().map(|(value, program)| {
            let series = if with_series { program.series(measure, &self.cover) } else { Vec::new() };
            Program { name: program.name, lives: program.lives, value, series }
        });
        Programs {
            step: Duration::from_secs(self.cover.width.unsigned_abs()),
            programs: programs.collect(),
            others: Program {
                value: others.value(measure, &self.cover),
                lives: others.lives,
                ..Program::default()
            },
            other_names,
        }
    }
}

/// Returns the first run with the same boot as this one. An import is a boot of its own.
fn boot(run: &RunRow, at: usize, known: &mut HashMap<(Arc<str>, String), usize>) -> usize {
    match run.boot_id.is_empty() {
        true => at,
        false => *known.entry((Arc::clone(&run.host), run.boot_id.clone())).or_insert(at),
    }
}

impl Lifetime {
    fn new(row: ProcessRow, run: usize, watched_s: Option<i64>, from_s: i64) -> Self {
        Self {
            row,
            run,
            watched_s,
            has_data: watched_s.is_some(),
            program: 0,
            before: [0; 2],
            within: UsagePoint::default(),
            peaks_at_s: [from_s; 2],
            sized_s: None,
            counted: 0,
        }
    }

    /// Merges another row of the same lifetime.
    fn join(&mut self, row: ProcessRow, run: usize, watched_s: Option<i64>) {
        let times = (
            self.row.started_at.min(row.started_at),
            self.row.ended_at.max(row.ended_at),
            self.row.seen.max(row.seen),
        );
        if run >= self.run {
            (self.row, self.run) = (row, run);
        }
        (self.row.started_at, self.row.ended_at, self.row.seen) = times;
        self.watched_s = self.watched_s.max(watched_s);
        self.has_data |= watched_s.is_some();
    }

    /// Adds a sample. `is_late`: sizes from a later time were already added.
    fn add_sample(&mut self, at_s: i64, point: &UsagePoint, is_late: bool) {
        self.has_data = true;
        for (index, (peak, highest)) in [
            (point.peak_virtual_bytes, self.within.peak_virtual_bytes),
            (point.peak_resident_bytes, self.within.peak_resident_bytes),
        ]
        .into_iter()
        .enumerate()
        {
            if peak > highest {
                self.peaks_at_s[index] = at_s;
            }
        }
        let is_last = self.row.ended_at.is_some() && point.virtual_bytes == 0;
        // At the end of a process all sizes are 0. Keep the last sizes before that.
        let keeps_sizes = is_last || is_late;
        let point = if keeps_sizes { point.with_sizes_of(&self.within) } else { *point };
        self.sized_s = self.sized_s.max(Some(at_s));
        self.within = self.within.then(&point);
        if self.watched_s.is_none() {
            self.row.seen = self.row.seen.max(nanoseconds(at_s));
        }
    }

    /// First step at whose end the process has no memory.
    fn end_step(&self, cover: &Cover) -> i64 {
        match (self.row.ended_at, self.watched_s) {
            (Some(ended_at), _) if ended_at >= cover.range.to => cover.to_s,
            (Some(ended_at), _) => cover.begin(seconds(ended_at)),
            (None, watched_s) => {
                let last_s = watched_s.unwrap_or_else(|| seconds(self.row.seen));
                cover.begin(last_s).saturating_add(cover.width)
            }
        }
    }

    fn into_life(self, host: Arc<str>, range: &Range) -> ProcessLifetime {
        let length = range.to.0.saturating_sub(range.from.0).max(0).unsigned_abs();
        let [virtual_at, resident_at] = self.peaks_at_s.map(|at_s| nanoseconds(at_s).max(range.from));
        let [before_virtual_bytes, before_resident_bytes] = self.before;
        ProcessLifetime {
            host,
            pid: self.row.pid,
            started_at: self.row.started_at,
            ended_at: self.row.ended_at,
            seen: self.row.seen,
            name: self.row.name,
            before_virtual_bytes,
            before_resident_bytes,
            within: UsagePoint { from: range.from, step: Duration::from_nanos(length), ..self.within },
            peak_virtual_at: virtual_at,
            peak_resident_at: resident_at,
            ..ProcessLifetime::default()
        }
    }
}

impl Named {
    fn and(mut self, other: Self) -> Self {
        self.lives += other.lives;
        for (step, amount) in other.steps {
            *self.steps.entry(step).or_default() += amount;
        }
        self
    }

    /// Size at the end of each step with a change, or the sum within the step.
    fn amounts(&self, measure: Measure, cover: &Cover) -> impl Iterator<Item = (i64, u64)> {
        let mut had = 0;
        let steps = self.steps.range(..cover.to_s);
        steps.map(move |(step, amount)| {
            had = if measure.is_size() { had + amount } else { *amount };
            (*step, u64::try_from(had.max(0)).unwrap_or(u64::MAX))
        })
    }

    fn value(&self, measure: Measure, cover: &Cover) -> u64 {
        let amounts = self.amounts(measure, cover).map(|(_, amount)| amount);
        if measure.is_size() { amounts.max().unwrap_or(0) } else { amounts.fold(0, u64::saturating_add) }
    }

    fn series(&self, measure: Measure, cover: &Cover) -> Vec<(WallClock, u64)> {
        let mut amounts = self.amounts(measure, cover).peekable();
        let mut had = 0;
        let steps = cover.steps().map(|step| {
            had = match amounts.next_if(|(at, _)| *at == step) {
                Some((_, amount)) => amount,
                None if measure.is_size() => had,
                None => 0,
            };
            (nanoseconds(step), had)
        });
        steps.collect()
    }
}

impl UsagePoint {
    /// Converts a request to a sample.
    #[must_use]
    pub fn from_request(
        call: Call,
        is_refused: bool,
        size: u64,
        delta_bytes: i64,
        virtual_bytes: u64,
    ) -> Self {
        let row = call.row();
        let shrinks = row.size == SizeRule::Break && delta_bytes < 0;
        let asks = row.asks && !is_refused && !shrinks;
        Self {
            virtual_bytes,
            peak_virtual_bytes: virtual_bytes,
            requests: 1,
            refused: u64::from(is_refused),
            requested_bytes: if asks { size } else { 0 },
            granted_bytes: u64::try_from(delta_bytes).unwrap_or(0),
            released_bytes: delta_bytes.min(0).unsigned_abs(),
            ..Self::default()
        }
    }

    /// Anonymous, file and shmem memory.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.anonymous_bytes.saturating_add(self.file_bytes).saturating_add(self.shmem_bytes)
    }

    /// Returns a point with the same sizes and no activity.
    pub(crate) fn carried(&self) -> Self {
        Self {
            peak_virtual_bytes: self.virtual_bytes,
            peak_resident_bytes: self.resident_bytes(),
            ..Self::default().with_sizes_of(self)
        }
    }

    fn with_sizes_of(&self, other: &Self) -> Self {
        Self {
            virtual_bytes: other.virtual_bytes,
            anonymous_bytes: other.anonymous_bytes,
            file_bytes: other.file_bytes,
            shmem_bytes: other.shmem_bytes,
            swap_bytes: other.swap_bytes,
            ..*self
        }
    }
}

impl Details {
    /// Copies these attributes into `life`.
    pub(crate) fn complete(self, life: ProcessLifetime) -> ProcessLifetime {
        let Self { command, user, parent, container, pod, unit, .. } = self;
        ProcessLifetime { command, user, parent, container, pod, unit, ..life }
    }
}

#[cfg(test)]
mod tests;
