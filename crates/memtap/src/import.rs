//! `memtap import`: imports lines of the original system's SystemTap script into the history.

use std::fs::File;
use std::io::{Cursor, Read, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, bail};
use foldhash::{HashMap, HashMapExt as _};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use memtap_capture::{Damaged, ScriptLines};
use memtap_history::{Appended, Batch, Delivery, Run, Store};
use memtap_ledger::{BookedRequest, ProcessSummary};
use memtap_model::visible;
use memtap_model::{Comm, MemoryRequest, ProcessId, ScriptLine, StartTime, Tgid, WallClock, to_text};
use nix::sys::signal::{SigHandler, Signal, signal};

use crate::cli::{ImportArguments, ImportFormat};
use crate::engine;
use crate::settings_file::SettingsFile;
use crate::{config, output, replay};

/// Requests per delivery.
const DELIVERY: usize = 50_000;
/// Maximum number of processes that are distinguished at a time. After that the map starts empty
/// again, so that one PID and name may get several rows.
const PROCESSES: usize = 100_000;
/// Processes per delivery.
const SUMMARIES: usize = 1_000;
/// Maximum number of damaged lines that are shown. All are counted.
const SHOWN: u64 = 10;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Handles Ctrl-C. The first one stops the import after the next line. The second one ends the
/// process at once, in case no line arrives.
extern "C" fn interrupt(_signal: i32) {
    INTERRUPTED.store(true, Ordering::Relaxed);
    // SAFETY: setting a signal's action is async-signal-safe.
    let _ = unsafe { signal(Signal::SIGINT, SigHandler::SigDfl) };
}

pub(crate) fn run(arguments: &ImportArguments, file: &SettingsFile) -> anyhow::Result<()> {
    let url = config::store(arguments.which.store.as_ref(), file)?;
    let settings = memtap_history::Settings::default();
    if arguments.format == ImportFormat::Recording {
        let replayed = replay::into_store(&arguments.file, &url, &settings)?;
        let (host, requests) = (visible(&replayed.machine.hostname), HumanCount(replayed.requests));
        output::tell(format_args!("{requests} requests of {host} are in {url}"));
        return Ok(());
    }
    // SAFETY: the handler only sets a flag and a signal's action, which is async-signal-safe.
    let handled = unsafe { signal(Signal::SIGINT, SigHandler::Handler(interrupt)) };
    handled.context("cannot handle Ctrl-C")?;
    // Open the input first, so that a wrong input leaves no empty history behind.
    let (input, length) = open(&arguments.file)?;
    let store = engine::block_on(url.open(&settings))?
        .context("--store none keeps no history. Choose a store with --store")?;
    let rejects = arguments
        .rejects
        .as_deref()
        .map(|path| File::create(path).map_err(|error| output::cannot_write(path, &error)));
    let mut import = Import {
        deliveries: Deliveries::start(store, run_of(&arguments.host))?,
        committed: arguments.from_line.saturating_sub(1),
        read_to: 0,
        processes: HashMap::new(),
        process_count: 0,
        requests: Vec::with_capacity(DELIVERY),
        rows: 0,
        refused: 0,
        damaged: 0,
        rejects: rejects.transpose()?,
        progress: progress(length),
        begin: Instant::now(),
    };
    let mut lines = ScriptLines::new(input, arguments.lines.columns, arguments.lines.utc_offset);
    let done = import.read(&mut lines, arguments.from_line);
    let done = import.finish(done);
    import.progress.finish_and_clear();
    let done =
        done.and_then(|()| if INTERRUPTED.load(Ordering::Relaxed) { bail!("interrupted") } else { Ok(()) });
    import.print_summary(lines.number());
    match done {
        Ok(()) if import.rows == 0 && import.damaged > 0 => {
            bail!("no line has the columns that --columns gives. Nothing was imported")
        }
        Ok(()) => Ok(()),
        Err(error) => Err(error.context(format!(
            "the import into {url} stopped after line {} (continue with --from-line {})",
            import.committed,
            import.committed + 1
        ))),
    }
}

fn open(path: &Path) -> anyhow::Result<(Box<dyn Read>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((lines("standard input", std::io::stdin())?, None));
    }
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    let length = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
    Ok((lines(&name, file)?, length))
}

