//! Command line of `memtap report`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use memtap_report::Lang;
use memtap_report::report::{Format, NamePattern};

use super::WhichStore;
use crate::moment::Moment;

pub(crate) const EXAMPLES: &str = "\
Examples:
  memtap report                                           the last hour, in the terminal
  memtap report -o report.html                            the same, for a browser or a printer
  memtap report --last 24h --compare last -o day.html     one day, compared with the day before
  memtap report --from yesterday --to today --format md   yesterday, as Markdown
  memtap report --from 13:00 --to '2026-11-24 15:30' --name 'postgres*'
  memtap report --recording morning.mtrec                 a recording made with memtap record
  memtap report --last 10m -p 4211 --format json | jq .totals

Times are in this machine's time zone: 13:00 (the latest one in the past), 2026-11-24 13:00, 2026-11-24, today, yesterday, \
now, or an age such as 2h (two hours ago). RFC 3339 times have their own offset: 2026-11-24T13:00:00Z.

CSV is one table with one figure per line (section, host, name, pid, call, error, time, measure, value, unit), for filters \
and pivot tables. It is always in English. JSON has the texts in both languages, sizes in bytes and times in RFC 3339.";

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    pub(crate) which: WhichStore,

    /// Report on a recording instead of the history: all of it, unless a range is given. Its end
    /// counts as now
    #[arg(long, value_name = "FILE")]
    pub(crate) recording: Option<PathBuf>,

    /// Range that ends now: 90s, 10m, 1h, 7d [default: 1h]
    #[arg(long, value_name = "AGE", conflicts_with_all = ["from", "to"], value_parser = super::time_span)]
    pub(crate) last: Option<Duration>,

    /// Start of the range, such as 13:00, yesterday or '2026-11-24 13:00'
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<Moment>,

    /// End of the range, exclusive [default: now]
    #[arg(long, value_name = "TIME", requires = "from")]
    pub(crate) to: Option<Moment>,

    /// Only programs whose name matches: * matches any text, ? one character; case is ignored
    #[arg(long, value_name = "GLOB", conflicts_with = "pid")]
    pub(crate) name: Option<NamePattern>,

    /// Only the process with this pid
    #[arg(short, long, value_name = "PID", value_parser = super::number::pid())]
    pub(crate) pid: Option<u32>,

    /// Only the machine with this name [default: all machines in the history]
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,

    /// Compare with another range: last (the same length, just before), an age (the same length,
    /// that much earlier: 1d, 1w), or FROM..TO
    #[arg(long, value_name = "RANGE")]
    pub(crate) compare: Option<Compared>,

    /// Output format: html, md, json, csv or txt [default: from the file name, else html; without
    /// a file, text for the terminal]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,

    /// Output file (mode 0600), written atomically [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Language of html, md and txt: en or es. JSON has both, CSV is always English [default: from
    /// the locale]
    #[arg(long, value_enum, value_name = "LANG")]
    pub(crate) lang: Option<ReportLang>,
}

/// A language of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportLang {
    /// English
    En,
    /// Spanish
    Es,
}

impl From<ReportLang> for Lang {
    fn from(lang: ReportLang) -> Self {
        match lang {
            ReportLang::En => Self::En,
            ReportLang::Es => Self::Es,
        }
    }
}

/// Range to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Compared {
    /// The range of the same length directly before.
    Last,
    /// The same range, this much earlier.
    Earlier(Duration),
    /// From one time to another.
    Between(Moment, Moment),
}

impl FromStr for Compared {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "last" {
            return Ok(Self::Last);
        }
        if let Some((from, to)) = text.split_once("..") {
            return Ok(Self::Between(from.parse()?, to.parse()?));
        }
        let wrong = |_| format!("invalid range '{text}'; expected last, an age such as 1d, or FROM..TO");
        super::time_span(text).map(Self::Earlier).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_to_compare_with() {
        assert_eq!("last".parse(), Ok(Compared::Last));
        assert_eq!("1d".parse(), Ok(Compared::Earlier(Duration::from_secs(86_400))));
        let between = Compared::Between("yesterday".parse().unwrap(), "13:00".parse().unwrap());
        assert_eq!("yesterday..13:00".parse(), Ok(between));
        for wrong in ["", "first", "1d..", "..", "noon..13:00"] {
            assert!(wrong.parse::<Compared>().is_err(), "{wrong}");
        }
    }
}
