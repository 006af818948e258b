//! What the settings mean: flag, then environment (both by clap), then the `.env` file, then the default.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use memtap_capture::SourceChoice;
use memtap_store::{MysqlUrl, SpoolSettings, StoreUrl};
use tempfile::TempDir;

use crate::budget::Budget;
use crate::cli::ServeArguments;

const DEFAULT_PORT: u16 = 3000;

/// Settings of `serve`, resolved.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) store: StoreUrl,
    pub(crate) source: SourceChoice,
    pub(crate) capture: memtap_capture::Settings,
    pub(crate) budget: Budget,
    /// What the store keeps.
    pub(crate) kept: memtap_store::Settings,
    /// Where deliveries wait while the database is away.
    pub(crate) spool: Option<SpoolSettings>,
    pub(crate) cors_origins: Vec<String>,
    /// Where the history of a recording is when it shall not stay.
    _temporary: Option<TempDir>,
}

impl Config {
    pub(crate) fn resolve(arguments: &ServeArguments) -> anyhow::Result<Self> {
        let file = EnvFile::read(arguments.env_file.as_deref())?;
        let budget = Budget::of(arguments.memory);
        let is_recording = matches!(arguments.source, SourceChoice::Recording(_));
        // What another machine did once is not mixed with one's own history, unless one says so.
        let temporary = (is_recording && arguments.store.is_none()).then(temporary_folder).transpose()?;
        let store = match (&arguments.store, &temporary) {
            (Some(store), _) => store.clone(),
            (None, Some(folder)) => {
                format!("sqlite:{}", folder.path().join("memtap.db").display()).parse()?
            }
            (None, None) => file.store()?.map_or_else(default_store, Ok)?,
        };
        Ok(Self {
            listen: match arguments.listen {
                Some(listen) => listen,
                None => file.listen()?,
            },
            spool: spool(arguments, &store)?,
            store,
            budget,
            kept: memtap_store::Settings {
                max_age: arguments.keep_requests,
                max_sample_age: arguments.keep_samples,
                max_bytes: arguments.max_size,
            },
            source: arguments.source.clone(),
            capture: memtap_capture::Settings {
                ring_bytes: arguments.ring_size.unwrap_or(budget.ring_bytes),
                ring_requests: arguments.ring_requests,
                accounts: arguments.accounts.unwrap_or(budget.accounts),
                plan: arguments.plan,
                columns: arguments.lines.columns,
                utc_offset: arguments.lines.utc_offset,
                speed: arguments.speed,
                ..memtap_capture::Settings::default()
            },
            cors_origins: arguments.cors_origin.clone(),
            _temporary: temporary,
        })
    }

    /// Bounds of the store's writer.
    pub(crate) fn limits(&self) -> memtap_store::Limits {
        memtap_store::Limits {
            queue_requests: self.budget.queue_requests,
            spool: self.spool.clone(),
            ..memtap_store::Limits::default()
        }
    }

    /// Of requests that are not in the history at the end.
    pub(crate) fn what_becomes_of_the_rest(&self) -> String {
        match &self.spool {
            Some(spool) => {
                format!("wait in {}: the next memtap with this store delivers them", spool.folder.display())
            }
            None => "are not in the history".to_owned(),
        }
    }
}

/// The store that the flag, the environment or the settings file names, else the default.
pub(crate) fn store(named: Option<&StoreUrl>, env_file: Option<&Path>) -> anyhow::Result<StoreUrl> {
    match named {
        Some(store) => Ok(store.clone()),
        None => EnvFile::read(env_file)?.store()?.map_or_else(default_store, Ok),
    }
}

/// Beside the database file; of a database elsewhere, a folder of its own, so that what waits for one is never given to another.
fn spool(arguments: &ServeArguments, store: &StoreUrl) -> anyhow::Result<Option<SpoolSettings>> {
    let folder = match (&arguments.spool, store) {
        (_, StoreUrl::None) => return Ok(None),
        _ if arguments.spool_size == 0 => return Ok(None),
        (Some(folder), _) => folder.clone(),
        (None, StoreUrl::Sqlite(path)) => {
            let mut folder = path.clone().into_os_string();
            folder.push("-spool");
            folder.into()
        }
        (None, StoreUrl::Mysql(url)) => data_folder()?.join("spool").join(url.slug()),
    };
    Ok(Some(SpoolSettings { folder, max_bytes: arguments.spool_size }))
}

/// The keys of a `.env` file; the environment itself is left as it is.
#[derive(Debug, Default)]
struct EnvFile {
    path: PathBuf,
    values: HashMap<String, String>,
}

