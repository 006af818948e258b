//! The way to the server: one small runtime, connections with the settings that all statements here rely on, and an end to all waiting.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{
    Conn, DriverError, Error, IoError, Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, ServerError,
    SslOpts,
};
use tokio::runtime::Runtime;

use super::url::{MysqlUrl, Tls};
use crate::StoreError;

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
    runtime: Arc<Engine>,
    url: MysqlUrl,
    /// A MySQL or MariaDB server has answered.
    has_answered: Arc<AtomicBool>,
}

/// Its end does not wait for what still runs in it.
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
        Ok(Self { runtime: Arc::new(Engine(Some(runtime))), url: url.clone(), has_answered: Arc::default() })
    }

    /// Runs to the end, or to the end of patience.
    pub(super) fn run<T>(
        &self,
        within: Duration,
        work: impl Future<Output = mysql_async::Result<T>>,
    ) -> Result<T, StoreError> {
        let Some(runtime) = &self.runtime.0 else { return Err(self.silent(within)) };
        runtime.block_on(async {
            match tokio::time::timeout(within, work).await {
                Ok(done) => {
                    self.has_answered.fetch_or(done.is_ok(), Ordering::Relaxed);
                    done.map_err(|error| self.error(&error))
                }
                Err(_) => Err(self.silent(within)),
            }
        })
    }

    pub(super) fn write<T>(
        &self,
        work: impl Future<Output = mysql_async::Result<T>>,
    ) -> Result<T, StoreError> {
        self.run(WRITE_WITHIN, work)
    }

    pub(super) fn read<T>(
        &self,
        work: impl Future<Output = mysql_async::Result<T>>,
    ) -> Result<T, StoreError> {
        self.run(Duration::from_secs(READ_SECONDS + 2), work)
    }

    /// A connection for writing; with `database` false, to the server alone.
    pub(super) fn connect(&self, database: bool) -> Result<Conn, StoreError> {
        let options = self.options(database).setup(vec![SESSION]);
        self.run(CONNECT_WITHIN, Conn::new(options))
    }

    /// Connections for reading.
    pub(super) fn pool(&self) -> Pool {
        let bounded = format!(
            "{SESSION} /*M!100100 , max_statement_time = {READ_SECONDS} */ /*!80000 , max_execution_time = {READ_SECONDS}000 */"
        );
        let constraints = PoolConstraints::new(0, 4).unwrap_or_default();
        let pool = PoolOpts::new().with_constraints(constraints);
        // Making the pool starts its tasks.
        let _inside = self.runtime.0.as_ref().map(Runtime::enter);
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
        let fix = match self.has_answered.load(Ordering::Relaxed) {
            true => "Check the server",
            false => "Check that a MySQL or MariaDB server listens at this address",
        };
        self.mysql(true, format!("no answer within {} s", within.as_secs()), fix)
    }

    pub(super) fn mysql(&self, away: bool, reason: String, fix: &'static str) -> StoreError {
        StoreError::Mysql { database: self.url.to_string(), away, reason, fix }
    }

    pub(super) fn error(&self, error: &Error) -> StoreError {
        match error {
            Error::Server(server) => self.mysql(
                matches!(server.code, 1040 | 1053 | 1927 | 2006 | 2013),
                format!("{} (error {})", server.message, server.code),
                fix(server),
            ),
            error if is_of_the_protocol(error) && !self.has_answered.load(Ordering::Relaxed) => {
                let reason = "the program that answers there is not a MySQL or MariaDB server".to_owned();
                let fix = "Correct the host and port in --store mysql://USER:PASSWORD@HOST:PORT/DATABASE";
                self.mysql(true, reason, fix)
            }
            Error::Io(_) | Error::Driver(DriverError::ConnectionClosed) => {
                self.mysql(true, root(error), "Start the server, or correct the address")
            }
            other => self.mysql(false, other.to_string(), "See the server's log"),
        }
    }
}

/// Whether what came is no answer of such a server. The system's own errors have numbers, except that
/// a name is unknown; and a server that is ending closes the connection.
fn is_of_the_protocol(error: &Error) -> bool {
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

/// The driver's errors repeat themselves on the way up: the words of the one at the root.
fn root(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// Closes a connection in good order; the server frees it at once then.
pub(super) fn close(link: &Link, connection: Conn) {
    let _ = link.run(Duration::from_secs(1), connection.disconnect());
}

/// Whether the server allows LOAD DATA LOCAL, as far as its own setting tells.
pub(super) async fn allows_local_infile(connection: &mut Conn) -> mysql_async::Result<bool> {
    let setting: Option<i64> = connection.query_first("SELECT @@GLOBAL.local_infile").await?;
    Ok(setting == Some(1))
}

/// The server's code for a database that is not there.
const UNKNOWN_DATABASE: u16 = 1049;

/// Whether the server answers, and has no such database.
pub(super) fn is_unknown_database(error: &StoreError) -> bool {
    let words = format!("(error {UNKNOWN_DATABASE})");
    matches!(error, StoreError::Mysql { reason, .. } if reason.contains(&words))
}

/// Errors of a row that MySQL gives no class: a value that is none of the column's type, no partition for it, a violated CHECK.
const OF_A_ROW: [u16; 3] = [1366, 1526, 3819];

/// Whether a row was refused for what is in it: a value that does not fit, a constraint, a trigger's signal.
pub(super) fn is_of_the_row(error: &Error) -> bool {
    match error {
        Error::Server(error) => {
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

    /// What is said of a server whose first words are these.
    fn said_of(greeting: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("mysql://me:secret@{}/memtap", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || listener.accept().unwrap().0.write_all(greeting).unwrap());
        let failed = Link::new(&MysqlUrl::parse(&url).unwrap()).unwrap().connect(true);
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
            let error = said_of(greeting);
            assert!(error.contains("is not a MySQL or MariaDB server. Correct the host and port"), "{error}");
        }
        let silent = said_of(b"");
        assert!(silent.contains("connection closed. Start the server"), "{silent}");
    }

    /// Only what waits for the database says so: `memtap report` and the like queue nothing.
    #[test]
    fn nothing_is_said_to_be_queued_that_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        for host in [address.to_string(), "nowhere.invalid:3306".to_owned()] {
            let url = MysqlUrl::parse(&format!("mysql://me@{host}/memtap")).unwrap();
            let error = Link::new(&url).unwrap().connect(true).err().unwrap().to_string();
            assert!(error.ends_with(". Start the server, or correct the address"), "{error}");
        }
    }
}
