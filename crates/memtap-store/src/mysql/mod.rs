//! MySQL and MariaDB: a server database that several machines can share. It is also the original
//! system's database.

mod link;
mod maintenance;
mod processes;
mod read;
mod retention;
mod rows;
mod samples;
mod schema;
mod url;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memtap_history::maintenance::{Checked, Compacted, Contents, Maintenance, Progress};
use memtap_history::{
    Appended, Clock, Delivery, History, Location, Pending, Reader, Settings, Store, StoreError,
};
use memtap_model::WallClock;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use crate::url::Driver;
use link::Link;
use read::MysqlReader;
use retention::Retention;
pub(crate) use url::MysqlUrl;
use writer::Writer;

/// Driver for `mysql://USER:PASSWORD@HOST:PORT/DATABASE`.
pub(crate) const DRIVER: Driver =
    Driver { schemes: &["mysql", "mariadb"], parse: |url| Ok(Arc::new(MysqlUrl::parse(url)?)) };

impl Location for MysqlUrl {
    fn open<'a>(&'a self, settings: &'a Settings) -> Pending<'a, Box<dyn Store>> {
        Box::pin(async { Ok(Box::new(Mysql::open(self, settings).await?) as Box<dyn Store>) })
    }

    /// Opens a reader without a check or an upgrade of the tables.
    fn open_reader(&self, clock: Clock) -> Pending<'_, Arc<dyn Reader>> {
        Box::pin(async move { Ok(reader(&Link::new(self), clock)) })
    }

    fn certificate(&self) -> Option<&Path> {
        self.authority()
    }

    fn slug(&self) -> String {
        self.name_for_files()
    }
}

impl Maintenance for MysqlUrl {
    fn reach(&self) -> Pending<'_, String> {
        Box::pin(maintenance::reach(self))
    }

    fn contents(&self) -> Pending<'_, Contents> {
        Box::pin(maintenance::contents(self))
    }

    fn check<'a>(&'a self, progress: Progress<'a>) -> Pending<'a, Checked> {
        Box::pin(maintenance::check(self, progress))
    }

    fn compact<'a>(&'a self, progress: Progress<'a>) -> Pending<'a, Compacted> {
        Box::pin(maintenance::compact(self, progress))
    }
}

fn reader(link: &Link, clock: Clock) -> Arc<dyn Reader> {
    Arc::new(History::new(MysqlReader::new(link), clock))
}

/// Time between two queries for the size of the tables: they are slow.
const SIZE_EVERY: Duration = Duration::from_secs(60);

/// Writing side of the store.
struct Mysql {
    link: Link,
    connection: Option<Conn>,
    writer: Writer,
    retention: Retention,
    clock: Clock,
    /// True once the tables have this version's schema.
    prepared: bool,
    /// Host and run of the last delivery.
    ours: Option<(String, u64)>,
    rows: u64,
    bytes: u64,
    sized: Option<Instant>,
}

impl Mysql {
    /// Opens the store. If the server is unavailable, this succeeds with a warning, and data is
    /// queued until the server is back. Other errors are returned.
    async fn open(url: &MysqlUrl, settings: &Settings) -> Result<Self, StoreError> {
        let mut store = Self {
            link: Link::new(url),
            connection: None,
            writer: Writer { loads: true, ..Writer::default() },
            retention: Retention::new(settings),
            clock: settings.clock,
            prepared: false,
            ours: None,
            rows: 0,
            bytes: 0,
            sized: None,
        };
        match store.connection().await.map(drop) {
            Err(error) if error.is_away() => tracing::warn!("{error}"),
            done => done?,
        }
        // A connection belongs to the runtime that made it, and the caller's may stop. The first
        // delivery makes its own.
        if let Some(connection) = store.connection.take() {
            link::close(&store.link, connection).await;
        }
        Ok(store)
    }

