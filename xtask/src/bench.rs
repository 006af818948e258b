//! `cargo xtask bench`: what memtap costs others, what it carries, what it takes itself; ratios and medians of one run.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::run::{cargo, output, run};
use crate::serving::Serving;
use crate::tools;

const ROUNDS: usize = 7;
const PAIRS: u64 = 200_000;
const CALLS: u64 = 1_000_000;
const LOAD_PAIRS: u64 = 1_000_000;

/// What is measured for each call: the fixture's loop and how many system calls of ours one round makes.
const LOOPS: [(&str, &str, u64, u64); 3] = [
    ("mmap + munmap of 64 KiB, per call", "pair", PAIRS, 2),
    ("brk(0), the cheapest memory call", "brk", CALLS, 1),
    ("getppid, an unrelated call", "other", CALLS, 1),
];

/// What may be attached while the loops run.
const MODES: [(&str, Option<&str>); 4] = [
    ("nothing", None),
    ("empty programs", Some("empty")),
    ("plan exit", Some("exit")),
    ("plan exit+locks", Some("exit+locks")),
];

pub(crate) fn run_bench() -> anyhow::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("the benchmark loads eBPF programs: run it as root");
    }
    run(&mut cargo(&["build", "--release", "--workspace", "--examples", "--bins"]))?;
    let mut text = heading();
    overhead(&mut text)?;
    pipeline(&mut text)?;
    collector(&mut text)?;
    text.push_str(&crate::bench_run::measured()?);
    text.push_str(&stores()?);
    write_down(&text)
}

/// `cargo xtask bench run`: that part alone; the others stay as they are.
pub(crate) fn run_run_bench() -> anyhow::Result<()> {
    run(&mut cargo(&["build", "--release", "-p", "memtap"]))?;
    let text = std::fs::read_to_string(crate::root().join("BENCHMARKS.md"))?;
    let stores = text.find(STORES).unwrap_or(text.len());
    let before = text.find(crate::bench_run::TITLE).unwrap_or(stores).min(stores);
    write_down(&format!("{}{}{}", &text[..before], crate::bench_run::measured()?, &text[stores..]))
}

/// `cargo xtask bench store [MILLIONS]`: that part alone; the others stay as they are.
pub(crate) fn run_store_bench() -> anyhow::Result<()> {
    run(&mut cargo(&["build", "--release", "--workspace", "--examples", "--bins"]))?;
    let text = std::fs::read_to_string(crate::root().join("BENCHMARKS.md"))?;
    let before = text.find(STORES).map_or(text.as_str(), |at| &text[..at]);
    write_down(&format!("{before}{}", stores()?))
}

fn write_down(text: &str) -> anyhow::Result<()> {
    std::fs::write(crate::root().join("BENCHMARKS.md"), text)?;
    println!("{text}");
    Ok(())
}

const STORES: &str = "\n## Stores\n";

fn stores() -> anyhow::Result<String> {
    tools::mariadb()?;
    let millions = std::env::args().nth(3).unwrap_or_else(|| "5".to_owned());
    let program = fixture().with_file_name("stores");
    let out = Command::new(program).arg(millions).stderr(Stdio::inherit()).output()?;
    if !out.status.success() {
        bail!("the measurement of the stores failed");
    }
    Ok(format!("\n{}", String::from_utf8(out.stdout)?))
}

