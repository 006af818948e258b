//! Connections to the server: a small runtime, session settings that all statements rely on, and a
//! timeout for every operation.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, ServerError, SslOpts};
use tokio::runtime::Runtime;

use super::url::{MysqlUrl, Tls};
use memtap_history::StoreError;

/// Time limit for connecting.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Time limit for a delivery or a step of housekeeping.
const WRITE_WITHIN: Duration = Duration::from_secs(60);
/// Time limit for a query. The server ends it, or memtap if the server does not respond.
const READ_SECONDS: u64 = 10;

/// Settings of every session. Times are UTC; a value that does not fit its column is an error and
/// is never truncated. MySQL would otherwise report table sizes that are up to a day old. MySQL and
/// MariaDB have different names for the time limit of queries; each server takes the other's
/// setting as a comment.
const SESSION: &str = "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', \
    innodb_lock_wait_timeout = 10 /*!80000 , information_schema_stats_expiry = 0 */";

/// Access to one database.
#[derive(Clone)]
pub(super) struct Link {
    runtime: Arc<Engine>,
    url: MysqlUrl,
}

/// Runtime that does not wait for its tasks when it is dropped.
struct Engine(Option<Runtime>);

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Link {
    pub(super) fn new(url: &MysqlUrl) -> Result<Self, StoreError> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("memtap-mysql").enable_all().build()?;
        Ok(Self { runtime: Arc::new(Engine(Some(runtime))), url: url.clone() })
    }

    /// Runs `work` with a time limit.
    pub(super) fn run<T>(
        &self,
        within: Duration,
        work: impl Future<Output = mysql_async::Result<T>>,
    ) -> Result<T, StoreError> {
        let Some(runtime) = &self.runtime.0 else { return Err(self.timeout_error(within)) };
        runtime.block_on(async {
            match tokio::time::timeout(within, work).await {
                Ok(done) => done.map_err(|error| self.error(&error)),
                Err(_) => Err(self.timeout_error(within)),
            }
        })
    }

    pub(super) fn write<T>(
        &self,
        work: impl Future<Output = mysql_async::Result<T>>,
    ) -> Result<T, StoreError> {
        self.run(WRITE_WITHIN, work)
    }

    pub(super) fn read<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let within = Duration::from_secs(READ_SECONDS + 2);
        let Some(runtime) = &self.runtime.0 else { return Err(self.timeout_error(within)) };
        runtime.block_on(async {
            tokio::time::timeout(within, work).await.unwrap_or_else(|_| Err(self.timeout_error(within)))
        })
    }

    /// Opens a connection for writing. If `database` is false, no database is selected.
    pub(super) fn connect(&self, database: bool) -> Result<Conn, StoreError> {
        let options = self.options(database).setup(vec![SESSION]);
        self.run(CONNECT_WITHIN, Conn::new(options))
    }

    /// Creates the connection pool for reading.
    pub(super) fn pool(&self) -> Pool {
        let bounded = format!(
            "{SESSION} /*M!100100 , max_statement_time = {READ_SECONDS} */ /*!80000 , max_execution_time = {READ_SECONDS}000 */"
        );
        let constraints = PoolConstraints::new(0, 4).unwrap_or_default();
        let pool = PoolOpts::new().with_constraints(constraints);
        // Creating the pool starts its tasks.
        let _inside = self.runtime.0.as_ref().map(Runtime::enter);
        Pool::new(self.options(true).setup(vec![bounded]).pool_opts(pool))
    }

    fn options(&self, database: bool) -> OptsBuilder {
        let url = &self.url;
        let tls = match &url.tls {
            Tls::Off => None,
            // Like the default of the server's own client: safe against eavesdropping, not against
            // impersonation.
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

    /// URL of the database, without the password.
    pub(super) fn name(&self) -> String {
        self.url.to_string()
    }

    /// Name of the database.
    pub(super) fn database(&self) -> &str {
        &self.url.database
    }

    fn timeout_error(&self, within: Duration) -> StoreError {
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
                self.mysql(true, root_cause(error), fix)
            }
            other => self.mysql(false, other.to_string(), "See the server's log"),
        }
    }
}

/// Returns the text of the root cause. The driver's errors repeat it at each level.
fn root_cause(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// Closes a connection properly, so that the server frees it at once.
pub(super) fn close(link: &Link, connection: Conn) {
    let _ = link.run(Duration::from_secs(1), connection.disconnect());
}

/// Returns whether the server's settings allow LOAD DATA LOCAL.
pub(super) async fn allows_local_infile(connection: &mut Conn) -> mysql_async::Result<bool> {
    let setting: Option<i64> = connection.query_first("SELECT @@GLOBAL.local_infile").await?;
    Ok(setting == Some(1))
}

/// Codes of row errors without an SQLSTATE class of their own: a value of the wrong type, no
/// matching partition, a violated CHECK.
const ROW_ERRORS: [u16; 3] = [1366, 1526, 3819];

/// Returns whether the server refused a row because of its content: a value that does not fit, a
/// constraint, or a trigger's signal.
pub(super) fn is_row_error(error: &mysql_async::Error) -> bool {
    match error {
        mysql_async::Error::Server(error) => {
            ROW_ERRORS.contains(&error.code)
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
