//! Requests as other programs read them: CSV for spreadsheets, JSON lines for programs.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use memtap_api::Request;
use memtap_report::report::plain_cell;
use serde::Serialize;

/// Bytes that are gathered before they are written.
pub(crate) const BUFFER: usize = 1 << 16;

/// What writes requests as a format has them.
pub(crate) trait Rows {
    fn write(&mut self, request: Request) -> anyhow::Result<()>;

    /// Nothing is whole before.
    fn finish(self) -> anyhow::Result<()>;
}

/// A line of names, then a line for each request.
pub(crate) struct Csv<W: Write>(csv::Writer<W>);

impl<W: Write> Csv<W> {
    pub(crate) fn new(output: W) -> anyhow::Result<Self> {
        let mut writer =
            csv::WriterBuilder::new().has_headers(false).buffer_capacity(BUFFER).from_writer(output);
        // By hand, so that it stands there when no request does.
        writer.write_record(Request::COLUMNS).map_err(cause)?;
        Ok(Self(writer))
    }

    /// What was gathered goes out.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> Rows for Csv<W> {
    fn write(&mut self, request: Request) -> anyhow::Result<()> {
        Ok(self.0.serialize(plain(request)).map_err(cause)?)
    }

    fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.0.flush()?)
    }
}

/// An object a line.
pub(crate) struct Jsonl<W: Write>(BufWriter<W>);

impl<W: Write> Jsonl<W> {
    pub(crate) fn new(output: W) -> Self {
        Self(BufWriter::with_capacity(BUFFER, output))
    }

    pub(crate) fn object(&mut self, object: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, object).map_err(io::Error::from)?;
        self.0.write_all(b"\n")
    }

    /// What was gathered goes out.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> Rows for Jsonl<W> {
    fn write(&mut self, request: Request) -> anyhow::Result<()> {
        Ok(self.object(&request)?)
    }

    fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.0.flush()?)
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
