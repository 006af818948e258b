//! A running memtap for benchmarks and tests.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;

/// `memtap serve` in a temporary directory, with its store there. Dropping it kills the process.
pub(crate) struct Serving {
    child: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

impl Serving {
    pub(crate) fn start(with_store: bool) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = if with_store { store_in(folder.path()) } else { "none".to_owned() };
        Self::start_on(&store, folder, &[], |_| ())
    }

    /// Starts memtap with a store and further arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> anyhow::Result<Self> {
        Self::start_by(arguments, |_| ())
    }

    /// Starts memtap with a store and further arguments, after `change` has modified the command.
    pub(crate) fn start_by(arguments: &[&str], change: impl FnOnce(&mut Command)) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        Self::start_on(&store_in(folder.path()), folder, arguments, change)
    }

    /// Starts memtap on the store that `fill` has written. `fill` gets the store's URL.
    pub(crate) fn start_on_filled(fill: impl FnOnce(&str) -> anyhow::Result<()>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = store_in(folder.path());
        fill(&store)?;
        Self::start_on(&store, folder, &[], |_| ())
    }

    fn start_on(
        store: &str,
        folder: tempfile::TempDir,
        arguments: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let listen = format!("127.0.0.1:{port}");
        let mut command = Command::new(crate::target().join("release/memtap"));
        command
            .args(["serve", "--source=bpf", "--listen", &listen, "--store", store])
            .args(arguments)
            .current_dir(folder.path());
        change(&mut command);
        let child = command.stderr(Stdio::null()).spawn()?;
        let serving = Self { child, port, _folder: folder };
        let begin = Instant::now();
        while serving.health().is_err() {
            if begin.elapsed() > Duration::from_secs(10) {
                bail!("memtap does not serve");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_secs(2));
        Ok(serving)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn ask(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&ureq::get(&self.url(path)).call()?.body_mut().read_to_string()?)?)
    }

    pub(crate) fn health(&self) -> anyhow::Result<Value> {
        self.ask("/api/v1/health")
    }

    pub(crate) fn wait_until_written(&self) -> anyhow::Result<Value> {
        let begin = Instant::now();
        let mut last = -1.0;
        loop {
            let health = self.health()?;
            let seen = health["requests"]["seen"].as_f64().unwrap_or(0.0);
            if health["store"]["spooled"].as_u64() == Some(0) && (seen - last).abs() < 1000.0 {
                return Ok(health);
            }
            if begin.elapsed() > Duration::from_secs(60) {
                bail!("the store does not catch up: {health}");
            }
            last = seen;
            std::thread::sleep(Duration::from_millis(1100));
        }
    }
}

fn store_in(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("memtap.db").display())
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
