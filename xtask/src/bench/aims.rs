//! memtap's performance targets next to the measured figures: the table at the top of
//! BENCHMARKS.md.

use std::fmt::Write as _;

use super::section::{Section, number};

/// Maximum size of SQLite's page cache (crates/memtap-store/src/sqlite/schema.rs).
const PAGE_CACHE_MIB: f64 = 16.0;

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};

type Aim = (&'static str, Bound, fn(&Figures<'_>) -> Option<f64>);

const AIMS: [Aim; 14] = [
    (
        "what following adds to a pair of mmap and munmap: memtap's, times the floor of the same hooks",
        AtMost(1.5),
        |figures| Some(figures.adds("memtap, plan exit+locks")? / figures.adds("floor of plan exit+locks")?),
    ),
    ("the same: bpftrace's, printing, times memtap's", AtLeast(15.0), |figures| {
        figures.adds_times("bpftrace, printing")
    }),
    ("the same: perf trace's, times memtap's", AtLeast(50.0), |figures| figures.adds_times("perf trace")),
    ("the same: strace's, times memtap's", AtLeast(300.0), |figures| figures.adds_times("strace")),
    ("what it adds to an unrelated call: memtap's, times the floor of the hook", AtMost(1.1), |figures| {
        let added = |name| figures.figure("overhead", 1, name, "added to an unrelated call");
        Some(added("memtap, plan exit+locks")? / added("floor of plan exit+locks")?)
    }),
    (
        "requests missing, lost or dropped, one caller as fast as it can for a minute",
        AtMost(0.0),
        |figures| {
            let value = |column| figures.figure("stream", 0, "1 caller", column);
            Some(
                value("missing in the callers' accounts")?.abs()
                    + value("lost, ring full")?
                    + value("dropped before the store")?,
            )
        },
    ),
    ("memtap's CPU for each of them, from capture until on disk, us", AtMost(2.0), |figures| {
        figures.figure("stream", 0, "1 caller", "memtap's CPU for each, until on disk")
    }),
    ("memtap's CPU at 10,000 requests a second, one page open, % of a core", AtMost(2.5), |figures| {
        figures.footprint("memtap, 10,000 requests a second, one page open", "CPU, of one core")
    }),
    ("its CPU where nothing happens, no page open, % of a core", AtMost(0.3), |figures| {
        figures.footprint("memtap, 0 requests a second, no page", "CPU, of one core")
    }),
    (
        "its resident set at 10,000 requests a second, less SQLite's 16 MiB of pages, MiB",
        AtMost(64.0),
        |figures| {
            Some(
                figures.footprint("memtap, 10,000 requests a second, no page", "resident set")?
                    - PAGE_CACHE_MIB,
            )
        },
    ),
    (
        "the store's CPU for a request at its size limit, times that below it (SQLite)",
        AtMost(1.3),
        |figures| figures.figure("store", 2, "SQLite", "at the limit, times below"),
    ),
    ("reading 10,000 processes: /proc/PID/status, times memtap's CPU", AtLeast(5.0), |figures| {
        figures.figure("snapshot", 0, "10000 processes", "status against memtap")
    }),
    (
        "a whole tick with 10,000 processes, one page open: /proc/PID/status, times memtap's CPU",
        AtLeast(5.0),
        |figures| figures.figure("live", 0, "10000 processes", "status against a tick with a page"),
    ),
    (
        "a start of Python, followed by ptrace: the wall time of memtap run, times strace's",
        AtMost(0.5),
        |figures| figures.figure("run", 1, "python3", "memtap run, ptrace"),
    ),
];

/// Formats the table of targets as Markdown.
pub(super) fn table(sections: &[Section]) -> Result<String, std::fmt::Error> {
    let figures = Figures(sections);
    let mut text = "\n## In short\n\n| | measured | aim | |\n| --- | ---: | ---: | --- |\n".to_owned();
    for (what, bound, figure) in &AIMS {
        let figure = figure(&figures);
        let (aim, is_reached) = match bound {
            AtMost(most) => {
                (format!("at most {}", number(*most)), figure.is_some_and(|figure| figure <= *most))
            }
            AtLeast(least) => {
                (format!("at least {}", number(*least)), figure.is_some_and(|figure| figure >= *least))
            }
        };
        match figure {
            Some(figure) => {
                let reached = if is_reached { "reached" } else { "**missed**" };
                writeln!(text, "| {what} | {} | {aim} | {reached} |", number(figure))?;
            }
            None => writeln!(text, "| {what} | | {aim} | not measured |")?,
        }
    }
    if let Some((strace, floor)) = figures.adds("strace").zip(figures.adds("floor of plan exit+locks")) {
        let most = number(strace / floor);
        writeln!(
            text,
            "\nThe floor of these hooks alone allows {most} times against strace here: what is above it no tracer of this kind reaches."
        )?;
    }
    Ok(text)
}

/// All measured sections.
struct Figures<'a>(&'a [Section]);

impl Figures<'_> {
    fn figure(&self, section: &str, table: usize, row: &str, column: &str) -> Option<f64> {
        let section = self.0.iter().find(|one| one.name == section)?;
        let table = section.tables.get(table)?;
        let place = table.columns.iter().position(|one| one.name == column)?;
        let row = table.rows.iter().find(|one| one.name == row)?;
        Some(row.figures.get(place)?.as_ref()?.value)
    }

    /// Returns the nanoseconds that the follower adds to a pair of mmap and munmap.
    fn adds(&self, follower: &str) -> Option<f64> {
        self.figure("overhead", 1, follower, "added")
    }

    fn adds_times(&self, follower: &str) -> Option<f64> {
        Some(self.adds(follower)? / self.adds("memtap, plan exit+locks")?)
    }

    fn footprint(&self, row: &str, column: &str) -> Option<f64> {
        self.figure("footprint", 0, row, column)
    }
}
