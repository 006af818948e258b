//! Loads made by the example `fixture` of memtap. A single caller runs on the last CPU.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

use super::follower::Following;

pub(crate) fn fixture() -> PathBuf {
    crate::target().join("release/examples/fixture")
}

pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Runs one of the fixture's loops and returns its nanoseconds.
pub(crate) fn loop_ns(kind: &str, rounds: u64, following: &Following) -> anyhow::Result<f64> {
    // taskset pins only the load. A tracer that is its parent may run on any CPU, as it does for
    // its users.
    let mut command = following.command(Path::new("taskset"));
    command.args(["-c", &(cpus() - 1).to_string()]).arg(fixture()).args(["loop", kind, &rounds.to_string()]);
    let output = command.stderr(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{command:?} failed ({})", output.status);
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// Starts a caller without waiting for it. It prints its nanoseconds on stdout when it ends.
pub(crate) fn loop_started(kind: &str, rounds: u64) -> anyhow::Result<Child> {
    let mut command = Command::new(fixture());
    command.args(["loop", kind, &rounds.to_string()]).stdout(Stdio::piped());
    command.spawn().context("the fixture does not start")
}

/// Starts a caller that makes requests at a steady rate for a number of seconds.
pub(crate) fn rate_started(a_second: u64, seconds: u64) -> anyhow::Result<Child> {
    let mut command = Command::new(fixture());
    command.args(["rate", &a_second.to_string(), &seconds.to_string()]).stdout(Stdio::null());
    command.spawn().context("the fixture does not start")
}
