//! The stream under load: requests per second, lost records, and the latency from a request to the
//! page.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use super::figure::{Figure, cpu_s, mib};
use super::load::{loop_started, rate_started};
use super::section::{Section, Table};
use crate::run::run_for_output;
use crate::serving::Serving;

/// Number of callers, and pairs for each caller. A single caller takes a minute or more.
const CALLERS: [(usize, u64); 3] = [(1, 13_000_000), (2, 1_500_000), (4, 750_000)];
/// Pairs in the largest burst, from two callers together.
const LARGEST_BURST: u64 = 8 << 20;

pub(crate) fn measure() -> anyhow::Result<Section> {
    Ok(Section {
        name: "stream".to_owned(),
        title: "What memtap carries".to_owned(),
        measured: super::machine(),
        about: "`memtap serve` runs at its default settings, with its SQLite history, while callers make pairs of mmap and munmap of 64 KiB as fast as they \
                can. Lost records are missing from the stream only: the counts and bytes of each process come from the accounts in the kernel, and are compared \
                with what the callers made."
            .to_owned(),
        tables: vec![sustained()?, bursts()?, latency()?],
    })
}

fn sustained() -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Sustained",
        &[
            ("for", "s"),
            ("requests made", "/s"),
            ("missing in the callers' accounts", ""),
            ("lost, ring full", ""),
            ("dropped before the store", ""),
            ("rows in the history", ""),
            ("memtap's CPU for each, until on disk", "us"),
            ("memtap's memory (PSS)", "MiB"),
        ],
    )
    .with_chart(1, false);
    for (callers, pairs) in CALLERS {
        eprintln!("stream: {callers} callers, {pairs} pairs each");
        let memtap = Serving::start(true)?;
        let (before, cpu) = (memtap.health()?, cpu_s(memtap.pid())?);
        let begin = Instant::now();
        let children: Vec<Child> =
            (0..callers).map(|_| loop_started("pair", pairs)).collect::<anyhow::Result<_>>()?;
        let pids: Vec<u32> = children.iter().map(Child::id).collect();
        for child in children {
            child.wait_with_output()?;
        }
        let seconds = begin.elapsed().as_secs_f64();
        let memory = mib(memtap.pid(), "smaps_rollup", "Pss:")?;
        let after = memtap.wait_until_written()?;
        let cpu = cpu_s(memtap.pid())? - cpu;
        let made = callers as u64 * pairs * 2;
        let gained = |part: &str, field: &str| number(&after, part, field) - number(&before, part, field);
        // Each caller also makes fewer than a hundred requests while it starts. `made` does not
        // include them.
        let counted: f64 = pids.iter().map(|pid| made_by(&memtap, *pid)).sum::<anyhow::Result<f64>>()?;
        let figures = [
            seconds,
            made as f64 / seconds,
            (made as f64 - counted).max(0.0),
            gained("requests", "lost"),
            gained("store", "dropped"),
            gained("store", "rows"),
            cpu * 1e6 / gained("requests", "seen"),
            memory,
        ];
        let name = if callers == 1 { "1 caller".to_owned() } else { format!("{callers} callers") };
        table.row(name, figures.map(|figure| Some(Figure::once(figure))).to_vec());
    }
    Ok(table)
}

fn number(health: &Value, part: &str, field: &str) -> f64 {
    health[part][field].as_f64().unwrap_or(0.0)
}

/// Requests of a process in its account. Nearly all are the mmap and munmap calls of its loop.
fn made_by(memtap: &Serving, pid: u32) -> anyhow::Result<f64> {
    let process = memtap.ask(&format!("/api/v1/processes/{pid}"))?;
    process["requests"].as_f64().with_context(|| format!("no requests of {pid}: {process}"))
}

/// Doubles a burst from two callers until records are lost or dropped.
fn bursts() -> anyhow::Result<Table> {
    let memtap = Serving::start(true)?;
    let (mut largest, mut first_lost) = (0.0, None);
    let mut pairs = 1 << 15;
    while pairs <= LARGEST_BURST && first_lost.is_none() {
        let lost = || -> anyhow::Result<f64> {
            let health = memtap.wait_until_written()?;
            Ok(number(&health, "requests", "lost") + number(&health, "store", "dropped"))
        };
        let before = lost()?;
        let children: Vec<Child> =
            (0..2).map(|_| loop_started("pair", pairs / 2)).collect::<anyhow::Result<_>>()?;
        for child in children {
            child.wait_with_output()?;
        }
        let lost = lost()? - before;
        if lost > 0.0 {
            first_lost = Some(Figure::once((pairs * 2) as f64));
        } else {
            largest = (pairs * 2) as f64;
        }
        pairs *= 2;
    }
    let mut table = Table::new("Two callers on both CPUs, one burst", &[("requests", "")]);
    table.row("largest burst of which nothing was lost or dropped", vec![Some(Figure::once(largest))]);
    table.row("smallest of which something was", vec![first_lost]);
    if first_lost.is_none() {
        table.notes = "No larger one was tried.".to_owned();
    }
    Ok(table)
}

/// Measures the latency to the page. The page gets data once a tick, so the average is at least
/// half a tick.
fn latency() -> anyhow::Result<Table> {
    let memtap = Serving::start(true)?;
    let place = crate::web::install("e2e", &["node_modules"])?;
    let mut table = Table::new(
        "From the call to the page, at a tick of one second",
        &[("median", "ms"), ("99 of 100", "ms"), ("requests seen", "")],
    );
    for rate in [100, 800] {
        let mut caller = rate_started(rate, 30)?;
        std::thread::sleep(Duration::from_secs(1));
        let mut client = Command::new("node");
        client.args(["client.mjs", &memtap.url(""), "20", &caller.id().to_string()]).current_dir(&place);
        let latencies: Value = serde_json::from_slice(&run_for_output(&mut client)?)?;
        caller.kill()?;
        caller.wait()?;
        let figures = ["p50_ms", "p99_ms", "seen"].map(|field| latencies[field].as_f64().map(Figure::once));
        table.row(format!("{rate} requests a second"), figures.to_vec());
    }
    Ok(table)
}
