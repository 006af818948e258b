//! `memtap store`: maintenance commands for a history.

mod check;
mod compact;
mod export;
mod info;
mod parquet;

use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use anyhow::ensure;
use indicatif::ProgressBar;
use memtap_history::StoreError;
use memtap_history::maintenance::Progress;
use memtap_store::StoreUrl;

use crate::cli::{StoreCommand, WhichStore};
use crate::settings_file::SettingsFile;
use crate::{config, engine};

pub(crate) fn run(command: &StoreCommand, file: &SettingsFile) -> anyhow::Result<()> {
    match command {
        StoreCommand::Info(which) => info::run(&url(which, file)?),
        StoreCommand::Check(which) => check::run(&url(which, file)?),
        StoreCommand::Compact(which) => compact::run(&url(which, file)?),
        StoreCommand::Export(arguments) => export::run(arguments, file),
    }
}

/// Returns the URL of the history. `none` is an error.
fn url(which: &WhichStore, file: &SettingsFile) -> anyhow::Result<StoreUrl> {
    let url = config::store(which.store.as_ref(), file)?;
    ensure!(!url.is_none(), "--store none keeps no history. Name the history with --store");
    Ok(url)
}

/// Name of the history in messages: the path of a file, else the URL.
fn name(url: &StoreUrl) -> String {
    url.file().map_or_else(|| url.to_string(), |path| path.display().to_string())
}

/// Shows progress on standard error while `work` runs. It is drawn only on a terminal.
fn while_waiting<T>(
    what: &'static str,
    work: impl AsyncFnOnce(Progress<'_>) -> Result<T, StoreError>,
) -> anyhow::Result<T> {
    let spinner = ProgressBar::new_spinner().with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(100));
    let done = engine::block_on(work(&|part| spinner.set_message(format!("{what}: {part}"))));
    spinner.finish_and_clear();
    done
}

/// Prints to standard output. A reader that closed the pipe (`| head`) is not a failure.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
