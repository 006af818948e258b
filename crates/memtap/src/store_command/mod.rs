//! `memtap store`: what is done with a history on demand.

mod check;
mod compact;
mod export;
mod info;

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use indicatif::ProgressBar;
use memtap_store::StoreUrl;

use crate::cli::{StoreCommand, WhichStore};
use crate::config;

pub(crate) fn run(command: &StoreCommand) -> anyhow::Result<()> {
    match command {
        StoreCommand::Info(which) => info::run(&sqlite(which)?),
        StoreCommand::Check(which) => check::run(&sqlite(which)?),
        StoreCommand::Compact(which) => compact::run(&sqlite(which)?),
        StoreCommand::Export(arguments) => export::run(arguments),
    }
}

fn url(which: &WhichStore) -> anyhow::Result<StoreUrl> {
    config::store(which.store.as_ref(), which.env_file.as_deref())
}

/// The database file. A server has such commands of its own, and rights of its own to them.
fn sqlite(which: &WhichStore) -> anyhow::Result<PathBuf> {
    match url(which)? {
        StoreUrl::Sqlite(path) => Ok(path),
        StoreUrl::None => bail!("--store none keeps nothing: say which history with --store sqlite:PATH"),
        StoreUrl::Mysql(url) => bail!(
            "{url} is a server's database, and this is for a file's: use the server's own CHECK TABLE, OPTIMIZE TABLE and \
             information_schema.TABLES; memtap store export works with it"
        ),
    }
}

/// Strangers' text on a terminal: what would steer it is shown as what it is.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Shows on stderr, where that is a terminal, that something takes its time.
fn while_waiting<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    let spinner = ProgressBar::new_spinner().with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(100));
    let done = work();
    spinner.finish_and_clear();
    done
}

/// A reader that wants no more (`| head`) is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
