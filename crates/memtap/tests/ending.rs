//! Shutdown of `memtap serve` under adverse conditions: nobody reads the log, the database is
//! locked, a thread has panicked.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use std::fs::File;
use std::io::{ErrorKind, PipeReader, Read as _};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Fixture, PATIENCE, command, free_port, wait_until};

/// A memtap with a standard error that the test controls.
struct Serving {
    port: u16,
    child: Child,
}

impl Serving {
    fn start(folder: &Path, arguments: &[&str], stderr: impl Into<Stdio>) -> Self {
        let port = free_port();
        Self::start_command(port, command(folder, port, arguments).stderr(stderr))
    }

    fn start_command(port: u16, command: &mut Command) -> Self {
        let mut serving = Self { port, child: command.spawn().unwrap() };
        let begin = Instant::now();
        while serving.health().is_null() {
            let ended = serving.child.try_wait().unwrap();
            assert!(ended.is_none() && begin.elapsed() < PATIENCE, "memtap does not serve: {ended:?}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        serving
    }

    /// Returns the health data; null if there is no response.
    fn health(&self) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/health", self.port);
        let text = ureq::get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
        text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        wait_until(what, || is_so(&self.health()));
        self.health()
    }

    fn terminate(&self) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
    }

    /// Exit code; `None` if memtap had to be killed.
    fn code(mut self) -> Option<i32> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another connection that locks the database until it is dropped.
fn locked(folder: &Path) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(folder.join("memtap.db")).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    database.execute_batch("BEGIN EXCLUSIVE").unwrap();
    database
}

/// Number of requests of the process in the history.
fn rows(folder: &Path, pid: u32) -> i64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(folder.join("memtap.db"), flags).unwrap();
    let sql = "SELECT count(*) FROM memory_usage WHERE pid = ?1 AND memory_size = 65536";
    database.query_row(sql, [pid], |row| row.get(0)).unwrap()
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn log_file(folder: &Path) -> File {
    File::create(folder.join("log")).unwrap()
}

/// The reader of standard error closes it, and then memtap logs that the database is locked, twice.
#[test]
fn serve_writes_all_and_ends_when_the_log_is_closed() {
    const PAIRS: i64 = 1000;
    let _alone = support::alone();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (reader, writer) = std::io::pipe().unwrap();
    let memtap = Serving::start(folder, &["--source=bpf"], writer);
    drop(reader);
    let mut fixture = Fixture::start(&["pairs", &PAIRS.to_string()]);
    let mut later = Fixture::start(&["pairs", &PAIRS.to_string()]);

    let lock = locked(folder);
    fixture.go();
    let health = memtap.wait_until("the lock is shown", |health| health["store"]["error"].is_string());
    assert!(health["store"]["error"].as_str().unwrap().contains("locked"), "{health}");
    drop(lock);
    memtap.wait_until("the error has gone", |health| health["store"]["error"].is_null());
    wait_until("all requests are in the history", || rows(folder, fixture.pid()) == 2 * PAIRS);

    let _lock = locked(folder);
    later.go();
    let made = |health: &Value| health["store"]["spooled"].as_i64() >= Some(2 * PAIRS);
    memtap.wait_until("they wait", made);
    memtap.terminate();
    assert_eq!(memtap.code(), Some(0), "it ends in order, within its time");
    drop(_lock);
    assert_eq!(rows(folder, later.pid()), 0);
    let _next = Serving::start(folder, &["--source=procfs"], Stdio::inherit());
    wait_until("the next memtap delivers them", || rows(folder, later.pid()) == 2 * PAIRS);
    later.end();
    fixture.end();
}

