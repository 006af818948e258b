//! SQLite: the embedded store and the default.

mod deletion;
mod error;
mod header;
mod maintenance;
mod migration;
mod processes;
mod read;
mod retention;
mod rows;
mod samples;
mod schema;
mod space;
mod writer;

use std::fmt;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memtap_history::maintenance::{Checked, Compacted, Contents, Maintenance, Progress};
use memtap_history::{Appended, Clock, Delivery, History, Location, Reader, Settings, Store, StoreError};
use memtap_model::WallClock;
use rusqlite::Connection;

use crate::url::Driver;
use error::Done;
pub use header::{HEADER_BYTES, is_history};
use read::SqliteReader;
use retention::Retention;
use space::Log;
use writer::Writer;

/// Driver for `sqlite:PATH`.
pub(crate) const DRIVER: Driver = Driver {
    schemes: &["sqlite"],
    parse: |url| match url.split_once(':') {
        Some((_, path)) if !path.is_empty() => Ok(Arc::new(SqliteFile(path.into()))),
        _ => Err(StoreError::Url("the URL has no path after sqlite:")),
    },
};

/// Path of a database file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqliteFile(pub(crate) PathBuf);

impl fmt::Display for SqliteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite:{}", self.0.display())
    }
}

impl Location for SqliteFile {
    fn open(&self, settings: &Settings) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(Sqlite::open(&self.0, settings)?))
    }

    fn open_reader(&self, clock: Clock) -> Result<Arc<dyn Reader>, StoreError> {
        Ok(Arc::new(History::new(maintenance::reader(&self.0)?, clock)))
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.0)
    }

    fn slug(&self) -> String {
        format!("sqlite-{:08x}", crc32fast::hash(self.0.as_os_str().as_encoded_bytes()))
    }
}

impl Maintenance for SqliteFile {
    fn contents(&self) -> Result<Contents, StoreError> {
        Ok(maintenance::contents(&self.0)?)
    }

    fn check(&self, _: Progress<'_>) -> Result<Checked, StoreError> {
        Ok(maintenance::check(&self.0)?)
    }

    fn compact(&self, _: Progress<'_>) -> Result<Compacted, StoreError> {
        Ok(maintenance::compact(&self.0)?)
    }
}

/// Size of the statement cache. Ticks and housekeeping repeat the same statements, and parsing one
/// takes longer than executing it.
const STATEMENTS_KEPT: usize = 128;

/// Writing side of the store.
struct Sqlite {
    path: PathBuf,
    connection: Connection,
    writer: Writer,
    retention: Retention,
    log: Log,
    clock: Clock,
}

impl Sqlite {
    fn open(path: &Path, settings: &Settings) -> Done<Self> {
        make_file(path)
            .map_err(|error| StoreError::Unwritable { path: path.into(), reason: error.to_string() })?;
        let mut connection = Connection::open(path)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        schema::prepare(&mut connection, path)?;
        let writer = Writer::open(&connection)?;
        Ok(Self {
            path: path.into(),
            connection,
            writer,
            retention: Retention::new(settings),
            log: Log::new(path, settings.max_bytes),
            clock: settings.clock,
        })
    }
}

/// Creates the file and its directory, accessible for their owner only: the history is private.
fn make_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent()
        && !folder.as_os_str().is_empty()
        && !folder.exists()
    {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .read(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

impl Store for Sqlite {
    fn append(&mut self, delivery: Delivery<'_>) -> Result<Appended, StoreError> {
        self.log.shorten(&self.connection)?;
        Ok(self.writer.append(&mut self.connection, delivery, &mut self.retention)?)
    }

    fn housekeeping(&mut self, now: WallClock) -> Result<bool, StoreError> {
        let deletions = self.retention.step(&self.connection, now, self.writer.run());
        match &deletions {
            Ok(deletions) => self.writer.apply(deletions),
            // A failed step may have deleted something too.
            Err(_) => self.writer.forget(),
        }
        let deletions = deletions?;
        self.log.shorten(&self.connection)?;
        Ok(deletions.is_any())
    }

    fn reader(&self) -> Result<Arc<dyn Reader>, StoreError> {
        Ok(Arc::new(History::new(SqliteReader::open(&self.path)?, self.clock)))
    }

    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn size(&self) -> (u64, u64) {
        let file = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        (self.writer.rows(), file + self.log.bytes())
    }
}
