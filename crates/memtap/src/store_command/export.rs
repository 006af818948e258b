//! `memtap store export`: requests of a history for other programs, a page at a time.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use memtap_model::{Tgid, WallClock};
use memtap_report::report::plain_cell;
use memtap_server::Request;
use memtap_store::{Reader, RequestQuery};

use crate::cli::{ExportArguments, ExportFormat};
use crate::output;

/// Requests that are held at a time.
const PAGE: usize = 10_000;

pub(super) fn run(arguments: &ExportArguments) -> anyhow::Result<()> {
    let url = super::url(&arguments.which)?;
    let reader = memtap_store::open_reader(&url)?
        .context("--store none keeps nothing: say which history with --store")?;
    let query = query(arguments);
    match &arguments.output {
        None => output::unless_closed(pages(&*reader, query, arguments.format, io::stdout().lock())),
        Some(path) => {
            output::is_not_the_history(path, &url)?;
            output::to_file(path, |file| pages(&*reader, query, arguments.format, file))
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
    if let Cow::Owned(name) = plain_cell(&request.process_name) {
        request.process_name = name;
    }
    for text in [&mut request.host, &mut request.file].into_iter().flatten() {
        if let Cow::Owned(plain) = plain_cell(text) {
            *text = Arc::from(plain);
        }
    }
    request
}
