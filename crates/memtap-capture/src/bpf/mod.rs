//! Source `bpf`: the requests of all processes, decoded from the kernel's ring.

mod driver;
mod hidden;
mod types;
mod watch_set;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use memtap_model::{
    Decoder, LossCause, Notice, Observation, PageSize, ProcessId, ProcessState, RawRecord, StartTime, Tgid,
};

use crate::details::Details;
use crate::{Attachment, CaptureError, Plan, Settings, Source, SourceKind, clock, facts, judgement, probe};
use driver::{Driver, Losses, Types};
use hidden::Hidden;

pub(crate) struct Bpf {
    driver: Driver,
    plan: Plan,
    decoder: Decoder,
    reported: Losses,
    undecodable: u64,
    /// True if a reading has begun and its end was not reported yet.
    reading: bool,
    notes: Notes,
}

/// Processes of the stream for which /proc has more information.
struct Notes {
    details: Details,
    hidden: Hidden,
    /// Processes whose command or cgroup is new, until the next tick.
    renewed: HashMap<Tgid, (ProcessId, u32)>,
}

impl Notes {
    fn record(&mut self, observation: &Observation) {
        match observation {
            Observation::Exec(state) => self.renew(state),
            Observation::Fork(state) => self.hidden.mark_reported(state.tgid),
            Observation::Snapshot(state) => {
                self.hidden.mark_reported(state.tgid);
                if self.details.is_new(state.process(), state.placement) {
                    self.renew(state);
                }
            }
            Observation::Exit(state) => {
                self.renewed.remove(&state.tgid);
                self.details.forget(state.process());
            }
            _ => {}
        }
    }

    fn renew(&mut self, state: &ProcessState) {
        self.hidden.mark_reported(state.tgid);
        self.renewed.insert(state.tgid, (state.process(), state.uid));
    }
}

/// Loads, attaches, reads all processes, and detaches again, for `memtap doctor`. Returns the plan
/// that works.
///
/// # Errors
/// Fails for the same reasons as [`crate::open`].
pub fn trial() -> Result<Plan, CaptureError> {
    let (mut driver, plan) = open_driver(&Settings::default(), hook_time)?;
    driver.begin_reading()?;
    while driver.continue_reading()? {}
    Ok(plan)
}

/// Hooks one function and removes the hook. Returns how long that took, which decides whether plans
/// with [`crate::Hook::Functions`] are used; `None` if the kernel does not allow hooks on
/// functions.
#[must_use]
pub fn function_hook() -> Option<Duration> {
    Types::read().ok().and_then(|types| hook_time(&types))
}

fn hook_time(types: &Types) -> Option<Duration> {
    let tried = Driver::try_function(types);
    tried.inspect_err(|error| tracing::debug!("this kernel does not allow hooks on functions: {error}")).ok()
}

/// Tries one way to attach, separately from the others. Returns how long it took.
///
/// # Errors
/// Fails if the kernel denies the attachment or does not support it.
pub fn attempt(what: Attachment) -> Result<Duration, CaptureError> {
    Types::read()
        .and_then(|types| match what {
            Attachment::Tracepoint => Driver::try_tracepoint(&types),
            Attachment::Iterator => Driver::try_iterator(&types),
            Attachment::Function => Driver::try_function(&types),
        })
        .map_err(or_locked)
}

/// Replaces an error on a kernel that is locked down, where no trial can succeed.
fn or_locked(error: CaptureError) -> CaptureError {
    if judgement::is_confidential(&facts()) { CaptureError::Locked } else { error }
}

/// Opens the driver with the plan of the settings, or with the best plan for the kernel's release
/// that the kernel accepts. `hook_time` measures how long a hook on a function takes.
fn open_driver(
    settings: &Settings,
    hook_time: impl FnOnce(&Types) -> Option<Duration>,
) -> Result<(Driver, Plan), CaptureError> {
    let types = Types::read().map_err(or_locked)?;
    let default_plans = || probe::plans(&facts::release(), hook_time(&types));
    let plans = settings.plan.map_or_else(default_plans, |plan| vec![plan]);
    let mut failed = None;
    for plan in plans {
        match Driver::open(settings, plan, &types) {
            Ok(driver) => return Ok((driver, plan)),
            Err(error) => {
                tracing::debug!("plan {} is not possible here: {error}", plan.name());
                failed = Some(error);
            }
        }
    }
    // The error of the last plan, which requires the least of the kernel.
    Err(match failed {
        Some(error) => or_locked(error),
        None => CaptureError::Unsupported { step: "plans".to_owned(), reason: "none".to_owned() },
    })
}

impl Bpf {
    pub(crate) fn open(settings: &Settings) -> Result<Self, CaptureError> {
        Self::open_with(settings, hook_time)
    }

