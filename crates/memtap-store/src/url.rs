//! The URL given to `--store`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use memtap_history::maintenance::{Checked, Compacted, Contents, Progress};
use memtap_history::{Clock, Location, Reader, Settings, Store, StoreError};

use crate::{mysql, sqlite};

/// A kind of database.
pub(crate) struct Driver {
    /// URL schemes.
    pub(crate) schemes: &'static [&'static str],
    /// Parses a URL. Errors do not quote the URL, since any part may be a password.
    pub(crate) parse: fn(&str) -> Result<Arc<dyn Location>, StoreError>,
}

/// All kinds of databases.
const DRIVERS: [Driver; 2] = [sqlite::DRIVER, mysql::DRIVER];

/// Location of the history: a database, or none.
#[derive(Debug, Clone)]
pub struct StoreUrl(Option<Arc<dyn Location>>);

impl StoreUrl {
    /// `none`: keep no history.
    pub const NONE: Self = Self(None);

    /// Returns the URL of a SQLite database in a file.
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Some(Arc::new(sqlite::SqliteFile(path.into()))))
    }

    /// Returns the URL of a MySQL database, given the original system's settings.
    ///
    /// # Errors
    /// If a name is missing.
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

    /// Returns the database, or `None` if no history is kept.
    #[must_use]
    pub fn location(&self) -> Option<&dyn Location> {
        self.0.as_deref()
    }

    /// Returns the path of the database, if it is a file on this machine.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.location()?.file()
    }

    /// Opens the store for writing. Returns `None` if no history is kept.
    ///
    /// # Errors
    /// If the store cannot be opened for writing, or is not a memtap database.
    pub async fn open(&self, settings: &Settings) -> Result<Option<Box<dyn Store>>, StoreError> {
        match self.location() {
            Some(location) => location.open(settings).await.map(Some),
            None => Ok(None),
        }
    }

    /// Opens a read-only reader. Returns `None` if no history is kept.
    ///
    /// # Errors
    /// If the store does not exist, or is not a memtap database.
    pub async fn open_reader(&self, clock: Clock) -> Result<Option<Arc<dyn Reader>>, StoreError> {
        match self.location() {
            Some(location) => location.open_reader(clock).await.map(Some),
            None => Ok(None),
        }
    }

    /// Describes the state of the database in words. See
    /// [`Maintenance::reach`](memtap_history::maintenance::Maintenance::reach).
    ///
    /// # Errors
    /// As that method, and if no history is kept.
    pub async fn reach(&self) -> Result<String, StoreError> {
        self.kept()?.reach().await
    }

    /// Reads the contents of the history. See
    /// [`Maintenance::contents`](memtap_history::maintenance::Maintenance::contents).
    ///
    /// # Errors
    /// As that method, and if no history is kept.
    pub async fn contents(&self) -> Result<Contents, StoreError> {
        self.kept()?.contents().await
    }

    /// Checks the history. See
    /// [`Maintenance::check`](memtap_history::maintenance::Maintenance::check).
    ///
    /// # Errors
    /// As that method, and if no history is kept.
    pub async fn check(&self, progress: Progress<'_>) -> Result<Checked, StoreError> {
        self.kept()?.check(progress).await
    }

    /// Rewrites the history without free space. See
    /// [`Maintenance::compact`](memtap_history::maintenance::Maintenance::compact).
    ///
    /// # Errors
    /// As that method, and if no history is kept.
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
