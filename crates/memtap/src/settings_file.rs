//! The settings file: `KEY=VALUE` lines with the names that settings have in the environment, and the original system's.
//! `packaging/memtap.env` has all of them.

mod place;

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::builder::Resettable;
use clap::{ArgAction, Command};
use memtap_store::{MysqlUrl, StoreUrl};
use nix::unistd::{Uid, geteuid};

const DEFAULT_PORT: u16 = 3000;
/// Where it is looked for when none is named: beside whoever starts memtap, as the original's, then the machine's.
const PLACES: [&str; 2] = [".env", "/etc/memtap/memtap.env"];

/// The names in the environment of all settings.
pub(crate) fn keys(command: &Command) -> BTreeSet<String> {
    let own =
        command.get_arguments().filter_map(|arg| arg.get_env().and_then(OsStr::to_str).map(str::to_owned));
    own.chain(command.get_subcommands().flat_map(keys)).chain(["MEMTAP_LOG".to_owned()]).collect()
}

/// The keys of a settings file; the environment itself is left as it is.
#[derive(Default)]
pub(crate) struct SettingsFile {
    path: PathBuf,
    values: HashMap<String, String>,
    /// Files that were not obeyed, each with the reason and how to use it; and what is doubtful about the one that was.
    warnings: Vec<String>,
}

/// Without the values: one may be a password.
impl fmt::Debug for SettingsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: BTreeSet<&String> = self.values.keys().collect();
        f.debug_struct("SettingsFile").field("path", &self.path).field("keys", &keys).finish_non_exhaustive()
    }
}

/// The file has a setting whose value is wrong.
#[derive(Debug)]
pub(crate) struct WrongSetting(String);

impl fmt::Display for WrongSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongSetting {}

impl SettingsFile {
    /// Reads the named file, which must be there, or the first of [`PLACES`] that is there and may be obeyed.
    pub(crate) fn read(named: Option<&Path>) -> anyhow::Result<Self> {
        match named {
            Some(path) => Self::read_named(path),
            None => Self::find(&PLACES.map(Path::new), geteuid()),
        }
    }

