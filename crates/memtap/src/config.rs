//! Resolves the settings: command line, then environment, then settings file (all through clap),
//! then default. Also reads the original system's keys.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use memtap_capture::SourceChoice;
use memtap_history::{Clock, Location, SpoolSettings};
use memtap_store::StoreUrl;
use tempfile::TempDir;

use crate::budget::Budget;
use crate::cli::ServeArguments;
use crate::confine::{Places, User};
use crate::settings_file::SettingsFile;

/// Time limit for writing to the store at shutdown. Data that is not written by then goes to the
/// spool. The whole shutdown takes at most 5 s.
const WRITTEN_WITHIN: Duration = Duration::from_millis(1800);

/// Settings of `serve`, resolved.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) store: StoreUrl,
    pub(crate) source: SourceChoice,
    pub(crate) capture: memtap_capture::Settings,
    pub(crate) budget: Budget,
    /// Retention settings of the store.
    pub(crate) kept: memtap_history::Settings,
    /// Spool for deliveries while the database is not available; `None` without a spool.
    pub(crate) spool: Option<SpoolSettings>,
    pub(crate) cors_origins: Vec<String>,
    /// User that memtap becomes.
    pub(crate) user: Option<User>,
    /// Directory of a recording's temporary history, deleted on drop.
    _temporary: Option<TempDir>,
}

impl Config {
    pub(crate) fn resolve(arguments: &ServeArguments, file: &SettingsFile) -> anyhow::Result<Self> {
        let budget = Budget::of(arguments.memory);
        let is_recording = matches!(arguments.source, SourceChoice::Recording(_));
        // By default a recording does not go into this machine's own history, because it may come
        // from another machine.
        let (store, temporary) = match &arguments.store {
            Some(store) => (store.clone(), None),
            None if is_recording => {
                let (store, folder) = temporary_store()?;
                arguments.user.as_ref().map_or(Ok(()), |user| user.take(folder.path()))?;
                (store, Some(folder))
            }
            None => (file.store()?.map_or_else(default_store, Ok)?, None),
        };
        Ok(Self {
            listen: match arguments.listen {
                Some(listen) => listen,
                None => file.listen()?,
            },
            spool: spool(arguments, &store)?,
            store,
            budget,
            kept: match &temporary {
                Some(_) => KEPT_FOR_EVER,
                None => memtap_history::Settings {
                    max_age: arguments.keep_requests,
                    max_sample_age: arguments.keep_samples,
                    max_bytes: arguments.max_size,
                    clock: if is_recording { Clock::LastSample } else { Clock::Machine },
                },
            },
            source: arguments.source.clone(),
            capture: memtap_capture::Settings {
                ring_bytes: arguments.ring_size.unwrap_or(budget.ring_bytes),
                ring_requests: arguments.ring_requests,
                accounts: arguments.accounts.unwrap_or(budget.accounts),
                exact_times: arguments.exact_times,
                rest: Duration::from_millis(200),
                plan: arguments.plan,
                columns: arguments.lines.columns,
                utc_offset: arguments.lines.utc_offset,
                speed: arguments.speed,
                input: input(&arguments.source),
                ..memtap_capture::Settings::default()
            },
            cors_origins: arguments.cors_origin.clone(),
            user: arguments.user.clone(),
            _temporary: temporary,
        })
    }

    /// Paths that memtap reads and writes while it watches.
    pub(crate) fn places(&self) -> Places {
        let mut places = places(&self.store, self.spool.as_ref().map(|spool| spool.folder.as_path()));
        if self.capture.input.is_none() {
            places.read_later.extend(self.source.file().map(Path::to_path_buf));
        }
        places
    }

    /// Limits of the store's writer.
    pub(crate) fn limits(&self) -> memtap_history::Limits {
        memtap_history::Limits {
            queue_requests: self.budget.queue_requests,
            spool: self.spool.clone(),
            finish_within: WRITTEN_WITHIN,
            ..memtap_history::Limits::default()
        }
    }

    /// Describes what happens to requests that are not in the history at shutdown.
    pub(crate) fn what_becomes_of_the_rest(&self) -> String {
        match &self.spool {
            Some(spool) => {
                format!(
                    "are queued in {}. memtap writes them when it next starts with this store",
                    spool.folder.display()
                )
            }
            None => "are not in the history".to_owned(),
        }
    }
}

