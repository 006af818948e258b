//! Command line of `memtap trace`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use memtap_capture::SourceChoice;
use memtap_report::report::NamePattern;

use super::{ChosenRequests, PriorityArguments};

pub(crate) const EXAMPLES: &str = "\
Examples:
  sudo memtap trace                                    every request of every process
  sudo memtap trace -p 1234 --follow                   one process and its descendants
  sudo memtap trace --name 'postgres*' --call mmap,brk
  sudo memtap trace --refused                          refused requests only
  sudo memtap trace --min-size 64MiB --duration 10s --format csv > large.csv
  sudo memtap trace --format json | jq -c 'select(.errno)'

Columns: time of return, process, thread, thread name, call, size in whole pages, change of the virtual size, answer, and \
the arguments with C names and the mapped file. On a terminal with fewer than 110 columns, thread and answer are left out, \
and the arguments are shortened.

If the reader of the output is too slow, memtap drops lines and prints how many are missing, in JSON as an object with `lost` \
and `cause`. At the end a summary goes to stderr; it counts the dropped lines, too.";

/// Output format of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceFormat {
    /// Columns
    Text,
    /// One JSON object per line, with the fields of a request in the API (docs/api.md)
    Json,
    /// A header line, then one line per request, as in `memtap store export`
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArguments {
    /// Only this process; may be given several times. The trace ends when all of them have exited
    #[arg(short, long, value_name = "PID", value_delimiter = ',', value_parser = super::number::whole::<u32>(1..=u32::MAX.into()))]
    pub(crate) pid: Vec<u32>,

    /// Also trace its descendants, existing and future
    #[arg(short, long, requires = "pid")]
    pub(crate) follow: bool,

    /// Only threads whose name matches: * matches any text, ? one character, `[ab]` a or b,
    /// `{one,other}` either word
    #[arg(long, value_name = "GLOB")]
    pub(crate) name: Option<NamePattern>,

    #[command(flatten)]
    pub(crate) requests: ChosenRequests,

    /// Stop after this time: 10s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = super::time_span)]
    pub(crate) duration: Option<Duration>,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TraceFormat,

    /// Source of the requests: auto, bpf, systemtap:FILE (lines of a SystemTap script) or
    /// recording:FILE (from memtap record). FILE - is a pipe
    #[arg(long, value_name = "SOURCE", default_value = "auto", value_parser = source_of_requests)]
    pub(crate) source: SourceChoice,

    #[command(flatten)]
    pub(crate) priority: PriorityArguments,
}

fn source_of_requests(text: &str) -> Result<SourceChoice, String> {
    match text.parse()? {
        SourceChoice::Procfs => {
            Err("/proc shows no requests; choose auto, bpf, systemtap:FILE or recording:FILE".to_owned())
        }
        choice => Ok(choice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_without_requests_is_none() {
        assert_eq!(source_of_requests("auto"), Ok(SourceChoice::Auto));
        assert!(source_of_requests("procfs").is_err_and(|error| error.contains("no requests")));
    }
}