    /// Whoever names a file has decided to obey it, whoever it belongs to.
    fn read_named(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| cannot_read(path))?;
        let mut read = Self::parse(path, &file)?;
        if file.metadata().is_ok_and(|file| file.is_file() && place::is_written_by_others(&file)) {
            let path = path.display();
            read.warnings
                .push(format!("other users can change the settings in {path}. To fix it: chmod go-w {path}"));
        }
        Ok(read)
    }

    fn find(places: &[&Path], user: Uid) -> anyhow::Result<Self> {
        let mut warnings = Vec::new();
        for path in places {
            match place::open(path, user).with_context(|| cannot_read(path))? {
                None => {}
                Some(Ok(file)) => return Ok(Self { warnings, ..Self::parse(path, &file)? }),
                Some(Err(reason)) => {
                    let (path, fix) = (path.display(), reason.fix(path));
                    warnings.push(format!("the settings in {path} are not used: {reason}. {fix}"));
                }
            }
        }
        Ok(Self { warnings, ..Self::default() })
    }

    fn parse(path: &Path, mut file: &File) -> anyhow::Result<Self> {
        if file.metadata().is_ok_and(|found| found.is_dir()) {
            bail!("the settings file {} is a directory. Name a file with --env-file", path.display());
        }
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(|| cannot_read(path))?;
        let mut values = HashMap::new();
        let read = Cell::new(0);
        for line in dotenvy::from_read_iter(Lines { text: &text, read: &read }) {
            // The crate's own error would quote the line, which may hold a password.
            let (key, value) = line.map_err(|error| not_a_setting(path, &text, read.get(), &error))?;
            values.insert(key, value);
        }
        Ok(Self { path: path.to_owned(), values, warnings: Vec::new() })
    }

    /// Logs which file was read and which were not, for a command that `uses` one.
    pub(crate) fn log(&self, uses: bool) {
        let read = std::path::absolute(&self.path).ok();
        let read = read.map(|path| format!("read settings from {}", path.display()));
        match uses {
            true => {
                self.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                read.iter().for_each(|read| tracing::info!("{read}"));
            }
            false => self.warnings.iter().chain(&read).for_each(|line| tracing::debug!("{line}")),
        }
    }

    /// The value of a key. One without a value is not set: it has its default.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The log's filter.
    pub(crate) fn log_filter(&self) -> Option<&str> {
        self.value("MEMTAP_LOG")
    }

    /// The file that the command line names, if it does: it must be read before the rest of that is understood.
    pub(crate) fn named(arguments: impl Iterator<Item = OsString>) -> Option<PathBuf> {
        let mut arguments = arguments.take_while(|argument| argument != "--");
        while let Some(argument) = arguments.next() {
            if argument == "--env-file" {
                return arguments.next().map(PathBuf::from);
            }
            if let Some(path) = argument.as_encoded_bytes().strip_prefix(b"--env-file=") {
                return Some(PathBuf::from(OsStr::from_bytes(path)));
            }
        }
        None
    }

    /// The command with the file's values for its defaults, and those of its commands. A variable of the environment without a value is as
    /// good as none. The store's value is left out: its URL may hold a password, which clap would repeat when it is wrong.
    pub(crate) fn as_defaults(&self, command: Command) -> Command {
        let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
        let command = command.mut_args(|arg| {
            let key = arg.get_env().and_then(OsStr::to_str).filter(|key| *key != "MEMTAP_STORE");
            let value = key.and_then(|key| self.value(key)).map(str::to_owned);
            let is_empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
            let arg = if is_empty { arg.env(Resettable::Reset) } else { arg };
            match (value, arg.get_action()) {
                (Some(value), ArgAction::Append) => {
                    arg.default_values(value.split(',').map(str::to_owned).collect::<Vec<_>>())
                }
                (Some(value), _) => arg.default_value(value),
                (None, _) => arg,
            }
        });
        names
            .into_iter()
            .fold(command, |command, name| command.mut_subcommand(name, |inner| self.as_defaults(inner)))
    }

    /// Keys that begin as memtap's do and are none, as far as `command` knows.
    pub(crate) fn unknown(&self, command: &Command) -> Vec<&str> {
        let known = keys(command);
        let ours =
            self.values.keys().filter(|key| key.starts_with("MEMTAP_") && !known.contains(key.as_str()));
        let mut unknown: Vec<&str> = ours.map(String::as_str).collect();
        unknown.sort_unstable();
        unknown
    }

    /// Where it is; empty when there is none.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The address by the original's key, or the default.
    pub(crate) fn listen(&self) -> anyhow::Result<SocketAddr> {
        let port = match self.of_the_original("PORT") {
            Some(port) => port.parse().map_err(|_| self.wrong("PORT", "a port number such as 3000"))?,
            None => DEFAULT_PORT,
        };
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    pub(crate) fn store(&self) -> anyhow::Result<Option<StoreUrl>> {
        if let Some(url) = self.value("MEMTAP_STORE") {
            let wrong = |error| WrongSetting(format!("{}: MEMTAP_STORE: {error}", self.path.display()));
            return Ok(Some(url.parse::<StoreUrl>().map_err(wrong)?));
        }
        self.original_database()
    }

    /// The database of the original system, by its keys. The host and the port have defaults.
    fn original_database(&self) -> anyhow::Result<Option<StoreUrl>> {
        let key = |name: &str| self.of_the_original(name);
        let (user, database) = match (key("DB_USER"), key("DB_NAME")) {
            (Some(user), Some(database)) => (user, database),
            (None, None) => return Ok(None),
            (None, Some(_)) => {
                bail!("DB_NAME is set, but DB_USER is not. Set both, or choose a store with --store")
            }
            (Some(_), None) => {
                bail!("DB_USER is set, but DB_NAME is not. Set both, or choose a store with --store")
            }
        };
        let port = key("DB_PORT").map(|port| port.parse::<u16>()).transpose();
        let port = port.map_err(|_| self.wrong("DB_PORT", "a port number such as 3306"))?;
        let host = key("DB_HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
        let url = MysqlUrl::of(&host, port, &user, key("DB_PASS").as_deref(), &database)?;
        Ok(Some(StoreUrl::Mysql(url)))
    }

    /// A key of the original system, from its environment or its .env file.
    fn of_the_original(&self, key: &str) -> Option<String> {
        from_environment(key).or_else(|| self.value(key).map(str::to_owned))
    }

    /// Where a key has its value: it comes from the environment first.
    pub(crate) fn place(&self, key: &str) -> Option<String> {
        let in_file = || self.value(key).map(|_| self.path.display().to_string());
        from_environment(key).map(|_| "the environment".to_owned()).or_else(in_file)
    }

    fn wrong(&self, key: &str, expected: &str) -> anyhow::Error {
        anyhow::anyhow!("{key} in {} must be {expected}", self.place(key).unwrap_or_default())
    }
}

/// What a variable of the environment is set to. One without a value is not set.
pub(crate) fn from_environment(key: &str) -> Option<String> {
    std::env::var_os(key).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// A text that is read a line at a time, so that its reader is never further than the line that it is about.
struct Lines<'a> {
    text: &'a str,
    read: &'a Cell<usize>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.text.as_bytes()[self.read.get()..];
        let line = rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let count = line.len().min(buffer.len());
        buffer[..count].copy_from_slice(&line[..count]);
        self.read.set(self.read.get() + count);
        Ok(count)
    }
}

/// Names the line, without what is in it: the last that was read, or the first of a text whose quotes do not end.
fn not_a_setting(path: &Path, text: &str, read: usize, error: &dotenvy::Error) -> anyhow::Error {
    let end = match error {
        dotenvy::Error::LineParse(wrong, _) if read == text.len() && text.ends_with(wrong) => {
            read - wrong.len().max(1)
        }
        _ => read.saturating_sub(1),
    };
    anyhow::anyhow!(
        "{}: line {} is not of the form KEY=VALUE. A value with blanks needs quotes: KEY=\"two words\"",
        path.display(),
        text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count() + 1
    )
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read the settings file {} (name another one with --env-file)", path.display())
}

#[cfg(test)]
mod tests;
