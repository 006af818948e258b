//! Makes a report from the history: the queries and their order.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use memtap_history::{LifetimeQuery, Measure, Pending, Range, Reader, StoredHost, StoredOomKill};

use super::lives::Lived;
use super::visibility::{Visibility, visibility};
use super::{
    Ask, Asked, At, Missing, OomKill, Progress, Report, ReportError, ReportedHost, Resident, Span, Totals,
    Watch,
};
use super::{Told, ToldFigure, lives, machine, requests};
use crate::evidence::RUNS;
use crate::findings::Text;
use crate::{Finding, NotLookedAt, Rule, Subject};

/// Steps of the charts.
const STEPS: u64 = 120;
/// OOM kills to list.
const KILLS: usize = 100;
/// Largest gap between the end of the history and the end of the range that is not reported,
/// seconds.
const LAG_S: f64 = 60.0;

/// Makes a report from the history. Calls `watch` before each query; `watch` can stop the report.
///
/// # Errors
/// When the history cannot answer, the range is empty, the machine is unknown, or `watch` stopped
/// it.
pub async fn make(reader: &dyn Reader, ask: &Ask, watch: &mut Watch<'_>) -> Result<Report, ReportError> {
    let compared = ask.compare.map(|span| range_of(ask, span));
    if ask.range.from >= ask.range.to || compared.as_ref().is_some_and(|range| range.from >= range.to) {
        return Err(ReportError::EmptyRange);
    }
    let mut making = Making { reader, watch: Mutex::new(watch), done: 0, total: questions(ask) };
    making.report(ask, compared.as_ref()).await
}

fn questions(ask: &Ask) -> usize {
    let per_range = 4 + lives::QUESTIONS + requests::QUESTIONS;
    1 + per_range * (1 + usize::from(ask.compare.is_some())) + Measure::ALL.len() + 1 + requests::DETAILS + 1
}

fn range_of(ask: &Ask, span: Span) -> Range {
    Range { host: ask.range.host.clone(), from: span.from.0, to: span.to.0 }
}

/// Length of a step of the charts.
fn step(range: &Range) -> Duration {
    let seconds = range.to.seconds_since(range.from).max(0.0) as u64;
    Duration::from_secs(seconds.div_ceil(STEPS).max(1))
}

pub(super) struct Making<'a, 'b> {
    pub(super) reader: &'a dyn Reader,
    watch: Mutex<&'a mut Watch<'b>>,
    done: usize,
    total: usize,
}

/// Results of the queries that are also made for the range to compare with.
struct Course {
    totals: Totals,
    memory: Option<super::Memory>,
    lived: Lived,
    calls: super::Calls,
    counted: memtap_history::Sizes,
    kills: Vec<StoredOomKill>,
    visibility: Visibility,
}

impl Making<'_, '_> {
    /// Runs one query and counts it as progress.
    pub(super) async fn ask<T>(&mut self, answer: Pending<'_, T>) -> Result<T, ReportError> {
        if self.is_stopped() {
            return Err(ReportError::Stopped);
        }
        let answer = answer.await?;
        self.done += 1;
        Ok(answer)
    }

    fn is_stopped(&self) -> bool {
        let progress = Progress { done: self.done.min(self.total), of: self.total };
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(watch(progress), ControlFlow::Break(()))
    }

