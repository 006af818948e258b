//! `cargo xtask bench` measures memtap's overhead, capacity and footprint, and its peers for
//! comparison. Ratios and medians come from one run. Each section is stored as JSON in docs/bench/,
//! and BENCHMARKS.md is generated from all of them.

mod aims;
mod chart;
mod crowd;
mod figure;
mod follower;
mod footprint;
mod load;
mod overhead;
mod run;
mod section;
mod store;
mod stream;
mod ticks;
mod work;

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::run::{cargo, output};
use crate::tools;
use section::Section;

/// Sections in the order of the page.
const SECTIONS: [&str; 8] = ["overhead", "work", "stream", "footprint", "snapshot", "live", "store", "run"];
/// Millions of stored requests for the page's queries.
const MILLIONS: u64 = 5;
/// Rounds in which the compared programs take turns.
const ROUNDS: usize = 9;

/// `cargo xtask bench [--peers] [--rounds N] [--millions N] [SECTION...]`. With `--page`, only
/// redraws the charts and rewrites the page from earlier measurements.
pub(crate) fn run_bench(arguments: &[String]) -> anyhow::Result<()> {
    let mut wanted = Vec::new();
    let (mut with_peers, mut millions, mut rounds) = (false, MILLIONS, ROUNDS);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--peers" => with_peers = true,
            "--page" => return write_page(),
            "--millions" => millions = number_after(word, words.next())?,
            "--rounds" => rounds = usize::try_from(number_after(word, words.next())?)?.max(1),
            name if SECTIONS.contains(&name) => wanted.push(name),
            other => bail!("unknown section '{other}'; expected one of {}", SECTIONS.join(", ")),
        }
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("the benchmark loads eBPF programs. Run it as root");
    }
    let _tracefs = with_peers.then(peers).transpose()?;
    crate::run::run(&mut cargo(&["build", "--release", "--locked", "--workspace", "--examples", "--bins"]))?;
    for name in SECTIONS.into_iter().filter(|name| wanted.is_empty() || wanted.contains(name)) {
        eprintln!("== {name}");
        let section = match name {
            "overhead" => overhead::measure(with_peers, rounds),
            "work" => work::measure(with_peers, rounds.div_ceil(2)),
            "stream" => stream::measure(),
            "footprint" => footprint::measure(with_peers),
            "snapshot" => ticks::snapshot(),
            "live" => ticks::live(),
            "store" => store::measure(millions),
            _ => run::measure(rounds),
        };
        keep(&section.with_context(|| format!("the section {name}"))?)?;
    }
    write_page()
}

fn peers() -> anyhow::Result<follower::Tracefs> {
    tools::peers()?;
    follower::Tracefs::provide()
}

fn number_after(word: &str, number: Option<&String>) -> anyhow::Result<u64> {
    number.and_then(|number| number.parse().ok()).with_context(|| format!("{word} needs a number"))
}

fn folder() -> PathBuf {
    crate::root().join("docs/bench")
}

fn keep(section: &Section) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder())?;
    let json = serde_json::to_string_pretty(section)? + "\n";
    std::fs::write(folder().join(format!("{}.json", section.name)), json)?;
    println!("{}", section.markdown()?);
    Ok(())
}

fn write_page() -> anyhow::Result<()> {
    let sections = read_sections()?;
    for section in &sections {
        for (index, table) in section.tables.iter().enumerate() {
            if let Some(chart) = &table.chart {
                let text = chart::svg(table, chart, &section.title)?;
                std::fs::write(folder().join(section.chart_name(index)), text)?;
            }
        }
    }
    std::fs::write(crate::root().join("BENCHMARKS.md"), page(&sections)?)?;
    Ok(())
}

/// Reads all stored sections. Each contains the date of its measurement.
fn read_sections() -> anyhow::Result<Vec<Section>> {
    let mut sections = Vec::new();
    for name in SECTIONS {
        let file = folder().join(format!("{name}.json"));
        if file.exists() {
            let json = std::fs::read_to_string(&file)?;
            sections.push(serde_json::from_str(&json).with_context(|| file.display().to_string())?);
        }
    }
    Ok(sections)
}

/// Generates the page from the measured sections and the hand-written docs/bench/tried.md.
fn page(sections: &[Section]) -> anyhow::Result<String> {
    let mut text = "# Benchmarks\n\nWritten by `cargo xtask bench --peers` (as root; the figures as JSON: docs/bench/). Shared and noisy machines give \
                    other absolute numbers: compare within one table. `cargo xtask bench NAME` repeats the part that docs/bench/NAME.json has.\n"
        .to_owned();
    text.push_str(&aims::table(sections)?);
    for section in sections {
        text.push_str(&section.markdown()?);
    }
    text.push('\n');
    text.push_str(&std::fs::read_to_string(folder().join("tried.md"))?);
    Ok(text)
}

/// Date, kernel and processor of this measurement.
fn machine() -> String {
    let kernel = output("uname", &["-srm"]).unwrap_or_default();
    let date = output("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default();
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown processor");
    format!("{}: {}, {model}, {} CPUs", date.trim(), kernel.trim(), load::cpus())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_is_what_the_figures_give() {
        let sections = super::read_sections().unwrap();
        let page = super::page(&sections).unwrap();
        assert_eq!(
            std::fs::read_to_string(crate::root().join("BENCHMARKS.md")).unwrap(),
            page,
            "cargo xtask bench --page"
        );
        for section in &sections {
            for (index, table) in section.tables.iter().enumerate() {
                if let Some(chart) = &table.chart {
                    let drawn = super::chart::svg(table, chart, &section.title).unwrap();
                    let file = super::folder().join(section.chart_name(index));
                    assert_eq!(std::fs::read_to_string(&file).unwrap(), drawn, "{}", file.display());
                }
            }
        }
    }
}
