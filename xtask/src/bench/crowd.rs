//! Many sleeping processes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// A process group of sleeping processes. Dropping it kills them.
pub(crate) struct Crowd(Child);

impl Crowd {
    /// Starts one small Python program, which forks until there are `count` processes.
    pub(crate) fn spawn(count: usize) -> anyhow::Result<Self> {
        let program = format!(
            "import os, signal\nfor _ in range({}):\n    if os.fork() == 0:\n        signal.pause()\nprint('there', flush=True)\nsignal.pause()",
            count.saturating_sub(1)
        );
        let mut command = Command::new("python3");
        command.args(["-c", &program]).stdin(Stdio::null()).stdout(Stdio::piped());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line)?;
        let crowd = Self(child);
        if line.trim() != "there" {
            bail!("{count} processes do not fit on this machine");
        }
        Ok(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}