    async fn report(&mut self, ask: &Ask, compared: Option<&Range>) -> Result<Report, ReportError> {
        let hosts = self.hosts(ask).await?;
        let course = self.course(ask, &ask.range).await?;
        let before = match compared {
            Some(range) => Some(self.course(ask, range).await?),
            None => None,
        };
        let mut programs = Vec::with_capacity(Measure::ALL.len());
        for by in Measure::ALL {
            programs.push(
                lives::ranking(self, ask, by, &course.lived, before.as_ref().map(|it| &it.lived)).await?,
            );
        }
        let resident = if ask.pid.is_some() {
            Resident::default()
        } else {
            lives::resident(self, ask, step(&ask.range)).await?
        };
        let largest = requests::largest(self, ask, &course.counted).await?;
        let refusals = requests::refusals(self, ask).await?;
        let (findings, not_looked_at) = self.findings(ask, course.totals.lost).await?;
        let missing = Missing {
            lost: course.totals.lost,
            damaged_recording: ask.damaged_recording,
            requests_not_visible: course.visibility.gaps,
            processes: course.lived.more,
            largest_since: largest.since,
            requests_since: course.calls.counted_since,
            ..missing(&hosts, ask)
        };
        Ok(Report {
            memtap: env!("CARGO_PKG_VERSION").to_owned(),
            made: At(ask.now),
            asked: asked(ask),
            hosts: hosts.iter().map(ReportedHost::from).collect(),
            totals: course.totals,
            compared: before.map(|before| before.totals),
            findings,
            not_looked_at,
            memory: course.memory,
            calls: course.calls,
            programs,
            resident,
            processes: course.lived.largest(ask),
            requesters: course.lived.busiest(ask),
            largest: largest.requests,
            sizes: requests::frequent(&course.counted),
            refusals,
            oom_kills: course.kills.iter().map(OomKill::from).collect(),
            short_lived: course.lived.short_lived(&ask.range),
            missing,
        })
    }

