//! CPU and memory of memtap at steady request rates, and of other monitors on the same machine.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::figure::{Figure, cpu_of_tree_s, mib, tree};
use super::load::rate_started;
use super::section::{Section, Table};
use crate::serving::Serving;

const RATES: [u64; 4] = [0, 1_000, 10_000, 100_000];
const SECONDS: u64 = 20;
/// Time to wait after a start before measuring.
const SETTLED: Duration = Duration::from_secs(5);

pub(crate) fn measure(with_peers: bool) -> anyhow::Result<Section> {
    let place = crate::web::install("e2e", &["node_modules"])?;
    let mut table = Table::new(
        "",
        &[
            ("CPU, of one core", "%"),
            ("memory (PSS)", "MiB"),
            ("of it, not of files", "MiB"),
            ("resident set", "MiB"),
        ],
    )
    .with_chart(0, false);
    for (with_store, with_page) in [(true, false), (true, true), (false, false)] {
        let memtap = Serving::start(with_store)?;
        let seconds = (RATES.len() as u64 + 2) * (SECONDS + 6);
        let page = with_page
            .then(|| {
                let mut client = Command::new("node");
                client.args(["client.mjs", &memtap.url(""), &seconds.to_string()]).current_dir(&place);
                client.stdout(Stdio::null()).spawn()
            })
            .transpose()?;
        for rate in RATES {
            eprintln!("footprint: {rate} requests a second");
            let caller =
                (rate > 0).then(|| rate_started(rate, SECONDS + SETTLED.as_secs() + 2)).transpose()?;
            let figures = measure_process(memtap.pid())?;
            if let Some(mut caller) = caller {
                caller.wait()?;
            }
            let page = if with_page { "one page open" } else { "no page" };
            let store = if with_store { "" } else { " and no history" };
            table.row(
                format!("memtap, {} requests a second, {page}{store}", super::section::number(rate as f64)),
                figures,
            );
        }
        if let Some(mut page) = page {
            page.kill()?;
            page.wait()?;
        }
    }
    if with_peers {
        for (name, line) in [
            ("htop, a tick of 1.5 s", "TERM=xterm exec script -qfc htop /dev/null"),
            ("atop, a tick of 1 s", "exec atop -a 1"),
            ("Netdata as Debian has it", "exec netdata -D"),
        ] {
            eprintln!("footprint: {name}");
            let peer = Peer::start(line)?;
            table.row(name, measure_process(peer.0.id())?);
        }
    }
    Ok(Section {
        name: "footprint".to_owned(),
        title: "What memtap itself takes".to_owned(),
        measured: super::machine(),
        about: format!(
            "CPU time comes from /proc/PID/stat over {SECONDS} seconds, memory from smaps_rollup at their end. `memtap serve` runs at its default settings, with \
             its SQLite history, while one process makes the given number of requests per second. Peers are measured with all their processes, on the same \
             machine, while nothing else runs. The ring of 16 MiB is in the resident set twice, because it is mapped twice. SQLite's cache of the history's \
             pages grows to 16 MiB."
        ),
        tables: vec![table],
    })
}

/// Measures CPU and memory of a process and its descendants.
fn measure_process(pid: u32) -> anyhow::Result<Vec<Option<Figure>>> {
    std::thread::sleep(SETTLED);
    let (begin, before) = (Instant::now(), cpu_of_tree_s(pid));
    std::thread::sleep(Duration::from_secs(SECONDS));
    let cpu = (cpu_of_tree_s(pid) - before) / begin.elapsed().as_secs_f64() * 100.0;
    let sum = |field: &str| -> f64 {
        tree(pid).into_iter().filter_map(|pid| mib(pid, "smaps_rollup", field).ok()).sum()
    };
    let figures = [cpu, sum("Pss:"), sum("Pss_Anon:") + sum("Pss_Shmem:"), sum("Rss:")];
    Ok(figures.map(|figure| Some(Figure::once(figure))).to_vec())
}

/// A monitor to compare with. Dropping it ends it with all its descendants.
struct Peer(Child);

impl Peer {
    fn start(line: &str) -> anyhow::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", line]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut peer = Self(command.spawn().context("sh")?);
        std::thread::sleep(Duration::from_secs(1));
        if let Some(status) = peer.0.try_wait()? {
            anyhow::bail!("`{line}` ended at once ({status})");
        }
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for pid in tree(self.0.id()).into_iter().rev() {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid.cast_signed()),
                nix::sys::signal::Signal::SIGTERM,
            );
        }
        let _ = self.0.wait();
    }
}