    /// Opens the source without hooks on functions. Finding out whether the kernel allows them
    /// takes longer than many commands run.
    pub(crate) fn open_for_command(settings: &Settings) -> Result<Self, CaptureError> {
        Self::open_with(settings, |_| None)
    }

    fn open_with(
        settings: &Settings,
        hook_time: impl FnOnce(&Types) -> Option<Duration>,
    ) -> Result<Self, CaptureError> {
        if cfg!(not(target_arch = "x86_64")) {
            let reason = "this build of memtap sees x86-64 system calls only".to_owned();
            return Err(CaptureError::Unsupported { step: "architecture".to_owned(), reason });
        }
        let page = clock::page_size().and_then(PageSize::new).ok_or_else(|| CaptureError::Unsupported {
            step: "page size".to_owned(),
            reason: "the kernel does not report it".to_owned(),
        })?;
        let (mut driver, plan) = open_driver(settings, hook_time)?;
        watch_set::complete(&mut driver, &settings.filter)?;
        Ok(Self {
            driver,
            plan,
            decoder: Decoder { page, boot: clock::boot() },
            reported: Losses::default(),
            undecodable: 0,
            reading: false,
            notes: Notes {
                details: Details::default(),
                hidden: Hidden::new(settings.filter.clone()),
                renewed: HashMap::new(),
            },
        })
    }

    /// Returns the problems that the user should know about.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let without_oom = self.driver.without_oom.iter().map(|error| Notice {
            what: format!("OOM kills are not recorded: {error}"),
            fix: "use Linux 6.9 or later".to_owned(),
        });
        without_oom.collect()
    }

    /// Reads from the ring. Returns the number of records, and whether the last one ended a
    /// reading.
    fn drain(&mut self, room: usize, out: &mut Vec<Observation>) -> (usize, bool) {
        let Self { driver, decoder, undecodable, notes, .. } = self;
        let mut all_read = false;
        let count = driver.drain(room, |record| {
            if record == Some(RawRecord::AllRead) {
                all_read = true;
                return ControlFlow::Break(());
            }
            match record.and_then(|record| decoder.decode(&record).ok()) {
                Some(observation) => {
                    notes.record(&observation);
                    out.push(observation);
                }
                None => *undecodable += 1,
            }
            ControlFlow::Continue(())
        });
        (count, all_read)
    }

    /// Adds the observations of a reading that do not come from the ring.
    fn end_reading(&mut self, out: &mut Vec<Observation>) -> Result<(), CaptureError> {
        self.reading = false;
        let before = out.len();
        self.notes.hidden.read(self.decoder.boot, out);
        for observation in &out[before..] {
            self.notes.record(observation);
        }
        self.notes.details.read(&mut self.notes.renewed, out);
        self.report_losses(out)?;
        out.push(Observation::AllRead);
        Ok(())
    }

    fn report_losses(&mut self, out: &mut Vec<Observation>) -> Result<(), CaptureError> {
        let losses = self.driver.losses()?;
        let reported = self.reported;
        if losses.lifecycle > reported.lifecycle {
            self.notes.details.forget_all();
        }
        for (cause, count) in [
            (LossCause::RingFull, losses.requests - reported.requests),
            (LossCause::LifecycleRingFull, losses.lifecycle - reported.lifecycle),
            (LossCause::NamesRingFull, losses.names - reported.names),
            (LossCause::NoAccount, losses.no_account - reported.no_account),
            (LossCause::Undecodable, std::mem::take(&mut self.undecodable)),
        ] {
            if count > 0 {
                out.push(Observation::Lost { cause, count });
            }
        }
        self.reported = losses;
        Ok(())
    }
}

impl Source for Bpf {
    fn kind(&self) -> SourceKind {
        SourceKind::Bpf
    }

    fn plan(&self) -> Option<Plan> {
        Some(self.plan)
    }

    fn tick(&mut self) -> Result<(), CaptureError> {
        self.decoder.boot = clock::boot();
        self.reading = true;
        self.driver.begin_reading()
    }

    fn rest(&mut self, most: Duration) {
        self.driver.wait(most);
    }

    fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError> {
        // Continue the reading in small steps, so that the ring has space for it.
        let is_reading = room > 0 && self.driver.continue_reading()?;
        let (count, all_read) = self.drain(room, out);
        // If the record that marks the end was lost, the reading ends when the ring is empty.
        let is_empty = !is_reading && count < room;
        if self.reading && (all_read || is_empty) {
            self.end_reading(out)?;
        }
        Ok(count)
    }
}

/// Converts a start time from /proc, in ticks of `CLOCK_BOOTTIME`.
pub(crate) fn start_from_ticks(ticks: u64) -> StartTime {
    StartTime(ticks.saturating_mul(1_000_000_000 / clock::ticks_per_second()))
}
