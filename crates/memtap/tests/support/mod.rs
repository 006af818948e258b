//! Support for tests: a memtap with its own port and temporary directory, stopped at the end of the
//! test, and fixtures that wait for a command.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Programs that load BPF run one at a time.
static SERIAL: Mutex<()> = Mutex::new(());

/// Lock for a program that loads BPF and is not a [`Memtap`].
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    SERIAL.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The user `nobody`, who has no privileges.
pub(crate) const NOBODY: u32 = 65534;

/// A running memtap.
pub(crate) struct Memtap {
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
    log: PathBuf,
    child: Child,
    _temporary: Option<tempfile::TempDir>,
    _serial: MutexGuard<'static, ()>,
}

impl Memtap {
    /// Starts with eBPF and an empty store in its own directory, as users do, and waits until it
    /// serves.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests ask the real kernel: run them as root");
        let temporary = tempfile::tempdir().unwrap();
        // memtap becomes another user, who must be able to traverse the directory.
        std::fs::set_permissions(temporary.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let folder = temporary.path().join("history");
        std::fs::create_dir(&folder).unwrap();
        let arguments = [&["--source", "bpf"], arguments].concat();
        let mut memtap = Self::start_alone_in(&folder, temporary.path(), &arguments);
        memtap._temporary = Some(temporary);
        memtap
    }

    /// Starts with only the history in `folder`. The log is in another directory.
    pub(crate) fn start_alone_in(folder: &Path, log: &Path, arguments: &[&str]) -> Self {
        Self::start_for(folder, log, arguments, None)
    }

    pub(crate) fn start_in(folder: &Path, arguments: &[&str], user: Option<u32>) -> Self {
        Self::start_for(folder, folder, arguments, user)
    }

    fn start_for(folder: &Path, log: &Path, arguments: &[&str], user: Option<u32>) -> Self {
        let serial = alone();
        let port = free_port();
        let mut command = command(folder, port, arguments);
        if let Some(user) = user {
            use std::os::unix::process::CommandExt as _;
            command.uid(user).gid(user);
        }
        let child = command.stderr(log_in(log)).spawn().unwrap();
        let log = log.join("log");
        let mut memtap = Self { port, folder: folder.into(), log, child, _temporary: None, _serial: serial };
        memtap.wait_until_it_serves();
        memtap
    }

    /// Starts with a source that does not observe memtap itself.
    pub(crate) fn start_from(folder: &Path, arguments: &[&str]) -> Self {
        let port = free_port();
        Self::start_command(folder, port, &mut command(folder, port, arguments))
    }

    /// Plays a recording as an unprivileged user, with its own history.
    pub(crate) fn start_recording(folder: &Path, recording: &Path) -> Self {
        use std::os::unix::process::CommandExt as _;
        let port = free_port();
        let source = format!("--source=recording:{}", recording.display());
        let mut command = command(folder, port, &[&source]);
        // Its temporary history is deleted with the test, even if memtap is killed.
        command.env_remove("MEMTAP_STORE").env("TMPDIR", folder);
        Self::start_command(folder, port, command.uid(NOBODY).gid(NOBODY))
    }

    pub(crate) fn start_command(folder: &Path, port: u16, command: &mut Command) -> Self {
        let serial = alone();
        let child = command.stderr(log_in(folder)).spawn().unwrap();
        let mut memtap = Self {
            port,
            folder: folder.into(),
            log: folder.join("log"),
            child,
            _temporary: None,
            _serial: serial,
        };
        memtap.wait_until(|memtap| {
            memtap.try_get("/api/v1/health").is_some_and(|health| health["uptime_s"].is_number())
        });
        memtap
    }

    /// Waits until memtap's first reading includes memtap itself.
    fn wait_until_it_serves(&mut self) {
        self.wait_until(|memtap| {
            let process = memtap.child.id();
            let own = memtap.try_get(&format!("/api/v1/processes/{process}"));
            own.is_some_and(|own| own["pid"] == process)
        });
    }

    fn wait_until(&mut self, ready: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        loop {
            if ready(self) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && begin.elapsed() < PATIENCE, "memtap does not serve: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn database(&self) -> rusqlite::Connection {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        rusqlite::Connection::open_with_flags(self.folder.join("memtap.db"), flags).unwrap()
    }

    fn try_get(&self, path: &str) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let text = ureq::get(&url).call().ok()?.body_mut().read_to_string().ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.try_get(path).unwrap_or_else(|| panic!("no answer from {path}: {}", self.log()))
    }

