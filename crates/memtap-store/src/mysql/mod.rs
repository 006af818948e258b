//! MySQL and MariaDB: a database that several machines may write into, and the original system's users know.

mod filter;
mod findings;
mod link;
mod lives;
mod machine;
pub(crate) mod maintenance;
mod processes;
mod reader;
mod retention;
mod rows;
mod samples;
mod schema;
mod url;
mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use memtap_model::WallClock;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use crate::{Appended, Clock, Delivery, Reader, Settings, Store, StoreError};
use link::Link;
use reader::MysqlReader;
use retention::Retention;
pub use url::MysqlUrl;
use writer::Writer;

/// Between two looks at how large the tables are: the server counts that slowly.
const SIZE_EVERY: Duration = Duration::from_secs(60);

/// The writing side.
pub(crate) struct Mysql {
    link: Link,
    connection: Option<Conn>,
    writer: Writer,
    retention: Retention,
    clock: Clock,
    /// The tables are as this version has them.
    prepared: bool,
    /// Who wrote last: host and run.
    ours: Option<(String, u64)>,
    rows: u64,
    bytes: u64,
    sized: Option<Instant>,
}

impl Mysql {
    /// A server that is away may come back, and what comes until then waits; all else is an error.
    pub(crate) fn open(url: &MysqlUrl, settings: &Settings) -> Result<Self, StoreError> {
        let mut store = Self {
            link: Link::new(url)?,
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
        match store.connection().map(drop) {
            Err(error) if error.is_away() => tracing::warn!("{error}"),
            done => done?,
        }
        Ok(store)
    }

    /// The connection, made anew after a failure, to tables that are ours.
    fn connection(&mut self) -> Result<&mut Conn, StoreError> {
        if self.connection.is_none() {
            let mut connection = self.connect()?;
            if !self.prepared {
                schema::prepare(&self.link, &mut connection)?;
                self.prepared = true;
                self.writer.loads = self.link.write(link::allows_local_infile(&mut connection))?;
                let rows: Option<Option<i64>> = self.link.write(connection.query_first(
                    "SELECT CAST(COALESCE(SUM(`rows`), 0) AS SIGNED) + (SELECT original_rows FROM memtap_schema) FROM run",
                ))?;
                self.rows = rows.flatten().unwrap_or(0).max(0).cast_unsigned();
            }
            self.connection = Some(connection);
        }
        self.connection
            .as_mut()
            .ok_or_else(|| self.link.mysql(true, "no connection".to_owned(), "Start the server"))
    }

    fn connect(&self) -> Result<Conn, StoreError> {
        match self.link.connect(true) {
            Err(error) if link::is_unknown_database(&error) => {
                let mut server = self.link.connect(false)?;
                let name = self.link.database().replace('`', "``");
                let sql = format!("CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4");
                self.link.write(server.query_drop(sql))?;
                link::close(&self.link, server);
                self.link.connect(true)
            }
            done => done,
        }
    }

    /// Runs on the connection; one that failed is not used again.
    fn on_connection<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Writer, &mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, StoreError> {
        self.connection()?;
        let Some(mut connection) = self.connection.take() else {
            return Err(self.link.mysql(true, "no connection".to_owned(), "Start the server"));
        };
        let done = self.link.write(work(&mut self.writer, &mut connection));
        match done {
            Ok(_) => self.connection = Some(connection),
            Err(_) => self.writer.forget(),
        }
        done
    }

    fn measure(&mut self) -> Result<(), StoreError> {
        if self.sized.is_some_and(|at| at.elapsed() < SIZE_EVERY) {
            return Ok(());
        }
        self.sized = Some(Instant::now());
        let sql = "SELECT CAST(SUM(DATA_LENGTH + INDEX_LENGTH) AS UNSIGNED) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";
        let bytes: Option<Option<u64>> =
            self.on_connection(async |_, connection| connection.query_first(sql).await)?;
        self.bytes = bytes.flatten().unwrap_or(0);
        Ok(())
    }
}

/// Pages of requests, without a writer: the tables are taken as they are.
pub(crate) fn reader(url: &MysqlUrl, clock: Clock) -> Result<Arc<dyn Reader>, StoreError> {
    Ok(Arc::new(MysqlReader::new(&Link::new(url)?, clock)))
}

impl Store for Mysql {
    fn append(&mut self, delivery: Delivery<'_>) -> Result<Appended, StoreError> {
        if let Some((host, run)) = self.ours.clone() {
            let (retention, requests) = (self.retention, delivery.requests() as u64);
            let gone = self.on_connection(async |_, connection| {
                retention.make_room(connection, &host, run, requests).await
            })?;
            self.rows = self.rows.saturating_sub(gone);
        }
        let (appended, written) =
            self.on_connection(async |writer, connection| writer.deliver(connection, delivery).await)?;
        self.rows += written;
        self.ours = Some((delivery.run.hostname.clone(), delivery.run.id));
        Ok(appended)
    }

    fn housekeeping(&mut self, now: WallClock) -> Result<bool, StoreError> {
        self.measure()?;
        let Some((host, run)) = self.ours.clone() else { return Ok(false) };
        let retention = self.retention;
        let gone =
            self.on_connection(async |_, connection| retention.step(connection, &host, run, now).await)?;
        self.rows = self.rows.saturating_sub(gone.requests);
        Ok(gone.requests > 0 || gone.others)
    }

    fn reader(&self) -> Result<Arc<dyn Reader>, StoreError> {
        Ok(Arc::new(MysqlReader::new(&self.link, self.clock)))
    }

    fn kind(&self) -> &'static str {
        "mysql"
    }

    fn size(&self) -> (u64, u64) {
        (self.rows, self.bytes)
    }
}
