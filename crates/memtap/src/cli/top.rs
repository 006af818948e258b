//! Command line of `memtap top`.

use clap::Args;
use memtap_capture::SourceChoice;
use memtap_tui::{Column, Pace};

use super::{PriorityArguments, memory, speed};

pub(super) const EXAMPLES: &str = "\
Examples:
  memtap top                                 attach to the memtap serve on this machine, or else capture
  sudo memtap top --source bpf               capture: every request of every process
  memtap top --source procfs                 what /proc shows, without root
  memtap top --source recording:a.mtrec      play a recording in real time
  memtap top --attach http://127.0.0.1:3001  attach to another memtap serve, for example one on
                                             another machine (ssh -L 3001:127.0.0.1:3000 HOST)

Press ? to list all keys. NO_COLOR=1 turns colours off. A locale without UTF-8 gets plain ASCII.";

/// Default address of `memtap serve`.
pub(crate) const SERVED_AT: &str = "http://127.0.0.1:3000";

/// Settings of `top`.
#[derive(Debug, Args)]
pub(crate) struct TopArguments {
    /// Show the data of a running memtap serve [default: http://127.0.0.1:3000, if memtap answers
    /// there and --source is not given]
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = SERVED_AT, conflicts_with = "source")]
    pub(crate) attach: Option<String>,

    /// Capture instead of attaching: auto, bpf, procfs, systemtap:FILE or recording:FILE, as for
    /// memtap serve
    #[arg(long, value_name = "SOURCE")]
    pub(crate) source: Option<SourceChoice>,

    /// Playback speed: 1 is real time, 60 plays one minute per second
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,

    /// Seconds between updates: 0.5, 1, 2 or 5; the keys + and - change it
    #[arg(long, value_name = "SECONDS", default_value = "1")]
    pub(crate) pace: Pace,

    /// Column to sort processes by: res, virt, req/s, refused and others (press ? in memtap top)
    #[arg(long, value_name = "COLUMN", default_value = "res")]
    pub(crate) sort: Column,

    /// Memory that memtap may use for its own capture, as for memtap serve
    #[arg(long, env = "MEMTAP_MEMORY", value_name = "SIZE", default_value = "64MiB", value_parser = memory)]
    pub(crate) memory: u64,

    #[command(flatten)]
    pub(crate) priority: PriorityArguments,
}
