//! `memtap store export`: writes requests of a history for other programs, one page at a time.

use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use memtap_api::{Request, Time};
use memtap_history::{Clock, Reader, RequestQuery};
use memtap_model::{Tgid, WallClock};

use super::parquet::Parquet;
use crate::cli::{ExportArguments, ExportFormat};
use crate::engine;
use crate::output;
use crate::rows::{Csv, Jsonl, Rows};
use crate::settings_file::SettingsFile;

/// Requests per page.
const PAGE: usize = 10_000;

pub(super) fn run(arguments: &ExportArguments, file: &SettingsFile) -> anyhow::Result<()> {
    let url = super::url(&arguments.which, file)?;
    let reader = engine::block_on(url.open_reader(Clock::Machine))?.context("there is no history")?;
    let (query, format) = (query(arguments), format(arguments));
    match &arguments.output {
        None if format == ExportFormat::Parquet && io::stdout().is_terminal() => {
            bail!(
                "Parquet is binary and cannot be shown on a terminal. Choose a file with --output, or another --format"
            )
        }
        None => output::unless_closed(pages(&*reader, query, format, io::stdout())),
        Some(path) => {
            output::is_not_the_history(path, &url)?;
            output::to_file(path, |file| pages(&*reader, query, format, file))
        }
    }
}

/// Requested format, else the format for the file name's extension.
fn format(arguments: &ExportArguments) -> ExportFormat {
    let end = arguments.output.as_ref().and_then(|path| path.extension()?.to_str());
    arguments.format.unwrap_or(match end.map(str::to_ascii_lowercase).as_deref() {
        Some("parquet") => ExportFormat::Parquet,
        Some("jsonl" | "ndjson") => ExportFormat::Jsonl,
        _ => ExportFormat::Csv,
    })
}

fn query(arguments: &ExportArguments) -> RequestQuery {
    RequestQuery {
        host: arguments.host.clone(),
        pid: arguments.pid.map(Tgid),
        started_at: None,
        name: arguments.name.clone(),
        calls: arguments.requests.call.clone(),
        min_size: arguments.requests.min_size,
        refused: arguments.requests.refused.then_some(true),
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
    output: impl Write + Send,
) -> anyhow::Result<()> {
    let progress = progress();
    let done = match format {
        ExportFormat::Csv => Csv::new(output).and_then(|rows| write_pages(reader, query, rows, &progress)),
        ExportFormat::Jsonl => write_pages(reader, query, Jsonl::new(output), &progress),
        ExportFormat::Parquet => {
            Parquet::new(output).and_then(|rows| write_pages(reader, query, rows, &progress))
        }
    };
    progress.finish_and_clear();
    done
}

fn write_pages(
    reader: &dyn Reader,
    mut query: RequestQuery,
    mut rows: impl Rows,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    loop {
        let page = engine::block_on(reader.requests(&query))?;
        if let Some(last) = page.requests.last() {
            progress.set_message(Time(last.time).to_string());
        }
        let count = page.requests.len() as u64;
        for request in page.requests {
            rows.write(Request::from(request))?;
        }
        progress.inc(count);
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return rows.finish(),
        }
    }
}

/// Progress display on standard error, drawn only on a terminal. The total is unknown, so it shows
/// the time of the last exported request.
fn progress() -> ProgressBar {
    let bar = ProgressBar::no_length();
    match ProgressStyle::with_template("{spinner} {human_pos} requests in {elapsed}, back to {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
