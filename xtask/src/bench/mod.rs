//! `cargo xtask bench`: what memtap costs others, what it carries, what it takes itself, and the same of its peers; ratios and medians of one
//! run. Each section is kept as JSON in docs/bench/, and BENCHMARKS.md is written from all of them.

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

/// In the order of the page.
const SECTIONS: [&str; 8] = ["overhead", "work", "stream", "footprint", "snapshot", "live", "store", "run"];
/// Millions of stored requests that the page's questions are asked of.
const MILLIONS: u64 = 5;
/// In which all that is compared takes turns.
const ROUNDS: usize = 9;

/// `cargo xtask bench [--peers] [--rounds N] [--millions N] [SECTION...]`, or `--page`: charts and page anew of what was measured before.
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
            "overhead" => overhead::measured(with_peers, rounds),
            "work" => work::measured(with_peers, rounds.div_ceil(2)),
            "stream" => stream::measured(),
            "footprint" => footprint::measured(with_peers),
            "snapshot" => ticks::snapshot(),
            "live" => ticks::live(),
            "store" => store::measured(millions),
            _ => run::measured(rounds),
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
    let sections = kept()?;
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

/// All sections that were ever measured, each with its day.
fn kept() -> anyhow::Result<Vec<Section>> {
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

/// Their figures, and what was learned on the way, which a hand has written.
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

/// When and where.
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
        let sections = super::kept().unwrap();
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
