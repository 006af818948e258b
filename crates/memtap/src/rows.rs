//! Requests in formats for other programs: CSV for spreadsheets, JSON lines for programs.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use memtap_api::Request;
use memtap_report::report::plain_cell;
use serde::Serialize;

/// Size of the output buffers in bytes.
pub(crate) const BUFFER: usize = 1 << 16;

/// A writer of requests in one format.
pub(crate) trait Rows {
    fn write(&mut self, request: Request) -> anyhow::Result<()>;

    /// Completes the output. It is not valid before.
    fn finish(self) -> anyhow::Result<()>;
}

/// CSV: a header line, then one line per request.
pub(crate) struct Csv<W: Write>(csv::Writer<W>);

impl<W: Write> Csv<W> {
    pub(crate) fn new(output: W) -> anyhow::Result<Self> {
        let mut writer =
            csv::WriterBuilder::new().has_headers(false).buffer_capacity(BUFFER).from_writer(output);
        // Written explicitly, so that the header exists even without requests.
        writer.write_record(Request::COLUMNS).map_err(cause)?;
        Ok(Self(writer))
    }

    /// Writes buffered data to the output.
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

/// JSON lines: one object per line.
pub(crate) struct Jsonl<W: Write>(BufWriter<W>);

impl<W: Write> Jsonl<W> {
    pub(crate) fn new(output: W) -> Self {
        Self(BufWriter::with_capacity(BUFFER, output))
    }

    pub(crate) fn object(&mut self, object: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, object).map_err(io::Error::from)?;
        self.0.write_all(b"\n")
    }

    /// Writes buffered data to the output.
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

/// Returns the underlying I/O error, if there is one.
fn cause(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Escapes untrusted text, so that spreadsheets do not treat it as a formula.
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
