//! Measured figures: medians with their spread, and the resource usage of a process.

use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// A median with the smallest and the largest value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spread: Option<(f64, f64)>,
}

impl Figure {
    /// Creates a figure from a single measurement, without a spread.
    pub(crate) fn once(value: f64) -> Self {
        Self { value, spread: None }
    }

    /// Creates a figure from the values of several rounds.
    pub(crate) fn from_rounds(values: &[f64]) -> Self {
        let (low, high) = values
            .iter()
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
        Self { value: median(values), spread: Some((low, high)) }
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 0 => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
        count => sorted[count / 2],
    }
}

/// CPU seconds of a process and of the children that it has waited for (/proc/PID/stat).
pub(crate) fn cpu_s(pid: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after_name) = text.rsplit_once(')').context("no name in stat")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    // utime, stime, cutime and cstime are fields 14 to 17 of the line. The name is field 2.
    let ticks: f64 =
        fields.get(11..15).context("a short stat")?.iter().map(|field| field.parse().unwrap_or(0.0)).sum();
    let a_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.context("CLK_TCK")?;
    Ok(ticks / a_second as f64)
}

/// CPU seconds of a process and all its descendants.
pub(crate) fn cpu_of_tree_s(pid: u32) -> f64 {
    tree(pid).into_iter().filter_map(|pid| cpu_s(pid).ok()).sum()
}

/// A process and all its descendants.
pub(crate) fn tree(pid: u32) -> Vec<u32> {
    let mut pids = vec![pid];
    let mut next = 0;
    while let Some(parent) = pids.get(next).copied() {
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        pids.extend(
            children.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()),
        );
        next += 1;
    }
    pids
}

/// Reads a field of a file in /proc/PID in MiB, such as `Pss:` in smaps_rollup.
pub(crate) fn mib(pid: u32, file: &str, field: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// Enables the kernel's statistics for BPF programs (`kernel.bpf_stats_enabled`) until it is
/// dropped.
pub(crate) struct KernelWitness;

const WITNESS: &str = "/proc/sys/kernel/bpf_stats_enabled";

impl KernelWitness {
    pub(crate) fn begin() -> anyhow::Result<Self> {
        std::fs::write(WITNESS, "1")?;
        Ok(Self)
    }

    /// Returns each name with the total nanoseconds and runs of its programs. The kernel keeps only
    /// 15 bytes of a name, so a prefix of 15 bytes matches as well.
    pub(crate) fn read(&self, names: &[&str]) -> anyhow::Result<Vec<(String, f64, f64)>> {
        let programs =
            crate::run::output(Path::new("bpftool"), &["prog", "show", "--json"]).context("bpftool")?;
        let programs: Vec<serde_json::Value> = serde_json::from_str(&programs)?;
        Ok(names
            .iter()
            .map(|name| {
                let sum = |field: &str| -> f64 {
                    let named = programs.iter().filter(|program| {
                        program["name"]
                            .as_str()
                            .is_some_and(|shown| name.starts_with(shown) && shown.len() >= 15.min(name.len()))
                    });
                    named.filter_map(|program| program[field].as_f64()).sum()
                };
                ((*name).to_owned(), sum("run_time_ns"), sum("run_cnt"))
            })
            .collect())
    }
}

impl Drop for KernelWitness {
    fn drop(&mut self) {
        let _ = std::fs::write(WITNESS, "0");
    }
}
