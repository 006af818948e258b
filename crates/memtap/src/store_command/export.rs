//! `memtap store export`: requests of a history for other programs, a page at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use memtap_model::{Tgid, WallClock};
use memtap_server::Request;
use memtap_store::{Reader, RequestQuery, StoreUrl};

use crate::cli::{ExportArguments, ExportFormat};

/// Requests that are held at a time.
const PAGE: usize = 10_000;

pub(super) fn run(arguments: &ExportArguments) -> anyhow::Result<()> {
    let url = super::url(&arguments.which)?;
    let reader = memtap_store::open_reader(&url)?
        .context("--store none keeps nothing: say which history with --store")?;
    let query = query(arguments);
    match &arguments.output {
        None => match pages(&*reader, query, arguments.format, io::stdout().lock()) {
            // A reader that wants no more (`| head`) is no failure.
            Err(error) if is_closed(&error) => Ok(()),
            done => done,
        },
        Some(path) => {
            if let StoreUrl::Sqlite(database) = &url
                && same_file(database, path)
            {
                bail!("{} is the history itself: choose another file with --output", path.display());
            }
            to_file(path, |file| pages(&*reader, query, arguments.format, file))
        }
    }
}

fn query(arguments: &ExportArguments) -> RequestQuery {
    RequestQuery {
        host: arguments.host.clone(),
        pid: arguments.pid.map(Tgid),
        started_at: None,
        name: arguments.name.clone(),
        calls: arguments.call.clone(),
        min_size: arguments.min_size,
        refused: arguments.refused.then_some(true),
        from: arguments.last.map_or(arguments.from, |last| Some(before_now(last))),
        to: arguments.to,
        limit: PAGE,
        cursor: None,
    }
}

fn before_now(age: Duration) -> WallClock {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallClock(i64::try_from(now.saturating_sub(age).as_nanos()).unwrap_or(i64::MAX))
}

fn pages(
    reader: &dyn Reader,
    query: RequestQuery,
    format: ExportFormat,
    output: impl Write,
) -> anyhow::Result<()> {
    let progress = progress();
    let done = Lines::new(format, output)
        .map_err(anyhow::Error::from)
        .and_then(|lines| write_pages(reader, query, lines, &progress));
    progress.finish_and_clear();
    done
}

fn write_pages(
    reader: &dyn Reader,
    mut query: RequestQuery,
    mut lines: Lines<impl Write>,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    loop {
        let page = reader.requests(&query)?;
        let mut last = None;
        for stored in &page.requests {
            let request = Request::from(stored);
            last = Some(request.timestamp);
            lines.write(request)?;
        }
        progress.set_message(last.map(|time| time.to_string()).unwrap_or_default());
        progress.inc(page.requests.len() as u64);
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return Ok(lines.finish()?),
        }
    }
}

/// Drawn on stderr, and only where that is a terminal. How many requests there will be, nobody has counted: it says how far back it is.
fn progress() -> ProgressBar {
    let bar = ProgressBar::no_length();
    match ProgressStyle::with_template("{spinner} {human_pos} requests in {elapsed}, back to {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Where lines of a format go.
enum Lines<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Jsonl(BufWriter<W>),
}

impl<W: Write> Lines<W> {
    fn new(format: ExportFormat, output: W) -> io::Result<Self> {
        match format {
            ExportFormat::Csv => {
                let mut writer =
                    csv::WriterBuilder::new().has_headers(false).buffer_capacity(1 << 16).from_writer(output);
                // By hand, so that it stands there when no request does.
                writer.write_record(Request::COLUMNS).map_err(cause)?;
                Ok(Self::Csv(Box::new(writer)))
            }
            ExportFormat::Jsonl => Ok(Self::Jsonl(BufWriter::with_capacity(1 << 16, output))),
        }
    }

    fn write(&mut self, request: Request) -> io::Result<()> {
        match self {
            Self::Csv(writer) => writer.serialize(plain(request)).map_err(cause),
            Self::Jsonl(writer) => {
                serde_json::to_writer(&mut *writer, &request)?;
                writer.write_all(b"\n")
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Csv(mut writer) => writer.flush(),
            Self::Jsonl(mut writer) => writer.flush(),
        }
    }
}

/// The system's own error, where there is one.
fn cause(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// What strangers named, so that no spreadsheet takes it for a formula.
fn plain(mut request: Request) -> Request {
    if begins_a_formula(&request.process_name) {
        request.process_name.insert(0, '\'');
    }
    for text in [&mut request.host, &mut request.file].into_iter().flatten() {
        if begins_a_formula(text) {
            *text = Arc::from(format!("'{text}"));
        }
    }
    request
}

/// Or with an apostrophe: so that one can always be taken away.
fn begins_a_formula(text: &str) -> bool {
    text.starts_with(|c: char| "=+-@'".contains(c) || c.is_control())
}

/// The file appears under its name when it is whole. What is no file (a pipe, a device) is written as it is.
fn to_file(path: &Path, write: impl FnOnce(&File) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let cannot = |path: &Path| format!("cannot write {}", path.display());
    if path.exists() && !path.is_file() {
        let file = OpenOptions::new().write(true).open(path).with_context(|| cannot(path))?;
        return write(&file);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let part = tempfile::Builder::new().prefix(".memtap-export-").tempfile_in(folder);
    let part = part.with_context(|| cannot(path))?;
    write(part.as_file())?;
    part.persist(path).with_context(|| cannot(path))?;
    Ok(())
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
