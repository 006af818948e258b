//! What the settings mean: flag, then environment (both by clap), then the `.env` file, then the default.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use memtap_capture::SourceChoice;
use memtap_store::{SpoolSettings, StoreUrl};

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
    /// Where deliveries wait while the database is away.
    pub(crate) spool: Option<SpoolSettings>,
    pub(crate) cors_origins: Vec<String>,
}

impl Config {
    pub(crate) fn resolve(arguments: &ServeArguments) -> anyhow::Result<Self> {
        let file = EnvFile::read(arguments.env_file.as_deref())?;
        let budget = Budget::of(arguments.memory);
        let store = match &arguments.store {
            Some(store) => store.clone(),
            None => file.store()?.map_or_else(default_store, Ok)?,
        };
        Ok(Self {
            listen: match arguments.listen {
                Some(listen) => listen,
                None => file.listen()?,
            },
            spool: spool(arguments, &store)?,
            store,
            budget,
            source: arguments.source,
            capture: memtap_capture::Settings {
                ring_bytes: arguments.ring_size.unwrap_or(budget.ring_bytes),
                ring_requests: arguments.ring_requests,
                accounts: arguments.accounts.unwrap_or(budget.accounts),
                plan: arguments.plan,
                ..memtap_capture::Settings::default()
            },
            cors_origins: arguments.cors_origin.clone(),
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
        let Some(url) = self.values.get("MEMTAP_STORE") else { return Ok(None) };
        Ok(Some(url.parse().with_context(|| self.wrong("MEMTAP_STORE", "sqlite:PATH or none"))?))
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

/// Root keeps the machine's history where services do, a user below the home.
fn default_store() -> anyhow::Result<StoreUrl> {
    let folder = if nix::unistd::geteuid().is_root() {
        PathBuf::from("/var/lib/memtap")
    } else if let Some(data) = absolute_variable("XDG_DATA_HOME") {
        data.join("memtap")
    } else if let Some(home) = absolute_variable("HOME") {
        home.join(".local/share/memtap")
    } else {
        bail!("no HOME to keep the history in; say where with --store sqlite:PATH, or --store none")
    };
    let url = format!("sqlite:{}", folder.join("memtap.db").display());
    Ok(url.parse()?)
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
    fn a_damaged_file_is_an_error_that_keeps_its_secrets() {
        let error = format!("{:#}", file("DB_PASS='secret\n").unwrap_err());
        assert!(error.contains("KEY=VALUE") && !error.contains("secret"), "{error}");
        let error = format!("{:#}", file("PORT=many").unwrap().listen().unwrap_err());
        assert!(error.contains("PORT must be a port number"), "{error}");
        assert!(EnvFile::read(Some(Path::new("/nonexistent/.env"))).is_err());
    }
}
