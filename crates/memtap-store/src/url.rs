//! The URL of `--store`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use memtap_history::maintenance::{Checked, Compacted, Contents, Progress};
use memtap_history::{Clock, Location, Reader, Settings, Store, StoreError};

use crate::{mysql, sqlite};

/// One kind of database.
pub(crate) struct Driver {
    /// The schemes of its URLs.
    pub(crate) schemes: &'static [&'static str],
    /// Reads a URL. Errors repeat none of it, since any part may be a password.
    pub(crate) parse: fn(&str) -> Result<Arc<dyn Location>, StoreError>,
}

/// Every kind of database that memtap can use.
const DRIVERS: [Driver; 2] = [sqlite::DRIVER, mysql::DRIVER];

/// Where the history is kept.
#[derive(Debug, Clone)]
pub struct StoreUrl(Option<Arc<dyn Location>>);

impl StoreUrl {
    /// `none`: no history is kept.
    pub const NONE: Self = Self(None);

    /// A SQLite database in a file.
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Some(Arc::new(sqlite::SqliteFile(path.into()))))
    }

    /// A database of the original system's settings, which are the parts of a MySQL URL.
    ///
    /// # Errors
    /// When a name is missing.
    pub fn mysql(
        (host, port): (&str, Option<u16>),
        (user, password): (&str, Option<&str>),
        database: &str,
    ) -> Result<Self, StoreError> {
        let url = mysql::MysqlUrl::new((host, port), (user, password), database)?;
        Ok(Self(Some(Arc::new(url))))
    }

    /// Returns whether no history is kept.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The database; `None` where no history is kept.
    #[must_use]
    pub fn location(&self) -> Option<&dyn Location> {
        self.0.as_deref()
    }

    /// The file of the database, where it is one on this machine.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.location()?.file()
    }

    /// Opens the store for writing; `None` where no history is kept.
    ///
    /// # Errors
    /// When it cannot be opened for writing, or is not a memtap store.
    pub async fn open(&self, settings: &Settings) -> Result<Option<Box<dyn Store>>, StoreError> {
        match self.location() {
            Some(location) => location.open(settings).await.map(Some),
            None => Ok(None),
        }
    }

    /// Opens the store for reading alone; `None` where no history is kept.
    ///
    /// # Errors
    /// When it does not exist, or is not a memtap store.
    pub async fn open_reader(&self, clock: Clock) -> Result<Option<Arc<dyn Reader>>, StoreError> {
        match self.location() {
            Some(location) => location.open_reader(clock).await.map(Some),
            None => Ok(None),
        }
    }

    /// See [`Maintenance::reach`](memtap_history::maintenance::Maintenance::reach).
    ///
    /// # Errors
    /// As there, or when no history is kept.
    pub async fn reach(&self) -> Result<String, StoreError> {
        self.kept()?.reach().await
    }

    /// See [`Maintenance::contents`](memtap_history::maintenance::Maintenance::contents).
    ///
    /// # Errors
    /// As there, or when no history is kept.
    pub async fn contents(&self) -> Result<Contents, StoreError> {
        self.kept()?.contents().await
    }

    /// See [`Maintenance::check`](memtap_history::maintenance::Maintenance::check).
    ///
    /// # Errors
    /// As there, or when no history is kept.
    pub async fn check(&self, progress: Progress<'_>) -> Result<Checked, StoreError> {
        self.kept()?.check(progress).await
    }

    /// See [`Maintenance::compact`](memtap_history::maintenance::Maintenance::compact).
    ///
    /// # Errors
    /// As there, or when no history is kept.
    pub async fn compact(&self, progress: Progress<'_>) -> Result<Compacted, StoreError> {
        self.kept()?.compact(progress).await
    }

    fn kept(&self) -> Result<&dyn Location, StoreError> {
        self.location().ok_or(StoreError::Url("--store none keeps no history"))
    }
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self::NONE);
        }
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        let driver =
            DRIVERS.iter().find(|driver| scheme.is_some_and(|scheme| driver.schemes.contains(&scheme)));
        let driver = driver.ok_or(StoreError::Url("not a store URL"))?;
        (driver.parse)(text).map(|location| Self(Some(location)))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(location) => location.fmt(f),
            None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        assert!("none".parse::<StoreUrl>().unwrap().is_none());
        let url: StoreUrl = "sqlite:/tmp/a b.db".parse().unwrap();
        assert_eq!(url.to_string(), "sqlite:/tmp/a b.db");
        for wrong in [
            "",
            "sqlite:",
            "sqlite",
            "clickhouse://root:secret@host/db",
            "mysql://root:secret@host",
            "root/secret@host",
            "mysql//root.secret:x@host/db",
            "secret",
        ] {
            let error = wrong.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(error.contains("--store sqlite:PATH") && !error.contains("secret"), "{error}");
        }
    }
}
