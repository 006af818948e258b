//! What may be typed after `memtap store`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use memtap_model::WallClock;
use memtap_store::StoreUrl;

use super::ChosenRequests;
use super::store_url::StoreUrlParser;

const EXPORT_EXAMPLES: &str = "\
Examples:
  memtap store export -o requests.csv                     all of it, the newest request first
  memtap store export --last 1h --name postgres           the last hour of processes whose name has 'postgres' in it
  memtap store export --format jsonl --refused | jq .     what was refused, an object a line
  memtap store export --format parquet -o requests.parquet
  memtap store export --from 2026-11-23T10:00:00Z --to 2026-11-23T11:00:00Z --call mmap,brk --min-size 1MiB
The columns are those of a request in the API (docs/api.md). The order is that of the history backwards: what was written last comes
first. In CSV an apostrophe stands before a text that begins with = + - @ ' or a control character, so that no spreadsheet takes a
stranger's name for a formula: take it away to have the text; JSON lines and Parquet have it as it is.";

#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Tell what is in the history: tables with their rows and bytes, times, machines; changes nothing, and may run beside memtap
    Info(WhichStore),
    /// Check that the history is whole: its pages (of a server: what CHECK TABLE says), its tables, and that each request has its process, name and call; changes
    /// nothing, and may run beside memtap. Exit code 1 when it is not
    Check(WhichStore),
    /// Write the history anew without the room that holds nothing; whatever ends it early, it stays as it was. Of a file, memtap must not
    /// run meanwhile, and its size is needed twice as free room beside it, for as long as it runs. A server writes one table after the
    /// other anew beside the old one, and what comes meanwhile may wait in the spool
    Compact(WhichStore),
    /// Write requests out as CSV, JSON lines or Parquet, the newest first; may run beside memtap
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Box<ExportArguments>),
}

#[derive(Debug, Args)]
pub(crate) struct WhichStore {
    /// Where the history is kept, as of `memtap serve`
    #[arg(long, env = "MEMTAP_STORE", value_name = "URL", hide_env_values = true, value_parser = StoreUrlParser)]
    pub(crate) store: Option<StoreUrl>,

    /// Further settings, as of `memtap serve`
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
}

/// What a request is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A line of names, then a line for each request
    Csv,
    /// A JSON object a line
    Jsonl,
    /// Apache Parquet: typed columns, compressed, for programs that work on many requests
    Parquet,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    pub(crate) which: WhichStore,

    /// What is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "csv")]
    pub(crate) format: ExportFormat,

    /// The file that is written, for its owner only; it stands there when it is whole [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// From this time on, such as 2026-11-23T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) from: Option<WallClock>,

    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) to: Option<WallClock>,

    /// Of the time just past: 90s, 10m, 1h, 7d
    #[arg(long, value_name = "AGE", conflicts_with_all = ["from", "to"], value_parser = super::age)]
    pub(crate) last: Option<Duration>,

    /// Of processes whose name has this in it, in capitals or not
    #[arg(long, value_name = "PART")]
    pub(crate) name: Option<String>,

    /// Of this pid
    #[arg(short, long, value_name = "PID")]
    pub(crate) pid: Option<u32>,

    #[command(flatten)]
    pub(crate) requests: ChosenRequests,

    /// Of the machine of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
}

fn time(text: &str) -> Result<WallClock, String> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    let nanoseconds = time.ok().and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    let wrong = || format!("'{text}' is no time with its offset; write for example 2026-11-23T10:00:00Z");
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
