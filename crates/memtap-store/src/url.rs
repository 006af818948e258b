//! The URL given to `--store`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use crate::mysql::{self, Mysql, MysqlUrl};
use crate::sqlite::{self, Sqlite};
use crate::{Clock, Reader, Settings, Store, StoreError};

/// A store's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
    /// `mysql://USER:PASSWORD@HOST:PORT/DATABASE`.
    Mysql(MysqlUrl),
    /// `none`: keep no history.
    None,
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "none" => Ok(Self::None),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            Some(("mysql" | "mariadb", _)) => MysqlUrl::parse(text).map(Self::Mysql),
            Some(("sqlite", _)) => Err(StoreError::Url("the URL has no path after sqlite:")),
            _ => Err(StoreError::Url("not a store URL")),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Mysql(url) => url.fmt(f),
            Self::None => f.write_str("none"),
        }
    }
}

/// Opens the store. Returns `None` for [`StoreUrl::None`].
///
/// # Errors
/// If the store cannot be opened for writing, or is not a memtap database.
pub fn open(url: &StoreUrl, settings: &Settings) -> Result<Option<Box<dyn Store>>, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => Ok(Some(Box::new(Sqlite::open(path, settings)?))),
        StoreUrl::Mysql(url) => Ok(Some(Box::new(Mysql::open(url, settings)?))),
        StoreUrl::None => Ok(None),
    }
}

/// Opens a read-only reader. Returns `None` for [`StoreUrl::None`].
///
/// # Errors
/// If the store does not exist, or is not a memtap database.
pub fn open_reader(url: &StoreUrl, clock: Clock) -> Result<Option<Arc<dyn Reader>>, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => Ok(Some(sqlite::maintenance::reader(path, clock)?)),
        StoreUrl::Mysql(url) => Ok(Some(mysql::reader(url, clock)?)),
        StoreUrl::None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        assert_eq!("none".parse::<StoreUrl>().unwrap(), StoreUrl::None);
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
