//! The way to the server: connections with the settings that all statements here rely on, and an end to all waiting.

use std::future::Future;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, ServerError, SslOpts};

use super::url::{MysqlUrl, Tls};
use memtap_history::StoreError;

/// To a server that does not answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A delivery, or a step of housekeeping, that takes longer has failed.
const WRITE_WITHIN: Duration = Duration::from_secs(60);
/// A query of a page that takes longer is ended: by the server, and if that hangs, by us.
const READ_SECONDS: u64 = 10;

/// Of every session. Times are UTC; what a column cannot hold is an error and never cut; a backslash is only a backslash. MySQL would tell the
/// sizes of tables as they were a day ago. The two kinds of server name the bound on reading differently, and each takes the other's for
/// a comment.
const SESSION: &str = "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', \
    innodb_lock_wait_timeout = 10 /*!80000 , information_schema_stats_expiry = 0 */";

/// How to reach one database.
#[derive(Clone)]
pub(super) struct Link {
    url: MysqlUrl,
}

impl Link {
    pub(super) fn new(url: &MysqlUrl) -> Self {
        Self { url: url.clone() }
    }

    /// Runs to the end, or fails when it takes too long.
    pub(super) async fn run<T>(
        &self,
        within: Duration,
        work: impl Future<Output = mysql_async::Result<T>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(within, work).await {
            Ok(done) => done.map_err(|error| self.error(&error)),
            Err(_) => Err(self.silent(within)),
        }
    }

    pub(super) async fn write<T>(
        &self,
        work: impl Future<Output = mysql_async::Result<T>>,
    ) -> Result<T, StoreError> {
        self.run(WRITE_WITHIN, work).await
    }

    pub(super) async fn read<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let within = Duration::from_secs(READ_SECONDS + 2);
        tokio::time::timeout(within, work).await.unwrap_or_else(|_| Err(self.silent(within)))
    }

    /// A connection for writing; with `database` false, to the server alone.
    pub(super) async fn connect(&self, database: bool) -> Result<Conn, StoreError> {
        let options = self.options(database).setup(vec![SESSION]);
        self.run(CONNECT_WITHIN, Conn::new(options)).await
    }

    /// Connections for reading. They belong to the runtime that this is called in.
    pub(super) fn pool(&self) -> Pool {
        let bounded = format!(
            "{SESSION} /*M!100100 , max_statement_time = {READ_SECONDS} */ /*!80000 , max_execution_time = {READ_SECONDS}000 */"
        );
        let constraints = PoolConstraints::new(0, 4).unwrap_or_default();
        let pool = PoolOpts::new().with_constraints(constraints);
        Pool::new(self.options(true).setup(vec![bounded]).pool_opts(pool))
    }

    fn options(&self, database: bool) -> OptsBuilder {
        let url = &self.url;
        let tls = match &url.tls {
            Tls::Off => None,
            // As the server's own client does it by default: against listeners, not against impostors.
            Tls::Unverified => Some(
                SslOpts::default()
                    .with_danger_accept_invalid_certs(true)
                    .with_danger_skip_domain_validation(true),
            ),
            Tls::Verified(None) => Some(SslOpts::default()),
            Tls::Verified(Some(authority)) => Some(
                SslOpts::default()
                    .with_root_certs(vec![authority.clone().into()])
                    .with_disable_built_in_roots(true),
            ),
        };
        OptsBuilder::from_opts(Opts::default())
            .ip_or_hostname(&url.host)
            .tcp_port(url.port)
            .user(Some(&url.user))
            .pass(url.password.as_ref().map(|password| password.reveal().to_owned()))
            .db_name(database.then(|| url.database.clone()))
            .prefer_socket(false)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .ssl_opts(tls)
    }

    /// The database as it may be shown.
    pub(super) fn name(&self) -> String {
        self.url.to_string()
    }

    /// The database's own name.
    pub(super) fn database(&self) -> &str {
        &self.url.database
    }

    fn silent(&self, within: Duration) -> StoreError {
        self.mysql(true, format!("no answer within {} s", within.as_secs()), "Check the server")
    }

    pub(super) fn mysql(&self, away: bool, reason: String, fix: &'static str) -> StoreError {
        StoreError::Database { database: self.url.to_string(), away, reason, fix }
    }

    pub(super) fn error(&self, error: &mysql_async::Error) -> StoreError {
        match error {
            mysql_async::Error::Server(server) => self.mysql(
                matches!(server.code, 1040 | 1053 | 1927 | 2006 | 2013),
                format!("{} (error {})", server.message, server.code),
                fix(server),
            ),
            mysql_async::Error::Io(_)
            | mysql_async::Error::Driver(mysql_async::DriverError::ConnectionClosed) => {
                let fix = "Start the server, or correct the address. New data is queued until then";
                self.mysql(true, root(error), fix)
            }
            other => self.mysql(false, other.to_string(), "See the server's log"),
        }
    }
}

/// The driver's errors repeat themselves on the way up: the words of the one at the root.
fn root(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// Closes a connection in good order; the server frees it at once then.
pub(super) async fn close(link: &Link, connection: Conn) {
    let _ = link.run(Duration::from_secs(1), connection.disconnect()).await;
}

/// Whether the server allows LOAD DATA LOCAL, as far as its own setting tells.
pub(super) async fn allows_local_infile(connection: &mut Conn) -> mysql_async::Result<bool> {
    let setting: Option<i64> = connection.query_first("SELECT @@GLOBAL.local_infile").await?;
    Ok(setting == Some(1))
}

/// Errors of a row that MySQL gives no class: a value that is none of the column's type, no partition for it, a violated CHECK.
const OF_A_ROW: [u16; 3] = [1366, 1526, 3819];

/// Whether a row was refused for what is in it: a value that does not fit, a constraint, a trigger's signal.
pub(super) fn is_of_the_row(error: &mysql_async::Error) -> bool {
    match error {
        mysql_async::Error::Server(error) => {
            OF_A_ROW.contains(&error.code)
                || ["22", "23", "45"].iter().any(|class| error.state.starts_with(class))
        }
        _ => false,
    }
}

fn fix(error: &ServerError) -> &'static str {
    match error.code {
        1045 | 1698 => "Correct the user and password in --store mysql://USER:PASSWORD@HOST:PORT/DATABASE",
        1044 | 1142 | 1143 | 1227 | 1370 => {
            "Grant memtap's user SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, CREATE VIEW on the database"
        }
        1021 | 1114 | 3675 => "Free some disk space on the server: queued data is written then",
        1290 | 1836 => "The server is read-only. Choose the server that accepts writes",
        1205 | 1213 => "Another session held the rows. memtap tries again",
        1040 => "Close some connections, or raise max_connections",
        1153 => "Raise max_allowed_packet on the server",
        _ => "See the server's log",
    }
}
