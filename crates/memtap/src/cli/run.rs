//! Command line of `memtap run`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use memtap_capture::FollowBy;

pub(crate) const EXAMPLES: &str = "\
Examples:
  memtap run -- make -j4                     a build; prints the report to stderr when it ends
  memtap run -o run.json -- python3 work.py  for scripts, all sizes in bytes
  memtap run -o run.html -- ./solver         for a browser

The command keeps stdin, stdout and the terminal. memtap follows it and all its descendants until the last one has exited, \
and then exits like the command: with its status, or by its signal (127: command not found, 126: it cannot be run). \
After the command itself has exited, Ctrl-C (or a signal to memtap) stops waiting for its descendants and prints the report.

With --source ptrace memtap needs no privilege. Setuid programs then run without their extra privileges. \
When memtap exits, it kills the processes that still run.";

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Output format: text, json or html [default: from the file name, else text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<RunFormat>,

    /// Output file [default: standard error; standard output belongs to the command]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// How to follow the command: bpf (never stops it, needs privilege), ptrace, or auto (bpf if
    /// permitted, else ptrace)
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    pub(crate) source: FollowBy,

    /// The command and its arguments
    #[arg(
        value_name = "COMMAND",
        required = true,
        num_args = 1..,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunFormat {
    Text,
    Json,
    Html,
}
