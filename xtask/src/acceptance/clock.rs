//! Steps of the wall clock. libfaketime changes the time that memtap sees. The machine's own clock
//! and `CLOCK_BOOTTIME` do not change.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::serving::Serving;

const LIBRARIES: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1"];
/// Offset of the clock, and the seconds that memtap runs with it.
const STEPS: [(&str, u64); 5] = [("+0", 8), ("+1h", 5), ("+0", 8), ("+8d", 6), ("+0", 15)];

pub(super) fn check() -> anyhow::Result<()> {
    let library = LIBRARIES.into_iter().find(|path| Path::new(path).exists());
    let library = library.context("libfaketime is missing. Run: apt-get install faketime")?;
    let folder = tempfile::tempdir()?;
    let offset = folder.path().join("offset");
    std::fs::write(&offset, STEPS[0].0)?;
    let serving = Serving::start_by(&[], |command: &mut Command| {
        command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &offset);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    })?;
    for (ahead, seconds) in STEPS {
        // The rename replaces the file atomically, so libfaketime never reads half of it.
        std::fs::write(folder.path().join("next"), ahead)?;
        std::fs::rename(folder.path().join("next"), &offset)?;
        std::thread::sleep(Duration::from_secs(seconds));
    }
    let notices = serving.health()?["notices"].clone();
    let steps = notices.as_array().into_iter().flatten();
    let steps =
        steps.filter(|notice| notice["what"].as_str().is_some_and(|what| what.contains("the clock was set")));
    if steps.count() != STEPS.len() - 1 {
        bail!("health does not report {} steps: {notices}", STEPS.len() - 1);
    }
    samples(&serving)
}

/// Checks that each step began a run, and that there is a sample for each second with the right
/// time. Each step may cost two samples.
fn samples(serving: &Serving) -> anyhow::Result<()> {
    let answer = serving.ask("/api/v1/runs?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z")?;
    let runs = answer["runs"].as_array().with_context(|| format!("no runs in {answer}"))?;
    if runs.len() != STEPS.len() {
        bail!("not one run per clock step: {answer}");
    }
    let first = runs.iter().filter_map(|run| run["first_time"].as_str()).min().context("no first_time")?;
    let answer = serving.ask(&format!("/api/v1/usage?from={first}&step=1"))?;
    let series = answer["series"].as_array().with_context(|| format!("no series in {answer}"))?;
    let seconds: BTreeSet<&str> = series.iter().filter_map(|step| step["timestamp"].as_str()).collect();
    let right: u64 = STEPS.iter().filter(|(ahead, _)| *ahead == "+0").map(|(_, seconds)| seconds).sum();
    println!("  {} samples in {right} seconds with the right time", seconds.len());
    if (seconds.len() as u64) + 2 * (STEPS.len() as u64) < right {
        bail!("samples are missing: {answer}");
    }
    Ok(())
}