fn heading() -> String {
    let kernel = output("uname", &["-srm"]).unwrap_or_default();
    let date = output("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default();
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown processor");
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench` on {}: {}, {model}, {cpus} CPUs. Shared and noisy machines give other absolute \
         numbers; compare within one table. All modes take turns in each of {ROUNDS} rounds; medians, and the spread from the \
         smallest to the largest round.\n",
        date.trim(),
        kernel.trim()
    )
}

fn overhead(text: &mut String) -> anyhow::Result<()> {
    let mut times = vec![vec![Vec::new(); MODES.len()]; LOOPS.len()];
    for _ in 0..ROUNDS {
        for (mode, (_, attached)) in MODES.iter().enumerate() {
            let _attached = attached.map(Attached::start).transpose()?;
            for (row, (_, kind, rounds, calls)) in LOOPS.iter().enumerate() {
                times[row][mode].push(measure(kind, *rounds)? / (rounds * calls) as f64);
            }
        }
    }
    text.push_str("\n## What it costs others, ns per call\n\n| loop | nothing attached | empty programs | plan exit | plan exit+locks |\n| --- | --- | --- | --- | --- |\n");
    for ((name, ..), modes) in LOOPS.iter().zip(times) {
        write!(text, "| {name} |")?;
        let base = median(&modes[0]);
        for times in &modes {
            let (low, high) = bounds(times);
            write!(text, " {:.0} ({:+.0}; {low:.0} to {high:.0}) |", median(times), median(times) - base)?;
        }
        text.push('\n');
    }
    text.push_str("\n\"Empty programs\": the tracepoints of plan exit with programs that return at once, the floor for any tracer of this kind.\n");
    Ok(())
}

/// Nanoseconds of one run of a fixture's loop, on the last CPU.
fn measure(kind: &str, rounds: u64) -> anyhow::Result<f64> {
    let out = output(fixture(), &["loop", kind, &rounds.to_string()]).context("the fixture failed")?;
    Ok(out.trim().parse()?)
}

fn pipeline(text: &mut String) -> anyhow::Result<()> {
    let memtap = Serving::start(true)?;
    let before = memtap.health()?;
    let begin = Instant::now();
    measure("pair", LOAD_PAIRS)?;
    let made_s = begin.elapsed().as_secs_f64();
    let after = memtap.wait_until_written()?;
    let written_s = begin.elapsed().as_secs_f64();
    let count = |health: &Value, part: &str, field: &str| health[part][field].as_f64().unwrap_or(0.0);
    let gained = |part: &str, field: &str| count(&after, part, field) - count(&before, part, field);
    let seen = gained("requests", "seen");
    let rows = gained("store", "rows");
    write!(
        text,
        "\n## The whole pipeline into SQLite: one process makes {LOAD_PAIRS} pairs of mmap and munmap as fast as it can\n\n\
         | | |\n| --- | --- |\n\
         | requests made | {:.0} per second for {made_s:.1} s |\n\
         | requests booked | {seen:.0} |\n\
         | lost before the books | {:.0} |\n\
         | rows written | {rows:.0}, {:.0} per second until the last was on disk |\n\
         | dropped before the store | {:.0} |\n\
         | memtap's own CPU | {:.2} us per request, written to disk |\n\
         | memtap's own memory after it (PSS) | {:.0} MiB |\n",
        (LOAD_PAIRS * 2) as f64 / made_s,
        gained("requests", "lost"),
        rows / written_s,
        gained("store", "dropped"),
        gained("self", "cpu_s") * 1e6 / seen,
        memtap.pss()? / f64::from(1 << 20),
    )?;
    let begin = memtap.health()?;
    std::thread::sleep(Duration::from_secs(10));
    let end = memtap.health()?;
    let idle = (count(&end, "self", "cpu_s") - count(&begin, "self", "cpu_s")) / 10.0 * 100.0;
    writeln!(text, "| memtap's own CPU on this idle machine | {idle:.1} % of one CPU |")?;
    Ok(())
}

/// The collector alone, at the highest rate that the machine can make: a caller for each CPU, and no store.
fn collector(text: &mut String) -> anyhow::Result<()> {
    let memtap = Serving::start(false)?;
    let callers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let begin = Instant::now();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let all: Vec<_> = (0..callers).map(|_| scope.spawn(|| measure("pair", LOAD_PAIRS))).collect();
        for caller in all {
            caller.join().map_err(|_| anyhow::anyhow!("a caller has panicked"))??;
        }
        Ok(())
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    let (highest, now) = (memtap.highest_resident()?, memtap.pss()?);
    std::thread::sleep(Duration::from_secs(3));
    let health = memtap.health()?;
    let mib = f64::from(1 << 20);
    write!(
        text,
        "\n## The collector at the highest rate: {callers} processes make {LOAD_PAIRS} pairs each, no store\n\n\
         | | |\n| --- | --- |\n\
         | requests made | {:.0} per second for {seconds:.1} s |\n\
         | counted in the books | {} |\n\
         | lost in the stream | {} |\n\
         | unexplained | {} bytes |\n\
         | memtap's own memory (PSS) | {:.0} MiB; the highest resident set was {:.0} MiB, which counts the ring of 16 MiB twice |\n",
        callers as f64 * (LOAD_PAIRS * 2) as f64 / seconds,
        health["requests"]["made"],
        health["requests"]["lost"],
        health["unexplained_bytes"],
        now / mib,
        highest / mib,
    )?;
    Ok(())
}

fn fixture() -> PathBuf {
    crate::target().join("release/examples/fixture")
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

fn bounds(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::MAX, 0.0), |(low, high), value| (low.min(*value), high.max(*value)))
}

/// Programs attached by the example `attach` of memtap-capture.
struct Attached(Child);

impl Attached {
    fn start(mode: &str) -> anyhow::Result<Self> {
        let program = crate::target().join("release/examples/attach");
        let mut child =
            Command::new(program).arg(mode).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut ready = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().context("piped")?);
        std::io::BufRead::read_line(&mut out, &mut ready)?;
        if ready.trim() != "attached" {
            bail!("the programs did not attach");
        }
        Ok(Self(child))
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // It ends when its stdin does.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
