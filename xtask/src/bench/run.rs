//! Overhead of following one command: `memtap run` with both sources, and strace, over ten common
//! commands.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::bail;

use super::figure::Figure;
use super::section::{Section, Table};
use crate::run::output;
use crate::tools;

/// Commands to run. `FOLDER` stands for a directory with a C program and a git repository. Python
/// has its full path, because the first python3 in PATH may be a script that looks for another.
const COMMANDS: [&str; 10] = [
    "/usr/bin/python3 -c 'import json, re, http.client'",
    "node -e 'JSON.stringify([...Array(1000).keys()])'",
    "gcc -O1 -c -o FOLDER/a.o FOLDER/a.c",
    "git -C FOLDER status --short",
    "sqlite3 :memory: 'create table t(a); insert into t values (1), (2); select sum(a) from t'",
    "perl -MPOSIX -MFile::Find -e 'find(sub {}, \"/etc\")'",
    "java -Xshare:auto -version",
    "bash -c 'for i in 1 2 3 4 5 6 7 8 9 10; do /bin/true; done'",
    "tar -czf FOLDER/a.tgz -C /etc .",
    "cargo --version --verbose",
];

/// Ways to run a command.
const MODES: [&str; 4] = ["alone", "memtap run, ptrace", "memtap run, bpf", "strace -f -c -e trace=%memory"];

pub(crate) fn measure(rounds: usize) -> anyhow::Result<Section> {
    tools::strace()?;
    let folder = scene()?;
    let program = |line: &'static str| line.split(' ').next().unwrap_or_default();
    let (there, absent): (Vec<&str>, Vec<&str>) = COMMANDS
        .into_iter()
        .partition(|line| output("sh", &["-c", &format!("command -v {}", program(line))]).is_some());
    let mut times = Table::new("Wall time", &MODES.map(|mode| (mode, "ms")));
    let mut columns: Vec<(&str, &str)> = MODES[..3].iter().map(|mode| (*mode, "times")).collect();
    columns.push(("what ptrace adds, against what strace adds", "times"));
    let mut ratios = Table::new("Against strace", &columns).with_chart(1, false);
    let mut sums = vec![0.0; MODES.len()];
    for line in there {
        let name = program(line).trim_start_matches("/usr/bin/");
        eprintln!("run: {name}");
        let line = line.replace("FOLDER", &folder.path().display().to_string());
        let figures = measure_command(&line, folder.path(), rounds)?;
        times.row(name, figures.iter().map(|figure| Some(*figure)).collect());
        let medians: Vec<f64> = figures.iter().map(|figure| figure.value).collect();
        ratios.row(name, against_strace(&medians));
        sums.iter_mut().zip(&medians).for_each(|(sum, time)| *sum += time);
    }
    times.row("all together", sums.iter().map(|sum| Some(Figure::once(*sum))).collect());
    ratios.row("all together", against_strace(&sums));
    ratios.notes = "With bpf, loading the programs takes a tenth of a second before the command begins. So ptrace follows short commands in less time.".to_owned();
    if !absent.is_empty() {
        let absent: Vec<&str> = absent.into_iter().map(program).collect();
        ratios.notes += &format!(" Not on this machine: {}.", absent.join(", "));
    }
    Ok(Section {
        name: "run".to_owned(),
        title: "What following one command costs it".to_owned(),
        measured: super::machine(),
        about: format!(
            "Medians of {rounds} rounds in which all followers take turns, and the spread. The time of memtap includes its start and its report."
        ),
        tables: vec![times, ratios],
    })
}

fn against_strace(times: &[f64]) -> Vec<Option<Figure>> {
    let strace = times[MODES.len() - 1];
    let added = (times[1] - times[0]) / (strace - times[0]);
    let ratios = times[..MODES.len() - 1].iter().map(|time| time / strace);
    ratios.chain([added]).map(|ratio| Some(Figure::once(ratio))).collect()
}

/// Returns the median time of a command for each mode.
fn measure_command(line: &str, folder: &Path, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let memtap = crate::target().join("release/memtap");
    let mut times = vec![Vec::new(); MODES.len()];
    for _ in 0..rounds {
        for (mode, times) in times.iter_mut().enumerate() {
            let out = folder.join("report.json");
            let follower: Vec<String> = match mode {
                0 => Vec::new(),
                3 => ["strace", "-f", "-c", "-e", "trace=%memory", "-o"].map(String::from).into(),
                _ => {
                    let source = if mode == 1 { "--source=ptrace" } else { "--source=bpf" };
                    vec![memtap.display().to_string(), "run".to_owned(), source.to_owned(), "-o".to_owned()]
                }
            };
            let mut command = Command::new("sh");
            // The shell replaces itself with the follower, or with the command if there is no
            // follower. So the command starts in the same way in both cases.
            let follower = if follower.is_empty() {
                String::new()
            } else {
                format!("{} {}", follower.join(" "), out.display())
            };
            command.args(["-c", &format!("exec {follower} {line}")]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let begin = Instant::now();
            let status = command.status()?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
            if !status.success() {
                bail!("{line} failed, mode {}", MODES[mode]);
            }
        }
    }
    Ok(times.iter().map(|times| Figure::from_rounds(times)).collect())
}

fn scene() -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let program =
        "#include <stdio.h>\n#include <stdlib.h>\nint main(void) { printf(\"%d\\n\", rand()); return 0; }\n";
    std::fs::write(folder.path().join("a.c"), program)?;
    let init = Command::new("git").args(["init", "-q"]).current_dir(folder.path()).status();
    drop(init);
    Ok(folder)
}
