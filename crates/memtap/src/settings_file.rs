//! The settings file: `KEY=VALUE` lines with the names that settings have in the environment, and the original system's.
//! `packaging/memtap.env` has all of them.

mod place;

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{ArgAction, Command};
use memtap_store::StoreUrl;
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

    fn parse(path: &Path, file: &File) -> anyhow::Result<Self> {
        let mut values = HashMap::new();
        for (index, line) in dotenvy::from_read_iter(file).enumerate() {
            // The crate's own error would quote the line, which may hold a password.
            let Ok((key, value)) = line else {
                bail!("{}: setting {} is not of the form KEY=VALUE", path.display(), index + 1)
            };
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

    /// The log's filter.
    pub(crate) fn log_filter(&self) -> Option<&str> {
        self.values.get("MEMTAP_LOG").map(String::as_str)
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

    /// The command with the file's values for its defaults, and those of its commands. The store's is left out: its URL may hold a password,
    /// which clap would repeat when it is wrong.
    pub(crate) fn as_defaults(&self, command: Command) -> Command {
        let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
        let command = command.mut_args(|arg| {
            let key = arg.get_env().and_then(OsStr::to_str).filter(|key| *key != "MEMTAP_STORE");
            let value = key.and_then(|key| self.values.get(key)).cloned();
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
        // PORT is the original system's key, from its environment or its .env file.
        let port = match std::env::var("PORT").ok().as_ref().or(self.values.get("PORT")) {
            Some(port) => port.parse().with_context(|| self.wrong("PORT", "a port number such as 3000"))?,
            None => DEFAULT_PORT,
        };
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    pub(crate) fn store(&self) -> anyhow::Result<Option<StoreUrl>> {
        if let Some(url) = self.values.get("MEMTAP_STORE") {
            let wrong = |error| WrongSetting(format!("{}: MEMTAP_STORE: {error}", self.path.display()));
            return Ok(Some(url.parse::<StoreUrl>().map_err(wrong)?));
        }
        self.original_database()
    }

    /// The database of the original system, by its keys, from its environment or its .env file. The host and the port have defaults.
    fn original_database(&self) -> anyhow::Result<Option<StoreUrl>> {
        let key = |name: &str| std::env::var(name).ok().or_else(|| self.values.get(name).cloned());
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
        let port = port.with_context(|| self.wrong("DB_PORT", "a port number such as 3306"))?;
        let host = key("DB_HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
        let password = key("DB_PASS");
        Ok(Some(StoreUrl::mysql((&host, port), (&user, password.as_deref()), &database)?))
    }

    fn wrong(&self, key: &str, expected: &str) -> String {
        let place = if self.values.contains_key(key) {
            self.path.display().to_string()
        } else {
            "environment".to_owned()
        };
        format!("{place}: {key} must be {expected}")
    }
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read the settings file {} (name another one with --env-file)", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory as _, FromArgMatches as _};

    fn file(text: &str) -> anyhow::Result<SettingsFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::fs::write(&path, text).unwrap();
        SettingsFile::read(Some(&path))
    }

    #[test]
    fn the_originals_port_is_honoured() {
        let listen = file("PORT=4000\nDB_PASS=secret\n").unwrap().listen().unwrap();
        assert_eq!(listen, "127.0.0.1:4000".parse().unwrap());
    }

    #[test]
    fn its_values_are_defaults() {
        let file = file("MEMTAP_MEMORY=128MiB\nMEMTAP_CORS_ORIGIN=http://a,http://b\nMEMTAP_STORE=none\nMEMTAP_MEMROY=1\n").unwrap();
        let command = file.as_defaults(Cli::command());
        assert_eq!(file.unknown(&command), ["MEMTAP_MEMROY"]);
        let parsed = |arguments: &[&str]| {
            let matches =
                command.clone().try_get_matches_from([&["memtap", "serve"], arguments].concat()).unwrap();
            match Cli::from_arg_matches(&matches).unwrap().command {
                Some(crate::cli::Command::Serve(serve)) => serve,
                other => panic!("{other:?}"),
            }
        };
        let serve = parsed(&[]);
        assert!(serve.memory == 128 << 20 && serve.store.is_none());
        assert_eq!(serve.cors_origin, ["http://a", "http://b"]);
        let serve = parsed(&["--memory=32MiB", "--cors-origin=http://c"]);
        assert_eq!((serve.memory, serve.cors_origin), (32 << 20, vec!["http://c".to_owned()]));
    }

    #[test]
    fn it_is_named_on_the_command_line() {
        let named = |line: &str| SettingsFile::named(line.split(' ').map(OsString::from));
        assert_eq!(named("memtap serve --env-file a/b --x"), Some("a/b".into()));
        assert_eq!(named("memtap serve --env-file=a/b"), Some("a/b".into()));
        assert_eq!(named("memtap run -- env --env-file=a/b"), None);
        assert_eq!(named("memtap --env-file"), None);
    }

    /// The example has every setting, as a comment with its default, and no other.
    #[test]
    fn the_example_is_true() {
        let text = include_str!("../../../packaging/memtap.env");
        let lines = text.lines().filter_map(|line| line.strip_prefix('#').unwrap_or(line).split_once('='));
        let lines: HashMap<&str, &str> =
            lines.filter(|(key, _)| key.starts_with("MEMTAP_") && !key.contains(' ')).collect();
        let known = keys(&Cli::command());
        let told: BTreeSet<String> = lines.keys().map(|key| (*key).to_owned()).collect();
        assert_eq!(told, known);
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        for arg in serve.get_arguments() {
            let (Some(key), [default]) = (arg.get_env(), arg.get_default_values()) else { continue };
            assert_eq!(lines[key.to_str().unwrap()], default.to_str().unwrap(), "the default of {key:?}");
        }
        assert!(
            !text.lines().any(|line| !line.is_empty() && !line.starts_with('#')),
            "it sets nothing by itself"
        );
    }

    #[test]
    fn the_originals_database_is_honoured() {
        let store = |text: &str| file(text).unwrap().store();
        let url = store("DB_HOST=db\nDB_PORT=3307\nDB_USER=me\nDB_PASS=s@cret\nDB_NAME=memory\nPORT=4000\n")
            .unwrap()
            .unwrap();
        assert_eq!(url.to_string(), "mysql://me@db:3307/memory");
        let url = store("DB_USER=me\nDB_NAME=memory\n").unwrap().unwrap();
        assert_eq!(url.to_string(), "mysql://me@127.0.0.1:3306/memory");
        assert!(store("DB_USER=me\nDB_NAME=memory\nMEMTAP_STORE=none\n").unwrap().unwrap().is_none());
        assert!(store("PORT=4000\n").unwrap().is_none());
        for half in [
            "DB_USER=me\nDB_PASS=secret",
            "DB_NAME=memory\nDB_PASS=secret",
            "DB_USER=me\nDB_NAME=m\nDB_PORT=many\nDB_PASS=secret",
        ] {
            let error = format!("{:#}", store(half).unwrap_err());
            assert!(error.contains("DB_") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_that_keeps_its_secrets() {
        let error = format!("{:#}", file("DB_PASS='secret\n").unwrap_err());
        assert!(error.contains("KEY=VALUE") && !error.contains("secret"), "{error}");
        let error = format!("{:#}", file("PORT=many").unwrap().listen().unwrap_err());
        assert!(error.contains("PORT must be a port number"), "{error}");
        assert!(SettingsFile::read(Some(Path::new("/nonexistent/.env"))).is_err());
    }
}
