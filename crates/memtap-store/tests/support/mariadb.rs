//! A MariaDB server for the tests, with its own directory, socket and port. It ends with the test
//! program. `MEMTAP_TEST_MYSQLD=PROGRAM` tests on a MySQL server instead; PROGRAM is its `mysqld`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use memtap_store::StoreUrl;

const PATIENCE: Duration = Duration::from_secs(60);
const MISSING: &str = "the server is there: install Debian's mariadb-server, as cargo xtask test does, or correct MEMTAP_TEST_MYSQLD";

/// Program of the MySQL server to test on instead of MariaDB.
fn mysqld() -> Option<OsString> {
    std::env::var_os("MEMTAP_TEST_MYSQLD")
}

pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    options: Vec<String>,
    child: Mutex<Option<Child>>,
    databases: AtomicU32,
}

/// Server shared by all tests of a program. Each test uses its own database. Tests must not stop
/// this server.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Server::start(&[]);
        // Statics are not dropped.
        extern "C" fn end() {
            if let Some(server) = SERVER.get() {
                server.kill();
                let _ = std::fs::remove_dir_all(&server.folder);
            }
        }
        // SAFETY: the function exists as long as the program.
        unsafe { libc::atexit(end) };
        server
    })
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts a server with additional options.
    pub(crate) fn start(options: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("memtap-mariadb-").tempdir().unwrap().keep();
        let mut install = match mysqld() {
            None => {
                let mut install = Command::new("mariadb-install-db");
                install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
                install
            }
            Some(mysqld) => {
                let mut install = Command::new(mysqld);
                install.args(["--no-defaults", "--initialize-insecure"]);
                install
            }
        };
        // Temporary files get a directory of their own too: in a shared one, names could clash with
        // other servers.
        install.env("TMPDIR", &folder);
        install.args(user()).arg(format!("--datadir={}", folder.join("data").display()));
        let installed = install.output().expect(MISSING);
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let server = Self {
            folder,
            port: free_port(),
            options,
            child: Mutex::new(None),
            databases: AtomicU32::new(0),
        };
        server.restart();
        server.sql("", "CREATE USER memtap@'127.0.0.1' IDENTIFIED BY 's3cr3t/@:'; GRANT ALL ON *.* TO memtap@'127.0.0.1'");
        server
    }

    /// Starts the server (again) and waits until it responds.
    pub(crate) fn restart(&self) {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let log = std::fs::File::create(self.folder.join("log")).unwrap();
        let child = Command::new(mysqld().unwrap_or_else(|| "mariadbd".into()))
            .env("TMPDIR", &self.folder)
            .arg("--no-defaults")
            .args(user())
            .args(["--bind-address=127.0.0.1", "--skip-log-bin", "--innodb-buffer-pool-size=64M"])
            .args(["--loose-innodb-log-file-size=32M", "--loose-mysqlx=OFF", "--secure-file-priv="])
            .args(["--innodb-flush-log-at-trx-commit=2", "--performance-schema=OFF", "--skip-name-resolve"])
            .args([
                format!("--datadir={}", at("data")),
                format!("--socket={}", at("socket")),
                format!("--pid-file={}", at("pid")),
            ])
            .arg(format!("--port={}", self.port))
            .args(&self.options)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect(MISSING);
        let mut running = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let child = running.insert(child);
        let begin = Instant::now();
        while !self.answers() {
            let ended = child.try_wait().unwrap();
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap();
            assert!(ended.is_none() && begin.elapsed() < PATIENCE, "{ended:?}: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn answers(&self) -> bool {
        self.client("").arg("--execute=SELECT 1").output().is_ok_and(|done| done.status.success())
    }

    /// Ends the server with SIGKILL.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Returns the name for a new database, which does not exist yet.
    pub(crate) fn database(&self) -> String {
        format!("history{}", self.databases.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn url(&self, database: &str) -> StoreUrl {
        self.text(database).parse().unwrap()
    }

    pub(crate) fn text(&self, database: &str) -> String {
        format!("mysql://memtap:s3cr3t%2F%40%3A@127.0.0.1:{}/{database}", self.port)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn client(&self, database: &str) -> Command {
        let mut client = Command::new("mariadb");
        client.args([
            "--no-defaults",
            "--user=root",
            "--batch",
            "--skip-column-names",
            "--default-character-set=utf8mb4",
        ]);
        client.arg(format!("--socket={}", self.folder.join("socket").display()));
        client.stdin(Stdio::null()).arg(format!("--database={database}"));
        client
    }

    /// Returns the output of the server's own client, run as root.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let done = self.client(database).arg(format!("--execute={sql}")).output().unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// As root, the server needs an explicit option to start.
fn user() -> Option<&'static str> {
    // SAFETY: geteuid has no preconditions.
    (unsafe { libc::geteuid() } == 0).then_some("--user=root")
}
