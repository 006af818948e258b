//! What may be typed after `memtap top`.

use clap::Args;
use memtap_capture::SourceChoice;
use memtap_tui::{Column, Pace};

use super::{PriorityArguments, memory, speed};

pub(super) const EXAMPLES: &str = "\
Examples:
  memtap top                                 what the memtap serve that runs here has, else an own capture
  sudo memtap top --source bpf               an own capture: every request of every process
  memtap top --source procfs                 what /proc lets you see, without root
  memtap top --source recording:a.mtrec      what was recorded (memtap record), as fast as it was
  memtap top --attach http://127.0.0.1:3001  another memtap serve, also through ssh -L 3001:127.0.0.1:3000
In it, ? tells all keys. NO_COLOR=1 takes the colours away; a locale without UTF-8 gets plain ASCII.";

/// Where `memtap serve` listens unless told otherwise.
pub(crate) const SERVED_AT: &str = "http://127.0.0.1:3000";

/// Settings of `top`.
#[derive(Debug, Args)]
pub(crate) struct TopArguments {
    /// Show what a running memtap serve has [default: where it listens by default, http://127.0.0.1:3000, if it answers there and no
    /// source is given]
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = SERVED_AT, conflicts_with = "source")]
    pub(crate) attach: Option<String>,

    /// Capture by itself: auto, bpf, procfs, systemtap:FILE or recording:FILE, as of memtap serve
    #[arg(long, value_name = "SOURCE")]
    pub(crate) source: Option<SourceChoice>,

    /// How fast a recording is told: 1 as it was, 60 a minute in a second
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,

    /// How often figures come, in seconds: 0.5, 1, 2 or 5; + and - change it
    #[arg(long, value_name = "SECONDS", default_value = "1")]
    pub(crate) pace: Pace,

    /// The column that processes are sorted by: res, virt, req/s, refused and others that ? tells
    #[arg(long, value_name = "COLUMN", default_value = "res")]
    pub(crate) sort: Column,

    /// Memory that an own capture may take for itself, as of memtap serve
    #[arg(long, env = "MEMTAP_MEMORY", value_name = "SIZE", default_value = "64MiB", value_parser = memory)]
    pub(crate) memory: u64,

    #[command(flatten)]
    pub(crate) priority: PriorityArguments,
}