/// Returns the whole input. A recording is an error.
fn lines(name: &str, mut input: impl Read + 'static) -> anyhow::Result<Box<dyn Read>> {
    let mut start = Vec::new();
    let mark = memtap_capture::RECORDING_MARK;
    input
        .by_ref()
        .take(mark.len() as u64)
        .read_to_end(&mut start)
        .with_context(|| format!("cannot read {name}"))?;
    if start == mark {
        bail!(
            "{name} is a memtap recording, not lines of a SystemTap script. Import it with --format recording"
        );
    }
    Ok(Box::new(Cursor::new(start).chain(input)))
}

fn run_of(host: &str) -> Run {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Run {
        id: Run::draw(),
        hostname: host.to_owned(),
        kernel: String::new(),
        boot_id: String::new(),
        page_size: 0,
        began: WallClock(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)),
    }
}

/// Progress display on standard error. It is drawn only on a terminal.
fn progress(length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => (
            ProgressBar::new(length),
            "{bar:30} {percent} %  {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left  {msg}",
        ),
        None => (ProgressBar::no_length(), "{spinner} {bytes} read, {bytes_per_sec}  {msg}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

struct Import {
    deliveries: Deliveries,
    /// Last line that is in the store, together with all lines before it.
    committed: u64,
    /// Last line, once all have been read.
    read_to: u64,
    /// Process totals by PID and name. The lines do not show whether a new name means an exec or
    /// another process.
    processes: HashMap<(u32, Comm), ProcessSummary>,
    process_count: u64,
    requests: Vec<BookedRequest>,
    rows: u64,
    refused: u64,
    damaged: u64,
    rejects: Option<File>,
    progress: ProgressBar,
    begin: Instant,
}

impl Import {
    /// Reads until the end, an error or an interruption.
    fn read<R: Read>(&mut self, lines: &mut ScriptLines<R>, from_line: u64) -> anyhow::Result<()> {
        while !INTERRUPTED.load(Ordering::Relaxed) {
            let Some(line) = lines.next_line().context("cannot read the lines")? else { break };
            if lines.number() < from_line {
                continue;
            }
            match line {
                Ok(line) => self.line(&line),
                Err(damaged) => self.reject(&damaged)?,
            }
            if self.requests.len() >= DELIVERY {
                self.deliver(lines.number())?;
                self.progress.set_position(lines.bytes());
                self.progress.set_message(format!("{} rows, {} damaged lines", self.rows, self.damaged));
            }
        }
        self.deliver(lines.number())?;
        self.read_to = lines.number();
        self.processes()
    }

    /// Waits for the remaining deliveries. An error of the store takes precedence, because it
    /// causes the others.
    fn finish(&mut self, done: anyhow::Result<()>) -> anyhow::Result<()> {
        let stored = self.deliveries.finish();
        self.landed();
        stored?;
        done?;
        // Skipped lines count as committed, even if the input ended before the last of them.
        self.committed = self.committed.max(self.read_to);
        Ok(())
    }

    fn line(&mut self, line: &ScriptLine) {
        let process_count = &mut self.process_count;
        let summary = self.processes.entry((line.pid, line.name)).or_insert_with(|| {
            *process_count += 1;
            let process = ProcessId { tgid: Tgid(line.pid), start: StartTime(*process_count) };
            ProcessSummary { process, name: line.name, started_at: line.time, ..ProcessSummary::default() }
        });
        let call = &mut summary.books.calls[line.call.index()];
        call.count += 1;
        call.requested_bytes = call.requested_bytes.saturating_add(line.length);
        if line.call.row().asks {
            summary.requested_bytes = summary.requested_bytes.saturating_add(line.length);
        }
        self.requests.push(BookedRequest {
            process: summary.process,
            request: MemoryRequest::from(line),
            lost_before: 0,
        });
    }

    fn reject(&mut self, damaged: &Damaged) -> anyhow::Result<()> {
        self.damaged += 1;
        if self.damaged <= SHOWN {
            let text: String = to_text(&damaged.line).chars().take(120).collect();
            let line = format!("line {}: {}: {text:?}", damaged.number, damaged.error);
            self.progress.suspend(|| output::tell(format_args!("memtap: {line}")));
        }
        if let Some(rejects) = &mut self.rejects {
            rejects
                .write_all(&damaged.line)
                .and_then(|()| rejects.write_all(b"\n"))
                .context("cannot write the file of damaged lines (--rejects)")?;
        }
        Ok(())
    }

    /// Sends the requests up to this line to the store.
    fn deliver(&mut self, line: u64) -> anyhow::Result<()> {
        if self.requests.is_empty() {
            return Ok(());
        }
        let requests = std::mem::take(&mut self.requests);
        self.send(Batch { requests, ..Batch::default() }, Some(line))?;
        if self.processes.len() > PROCESSES {
            self.processes()?;
        }
        Ok(())
    }

    fn send(&mut self, batch: Batch, line: Option<u64>) -> anyhow::Result<()> {
        self.deliveries.send(Parcel { batch, line })?;
        self.landed();
        Ok(())
    }

    /// Counts the rows that reached the store since the last call.
    fn landed(&mut self) {
        while let Ok(Landed { rows, line, appended, mut spare }) = self.deliveries.landed.try_recv() {
            self.rows += rows;
            self.committed = line.unwrap_or(self.committed);
            if let Some(reason) = appended.reason {
                self.refused += appended.refused;
                let refused = appended.refused;
                let line = format!("memtap: the database refused {refused} rows: {reason}");
                self.progress.suspend(|| output::tell(line));
            }
            if self.requests.capacity() == 0 {
                spare.clear();
                self.requests = spare;
            }
        }
    }

    /// Sends the totals of each process to the store.
    fn processes(&mut self) -> anyhow::Result<()> {
        let mut summaries = std::mem::take(&mut self.processes).into_values();
        loop {
            let processes: Vec<_> = summaries.by_ref().take(SUMMARIES).map(Arc::new).collect();
            if processes.is_empty() {
                return Ok(());
            }
            self.send(Batch { processes, ..Batch::default() }, None)?;
        }
    }

    fn print_summary(&self, lines: u64) {
        let seconds = self.begin.elapsed().as_secs_f64();
        let rate = self.rows as f64 / seconds.max(0.001);
        output::tell(format_args!(
            "memtap: {} lines read, {} rows written, {} lines damaged, {} rows refused; {seconds:.1} s, {} rows/s",
            HumanCount(lines),
            HumanCount(self.rows - self.refused),
            HumanCount(self.damaged),
            HumanCount(self.refused),
            HumanCount(rate.round() as u64),
        ));
    }
}

/// A batch on its way to the store.
struct Parcel {
    batch: Batch,
    /// Last line that the batch contains.
    line: Option<u64>,
}

/// Result of a batch that is in the store.
struct Landed {
    rows: u64,
    /// Last line, as in [`Parcel`].
    line: Option<u64>,
    appended: Appended,
    /// Buffer that can be reused.
    spare: Vec<BookedRequest>,
}

/// The writer thread. It writes one delivery while the next one is read.
struct Deliveries {
    parcels: Option<SyncSender<Parcel>>,
    landed: Receiver<Landed>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Deliveries {
    fn start(store: Box<dyn Store>, run: Run) -> anyhow::Result<Self> {
        let run = Arc::new(run);
        let (parcels, waiting) = sync_channel(1);
        let (answers, landed) = channel();
        let thread = std::thread::Builder::new().name("memtap-store".to_owned());
        let thread = thread.spawn(move || write(store, &run, &waiting, &answers))?;
        Ok(Self { parcels: Some(parcels), landed, thread: Some(thread) })
    }

    /// Sends a batch to the thread. Waits while the thread is behind.
    fn send(&mut self, parcel: Parcel) -> anyhow::Result<()> {
        if self.parcels.as_ref().is_some_and(|parcels| parcels.send(parcel).is_ok()) {
            return Ok(());
        }
        self.finish()?;
        bail!("the writer thread ended")
    }

    /// Waits until all is written or the store has failed.
    fn finish(&mut self) -> anyhow::Result<()> {
        self.parcels = None;
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_| anyhow::anyhow!("the writer thread panicked"))??;
        Ok(())
    }
}

fn write(
    mut store: Box<dyn Store>,
    run: &Arc<Run>,
    parcels: &Receiver<Parcel>,
    answers: &Sender<Landed>,
) -> anyhow::Result<()> {
    for (Parcel { batch, line }, sequence) in parcels.iter().zip(1..) {
        let rows = batch.requests.len() as u64;
        let delivery = Arc::new(Delivery { run: Arc::clone(run), sequence, batches: vec![batch] });
        let appended = engine::block_on(store.append(Arc::clone(&delivery)))?;
        // The store no longer holds the delivery.
        let batch = Arc::into_inner(delivery).and_then(|mut delivery| delivery.batches.pop());
        let spare = batch.unwrap_or_default().requests;
        // The receiver is gone only after the import has ended.
        let _ = answers.send(Landed { rows, line, appended, spare });
    }
    Ok(())
}
