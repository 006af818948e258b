//! `memtap trace`: prints requests as they return from the kernel, like strace. The source filters,
//! and one thread writes. The queue between them is bounded, so a slow reader of the output loses
//! lines but slows down nothing else.

mod loss;
mod queue;
mod stream;
mod summary;
mod text;
mod writer;

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use memtap_capture::{Batch, Filter, Settings, SourceChoice, SourceKind};
use memtap_model::Tgid;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::cli::TraceArguments;
use crate::{confine, log, output};
use queue::Queue;
use stream::Stream;

/// Maximum number of batches queued between the capture and the trace.
const BATCHES: usize = 4;
/// Time limits at exit: for the queued lines, and then for the line that reports what was left out.
const PATIENCE: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(2)];

type Written = oneshot::Receiver<anyhow::Result<()>>;

pub(crate) fn run(arguments: &TraceArguments) -> anyhow::Result<()> {
    let choice = match &arguments.source {
        // /proc shows no requests, so eBPF is required.
        SourceChoice::Auto => SourceChoice::Bpf,
        choice => choice.clone(),
    };
    if choice == SourceChoice::Bpf {
        arguments.pid.iter().try_for_each(|pid| has_memory(*pid))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(trace(arguments, &choice));
    // The writer thread may still wait for a reader that is stopped.
    runtime.shutdown_background();
    output::unless_closed(done)
}

/// Checks that the PID is a process with memory of its own. A thread or a missing process would
/// show nothing forever.
fn has_memory(pid: u32) -> anyhow::Result<()> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    let status = status.with_context(|| format!("there is no process {pid}"))?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    match field("Tgid:") {
        Some(process) if process != pid.to_string() => {
            bail!("{pid} is a thread of process {process}. Trace the process: -p {process}")
        }
        _ if field("State:").is_some_and(|state| state.starts_with('Z')) => {
            bail!("process {pid} has already exited")
        }
        _ if field("Kthread:") == Some("1") => {
            bail!("{pid} is a kernel thread, which has no memory of its own")
        }
        _ => Ok(()),
    }
}

fn settings(arguments: &TraceArguments) -> Settings {
    let filter = Filter {
        pids: arguments.pid.iter().copied().map(Tgid).collect(),
        follow: arguments.follow,
        name_part: arguments.name.as_ref().and_then(|name| name.part()).map(str::to_owned),
        calls: arguments.requests.call.clone(),
        least_bytes: arguments.requests.min_size.unwrap_or(0),
        refused: arguments.requests.refused,
    };
    Settings { filter, exact_times: true, ..Settings::default() }
}

async fn trace(arguments: &TraceArguments, choice: &SourceChoice) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let settings = settings(arguments);
    let opened = confine::open(choice, &settings, arguments.priority.nice)?;
    log::in_background(|| ());
    let whole_readings = opened.source.kind() == SourceKind::Bpf;
    let watched = Watched {
        some: settings.filter.is_of_some(),
        has_an_end: matches!(opened.source.kind(), SourceKind::Recording | SourceKind::SystemTap),
        about: about(&*opened.source),
    };
    let (sender, mut batches) = mpsc::channel(BATCHES);
    let reader =
        memtap_capture::spawn(opened.source, &settings, sender).context("cannot start the capture thread")?;
    let begin = Instant::now();
    let queue = Arc::new(Queue::default());
    let mut trace = Trace {
        stream: Stream::new(arguments.name.clone(), whole_readings),
        queue: Arc::clone(&queue),
        written: writer::start(arguments.format, queue)?,
    };
    let over = async {
        match arguments.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        () = over => Ok(()),
        ended = trace.go_on(&mut batches, &watched) => ended,
    };
    let stopped = tokio::task::spawn_blocking(move || reader.stop());
    while let Some(batch) = batches.recv().await {
        trace.queue_lines(batch);
    }
    stopped.await?;
    let time = begin.elapsed();
    let written = trace.finish(&mut interrupt).await;
    output::tell(trace.stream.summary.text(time, trace.queue.not_shown()));
    ended.and(written)
}

/// Description of the traced source.
struct Watched {
    /// Only some processes are traced.
    some: bool,
    /// The source has an end, because it reads recorded data.
    has_an_end: bool,
    about: String,
}

fn about(source: &dyn memtap_capture::Source) -> String {
    let plan = source.plan().map(|plan| format!(" (plan {})", plan.name())).unwrap_or_default();
    let what = match source.kind() {
        SourceKind::Recording => "reading the recording".to_owned(),
        SourceKind::SystemTap => "reading the SystemTap script's lines".to_owned(),
        kind => format!("tracing with {}", kind.name()),
    };
    format!("{what}{plan}; press Ctrl-C to stop")
}

struct Trace {
    stream: Stream,
    queue: Arc<Queue>,
    written: Written,
}

impl Trace {
    fn queue_lines(&mut self, batch: Batch) {
        let ticked = batch.tick.is_some();
        self.queue.push(self.stream.lines(batch));
        if ticked {
            self.queue.tick();
        }
    }

    /// Processes batches until there is nothing more to trace, or the output is closed.
    async fn go_on(&mut self, batches: &mut mpsc::Receiver<Batch>, watched: &Watched) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                done = &mut self.written => return done.context("the writer thread panicked")?,
                batch = batches.recv() => {
                    let Some(batch) = batch else {
                        if watched.has_an_end {
                            return Ok(());
                        }
                        bail!("the source ended unexpectedly, see the log above")
                    };
                    let ticked = batch.tick.is_some();
                    self.queue_lines(batch);
                    if ticked && self.stream.readings() == 1 {
                        tracing::info!("{}", watched.about);
                    }
                    if watched.some && self.stream.all_have_ended() || ticked && nobody_reads() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Waits until the queued lines are written, or the time limits are over.
    async fn finish(&mut self, interrupt: &mut Signal) -> anyhow::Result<()> {
        self.queue.close();
        for patience in PATIENCE {
            if self.written.is_terminated() {
                return Ok(());
            }
            tokio::select! {
                done = &mut self.written => return done.context("the writer thread panicked")?,
                _ = interrupt.recv() => {}
                () = tokio::time::sleep(patience) => {}
            }
            self.queue.hurry();
        }
        tracing::warn!("the reader of the output stopped reading. The end of the output is missing");
        Ok(())
    }
}

/// Returns whether the pipe's reader has closed it. Otherwise that shows only at the next write,
/// which may be much later.
fn nobody_reads() -> bool {
    let output = std::io::stdout();
    let mut polled = [PollFd::new(output.as_fd(), PollFlags::empty())];
    let closed = PollFlags::POLLERR | PollFlags::POLLHUP;
    poll(&mut polled, PollTimeout::ZERO).is_ok()
        && polled[0].revents().is_some_and(|events| events.intersects(closed))
}
