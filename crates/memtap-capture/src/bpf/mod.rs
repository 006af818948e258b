//! Source `bpf`: every request of every process, from the kernel's ring, decoded.

mod driver;
mod hidden;
mod types;
mod watched;

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

/// The source.
pub(crate) struct Bpf {
    driver: Driver,
    plan: Plan,
    decoder: Decoder,
    told: Losses,
    undecodable: u64,
    /// A reading has been begun and its end was not told yet.
    reading: bool,
    notes: Notes,
}

/// What the stream tells of processes that /proc must add to.
struct Notes {
    details: Details,
    hidden: Hidden,
    /// Processes whose command or cgroup is new, until the next tick.
    renewed: HashMap<Tgid, (ProcessId, u32)>,
}

impl Notes {
    fn take(&mut self, observation: &Observation) {
        match observation {
            Observation::Exec(state) => self.renew(state),
            Observation::Fork(state) => self.hidden.told(state.tgid),
            Observation::Snapshot(state) => {
                self.hidden.told(state.tgid);
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
        self.hidden.told(state.tgid);
        self.renewed.insert(state.tgid, (state.process(), state.uid));
    }
}

/// Loads, attaches, reads all processes, and detaches again: what `doctor` tries. Gives the plan that works.
///
/// # Errors
/// What [`crate::open`] would fail with.
pub fn trial() -> Result<Plan, CaptureError> {
    let (mut driver, plan) = open_driver(&Settings::default(), hook_time)?;
    driver.begin_reading()?;
    while driver.read_on()? {}
    Ok(plan)
}

/// How long it takes to hook a function and to let it go again: what the plans with [`crate::Hook::Functions`] need. `None` where the
/// kernel lets no function be hooked. Tries one.
#[must_use]
pub fn function_hook() -> Option<Duration> {
    Types::read().ok().and_then(|types| hook_time(&types))
}

fn hook_time(types: &Types) -> Option<Duration> {
    let tried = Driver::try_function(types);
    tried.inspect_err(|error| tracing::debug!("this kernel does not allow hooks on functions: {error}")).ok()
}

/// Tries one way of being told by the kernel, by itself; gives how long it took.
///
/// # Errors
/// When the kernel denies or lacks it.
pub fn attempt(what: Attachment) -> Result<Duration, CaptureError> {
    Types::read()
        .and_then(|types| match what {
            Attachment::Tracepoint => Driver::try_tracepoint(&types),
            Attachment::Iterator => Driver::try_iterator(&types),
            Attachment::Function => Driver::try_function(&types),
        })
        .map_err(or_locked)
}

/// Nothing that is tried succeeds on a kernel that is locked.
fn or_locked(error: CaptureError) -> CaptureError {
    if judgement::is_confidential(&facts()) { CaptureError::Locked } else { error }
}

/// By the plan of the settings, else by the best that the kernel's release speaks for and the kernel then accepts. `hook_time` finds out
/// how long a hook on a function takes.
fn open_driver(
    settings: &Settings,
    hook_time: impl FnOnce(&Types) -> Option<Duration>,
) -> Result<(Driver, Plan), CaptureError> {
    let types = Types::read().map_err(or_locked)?;
    let by_itself = || probe::plans(&facts::release(), hook_time(&types));
    let plans = settings.plan.map_or_else(by_itself, |plan| vec![plan]);
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
    // The last has asked for least.
    Err(match failed {
        Some(error) => or_locked(error),
        None => CaptureError::Unsupported { step: "plans".to_owned(), reason: "none".to_owned() },
    })
}

impl Bpf {
    pub(crate) fn open(settings: &Settings) -> Result<Self, CaptureError> {
        Self::open_with(settings, hook_time)
    }

    /// Without hooks on functions: only to find out whether the kernel allows them takes longer than many a command.
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
        watched::complete(&mut driver, &settings.filter)?;
        Ok(Self {
            driver,
            plan,
            decoder: Decoder { page, boot: clock::boot() },
            told: Losses::default(),
            undecodable: 0,
            reading: false,
            notes: Notes {
                details: Details::default(),
                hidden: Hidden::new(settings.filter.clone()),
                renewed: HashMap::new(),
            },
        })
    }

    /// What the user should know of it.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let without_oom = self.driver.without_oom.iter().map(|error| Notice {
            what: format!("OOM kills are not recorded: {error}"),
            fix: "use Linux 6.9 or later".to_owned(),
        });
        without_oom.collect()
    }

    /// Takes from the ring; gives how many, and whether the end of a reading was the last.
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
                    notes.take(&observation);
                    out.push(observation);
                }
                None => *undecodable += 1,
            }
            ControlFlow::Continue(())
        });
        (count, all_read)
    }

    /// Adds what belongs to a reading and comes from elsewhere.
    fn end_reading(&mut self, out: &mut Vec<Observation>) -> Result<(), CaptureError> {
        self.reading = false;
        let before = out.len();
        self.notes.hidden.read(self.decoder.boot, out);
        for observation in &out[before..] {
            self.notes.take(observation);
        }
        self.notes.details.read(&mut self.notes.renewed, out);
        self.losses(out)?;
        out.push(Observation::AllRead);
        Ok(())
    }

    fn losses(&mut self, out: &mut Vec<Observation>) -> Result<(), CaptureError> {
        let losses = self.driver.losses()?;
        let told = self.told;
        if losses.lifecycle > told.lifecycle {
            self.notes.details.forget_all();
        }
        for (cause, count) in [
            (LossCause::RingFull, losses.requests - told.requests),
            (LossCause::LifecycleRingFull, losses.lifecycle - told.lifecycle),
            (LossCause::NamesRingFull, losses.names - told.names),
            (LossCause::NoAccount, losses.no_account - told.no_account),
            (LossCause::Undecodable, std::mem::take(&mut self.undecodable)),
        ] {
            if count > 0 {
                out.push(Observation::Lost { cause, count });
            }
        }
        self.told = losses;
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
        self.driver.rest(most);
    }

    fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError> {
        // Step by step, so that the ring has room for it.
        let more = room > 0 && self.driver.read_on()?;
        let (count, all_read) = self.drain(room, out);
        // The record that marks the end may have been lost: then the end is where the ring has been emptied.
        let emptied = !more && count < room;
        if self.reading && (all_read || emptied) {
            self.end_reading(out)?;
        }
        Ok(count)
    }
}

/// The start as /proc tells it, in its unit: ticks of `CLOCK_BOOTTIME`.
pub(crate) fn start_of_ticks(ticks: u64) -> StartTime {
    StartTime(ticks.saturating_mul(1_000_000_000 / clock::ticks_per_second()))
}
