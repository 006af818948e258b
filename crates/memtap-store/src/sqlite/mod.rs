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

/// `sqlite:PATH`.
pub(crate) const DRIVER: Driver = Driver {
    schemes: &["sqlite"],
    parse: |url| match url.split_once(':') {
        Some((_, path)) if !path.is_empty() => Ok(Arc::new(SqliteFile(path.into()))),
        _ => Err(StoreError::Url("the URL has no path after sqlite:")),
    },
};

/// A database in a file.
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
            worker::run(move || Ok(maintenance::look(&path)?)).await?;
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

/// The writing side, in a thread of its own.
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
            let work = move |sqlite: &mut Sqlite| Ok((sqlite.keep_house(now)?, sqlite.size()));
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

/// What a tick and housekeeping say to the database, again and again: to read it anew each time takes longer than to do it.
const STATEMENTS_KEPT: usize = 128;

/// An open database.
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
            log: Log::of(path, settings.max_bytes),
        })
    }
}

/// The file and its folder, for their owner only: what processes do is nobody else's business.
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

    fn keep_house(&mut self, now: WallClock) -> Done<bool> {
        let gone = self.retention.step(&self.connection, now, self.writer.run());
        match &gone {
            Ok(gone) => self.writer.deleted(gone),
            // A step that was cut short may have deleted some all the same.
            Err(_) => self.writer.forget(),
        }
        let gone = gone?;
        self.log.shorten(&self.connection)?;
        Ok(gone.is_something())
    }

    fn size(&self) -> (u64, u64) {
        let file = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        (self.writer.rows(), file + self.log.bytes())
    }
}
