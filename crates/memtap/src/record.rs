//! `memtap record`: writes batches to a file as they arrive.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal as _, Read as _, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar};
use memtap_capture::{Recorded, Recorder, SourceChoice, SourceKind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::budget::Budget;
use crate::cli::RecordArguments;
use crate::serve::this_machine;
use crate::{confine, log, output};

pub(crate) fn run(arguments: &RecordArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(record(arguments))
}

async fn record(arguments: &RecordArguments) -> anyhow::Result<()> {
    let path = arguments.output.display().to_string();
    if let SourceChoice::Recording(input) = &arguments.source
        && output::same_file(input, &arguments.output)
    {
        bail!("{path} is both input and output. Choose another output file");
    }
    let file = open(&arguments.output, arguments.force)?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let budget = Budget::of(arguments.memory);
    let capture = memtap_capture::Settings {
        ring_bytes: budget.ring_bytes,
        accounts: budget.accounts,
        exact_times: true,
        ..memtap_capture::Settings::default()
    };
    let opened = confine::open(&arguments.source, &capture, arguments.priority.nice)?;
    log::in_background(|| ());
    for notice in &opened.notices {
        tracing::warn!("{}. To fix it: {}", notice.what, notice.fix);
    }
    let is_endless = matches!(opened.source.kind(), SourceKind::Bpf | SourceKind::Procfs);
    let machine = opened.machine.map_or_else(this_machine, Ok)?;
    let cannot = || format!("cannot write {path} (everything written before is readable)");
    let mut recorder = Recorder::begin(emptied(file).with_context(cannot)?, &machine).with_context(cannot)?;
    let (sender, mut batches) = mpsc::channel(budget.batches);
    let reader =
        memtap_capture::spawn(opened.source, &capture, sender).context("cannot start the capture thread")?;
    let mut reader = Some(reader);
    let begin = Instant::now();
    let progress = progress();
    let time_is_up = tokio::time::sleep(arguments.duration.unwrap_or(Duration::MAX));
    tokio::pin!(time_is_up);
    loop {
        let ends = tokio::select! {
            batch = batches.recv() => {
                let Some(batch) = batch else { break };
                recorder.take(batch).with_context(cannot)?;
                progress.set_message(summary(&recorder.recorded(), begin.elapsed()));
                continue;
            }
            _ = interrupt.recv() => true,
            _ = terminate.recv() => true,
            () = &mut time_is_up, if reader.is_some() => true,
        };
        // Remaining batches still arrive through the channel, which then closes.
        if let (true, Some(reader)) = (ends, reader.take()) {
            tokio::task::spawn_blocking(move || reader.stop());
        }
    }
    progress.finish_and_clear();
    if is_endless && reader.is_some() {
        bail!("the capture ended unexpectedly, see the log above. Everything in {path} is readable");
    }
    let (_, recorded) = recorder.finish().with_context(cannot)?;
    output::tell(format_args!("{path}: {}", summary(&recorded, begin.elapsed())));
    Ok(())
}

/// Opens the output file without truncating it; `None` for standard output.
fn open(path: &Path, force: bool) -> anyhow::Result<Option<File>> {
    if path == Path::new("-") {
        if io::stdout().is_terminal() {
            bail!(
                "a recording is binary and cannot be shown on a terminal. Choose a file with -o FILE, or use a pipe"
            );
        }
        return Ok(None);
    }
    let cannot = || format!("cannot write {}", path.display());
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| output::cannot_write(path, &error))?;
    if !force && !may_replace(&mut file).with_context(cannot)? {
        bail!(
            "{} exists and is not a recording. Choose another name, or use --force to replace it",
            path.display()
        );
    }
    Ok(Some(file))
}

/// Truncates the output file. Its old content is kept until this call.
fn emptied(file: Option<File>) -> io::Result<Box<dyn Write>> {
    let Some(mut file) = file else { return Ok(Box::new(io::stdout())) };
    // A pipe or a device has no length.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
        io::Seek::rewind(&mut file)?;
    }
    Ok(Box::new(file))
}

/// Returns whether the file is empty, a recording, or not a regular file.
fn may_replace(file: &mut File) -> io::Result<bool> {
    if !file.metadata()?.is_file() {
        return Ok(true);
    }
    let mut start = [0; memtap_capture::RECORDING_MARK.len()];
    match file.read_exact(&mut start) {
        Ok(()) => Ok(start == memtap_capture::RECORDING_MARK),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(file.metadata()?.len() == 0),
        Err(error) => Err(error),
    }
}

/// Progress display on standard error. It is drawn only on a terminal.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn summary(recorded: &Recorded, took: Duration) -> String {
    let Recorded { requests, readings, bytes, lost } = *recorded;
    let lost = match lost {
        0 => String::new(),
        lost => format!(", {} requests lost", HumanCount(lost)),
    };
    format!(
        "{} requests and {} readings in {}, {}{lost}",
        HumanCount(requests),
        HumanCount(readings),
        HumanDuration(Duration::from_secs(took.as_secs())),
        HumanBytes(bytes)
    )
}
