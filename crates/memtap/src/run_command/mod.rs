//! `memtap run`: runs a command and reports what it and its descendants requested.

mod gathering;
mod presentation;
mod timeline;
mod together;

use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use memtap_capture::{Ending, Follow, Settings, follow, read_host};
use memtap_model::WallClock;

use crate::cli::{RunArguments, RunFormat};
use crate::output;
use gathering::{Gathered, Gathering};

/// Maximum number of observations per poll.
const BATCH: usize = 8192;

/// Runs the command and returns the exit code for memtap.
pub(crate) fn run(arguments: &RunArguments) -> anyhow::Result<u8> {
    if let Some(path) = &arguments.output {
        output::can_be_made(path)?;
    }
    let settings = Settings::default();
    let began = now()?;
    let mut source = follow(arguments.command.clone(), arguments.source, &settings)?;
    let gathered = follow_to_the_end(&mut *source, &settings, began)?;
    let kind = source.kind();
    let ending = source.ending().context("memtap did not see the end of the command")?;
    if let Ending::NotRun(error) = &ending {
        let why = why_not_run(Path::new(&arguments.command[0]), error);
        output::tell(format_args!("memtap: cannot run {}: {why}", arguments.command[0].display()));
        return Ok(ending.status());
    }
    let presentation =
        presentation::Presentation { arguments, gathered: &gathered, ending, source: kind.name() };
    let text = match format(arguments) {
        RunFormat::Text => presentation.text(),
        RunFormat::Json => presentation.json(read_host().map_or(0, |host| host.total_bytes))?,
        RunFormat::Html => presentation.html(),
    };
    // memtap exits with the command's status, even if the report cannot be written.
    if let Err(error) = write(arguments.output.as_deref(), &text) {
        output::tell(format_args!("memtap: {error:#}. The report follows:\n{}", presentation.text()));
    }
    Ok(ending.repeat())
}

/// Explains why the command cannot run, and how to fix it.
fn why_not_run(command: &Path, error: &std::io::Error) -> String {
    let is_path = command.components().count() > 1 || command.is_absolute();
    match error.kind() {
        ErrorKind::NotFound if command.exists() && is_path => {
            "the interpreter that it needs does not exist. Check its first line, or for which system it was built".to_owned()
        }
        ErrorKind::NotFound if is_path => "no such file. Check the path".to_owned(),
        ErrorKind::NotFound => "command not found. Check its name, or give its path".to_owned(),
        ErrorKind::PermissionDenied if command.is_dir() => "it is a directory. Name a program".to_owned(),
        ErrorKind::PermissionDenied => {
            format!("it is not executable for this user. To fix it: chmod +x {}", command.display())
        }
        _ => error.to_string(),
    }
}

fn follow_to_the_end(
    source: &mut dyn Follow,
    settings: &Settings,
    began: WallClock,
) -> anyhow::Result<Gathered> {
    let mut gathering = Gathering::new(began);
    let mut observations = Vec::new();
    let mut next_tick = Instant::now() + settings.tick;
    while !source.is_over() {
        if Instant::now() >= next_tick {
            next_tick = Instant::now() + settings.tick;
            source.tick()?;
        }
        let count = source.poll(BATCH, &mut observations)?;
        gathering.apply(&mut observations);
        if count == 0 && !source.is_over() {
            std::thread::sleep(settings.poll);
        }
    }
    Ok(gathering.finish())
}

fn format(arguments: &RunArguments) -> RunFormat {
    let end = arguments.output.as_ref().and_then(|path| path.extension()?.to_str());
    arguments.format.unwrap_or(match end {
        Some("json") => RunFormat::Json,
        Some("html" | "htm") => RunFormat::Html,
        _ => RunFormat::Text,
    })
}

/// Writes the report to a file or to standard error. Standard output belongs to the command.
fn write(path: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match path {
        Some(path) => output::to_file(path, |mut file| Ok(file.write_all(text.as_bytes())?)),
        None => {
            let done = std::io::stderr().lock().write_all(text.as_bytes());
            output::unless_closed(done.map_err(anyhow::Error::from))
        }
    }
}

fn now() -> anyhow::Result<WallClock> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Ok(WallClock(i64::try_from(now.as_nanos())?))
}
