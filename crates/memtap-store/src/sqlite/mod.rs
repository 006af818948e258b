//! SQLite: the embedded store and the default.

mod access;
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
mod worker;
mod writer;

use std::fmt;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memtap_history::maintenance::{Checked, Compacted, Contents, Maintenance, Progress};
use memtap_history::{
    Appended, Clock, Delivery, History, Location, Pending, Reader, Settings, Store, StoreError,
};
use memtap_model::WallClock;
use rusqlite::Connection;

use crate::url::Driver;
pub use error::AFTER_DAMAGE;
use error::Done;
pub use header::{HEADER_BYTES, is_history};
use read::SqliteReader;
use retention::Retention;
use space::Log;
use worker::Worker;
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
    fn open<'a>(&'a self, settings: &'a Settings) -> Pending<'a, Box<dyn Store>> {
        Box::pin(async {
            Ok(Box::new(SqliteStore::open(self.0.clone(), *settings).await?) as Box<dyn Store>)
        })
    }

    fn open_reader(&self, clock: Clock) -> Pending<'_, Arc<dyn Reader>> {
        let path = self.0.clone();
        Box::pin(async move {
            worker::run(move || Ok(maintenance::verify_file(&path)?)).await?;
            Ok(Arc::new(History::new(SqliteReader::new(&self.0)?, clock)) as Arc<dyn Reader>)
        })
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.0)
    }

    fn slug(&self) -> String {
        format!("sqlite-{:08x}", crc32fast::hash(self.0.as_os_str().as_encoded_bytes()))
    }
}

impl Maintenance for SqliteFile {
    fn reach(&self) -> Pending<'_, String> {
        let path = self.0.clone();
        Box::pin(worker::run(move || Ok(maintenance::reach(&path)?)))
    }

    fn contents(&self) -> Pending<'_, Contents> {
        let path = self.0.clone();
        Box::pin(worker::run(move || Ok(maintenance::contents(&path)?)))
    }

    fn check<'a>(&'a self, _: Progress<'a>) -> Pending<'a, Checked> {
        let path = self.0.clone();
        Box::pin(worker::run(move || Ok(maintenance::check(&path)?)))
    }

    fn compact<'a>(&'a self, _: Progress<'a>) -> Pending<'a, Compacted> {
        let path = self.0.clone();
        Box::pin(worker::run(move || Ok(maintenance::compact(&path)?)))
    }
}

/// Writing side of the store. A separate thread works on the file.
struct SqliteStore {
    path: PathBuf,
    clock: Clock,
    worker: Worker<Sqlite>,
    size: (u64, u64),
}

impl SqliteStore {
    async fn open(path: PathBuf, settings: Settings) -> Result<Self, StoreError> {
        let file = path.clone();
        let sqlite = worker::run(move || Ok(Sqlite::open(&file, &settings)?)).await?;
        let size = sqlite.size();
        Ok(Self { path, clock: settings.clock, worker: Worker::start("memtap-store", sqlite)?, size })
    }
}

impl Store for SqliteStore {
    fn append(&mut self, delivery: Arc<Delivery>) -> Pending<'_, Appended> {
        Box::pin(async move {
            let work = move |sqlite: &mut Sqlite| {
                let appended = sqlite.append(&delivery)?;
                Ok((appended, sqlite.size()))
            };
            let (appended, size) = self.worker.run(work).await?;
            self.size = size;
            Ok(appended)
        })
    }

    fn housekeeping(&mut self, now: WallClock) -> Pending<'_, bool> {
        Box::pin(async move {
            let work = move |sqlite: &mut Sqlite| Ok((sqlite.housekeeping(now)?, sqlite.size()));
            let (had_work, size) = self.worker.run(work).await?;
            self.size = size;
            Ok(had_work)
        })
    }

    fn reader(&self) -> Result<Arc<dyn Reader>, StoreError> {
        Ok(Arc::new(History::new(SqliteReader::new(&self.path)?, self.clock)))
    }

    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn size(&self) -> (u64, u64) {
        self.size
    }
}

/// Size of the statement cache. Ticks and housekeeping repeat the same statements, and parsing one
/// takes longer than executing it.
const STATEMENTS_KEPT: usize = 128;

/// A database file opened for writing.
struct Sqlite {
    path: PathBuf,
    connection: Connection,
    writer: Writer,
    retention: Retention,
    log: Log,
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

impl Sqlite {
    fn append(&mut self, delivery: &Delivery) -> Done<Appended> {
        self.log.shorten(&self.connection)?;
        self.writer.append(&mut self.connection, delivery, &mut self.retention)
    }

    fn housekeeping(&mut self, now: WallClock) -> Done<bool> {
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

    fn size(&self) -> (u64, u64) {
        let file = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        (self.writer.rows(), file + self.log.bytes())
    }
}
