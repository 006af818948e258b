//! Loads: the example `fixture` of memtap, on the last CPU where one caller is enough.

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

/// Nanoseconds of so many rounds of one of the fixture's loops.
pub(crate) fn loop_ns(kind: &str, rounds: u64, following: &Following) -> anyhow::Result<f64> {
    // A tracer that is its parent runs where it likes, as it does for whoever uses it.
    let mut command = following.command(Path::new("taskset"));
    command.args(["-c", &(cpus() - 1).to_string()]).arg(fixture()).args(["loop", kind, &rounds.to_string()]);
    let output = command.stderr(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{command:?} failed ({})", output.status);
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// A caller that is not waited for: its process, whose stdout tells the nanoseconds at its end.
pub(crate) fn loop_started(kind: &str, rounds: u64) -> anyhow::Result<Child> {
    let mut command = Command::new(fixture());
    command.args(["loop", kind, &rounds.to_string()]).stdout(Stdio::piped());
    command.spawn().context("the fixture does not start")
}

/// One that makes so many requests a second for so long.
pub(crate) fn rate_started(a_second: u64, seconds: u64) -> anyhow::Result<Child> {
    let mut command = Command::new(fixture());
    command.args(["rate", &a_second.to_string(), &seconds.to_string()]).stdout(Stdio::null());
    command.spawn().context("the fixture does not start")
}
