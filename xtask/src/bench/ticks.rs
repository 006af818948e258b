//! Cost of a tick with many processes, compared with reading /proc as pollers do. `snapshot`
//! measures only memtap's reading of all processes; `live` measures everything from the reading to
//! an open page.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use serde_json::Value;

use super::crowd::Crowd;
use super::figure::{Figure, cpu_s};
use super::section::{Section, Table};
use crate::run::{output, run_for_output};
use crate::serving::Serving;

const CROWDS: [usize; 3] = [100, 1_000, 10_000];
const ROUNDS: usize = 7;

/// Compares one reading of all processes by memtap's kernel iterator with reading files of /proc.
pub(crate) fn snapshot() -> anyhow::Result<Section> {
    let mut table = Table::new(
        "",
        &[
            ("memtap's reading", "ms"),
            ("/proc/PID/statm", "ms"),
            ("/proc/PID/status", "ms"),
            ("status against memtap", "times"),
        ],
    )
    .with_chart(3, false);
    for count in CROWDS {
        eprintln!("snapshot: {count} processes");
        let _crowd = Crowd::spawn(count)?;
        let [mut ours, mut statm, mut status] = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            ours.push(reading_ms()?);
            statm.push(files_ms("statm")?);
            status.push(files_ms("status")?);
        }
        let [ours, statm, status] = [&ours, &statm, &status].map(|values| Figure::from_rounds(values));
        let ratio = Figure::once(status.value / ours.value);
        table.row(format!("{count} processes"), [ours, statm, status, ratio].map(Some).to_vec());
    }
    Ok(Section {
        name: "snapshot".to_owned(),
        title: "Reading all processes once".to_owned(),
        measured: super::machine(),
        about: format!(
            "CPU time of one reading of all processes. memtap's iterator in the kernel reads identity, virtual size, resident size by kind, faults and the \
             ledger, and memtap decodes them. The other columns open, read and close one file of /proc for each process, without parsing it. The figures are medians of \
             {ROUNDS} rounds in which they take turns."
        ),
        tables: vec![table],
    })
}

/// Runs the example `reading`, which prints the CPU milliseconds of one reading.
fn reading_ms() -> anyhow::Result<f64> {
    let program = crate::target().join("release/examples/reading");
    let milliseconds = output(program, &[]).ok_or_else(|| anyhow::anyhow!("the example `reading` failed"))?;
    Ok(milliseconds.trim().parse()?)
}

fn own_cpu_s() -> anyhow::Result<f64> {
    // This clock has a resolution of 1 ns. The times of getrusage may be whole clock ticks.
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

fn files_ms(name: &str) -> anyhow::Result<f64> {
    let before = own_cpu_s()?;
    let mut text = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            text.clear();
            // The process may have ended meanwhile.
            if let Ok(mut file) = std::fs::File::open(entry.path().join(name)) {
                let _ = std::io::Read::read_to_end(&mut file, &mut text);
            }
        }
    }
    Ok((own_cpu_s()? - before) * 1e3)
}

/// Measures whole ticks of a running memtap, with no page and with one page open.
pub(crate) fn live() -> anyhow::Result<Section> {
    const SECONDS: u64 = 20;
    let place = crate::web::install("e2e", &["node_modules"])?;
    let mut table = Table::new(
        "",
        &[
            ("a tick, no page open", "ms"),
            ("a tick, one page open", "ms"),
            ("one reading of /proc/PID/status", "ms"),
            ("status against a tick with a page", "times"),
            ("to the page", "kB/s"),
        ],
    )
    .with_chart(3, false);
    for count in CROWDS {
        eprintln!("live: {count} processes");
        let _crowd = Crowd::spawn(count)?;
        let memtap = Serving::start(true)?;
        std::thread::sleep(settled(count));
        let quiet = tick_ms(&memtap, || {
            std::thread::sleep(Duration::from_secs(SECONDS));
            Ok(())
        })?;
        let mut report = Value::Null;
        let looked_at = tick_ms(&memtap, || {
            let mut client = Command::new("node");
            client.args(["client.mjs", &memtap.url(""), &SECONDS.to_string()]).current_dir(&place);
            report = serde_json::from_slice(&run_for_output(&mut client)?)?;
            Ok(())
        })?;
        let status: Vec<f64> = (0..ROUNDS).map(|_| files_ms("status")).collect::<anyhow::Result<_>>()?;
        let status = Figure::from_rounds(&status);
        let traffic = report["bytes_a_second"].as_f64().unwrap_or(0.0) / 1e3;
        let figures = [
            Figure::once(quiet),
            Figure::once(looked_at),
            status,
            Figure::once(status.value / looked_at),
            Figure::once(traffic),
        ];
        table.row(format!("{count} processes"), figures.map(Some).to_vec());
    }
    Ok(Section {
        name: "live".to_owned(),
        title: "What a tick costs".to_owned(),
        measured: super::machine(),
        about: format!(
            "CPU time of `memtap serve` (from /proc/PID/stat) over {SECONDS} seconds, for each tick of one second, once it knows the given number of sleeping \
             processes. It is compared with the CPU time of opening, reading and closing /proc/PID/status of all of them once, without parsing (median of \
             {ROUNDS})."
        ),
        tables: vec![table],
    })
}

/// Time until ticks have their steady cost. The first tick reports all processes. Later ticks
/// report changes only, but each still resolves users and control groups for a few hundred
/// processes.
fn settled(processes: usize) -> Duration {
    const LOOKED_UP: u64 = 200;
    Duration::from_secs(5 + processes as u64 / LOOKED_UP)
}

fn tick_ms(memtap: &Serving, wait: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let (begin, before) = (Instant::now(), cpu_s(memtap.pid())?);
    wait()?;
    Ok((cpu_s(memtap.pid())? - before) * 1e3 / begin.elapsed().as_secs_f64())
}
