//! Command line of `memtap store`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use memtap_model::WallClock;
use memtap_store::StoreUrl;

use super::ChosenRequests;
use super::store_url::StoreUrlParser;

const EXPORT_EXAMPLES: &str = "\
Examples:
  memtap store export -o requests.csv                     all requests, newest first
  memtap store export --last 1h --name postgres           the last hour of processes whose name contains 'postgres'
  memtap store export --format jsonl --refused | jq .     refused requests, one object per line
  memtap store export -o requests.parquet                 for large exports
  memtap store export --from 2026-11-23T10:00:00Z --to 2026-11-23T11:00:00Z --call mmap,brk

The columns are the fields of a request in the API (docs/api.md). The newest request comes first.

In CSV, a text that starts with = + - @ ' or a control character gets a leading apostrophe, so that no spreadsheet reads a \
process name as a formula. Remove it to get the original text. JSON lines and Parquet contain the original text.";

#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Show what the history contains: tables with rows and bytes, times, machines. Changes
    /// nothing; safe while memtap runs
    Info(WhichStore),
    /// Check that the history is intact: its pages (on a server: CHECK TABLE), its tables, and that
    /// each request has its process, name and call. Changes nothing; safe while memtap runs. Exit
    /// code 1 if it is damaged
    Check(WhichStore),
    /// Rewrite the database without free space. If it is interrupted, the history stays unchanged.
    /// For a SQLite file, stop memtap first; it needs twice the used size as free disk space. A
    /// server rewrites one table after the other, and new data may wait in the spool
    Compact(WhichStore),
    /// Export requests as CSV, JSON lines or Parquet, newest first. Safe while memtap runs
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Box<ExportArguments>),
}

#[derive(Debug, Args)]
pub(crate) struct WhichStore {
    /// Store of the history, as for `memtap serve`
    #[arg(long, env = "MEMTAP_STORE", value_name = "URL", hide_env_values = true, value_parser = StoreUrlParser)]
    pub(crate) store: Option<StoreUrl>,

    /// Settings file, as for `memtap serve`
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
}

/// File format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A header line, then one line per request
    Csv,
    /// One JSON object per line
    Jsonl,
    /// Apache Parquet: typed, compressed columns, for large exports
    Parquet,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    pub(crate) which: WhichStore,

    /// Output format [default: from the file name, else csv]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<ExportFormat>,

    /// Output file (mode 0600), written atomically [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Start of the range, such as 2026-11-23T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) from: Option<WallClock>,

    /// End of the range, exclusive
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) to: Option<WallClock>,

    /// Range that ends now: 90s, 10m, 1h, 7d
    #[arg(long, value_name = "AGE", conflicts_with_all = ["from", "to"], value_parser = super::time_span)]
    pub(crate) last: Option<Duration>,

    /// Only processes whose name contains this; case is ignored
    #[arg(long, value_name = "PART")]
    pub(crate) name: Option<String>,

    /// Only the process with this pid
    #[arg(short, long, value_name = "PID", value_parser = super::number::pid())]
    pub(crate) pid: Option<u32>,

    #[command(flatten)]
    pub(crate) requests: ChosenRequests,

    /// Only the machine with this name
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
}

fn time(text: &str) -> Result<WallClock, String> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    let nanoseconds = time.ok().and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    let wrong =
        || format!("invalid time '{text}'; expected a time with an offset, such as 2026-11-23T10:00:00Z");
    nanoseconds.map(WallClock).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_their_offset() {
        assert_eq!(time("2026-11-23T10:00:00Z"), Ok(WallClock(1_795_428_000_000_000_000)));
        assert_eq!(time("2026-11-23T11:00:00+01:00"), time("2026-11-23T10:00:00Z"));
        for wrong in ["", "now", "2026-11-23", "2026-11-23T10:00:00", "9999-01-01T00:00:00Z"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
