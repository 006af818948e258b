//! The thread that reads the lines: a path goes in, pieces of what it holds come out as they are written.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use memtap_model::ScriptLine;

use super::lines::{Damaged, ScriptLines};
use crate::{CaptureError, Settings};

/// Lines on their way from the thread that reads; a full channel makes it wait, and whoever writes the pipe with it.
const CHANNEL: usize = 64;
const LINES_AT_ONCE: usize = 1024;
/// Damaged lines that are shown in the log; all are counted.
const SHOWN: u64 = 5;

type Input = Box<dyn Read + Send>;
type Open = Box<dyn FnOnce() -> io::Result<Input> + Send>;

#[derive(Default)]
pub(super) struct Piece {
    pub(super) lines: Vec<ScriptLine>,
    pub(super) lost: Lost,
}

/// What did not come.
#[derive(Default)]
pub(super) struct Lost {
    pub(super) damaged: u64,
    /// The input could not be read any more: 1, for nobody knows how many lines it would have had.
    pub(super) unreadable: u64,
}

/// Starts the thread.
pub(super) fn open(path: &Path, settings: &Settings) -> Result<Receiver<Piece>, CaptureError> {
    let open = match &settings.input {
        Some(file) => file.try_clone().map(opened),
        None => input(path),
    };
    let open = open.map_err(CaptureError::read(path.display().to_string()))?;
    let (sender, lines) = sync_channel(CHANNEL);
    let Settings { columns, utc_offset, .. } = *settings;
    let read = move || read(|| Ok(ScriptLines::new(open()?, columns, utc_offset)), &sender);
    let started = std::thread::Builder::new().name("memtap-lines".to_owned()).spawn(read);
    started.map_err(CaptureError::read("the SystemTap stream: cannot start a thread"))?;
    Ok(lines)
}

/// What can be opened without waiting is open when this returns.
fn input(path: &Path) -> io::Result<Open> {
    if path == Path::new("-") {
        return Ok(Box::new(|| Ok(Box::new(io::stdin()))));
    }
    let kind = path.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if kind.is_fifo() {
        // To open it waits until somebody writes; whether it may be read shows now.
        nix::unistd::eaccess(path, nix::unistd::AccessFlags::R_OK)?;
        let path = path.to_owned();
        return Ok(Box::new(move || Ok(Box::new(File::open(path)?))));
    }
    File::open(path).map(opened)
}

fn opened(file: File) -> Open {
    Box::new(move || Ok(Box::new(file)))
}

/// The thread: it may wait for lines as long as it likes.
fn read(open: impl FnOnce() -> io::Result<ScriptLines<Input>>, sender: &SyncSender<Piece>) {
    let mut thread = Thread { sender, piece: Piece::default(), shown: 0 };
    let done = open().and_then(|lines| thread.lines(lines));
    if let Err(error) = done {
        thread.piece.lost.unreadable = 1;
        tracing::error!(
            "the SystemTap stream can no longer be read: {error}; restart memtap with a readable stream"
        );
    }
    // Where memtap is ending, nobody takes it.
    let _ = sender.send(thread.piece);
}

struct Thread<'a> {
    sender: &'a SyncSender<Piece>,
    piece: Piece,
    shown: u64,
}

impl Thread<'_> {
    /// To their end.
    fn lines(&mut self, mut lines: ScriptLines<Input>) -> io::Result<()> {
        while let Some(line) = lines.next_line()? {
            match line {
                Ok(line) => self.piece.lines.push(line),
                Err(damaged) => self.damaged(&damaged),
            }
            let full = self.piece.lines.len() >= LINES_AT_ONCE;
            if (full || !lines.has_more()) && self.sender.send(std::mem::take(&mut self.piece)).is_err() {
                return Ok(());
            }
        }
        tracing::info!("the SystemTap stream has ended after {} lines", lines.number());
        Ok(())
    }

    fn damaged(&mut self, damaged: &Damaged) {
        self.piece.lost.damaged += 1;
        if self.shown < SHOWN {
            self.shown += 1;
            let text: String = memtap_model::to_text(&damaged.line).chars().take(120).collect();
            tracing::warn!("line {} is damaged ({}): {text:?}", damaged.number, damaged.error);
        }
    }
}
