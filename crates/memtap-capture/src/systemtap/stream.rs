//! The thread that reads the lines of a script and passes them on in pieces as they are written.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use memtap_model::ScriptLine;

use super::lines::{Damaged, ScriptLines};
use crate::{CaptureError, Settings};

/// Pieces in the channel. While it is full, the thread waits, and so does the writer of the pipe.
const CHANNEL: usize = 64;
const LINES_AT_ONCE: usize = 1024;
/// Damaged lines that are logged. All are counted.
const LOGGED: u64 = 5;

type Input = Box<dyn Read + Send>;
type Open = Box<dyn FnOnce() -> io::Result<Input> + Send>;

#[derive(Default)]
pub(super) struct Piece {
    pub(super) lines: Vec<ScriptLine>,
    pub(super) lost: Lost,
}

/// Losses of the stream.
#[derive(Default)]
pub(super) struct Lost {
    pub(super) damaged: u64,
    /// 1 if the input can no longer be read, because the number of missing lines is unknown.
    pub(super) unreadable: u64,
}

/// Starts the thread.
pub(super) fn open(path: &Path, settings: &Settings) -> Result<Receiver<Piece>, CaptureError> {
    let open = match &settings.input {
        Some(file) => file.try_clone().map(already_open),
        None => prepare_input(path),
    };
    let open = open.map_err(CaptureError::read(path.display().to_string()))?;
    let (sender, lines) = sync_channel(CHANNEL);
    let Settings { columns, utc_offset, .. } = *settings;
    let read = move || read(|| Ok(ScriptLines::new(open()?, columns, utc_offset)), &sender);
    let started = std::thread::Builder::new().name("memtap-lines".to_owned()).spawn(read);
    started.map_err(CaptureError::read("the SystemTap stream: cannot start a thread"))?;
    Ok(lines)
}

/// Prepares the input. It is opened at once, unless that would block.
fn prepare_input(path: &Path) -> io::Result<Open> {
    if path == Path::new("-") {
        return Ok(Box::new(|| Ok(Box::new(io::stdin()))));
    }
    let kind = path.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if kind.is_fifo() {
        // Opening a pipe waits until a process writes to it, but the permission to read can be
        // checked now.
        nix::unistd::eaccess(path, nix::unistd::AccessFlags::R_OK)?;
        let path = path.to_owned();
        return Ok(Box::new(move || Ok(Box::new(File::open(path)?))));
    }
    File::open(path).map(already_open)
}

fn already_open(file: File) -> Open {
    Box::new(move || Ok(Box::new(file)))
}

/// Body of the thread, which may wait for lines indefinitely.
fn read(open: impl FnOnce() -> io::Result<ScriptLines<Input>>, sender: &SyncSender<Piece>) {
    let mut thread = Thread { sender, piece: Piece::default(), logged: 0 };
    let done = open().and_then(|lines| thread.read_lines(lines));
    if let Err(error) = done {
        thread.piece.lost.unreadable = 1;
        tracing::error!(
            "the SystemTap stream can no longer be read: {error}; restart memtap with a readable stream"
        );
    }
    // Fails while memtap is ending, when the receiver is gone.
    let _ = sender.send(thread.piece);
}

struct Thread<'a> {
    sender: &'a SyncSender<Piece>,
    piece: Piece,
    logged: u64,
}

impl Thread<'_> {
    /// Reads all lines.
    fn read_lines(&mut self, mut lines: ScriptLines<Input>) -> io::Result<()> {
        while let Some(line) = lines.next_line()? {
            match line {
                Ok(line) => self.piece.lines.push(line),
                Err(damaged) => self.report_damage(&damaged),
            }
            let full = self.piece.lines.len() >= LINES_AT_ONCE;
            if (full || !lines.has_more()) && self.sender.send(std::mem::take(&mut self.piece)).is_err() {
                return Ok(());
            }
        }
        tracing::info!("the SystemTap stream has ended after {} lines", lines.number());
        Ok(())
    }

    fn report_damage(&mut self, damaged: &Damaged) {
        self.piece.lost.damaged += 1;
        if self.logged < LOGGED {
            self.logged += 1;
            let text: String = memtap_model::to_text(&damaged.line).chars().take(120).collect();
            tracing::warn!("line {} is damaged ({}): {text:?}", damaged.number, damaged.error);
        }
    }
}