impl EnvFile {
    /// The named file, which must be there, or `.env`, which need not.
    fn read(named: Option<&Path>) -> anyhow::Result<Self> {
        let path = named.unwrap_or(Path::new(".env")).to_path_buf();
        if named.is_none() && !path.exists() {
            return Ok(Self::default());
        }
        // The crate's own error would quote the line, which may hold a password.
        let lines = dotenvy::from_path_iter(&path).ok().with_context(|| {
            format!("cannot read the settings file {}; name another with --env-file", path.display())
        })?;
        let mut values = HashMap::new();
        for (index, line) in lines.enumerate() {
            let Ok((key, value)) = line else {
                bail!("{}: setting {} is not of the form KEY=VALUE", path.display(), index + 1)
            };
            values.insert(key, value);
        }
        Ok(Self { path, values })
    }

    fn listen(&self) -> anyhow::Result<SocketAddr> {
        if let Some(listen) = self.values.get("MEMTAP_LISTEN") {
            return listen
                .parse()
                .with_context(|| self.wrong("MEMTAP_LISTEN", "an address such as 127.0.0.1:3000"));
        }
        // PORT is the original system's key, from its environment or its .env file.
        let port = match std::env::var("PORT").ok().as_ref().or(self.values.get("PORT")) {
            Some(port) => port.parse().with_context(|| self.wrong("PORT", "a port number such as 3000"))?,
            None => DEFAULT_PORT,
        };
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    fn store(&self) -> anyhow::Result<Option<StoreUrl>> {
        if let Some(url) = self.values.get("MEMTAP_STORE") {
            // The URL itself may hold a password.
            return Ok(Some(
                url.parse()
                    .map_err(|error| anyhow::anyhow!("{}: MEMTAP_STORE: {error}", self.path.display()))?,
            ));
        }
        self.original_database()
    }

    /// The database of the original system, by its keys, from its environment or its .env file. The host and the port have defaults.
    fn original_database(&self) -> anyhow::Result<Option<StoreUrl>> {
        let key = |name: &str| std::env::var(name).ok().or_else(|| self.values.get(name).cloned());
        let (user, database) = match (key("DB_USER"), key("DB_NAME")) {
            (Some(user), Some(database)) => (user, database),
            (None, None) => return Ok(None),
            (None, Some(_)) => bail!(
                "DB_NAME is set and DB_USER is not; set both, or say where the history goes with --store"
            ),
            (Some(_), None) => bail!(
                "DB_USER is set and DB_NAME is not; set both, or say where the history goes with --store"
            ),
        };
        let port = key("DB_PORT").map(|port| port.parse::<u16>()).transpose();
        let port = port.with_context(|| self.wrong("DB_PORT", "a port number such as 3306"))?;
        let host = key("DB_HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
        let url = MysqlUrl::of(&host, port, &user, key("DB_PASS").as_deref(), &database)?;
        Ok(Some(StoreUrl::Mysql(url)))
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

fn temporary_folder() -> anyhow::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("memtap-recording-").tempdir();
    folder.context(
        "cannot make a folder for the recording's history; name another with TMPDIR, or a store with --store",
    )
}

/// Root keeps the machine's history where services do, a user below the home.
fn default_store() -> anyhow::Result<StoreUrl> {
    Ok(format!("sqlite:{}", data_folder()?.join("memtap.db").display()).parse()?)
}

fn data_folder() -> anyhow::Result<PathBuf> {
    if nix::unistd::geteuid().is_root() {
        Ok(PathBuf::from("/var/lib/memtap"))
    } else if let Some(data) = absolute_variable("XDG_DATA_HOME") {
        Ok(data.join("memtap"))
    } else if let Some(home) = absolute_variable("HOME") {
        Ok(home.join(".local/share/memtap"))
    } else {
        bail!(
            "no HOME to keep the history in; say where with --store sqlite:PATH (and --spool DIR), or --store none"
        )
    }
}

fn absolute_variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> anyhow::Result<EnvFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::fs::write(&path, text).unwrap();
        EnvFile::read(Some(&path))
    }

    #[test]
    fn the_originals_port_is_honoured() {
        let listen = file("PORT=4000\nDB_PASS=secret\n").unwrap().listen().unwrap();
        assert_eq!(listen, "127.0.0.1:4000".parse().unwrap());
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
        assert!(store("DB_USER=me\nDB_NAME=memory\nMEMTAP_STORE=none\n").unwrap() == Some(StoreUrl::None));
        assert_eq!(store("PORT=4000\n").unwrap(), None);
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
        assert!(EnvFile::read(Some(Path::new("/nonexistent/.env"))).is_err());
    }
}