    pub(crate) fn process(&self, pid: u32) -> Value {
        self.get(&format!("/api/v1/processes/{pid}"))
    }

    /// Repeats the request until the response satisfies the condition.
    pub(crate) fn wait_for(&self, path: &str, what: &str, satisfied: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let answer = self.try_get(path);
            if let Some(answer) = &answer
                && satisfied(answer)
            {
                return answer.clone();
            }
            assert!(begin.elapsed() < PATIENCE, "{what}: {path} says {answer:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits two ticks. Everything that happened before is then in the views.
    pub(crate) fn settle(&self) {
        let begin = self.get("/api/v1/health")["uptime_s"].as_f64().unwrap();
        self.wait_for("/api/v1/health", "time passes", |health| {
            health["uptime_s"].as_f64().unwrap() > begin + 2.2
        });
    }

    /// Stops the process with SIGSTOP, like a machine that has no time for it.
    pub(crate) fn pause(&self) {
        self.signal(nix::sys::signal::Signal::SIGSTOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(nix::sys::signal::Signal::SIGCONT);
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGINT (Ctrl-C). Returns the duration of the shutdown, and whether it succeeded.
    pub(crate) fn interrupt(mut self) -> (Duration, bool) {
        let begin = Instant::now();
        self.signal(nix::sys::signal::Signal::SIGINT);
        let status = self.child.wait().unwrap();
        (begin.elapsed(), status.success())
    }
}

impl Drop for Memtap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("memtap's log:\n{}", self.log());
        }
    }
}

/// Waits until the condition is true.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Command line for `memtap serve` with its store in `folder`.
pub(crate) fn command(folder: &Path, port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    // A settings file names its own store.
    if !arguments.iter().any(|argument| argument.starts_with("--env-file")) {
        command.env("MEMTAP_STORE", format!("sqlite:{}", folder.join("memtap.db").display()));
    }
    command
        .current_dir(folder)
        .env_remove("PORT")
        .arg("serve")
        .arg(format!("--listen=127.0.0.1:{port}"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn log_in(folder: &Path) -> std::fs::File {
    std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap()
}

/// A fixture that waits for a command.
pub(crate) struct Fixture {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Fixture {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_example("fixture", arguments)
    }

    /// Starts another example that uses the same protocol.
    pub(crate) fn start_example(example: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(fixture_path().with_file_name(example))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the fixture is built: cargo test builds examples");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut fixture = Self { child, stdin, stdout };
        fixture.hear("ready");
        fixture
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn go(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        self.hear("done");
    }

    /// Starts work that kills the fixture.
    pub(crate) fn go_and_die(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        assert!(!self.child.wait().unwrap().success());
    }

    fn hear(&mut self, word: &str) {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), word);
    }

    pub(crate) fn end(mut self) {
        self.stdin = None;
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn fixture_path() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_memtap")).with_file_name("examples").join("fixture")
}

/// `VmSize` of a process, in bytes; `None` if it does not exist or has no memory.
pub(crate) fn vm_size(pid: u64) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

/// Runs a command to its end, or kills it after a time limit. Returns exit code and stderr.
pub(crate) fn run(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() && begin.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    (child.wait().unwrap().code(), text)
}

/// A memory cgroup for one test, version 1 or 2.
pub(crate) struct Group(PathBuf);

impl Group {
    pub(crate) fn limited_to(bytes: u64) -> Option<Self> {
        let version_1 = Path::new("/sys/fs/cgroup/memory");
        let parent = if version_1.is_dir() { version_1 } else { Path::new("/sys/fs/cgroup") };
        let path = parent.join(format!("memtap-test-{}-{}", std::process::id(), bytes >> 20));
        std::fs::create_dir(&path).ok()?;
        let group = Self(path);
        let file = if version_1.is_dir() { "memory.limit_in_bytes" } else { "memory.max" };
        std::fs::write(group.0.join(file), bytes.to_string()).ok()?;
        Some(group)
    }

    pub(crate) fn takes(&self, pid: u32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}
