//! What may be typed after `memtap trace`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use memtap_capture::SourceChoice;
use memtap_report::report::NamePattern;

use super::{ChosenRequests, PriorityArguments};

pub(crate) const EXAMPLES: &str = "\
Examples:
  sudo memtap trace                                    every request of every process
  sudo memtap trace -p 1234 --follow                   of a process, its children, and theirs
  sudo memtap trace --name 'postgres*' --call mmap,brk
  sudo memtap trace --refused                          what the kernel says no to
  sudo memtap trace --min-size 64MiB --duration 10s --format csv > large.csv
  sudo memtap trace --format json | jq -c 'select(.errno)'
Columns: when it came back, process, thread, the thread's name, the call, for how much it was (in whole pages), what it changed the virtual
size by, the answer, and the arguments in C's names with the file that was mapped. On a terminal with fewer than 110 columns the thread and
the answer are left out, and the arguments are shortened.
A reader that is too slow costs lines and nothing else: in their place stands how many are missing, in JSON as an object with `lost` and
`cause`. At the end a summary goes to stderr; it counts what was not shown, too.";

/// What a request is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceFormat {
    /// Columns for people
    Text,
    /// A JSON object a line, with the fields of a request in the API (docs/api.md)
    Json,
    /// A line of names, then a line for each request: the same as of `memtap store export`
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArguments {
    /// Of this process; may be given several times. The trace ends when all of them have ended
    #[arg(short, long, value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pid: Vec<u32>,

    /// Of its descendants too: those that live, and those that are born
    #[arg(short, long, requires = "pid")]
    pub(crate) follow: bool,

    /// Of threads of this name: * stands for anything, ? for one character, `[ab]` for one of these, `{one,other}` for one of those
    #[arg(long, value_name = "GLOB")]
    pub(crate) name: Option<NamePattern>,

    #[command(flatten)]
    pub(crate) requests: ChosenRequests,

    /// End after this time: 10s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = super::age)]
    pub(crate) duration: Option<Duration>,

    /// What is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TraceFormat,

    /// Where requests come from: auto or bpf, systemtap:FILE, the lines of a SystemTap script, or recording:FILE, what memtap record wrote (- for FILE
    /// reads a pipe)
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
