//! The settings file: `KEY=VALUE` lines. Keys are the environment variables of the settings, and
//! the keys of the original system. `packaging/memtap.env` lists all of them.

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
use memtap_store::StoreUrl;
use nix::unistd::{Uid, geteuid};

const DEFAULT_PORT: u16 = 3000;
/// Default files, in order: one in the working directory, as in the original system, then the
/// machine's.
const PLACES: [&str; 2] = [".env", "/etc/memtap/memtap.env"];

/// Returns the environment variables of all settings.
pub(crate) fn keys(command: &Command) -> BTreeSet<String> {
    let own =
        command.get_arguments().filter_map(|arg| arg.get_env().and_then(OsStr::to_str).map(str::to_owned));
    own.chain(command.get_subcommands().flat_map(keys)).chain(["MEMTAP_LOG".to_owned()]).collect()
}

/// Keys and values of a settings file. The process's environment is not changed.
#[derive(Default)]
pub(crate) struct SettingsFile {
    path: PathBuf,
    values: HashMap<String, String>,
    /// Warnings about ignored files, each with the reason and the fix, and about the file in use.
    warnings: Vec<String>,
}

/// Omits the values, because one may be a password.
impl fmt::Debug for SettingsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: BTreeSet<&String> = self.values.keys().collect();
        f.debug_struct("SettingsFile").field("path", &self.path).field("keys", &keys).finish_non_exhaustive()
    }
}

/// The settings file contains an invalid value.
#[derive(Debug)]
pub(crate) struct WrongSetting(String);

impl fmt::Display for WrongSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongSetting {}

impl SettingsFile {
    /// Reads the named file, which must exist, or the first of [`PLACES`] that exists and is
    /// trusted.
    pub(crate) fn read(named: Option<&Path>) -> anyhow::Result<Self> {
        match named {
            Some(path) => Self::read_named(path),
            None => Self::find(&PLACES.map(Path::new), geteuid()),
        }
    }

    /// Reads a named file, regardless of its owner: by naming it, the user decided to trust it.
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
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            bail!("the settings file {} is a directory. Name a file with --env-file", path.display());
        }
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(|| cannot_read(path))?;
        let mut values = HashMap::new();
        let read = Cell::new(0);
        for line in dotenvy::from_read_iter(Lines { text: &text, read: &read }) {
            // The crate's own error would quote the line, which may contain a password.
            let (key, value) = line.map_err(|error| not_a_setting(path, &text, read.get(), &error))?;
            values.insert(key, value);
        }
        Ok(Self { path: path.to_owned(), values, warnings: Vec::new() })
    }

    /// Logs which file was read and which were ignored. `uses` is whether the command needs
    /// settings.
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

    /// Returns the value of a key. An empty value counts as not set.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Filter of the log.
    pub(crate) fn log_filter(&self) -> Option<&str> {
        self.value("MEMTAP_LOG")
    }

    /// Returns the file that the command line names. It must be known before the command line is
    /// parsed.
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

    /// Makes the file's values the defaults of the command and its subcommands. Empty environment
    /// variables are ignored. The store's value is left out: its URL may contain a password, which
    /// clap would repeat if the URL is invalid.
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

    /// Keys that start with `MEMTAP_` but that `command` does not know.
    pub(crate) fn unknown(&self, command: &Command) -> Vec<&str> {
        let known = keys(command);
        let ours =
            self.values.keys().filter(|key| key.starts_with("MEMTAP_") && !known.contains(key.as_str()));
        let mut unknown: Vec<&str> = ours.map(String::as_str).collect();
        unknown.sort_unstable();
        unknown
    }

    /// Path of the file; empty if there is none.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Address with the port from the original system's key, or the default.
    pub(crate) fn listen(&self) -> anyhow::Result<SocketAddr> {
        let port = match self.original_value("PORT") {
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

    /// Database from the keys of the original system. The host and the port have defaults.
    fn original_database(&self) -> anyhow::Result<Option<StoreUrl>> {
        let key = |name: &str| self.original_value(name);
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
        let password = key("DB_PASS");
        Ok(Some(StoreUrl::mysql((&host, port), (&user, password.as_deref()), &database)?))
    }

    /// Value of an original system's key, from the environment or the settings file.
    fn original_value(&self, key: &str) -> Option<String> {
        from_environment(key).or_else(|| self.value(key).map(str::to_owned))
    }

    /// Describes where the value of a key comes from. The environment takes precedence.
    pub(crate) fn place(&self, key: &str) -> Option<String> {
        let in_file = || self.value(key).map(|_| self.path.display().to_string());
        from_environment(key).map(|_| "the environment".to_owned()).or_else(in_file)
    }

    fn wrong(&self, key: &str, expected: &str) -> anyhow::Error {
        anyhow::anyhow!("{key} in {} must be {expected}", self.place(key).unwrap_or_default())
    }
}

/// Value of an environment variable. An empty value counts as not set.
pub(crate) fn from_environment(key: &str) -> Option<String> {
    std::env::var_os(key).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// Reader that returns at most one line per call. Thus `read` is never past the line that the
/// parser is working on.
struct Lines<'a> {
    text: &'a str,
    read: &'a Cell<usize>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let remaining = &self.text.as_bytes()[self.read.get()..];
        let line = remaining.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let count = line.len().min(buffer.len());
        buffer[..count].copy_from_slice(&line[..count]);
        self.read.set(self.read.get() + count);
        Ok(count)
    }
}

/// Error that names a line without quoting it: the last line that was read, or the first line of a
/// text whose quotes do not end.
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