    async fn hosts(&mut self, ask: &Ask) -> Result<Vec<StoredHost>, ReportError> {
        let mut hosts = self.ask(self.reader.hosts()).await?;
        if let Some(asked) = &ask.range.host
            && !hosts.iter().any(|host| host.hostname == *asked)
        {
            let known: Vec<_> = hosts.iter().map(|host| host.hostname.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(ReportError::UnknownHost { asked: asked.clone(), known });
        }
        hosts.retain(|host| ask.range.host.as_ref().is_none_or(|asked| host.hostname == *asked));
        Ok(hosts)
    }

    async fn course(&mut self, ask: &Ask, range: &Range) -> Result<Course, ReportError> {
        let points = self.ask(self.reader.machine(range, step(range))).await?;
        let lived = lives::read(self, ask, range).await?;
        let counted = requests::count(self, ask, range).await?;
        let mut kills = self.ask(self.reader.oom_kills(range, KILLS)).await?;
        kills.retain(|kill| ask.is_of(&kill.victim_name, kill.victim));
        let memory = machine::memory(&points);
        let mut calls = machine::calls(&points, &counted, ask);
        if calls.series.is_empty() && calls.calls.iter().any(|call| call.refused > 0) {
            // The sizes of the records include refused requests. Requested bytes count granted
            // requests only, as everywhere.
            machine::only_granted(&mut calls, &requests::granted(self, ask, range, &counted).await?);
        }
        let mut totals = Totals {
            least_available_bytes: memory.as_ref().map(|memory| memory.least_available_bytes),
            highest_pressure: memory.as_ref().and_then(|memory| Some(memory.pressure?.some_avg10)),
            oom_kills: kills.len() as u64,
            lost: points.iter().map(|point| point.lost).sum(),
            ..lived.totals(range)
        };
        for call in &calls.calls {
            totals.requests += call.requests;
            totals.refused += call.refused;
        }
        if ask.name.is_some() {
            // A record has the program's name at the time of the request, and an exec changes it.
            // The process totals include all requests.
            let (requests, refused) = lived.requests();
            totals.requests = totals.requests.max(requests);
            totals.refused = totals.refused.max(refused);
        }
        lives::peaks(self, ask, (range, step(range)), &lived, &mut totals).await?;
        totals.has_data = !points.is_empty() || !totals.is_empty() || self.has_lives(ask, range).await?;
        let visibility = self.visibility(ask, range).await?;
        totals.requests_visible = visibility.requests || totals.requests > 0;
        Ok(Course { totals, memory, lived, calls, counted, kills, visibility })
    }

    /// Returns whether any process existed in a range in which the requested ones did not.
    async fn has_lives(&mut self, ask: &Ask, range: &Range) -> Result<bool, ReportError> {
        if ask.of_all() {
            return Ok(false);
        }
        let query = LifetimeQuery { range: range.clone(), limit: 1, ..LifetimeQuery::default() };
        Ok(!self.ask(self.reader.lifetimes(&query)).await?.lives.is_empty())
    }

    async fn visibility(&mut self, ask: &Ask, range: &Range) -> Result<Visibility, ReportError> {
        let runs = self.ask(self.reader.runs(range, RUNS)).await?;
        if ask.damaged_recording.is_some() {
            // The damaged parts may contain all of its requests.
            return Ok(Visibility { requests: true, ..Visibility::default() });
        }
        Ok(visibility(&runs, Span { from: At(range.from), to: At(range.to) }))
    }

    async fn findings(&mut self, ask: &Ask, lost: u64) -> Result<(Vec<Told>, Vec<Text>), ReportError> {
        let looked = crate::look(self.reader, &ask.range, ask.limits.as_ref(), &|| self.is_stopped()).await?;
        if self.is_stopped() {
            return Err(ReportError::Stopped);
        }
        self.done += 1;
        // The finding is about records lost in the kernel's ring buffer. Its advice, a larger
        // buffer, does not repair a file.
        let only_damage = ask.damaged_recording.is_some_and(|damaged| lost <= damaged);
        let is_meant = |finding: &&Finding| match &finding.subject {
            Subject::Machine(_) => finding.rule != Rule::Lost || !only_damage,
            Subject::Program { process, .. } => ask.is_of(&process.name, process.pid),
        };
        let findings = looked.findings.iter().filter(is_meant).map(Told::from).collect();
        Ok((findings, looked.not_looked_at.into_iter().map(NotLookedAt::text).collect()))
    }
}

fn asked(ask: &Ask) -> Asked {
    Asked {
        host: ask.range.host.clone(),
        span: Span { from: At(ask.range.from), to: At(ask.range.to) },
        name: ask.name.as_ref().map(ToString::to_string),
        pid: ask.pid.map(|pid| pid.0),
        compared: ask.compare,
    }
}

/// Finds out where the history starts or ends within the range.
fn missing(hosts: &[StoredHost], ask: &Ask) -> Missing {
    let first = hosts.iter().map(|host| host.first).min();
    let last = hosts.iter().map(|host| host.last).max();
    let end = ask.range.to.min(ask.now);
    Missing {
        before: first.filter(|first| *first > ask.range.from).map(At),
        after: last.filter(|last| end.seconds_since(*last) > LAG_S).map(At),
        ..Missing::default()
    }
}

impl From<&StoredHost> for ReportedHost {
    fn from(host: &StoredHost) -> Self {
        Self {
            hostname: host.hostname.clone(),
            kernel: host.kernel.clone(),
            first_time: At(host.first),
            last_time: At(host.last),
        }
    }
}

impl From<&StoredOomKill> for OomKill {
    fn from(kill: &StoredOomKill) -> Self {
        Self {
            timestamp: At(kill.time),
            host: kill.host.to_string(),
            pid: kill.victim.0,
            name: kill.victim_name.clone(),
            container: kill.container.clone(),
            resident_bytes: kill.resident.set_bytes(),
            virtual_bytes: kill.virtual_bytes,
            asker_pid: kill.asker.0,
            asker_name: kill.asker_name.clone(),
        }
    }
}

impl From<&Finding> for Told {
    fn from(finding: &Finding) -> Self {
        let figures = finding.evidence.iter();
        Self {
            rule: finding.rule.name(),
            severity: finding.severity,
            sentence: Text::told(|lang| finding.sentence(lang)),
            evidence: figures
                .map(|figure| ToldFigure { label: figure.label.clone(), value: super::Amount(figure.value) })
                .collect(),
            advice: finding.advice.clone(),
        }
    }
}

/// Copies a name that the store shares.
pub(super) fn owned(host: &Arc<str>) -> String {
    host.to_string()
}