/// Fills a pipe, so that the next write would block.
fn fill(mut writer: impl std::io::Write + AsFd) {
    let flags = OFlag::from_bits_truncate(fcntl(&writer, FcntlArg::F_GETFL).unwrap());
    fcntl(&writer, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    for length in [4096, 1] {
        while writer.write_all(&vec![b'\n'; length]).is_ok() {}
    }
    assert_eq!(writer.write(b"\n").unwrap_err().kind(), ErrorKind::WouldBlock);
    fcntl(&writer, FcntlArg::F_SETFL(flags)).unwrap();
}

fn read_until(reader: &mut PipeReader, words: &str) {
    let (mut text, mut part) = (String::new(), [0; 4096]);
    while !text.contains(words) {
        let length = reader.read(&mut part).unwrap();
        assert!(length > 0, "{text} has no '{words}'");
        text += &String::from_utf8_lossy(&part[..length]);
    }
}

#[test]
fn serve_continues_when_the_log_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    fill(&writer);
    let memtap = Serving::start(folder.path(), &["--source=procfs", "--store=none"], writer);
    read_until(&mut reader, "dashboard on http");
    memtap.terminate();
    read_until(&mut reader, "stopping");
    assert_eq!(memtap.code(), Some(0));

    let (_reader, writer) = std::io::pipe().unwrap();
    fill(&writer);
    let memtap = Serving::start(folder.path(), &["--source=procfs", "--store=none"], writer);
    memtap.terminate();
    assert_eq!(memtap.code(), Some(0), "nobody has read a line");
}

/// Starts a memtap in which the clock fails for this thread, which then panics.
fn panicking(folder: &Path, thread: &str) -> Serving {
    let examples = support::fixture_path();
    let library = examples.with_file_name("libfailing_clock.so");
    assert!(library.exists(), "cargo test builds examples: {}", library.display());
    let port = free_port();
    let times = if thread == "memtap-capture" { 1000 } else { 1 };
    let mut command = command(folder, port, &["--source=procfs"]);
    command
        .env("LD_PRELOAD", library)
        .env("FAILING_CLOCK", format!("{thread}:{times}:{}", folder.join("now").display()));
    Serving::start_command(port, command.stderr(log_file(folder)))
}

#[test]
fn a_panic_in_any_thread_is_logged_and_ends_it_in_order() {
    let ends = |thread: &str| {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let memtap = panicking(folder, thread);
        memtap.wait_until("the history is written", |health| health["store"]["bytes"].as_u64() > Some(0));
        File::create(folder.join("now")).unwrap();
        // The main thread waits for the shutdown and does not read the clock before.
        if thread == "memtap" {
            memtap.terminate();
        }
        assert_eq!(memtap.code(), Some(1), "{thread}: {}", log(folder));
        let log = log(folder);
        let name = if thread == "memtap" { "main" } else { thread };
        assert!(log.contains(&format!("memtap: thread '{name}' panicked at ")), "{log}");
        assert!(!log.contains("took longer"), "{thread}: the end is in order\n{log}");
    };
    std::thread::scope(|scope| {
        for thread in ["memtap-capture", "memtap-queue", "tokio-rt-worker", "memtap"] {
            scope.spawn(move || ends(thread));
        }
    });
}

#[test]
fn a_panic_is_shown_in_health_and_queued_data_goes_to_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let memtap = panicking(folder, "memtap-capture");
    let _lock = locked(folder);
    memtap.wait_until("the database is locked", |health| health["store"]["lag_s"].as_f64() > Some(1.0));
    File::create(folder.join("now")).unwrap();
    let panicked =
        |health: &Value| health["notices"].to_string().contains("thread 'memtap-capture' panicked");
    wait_until("health shows the panic", || panicked(&memtap.health()));
    assert_eq!(memtap.code(), Some(1), "{}", log(folder));
    let segments = std::fs::read_dir(folder.join("memtap.db-spool")).unwrap();
    let segments = segments.filter(|entry| entry.as_ref().unwrap().path().extension().is_some());
    assert!(segments.count() > 0, "{}", log(folder));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let memtap = Serving::start(folder, &["--source=procfs"], log_file(folder));
    let _lock = locked(folder);
    memtap.wait_until("the database is locked", |health| health["store"]["lag_s"].as_f64() > Some(1.0));
    memtap.terminate();
    wait_until("it is ending", || log(folder).contains("stopping: "));
    memtap.terminate();
    assert_eq!(memtap.code(), Some(1), "it does not wait for the database: {}", log(folder));
}
