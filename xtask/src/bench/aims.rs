//! What memtap wants of itself, beside what was measured: the table at the top of the page.

use std::fmt::Write as _;

use super::section::{Section, number};

/// Of SQLite's pages, kept in memory: the most (crates/memtap-store/src/sqlite/schema.rs).
const PAGE_CACHE_MIB: f64 = 16.0;

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};

type Aim = (&'static str, Bound, fn(&Kept<'_>) -> Option<f64>);

const AIMS: [Aim; 14] = [
    (
        "what following adds to a pair of mmap and munmap: memtap's, times the floor of the same hooks",
        AtMost(1.5),
        |kept| Some(kept.adds("memtap, plan exit+locks")? / kept.adds("floor of plan exit+locks")?),
    ),
    ("the same: bpftrace's, printing, times memtap's", AtLeast(15.0), |kept| {
        kept.adds_times("bpftrace, printing")
    }),
    ("the same: perf trace's, times memtap's", AtLeast(50.0), |kept| kept.adds_times("perf trace")),
    ("the same: strace's, times memtap's", AtLeast(300.0), |kept| kept.adds_times("strace")),
    ("what it adds to an unrelated call: memtap's, times the floor of the hook", AtMost(1.1), |kept| {
        let of = |name| kept.figure("overhead", 1, name, "added to an unrelated call");
        Some(of("memtap, plan exit+locks")? / of("floor of plan exit+locks")?)
    }),
    ("requests missing, lost or dropped, one caller as fast as it can for a minute", AtMost(0.0), |kept| {
        let of = |column| kept.figure("stream", 0, "1 caller", column);
        Some(
            of("missing in the callers' accounts")?.abs()
                + of("lost, ring full")?
                + of("dropped before the store")?,
        )
    }),
    ("memtap's CPU for each of them, from capture until on disk, us", AtMost(2.0), |kept| {
        kept.figure("stream", 0, "1 caller", "memtap's CPU for each, until on disk")
    }),
    ("memtap's CPU at 10,000 requests a second, one page open, % of a core", AtMost(2.5), |kept| {
        kept.footprint("memtap, 10,000 requests a second, one page open", "CPU, of one core")
    }),
    ("its CPU where nothing happens, no page open, % of a core", AtMost(0.3), |kept| {
        kept.footprint("memtap, 0 requests a second, no page", "CPU, of one core")
    }),
    (
        "its resident set at 10,000 requests a second, less SQLite's 16 MiB of pages, MiB",
        AtMost(64.0),
        |kept| {
            Some(
                kept.footprint("memtap, 10,000 requests a second, no page", "resident set")? - PAGE_CACHE_MIB,
            )
        },
    ),
    ("the store's CPU for a request at its size limit, times that below it (SQLite)", AtMost(1.3), |kept| {
        kept.figure("store", 2, "SQLite", "at the limit, times below")
    }),
    ("reading 10,000 processes: /proc/PID/status, times memtap's CPU", AtLeast(5.0), |kept| {
        kept.figure("snapshot", 0, "10000 processes", "status against memtap")
    }),
    (
        "a whole tick with 10,000 processes, one page open: /proc/PID/status, times memtap's CPU",
        AtLeast(5.0),
        |kept| kept.figure("live", 0, "10000 processes", "status against a tick with a page"),
    ),
    (
        "a start of Python, followed by ptrace: the wall time of memtap run, times strace's",
        AtMost(0.5),
        |kept| kept.figure("run", 1, "python3", "memtap run, ptrace"),
    ),
];

/// As Markdown.
pub(super) fn table(sections: &[Section]) -> Result<String, std::fmt::Error> {
    let kept = Kept(sections);
    let mut text = "\n## In short\n\n| | measured | aim | |\n| --- | ---: | ---: | --- |\n".to_owned();
    for (what, bound, figure) in &AIMS {
        let figure = figure(&kept);
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
    if let Some((strace, floor)) = kept.adds("strace").zip(kept.adds("floor of plan exit+locks")) {
        let most = number(strace / floor);
        writeln!(
            text,
            "\nThe floor of these hooks alone allows {most} times against strace here: what is above it no tracer of this kind reaches."
        )?;
    }
    Ok(text)
}

/// All figures of the page.
struct Kept<'a>(&'a [Section]);

impl Kept<'_> {
    fn figure(&self, section: &str, table: usize, row: &str, column: &str) -> Option<f64> {
        let section = self.0.iter().find(|one| one.name == section)?;
        let table = section.tables.get(table)?;
        let place = table.columns.iter().position(|one| one.name == column)?;
        let row = table.rows.iter().find(|one| one.name == row)?;
        Some(row.figures.get(place)?.as_ref()?.value)
    }

    /// To a pair of mmap and munmap, in nanoseconds.
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