    /// Returns the connection, reconnecting after a failure. Prepares the tables on first use.
    async fn connection(&mut self) -> Result<&mut Conn, StoreError> {
        if self.connection.is_none() {
            let mut connection = self.connect().await?;
            if !self.prepared {
                schema::prepare(&self.link, &mut connection).await?;
                self.prepared = true;
                self.writer.loads = self.link.write(link::allows_local_infile(&mut connection)).await?;
                let rows: Option<Option<i64>> = self.link.write(connection.query_first(
                    "SELECT CAST(COALESCE(SUM(`rows`), 0) AS SIGNED) + (SELECT original_rows FROM memtap_schema) FROM run",
                )).await?;
                self.rows = rows.flatten().unwrap_or(0).max(0).cast_unsigned();
            }
            self.connection = Some(connection);
        }
        self.connection
            .as_mut()
            .ok_or_else(|| self.link.mysql(true, "no connection".to_owned(), "Start the server"))
    }

    async fn connect(&self) -> Result<Conn, StoreError> {
        match self.link.connect(true).await {
            Err(error) if link::is_unknown_database(&error) => {
                let mut server = self.link.connect(false).await?;
                let name = self.link.database().replace('`', "``");
                let sql = format!("CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4");
                self.link.write(server.query_drop(sql)).await?;
                link::close(&self.link, server).await;
                self.link.connect(true).await
            }
            done => done,
        }
    }

    /// Runs `work` on the connection. After a failure, the connection is not used again.
    async fn on_connection<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Writer, &mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, StoreError> {
        self.connection().await?;
        let Some(mut connection) = self.connection.take() else {
            return Err(self.link.mysql(true, "no connection".to_owned(), "Start the server"));
        };
        let done = self.link.write(work(&mut self.writer, &mut connection)).await;
        match done {
            Ok(_) => self.connection = Some(connection),
            Err(_) => self.writer.forget(),
        }
        done
    }

    async fn measure(&mut self) -> Result<(), StoreError> {
        if self.sized.is_some_and(|at| at.elapsed() < SIZE_EVERY) {
            return Ok(());
        }
        self.sized = Some(Instant::now());
        let sql = "SELECT CAST(SUM(DATA_LENGTH + INDEX_LENGTH) AS UNSIGNED) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";
        let bytes: Option<Option<u64>> =
            self.on_connection(async |_, connection| connection.query_first(sql).await).await?;
        self.bytes = bytes.flatten().unwrap_or(0);
        Ok(())
    }
}

impl Store for Mysql {
    fn append(&mut self, delivery: Arc<Delivery>) -> Pending<'_, Appended> {
        Box::pin(async move {
            if let Some((host, run)) = self.ours.clone() {
                let (retention, requests) = (self.retention, delivery.requests() as u64);
                let deletions = self
                    .on_connection(async |_, connection| {
                        retention.make_room(connection, &host, run, requests).await
                    })
                    .await?;
                self.rows = self.rows.saturating_sub(deletions);
            }
            let work = async |writer: &mut Writer, connection: &mut Conn| {
                writer.deliver(connection, &delivery).await
            };
            let (appended, written) = self.on_connection(work).await?;
            self.rows += written;
            self.ours = Some((delivery.run.hostname.clone(), delivery.run.id));
            Ok(appended)
        })
    }

    fn housekeeping(&mut self, now: WallClock) -> Pending<'_, bool> {
        Box::pin(async move {
            self.measure().await?;
            let Some((host, run)) = self.ours.clone() else { return Ok(false) };
            let retention = self.retention;
            let work = async |_: &mut Writer, connection: &mut Conn| {
                retention.step(connection, &host, run, now).await
            };
            let deletions = self.on_connection(work).await?;
            self.rows = self.rows.saturating_sub(deletions.requests);
            Ok(deletions.requests > 0 || deletions.others)
        })
    }

    fn reader(&self) -> Result<Arc<dyn Reader>, StoreError> {
        Ok(reader(&self.link, self.clock))
    }

    fn kind(&self) -> &'static str {
        "mysql"
    }

    fn size(&self) -> (u64, u64) {
        (self.rows, self.bytes)
    }
}
