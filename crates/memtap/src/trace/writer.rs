//! The writer thread. Only this thread waits for the reader of the output.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;

use anstream::{AutoStream, ColorChoice};
use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use memtap_api::{Request, Time};
use serde::Serialize;
use tokio::sync::oneshot;

use super::loss::Cause;
use super::queue::{Line, Queue};
use super::text::{Look, Text};
use crate::cli::TraceFormat;
use crate::rows::{Csv, Jsonl, Rows as _};

/// Starts the thread. The receiver gets its result when it ends.
pub(super) fn start(
    format: TraceFormat,
    queue: Arc<Queue>,
) -> anyhow::Result<oneshot::Receiver<anyhow::Result<()>>> {
    let (ended, written) = oneshot::channel();
    // Bypass the standard library's line buffer.
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let write = move || drop(ended.send(Output::new(format, output).and_then(|output| output.write(&queue))));
    std::thread::Builder::new()
        .name("memtap-output".to_owned())
        .spawn(write)
        .context("cannot start the writer thread")?;
    Ok(written)
}

struct Output {
    format: Format,
    /// True if the output is a terminal, where each line must appear immediately.
    is_terminal: bool,
}

enum Format {
    Text(Text<File>),
    Json(Jsonl<File>),
    Csv(Box<Csv<File>>),
}

/// Missing requests, as JSON.
#[derive(Serialize)]
struct Lost {
    timestamp: Time,
    lost: u64,
    cause: &'static str,
}

impl Output {
    fn new(format: TraceFormat, output: File) -> anyhow::Result<Self> {
        let is_terminal = output.is_terminal();
        let format = match format {
            TraceFormat::Text => {
                let colours = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
                let look = Look { width: width(), colours, zone: TimeZone::system() };
                Format::Text(Text::new(output, look)?)
            }
            TraceFormat::Json => Format::Json(Jsonl::new(output)),
            TraceFormat::Csv => Format::Csv(Box::new(Csv::new(output)?)),
        };
        Ok(Self { format, is_terminal })
    }

    /// Writes lines until the end of the queue.
    fn write(mut self, queue: &Queue) -> anyhow::Result<()> {
        while let Some(work) = queue.next() {
            self.fit();
            for line in &work.lines {
                match line {
                    Line::Request(booked) => self.request(booked.into())?,
                    Line::Lost(cause, count) => self.lost(*cause, *count)?,
                }
            }
            if work.flush || self.is_terminal {
                self.flush()?;
            }
        }
        Ok(self.flush()?)
    }

    fn request(&mut self, request: Request) -> anyhow::Result<()> {
        match &mut self.format {
            Format::Text(text) => Ok(text.request(&request)?),
            Format::Json(rows) => rows.write(request),
            Format::Csv(rows) => rows.write(request),
        }
    }

    /// Writes the number of missing requests. CSV has no such row: the column `lost_before` and the
    /// summary show them.
    fn lost(&mut self, cause: Cause, count: u64) -> io::Result<()> {
        match &mut self.format {
            Format::Text(text) => text.lost(cause, count),
            Format::Json(rows) => {
                rows.object(&Lost { timestamp: Timestamp::now().into(), lost: count, cause: cause.name() })
            }
            Format::Csv(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.format {
            Format::Text(text) => text.flush(),
            Format::Json(rows) => rows.flush(),
            Format::Csv(rows) => rows.flush(),
        }
    }

    fn fit(&mut self) {
        if self.is_terminal
            && let Format::Text(text) = &mut self.format
        {
            text.fit(width());
        }
    }
}

/// Width of the terminal; `None` without a terminal.
fn width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0.into())
}