/// Paths of a history with this store and this spool.
fn places(store: &StoreUrl, spool: Option<&Path>) -> Places {
    let mut places = Places::default();
    if let Some(database) = store.file() {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
        places.folders.push(folder.unwrap_or(Path::new(".")).to_path_buf());
        places.files = ["", "-wal", "-shm"].map(|ending| beside(database, ending)).into();
    }
    let certificate = store.location().and_then(Location::certificate);
    places.read_later.extend(certificate.map(Path::to_path_buf));
    let own =
        data_folder().ok().filter(|own| spool.is_some_and(|spool| spool.starts_with(own.join("spool"))));
    places.folders.extend(own);
    places.spool = spool.map(Path::to_path_buf);
    places
}

/// Paths of a `serve` with this store and default settings.
pub(crate) fn default_places(store: &StoreUrl) -> anyhow::Result<Places> {
    Ok(places(store, default_spool(store)?.as_deref()))
}

/// Returns the store from the command line, the environment or the settings file, else the default
/// store.
pub(crate) fn store(named: Option<&StoreUrl>, file: &SettingsFile) -> anyhow::Result<StoreUrl> {
    match named {
        Some(store) => Ok(store.clone()),
        None => file.store()?.map_or_else(default_store, Ok),
    }
}

/// Opens the source's input file while memtap may still read every file. Pipes are not opened here,
/// because opening one waits for its writer. The source reports a file that cannot be opened.
fn input(source: &SourceChoice) -> Option<Arc<File>> {
    let path = source.file().filter(|path| path.is_file())?;
    File::open(path).ok().map(Arc::new)
}

fn spool(arguments: &ServeArguments, store: &StoreUrl) -> anyhow::Result<Option<SpoolSettings>> {
    if arguments.spool_size == 0 {
        return Ok(None);
    }
    let folder = match (&arguments.spool, store) {
        (_, store) if store.is_none() => None,
        (Some(folder), _) => Some(folder.clone()),
        (None, _) => default_spool(store)?,
    };
    Ok(folder.map(|folder| SpoolSettings { folder, max_bytes: arguments.spool_size }))
}

/// Default spool: beside a database file, or one directory per database server, so that data queued
/// for one server never goes to another.
fn default_spool(store: &StoreUrl) -> anyhow::Result<Option<PathBuf>> {
    let Some(location) = store.location() else { return Ok(None) };
    match location.file() {
        Some(path) => Ok(Some(beside(path, "-spool"))),
        None => Ok(Some(data_folder()?.join("spool").join(location.slug()))),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Retention of a temporary history: it keeps everything.
pub(crate) const KEPT_FOR_EVER: memtap_history::Settings = memtap_history::Settings {
    max_age: Duration::from_secs(1000 * 365 * 86_400),
    max_sample_age: Duration::from_secs(1000 * 365 * 86_400),
    max_bytes: 1 << 60,
    clock: Clock::LastSample,
};

/// Creates a history in a temporary directory. Dropping the directory deletes the history.
pub(crate) fn temporary_store() -> anyhow::Result<(StoreUrl, TempDir)> {
    let folder = tempfile::Builder::new().prefix("memtap-recording-").tempdir();
    let folder = folder.context(
        "cannot create a temporary directory for the recording's history (choose another with TMPDIR, or a store with --store)",
    )?;
    let url = format!("sqlite:{}", folder.path().join("memtap.db").display()).parse()?;
    Ok((url, folder))
}

/// Default store: in the system's state directory for root, below the home directory for other
/// users.
fn default_store() -> anyhow::Result<StoreUrl> {
    Ok(format!("sqlite:{}", data_folder()?.join("memtap.db").display()).parse()?)
}

fn data_folder() -> anyhow::Result<PathBuf> {
    // systemd sets STATE_DIRECTORY for a service with StateDirectory=.
    if let Some(folder) = absolute_variable("STATE_DIRECTORY") {
        Ok(folder)
    } else if nix::unistd::geteuid().is_root() {
        Ok(PathBuf::from("/var/lib/memtap"))
    } else if let Some(data) = absolute_variable("XDG_DATA_HOME") {
        Ok(data.join("memtap"))
    } else if let Some(home) = absolute_variable("HOME") {
        Ok(home.join(".local/share/memtap"))
    } else {
        bail!(
            "HOME is not set, so the history has no default place. Choose one with --store sqlite:PATH (and --spool DIR), or use --store none"
        )
    }
}

fn absolute_variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}
