//! Wall time of real work with and without a follower.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};

use super::figure::{Figure, median};
use super::follower::Follower;
use super::section::{Section, Table};
use crate::run::run;

const OURS: [Follower; 2] = [Follower::Nothing, Follower::Serve];
const PEERS: [Follower; 3] = [Follower::BpftracePrinting, Follower::PerfTrace, Follower::StraceSeccomp];

/// Name and shell command. `FOLDER` stands for a temporary directory, `SPEEDTEST` for SQLite's
/// speed test.
const WORK: [(&str, &str); 4] = [
    (
        "cargo build of a crate of ours",
        "cargo build --release --quiet --offline --locked -p memtap-model --target-dir FOLDER/built && rm -r FOLDER/built",
    ),
    (
        "20 starts of Python",
        "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do python3 -c 'import json, http.client, asyncio'; done",
    ),
    ("tar of /usr/share, packed", "tar -czf FOLDER/a.tgz -C /usr/share doc python3"),
    ("SQLite's speedtest1", "SPEEDTEST --size 15 FOLDER/speed.db && rm FOLDER/speed.db"),
];

pub(crate) fn measure(with_peers: bool, rounds: usize) -> anyhow::Result<Section> {
    let followers: Vec<Follower> =
        OURS.into_iter().chain(if with_peers { &PEERS[..] } else { &[] }.iter().copied()).collect();
    let folder = tempfile::tempdir()?;
    let speedtest = speedtest()?;
    let lines = WORK.map(|(name, line)| {
        let line = line.replace("FOLDER", &folder.path().display().to_string());
        (name, line.replace("SPEEDTEST", &speedtest.display().to_string()))
    });
    let mut times = vec![vec![Vec::new(); lines.len()]; followers.len()];
    for round in 0..=rounds {
        eprintln!("work: round {round} of {rounds}");
        for step in 0..followers.len() {
            let index = (step + round) % followers.len();
            let following = followers[index].start()?;
            for (place, (_, line)) in lines.iter().enumerate() {
                let begin = Instant::now();
                let command = following.command(Path::new("sh"));
                let mut command = quiet(command);
                let status = command.args(["-c", line]).current_dir(crate::root()).status()?;
                if !status.success() {
                    bail!("{line} failed ({status})");
                }
                // Discard the first round, which fills the caches.
                if round > 0 {
                    times[index][place].push(begin.elapsed().as_secs_f64());
                }
            }
            following.end()?;
        }
    }
    let columns: Vec<(&str, &str)> = followers.iter().map(|follower| (follower.name(), "s")).collect();
    let mut seconds = Table::new("Wall time", &columns);
    let mut ratios = Table::new(
        "Against nothing attached",
        &followers[1..].iter().map(|follower| (follower.name(), "times")).collect::<Vec<_>>(),
    )
    .with_chart(0, false);
    for (place, (name, _)) in lines.iter().enumerate() {
        seconds.row(*name, times.iter().map(|by_line| Some(Figure::from_rounds(&by_line[place]))).collect());
        let base = median(&times[0][place]);
        ratios.row(
            *name,
            times[1..].iter().map(|by_line| Some(Figure::once(median(&by_line[place]) / base))).collect(),
        );
    }
    Ok(Section {
        name: "work".to_owned(),
        title: "Real work, with and without a follower".to_owned(),
        measured: super::machine(),
        about: format!(
            "The figures are wall time: medians of {rounds} rounds in which all followers take turns, after one round that warms the caches, and the spread. \
             memtap is `memtap serve` at its default settings, with its history. Peers follow mmap, munmap, mremap and brk of the whole machine (strace: all \
             memory calls of its children)."
        ),
        tables: vec![seconds, ratios],
    })
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Builds SQLite's own speed test from Debian's source package, unless it was built before.
fn speedtest() -> anyhow::Result<PathBuf> {
    let folder = std::path::absolute(crate::target())?.join("bench");
    let program = folder.join("speedtest1");
    if program.exists() {
        return Ok(program);
    }
    std::fs::create_dir_all(&folder)?;
    let sources = folder.join("sources.list");
    std::fs::write(&sources, source_lines()?)?;
    let lists = folder.join("lists");
    std::fs::create_dir_all(lists.join("partial"))?;
    let apt = |words: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.arg("-o").arg(format!("Dir::Etc::sourcelist={}", sources.display()));
        apt.arg("-o").arg(format!("Dir::State::Lists={}", lists.display()));
        apt.args(["-o", "Dir::Etc::sourceparts=-", "-qq"]).args(words).current_dir(&folder);
        run(&mut apt)
    };
    apt(&["update"])?;
    apt(&["source", "--download-only", "sqlite3"])?;
    let archive = std::fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().contains(".orig.tar."))
        .context("no source archive of sqlite3")?;
    run(Command::new("tar")
        .args(["--strip-components=1", "-xf"])
        .arg(&archive)
        .args(["--wildcards", "*/test/speedtest1.c"])
        .current_dir(&folder))?;
    crate::tools::install(&["gcc", "libsqlite3-dev"])?;
    let unfinished = folder.join("speedtest1.new");
    run(Command::new("gcc")
        .args(["-O2", "-o"])
        .arg(&unfinished)
        .args(["test/speedtest1.c", "-lsqlite3"])
        .current_dir(&folder))?;
    std::fs::rename(unfinished, &program)?;
    Ok(program)
}

/// Turns the machine's package sources into `deb-src` lines.
fn source_lines() -> anyhow::Result<String> {
    let mut lines = Vec::new();
    for file in ["/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"] {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut uri = None;
        let mut suites = Vec::new();
        for line in text.lines().chain([""]) {
            if let Some(source) = line.strip_prefix("deb ") {
                lines.push(format!("deb-src {source}"));
            } else if let Some(value) = line.strip_prefix("URIs: ") {
                uri = Some(value.trim().to_owned());
            } else if let Some(value) = line.strip_prefix("Suites: ") {
                suites = value.split_whitespace().map(str::to_owned).collect();
            } else if line.is_empty()
                && let Some(uri) = uri.take()
            {
                lines.extend(suites.drain(..).map(|suite| format!("deb-src {uri} {suite} main")));
            }
        }
    }
    if lines.is_empty() {
        bail!("this machine has no Debian package source, which provides SQLite's speed test");
    }
    Ok(lines.join("\n") + "\n")
}
