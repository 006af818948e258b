//! Connections to the server: session settings that all statements rely on, and a timeout for every
//! operation.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{
    Conn, DriverError, Error, IoError, Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, ServerError,
    SslOpts,
};

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
    url: MysqlUrl,
    /// A MySQL or MariaDB server has answered.
    has_answered: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(url: &MysqlUrl) -> Self {
        Self { url: url.clone(), has_answered: Arc::default() }
    }

    /// Runs `work` with a time limit.
    pub(super) async fn run<T>(
        &self,
        within: Duration,
        work: impl Future<Output = mysql_async::Result<T>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(within, work).await {
            Ok(done) => {
                self.has_answered.fetch_or(done.is_ok(), Ordering::Relaxed);
                done.map_err(|error| self.error(&error))
            }
            Err(_) => Err(self.timeout_error(within)),
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
        tokio::time::timeout(within, work).await.unwrap_or_else(|_| Err(self.timeout_error(within)))
    }

    /// Opens a connection for writing. If `database` is false, no database is selected.
    pub(super) async fn connect(&self, database: bool) -> Result<Conn, StoreError> {
        let options = self.options(database).setup(vec![SESSION]);
        self.run(CONNECT_WITHIN, Conn::new(options)).await
    }

    /// Creates the connection pool for reading. It belongs to the runtime of the caller.
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
        let fix = match self.has_answered.load(Ordering::Relaxed) {
            true => "Check the server",
            false => "Check that a MySQL or MariaDB server listens at this address",
        };
        self.mysql(true, format!("no answer within {} s", within.as_secs()), fix)
    }

    pub(super) fn mysql(&self, away: bool, reason: String, fix: &'static str) -> StoreError {
        StoreError::Database { database: self.url.to_string(), away, reason, fix }
    }

    pub(super) fn error(&self, error: &Error) -> StoreError {
        match error {
            Error::Server(server) => self.mysql(
                matches!(server.code, 1040 | 1053 | 1927 | 2006 | 2013),
                format!("{} (error {})", server.message, server.code),
                fix(server),
            ),
            error if is_protocol_error(error) && !self.has_answered.load(Ordering::Relaxed) => {
                let reason = "the program that answers there is not a MySQL or MariaDB server".to_owned();
                let fix = "Correct the host and port in --store mysql://USER:PASSWORD@HOST:PORT/DATABASE";
                self.mysql(true, reason, fix)
            }
            Error::Io(_) | Error::Driver(DriverError::ConnectionClosed) => {
                self.mysql(true, root_cause(error), "Start the server, or correct the address")
            }
            other => self.mysql(false, other.to_string(), "See the server's log"),
        }
    }
}

/// Returns whether the answer is not MySQL's protocol. Errors of the system have a number, except
/// for unknown host names. A server that is shutting down closes the connection.
fn is_protocol_error(error: &Error) -> bool {
    match error {
        Error::Io(IoError::Io(error)) => {
            let text = error.to_string();
            error.raw_os_error().is_none()
                && !["lookup", "connection closed"].iter().any(|word| text.contains(word))
        }
        Error::Driver(DriverError::PacketOutOfOrder | DriverError::UnexpectedPacket { .. }) => true,
        _ => false,
    }
}

/// Returns the text of the root cause. The driver's errors repeat it at each level.
fn root_cause(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// Closes a connection properly, so that the server frees it at once.
pub(super) async fn close(link: &Link, connection: Conn) {
    let _ = link.run(Duration::from_secs(1), connection.disconnect()).await;
}

/// Returns whether the server's settings allow LOAD DATA LOCAL.
pub(super) async fn allows_local_infile(connection: &mut Conn) -> mysql_async::Result<bool> {
    let setting: Option<i64> = connection.query_first("SELECT @@GLOBAL.local_infile").await?;
    Ok(setting == Some(1))
}

/// Server error code for an unknown database.
const UNKNOWN_DATABASE: u16 = 1049;

/// Returns whether the server answers but the database does not exist.
pub(super) fn is_unknown_database(error: &StoreError) -> bool {
    let words = format!("(error {UNKNOWN_DATABASE})");
    matches!(error, StoreError::Database { reason, .. } if reason.contains(&words))
}

/// Codes of row errors without an SQLSTATE class of their own: a value of the wrong type, no
/// matching partition, a violated CHECK.
const ROW_ERRORS: [u16; 3] = [1366, 1526, 3819];

/// Returns whether the server refused a row because of its content: a value that does not fit, a
/// constraint, or a trigger's signal.
pub(super) fn is_row_error(error: &Error) -> bool {
    match error {
        Error::Server(error) => {
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
        1021 | 1114 | 3675 => "Free some disk space on the server",
        1290 | 1836 => "The server is read-only. Choose the server that accepts writes",
        1205 | 1213 => "Another session held the rows. memtap tries again",
        1040 => "Close some connections, or raise max_connections",
        1153 => "Raise max_allowed_packet on the server",
        _ => "See the server's log",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use super::*;

    /// Returns the error for a server that opens with this greeting.
    fn error_for(greeting: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("mysql://me:secret@{}/memtap", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || listener.accept().unwrap().0.write_all(greeting).unwrap());
        let failed = memtap_testing::wait(Link::new(&MysqlUrl::parse(&url).unwrap()).connect(true));
        server.join().unwrap();
        failed.err().unwrap().to_string()
    }

    #[test]
    fn another_programs_port_is_recognised() {
        for greeting in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            b"SSH-2.0-OpenSSH_9\r\n",
            b"220 mail\r\n",
            b"-ERR unknown\r\n",
            b"\x05\x00\x00\x00\x01abcd",
            b"\x05\x00\x00\x07\x01abcd",
        ] {
            let error = error_for(greeting);
            assert!(error.contains("is not a MySQL or MariaDB server. Correct the host and port"), "{error}");
        }
        let silent = error_for(b"");
        assert!(silent.contains("connection closed. Start the server"), "{silent}");
    }

    /// Only a writer that waits for the database may mention a queue: `memtap report` queues
    /// nothing.
    #[test]
    fn connection_errors_do_not_mention_a_queue() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        for host in [address.to_string(), "nowhere.invalid:3306".to_owned()] {
            let url = MysqlUrl::parse(&format!("mysql://me@{host}/memtap")).unwrap();
            let error = memtap_testing::wait(Link::new(&url).connect(true)).err().unwrap().to_string();
            assert!(error.ends_with(". Start the server, or correct the address"), "{error}");
        }
    }
}
