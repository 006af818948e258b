//! What may be typed after `memtap run`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use memtap_capture::FollowBy;

pub(crate) const EXAMPLES: &str = "\
Examples:
  memtap run -- make -j4                     what a build asks for; the report comes on stderr at the end
  memtap run -o run.json -- python3 work.py  for programs, all sizes in bytes
  memtap run -o run.html -- ./solver         for a browser
The command keeps stdin, stdout and the terminal. It is followed with all processes that descend from it, until the last has ended;
memtap then ends as the command did: with its status, or by its signal (127: no such command, 126: it cannot be run).
Once the command itself has ended, ^C (or a signal to memtap) says that nobody wants to wait for the others: the report comes at once.
As a tracer (--source ptrace) memtap needs no privilege; set-user-ID programs then run without theirs, and when memtap ends, what
still runs is killed with it.";

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// What is written: text, json or html [default: as the file's name ends, else text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<RunFormat>,

    /// Where it is written [default: standard error; standard output is the command's alone]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// How the command is followed: bpf (holds nothing up, needs privilege), ptrace, or auto (bpf if permitted, else ptrace)
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
