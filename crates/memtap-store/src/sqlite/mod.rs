//! SQLite: the embedded store and the default.

mod access;
mod deletion;
mod filter;
mod findings;
mod header;
mod lives;
mod machine;
pub(crate) mod maintenance;
mod migration;
mod processes;
mod reader;
mod retention;
mod rows;
mod samples;
mod schema;
mod space;
mod usage;
mod writer;

use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memtap_model::WallClock;
use rusqlite::Connection;

use crate::{Appended, Clock, Delivery, Reader, Settings, Store, StoreError};
pub use header::{HEADER_BYTES, is_history};
use reader::SqliteReader;
use retention::Retention;
use space::Log;
use writer::Writer;

/// What a tick and housekeeping say to the database, again and again: to read it anew each time takes longer than to do it.
const STATEMENTS_KEPT: usize = 128;

/// The writing side.
pub(crate) struct Sqlite {
    path: PathBuf,
    connection: Connection,
    writer: Writer,
    retention: Retention,
    log: Log,
    clock: Clock,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Self, StoreError> {
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
            clock: settings.clock,
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

impl Store for Sqlite {
    fn append(&mut self, delivery: Delivery<'_>) -> Result<Appended, StoreError> {
        self.log.shorten(&self.connection)?;
        self.writer.append(&mut self.connection, delivery, &mut self.retention)
    }

    fn housekeeping(&mut self, now: WallClock) -> Result<bool, StoreError> {
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

    fn reader(&self) -> Result<Arc<dyn Reader>, StoreError> {
        Ok(Arc::new(SqliteReader::open(&self.path, self.clock)?))
    }

    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn size(&self) -> (u64, u64) {
        let file = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        (self.writer.rows(), file + self.log.bytes())
    }
}
