//! Command line of `memtap record`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use memtap_capture::SourceChoice;

use super::{PriorityArguments, memory, time_span};

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo memtap record -o morning.mtrec                  until Ctrl-C
  sudo memtap record -o morning.mtrec --duration 10s
  memtap serve --source recording:morning.mtrec        open it, on any machine and without privilege
  sudo memtap record -o - | ssh desk 'cat > there.mtrec'

If memtap is killed or the disk is full, everything except the last seconds can be read.";

/// Settings of `record`.
#[derive(Debug, Args)]
pub(crate) struct RecordArguments {
    /// Output file; - is standard output. An existing file is replaced only if it is a recording,
    /// or empty
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Replace an existing file of any kind
    #[arg(long)]
    pub(crate) force: bool,

    /// Stop after this time: 10s, 5m, 1h [default: at Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    pub(crate) duration: Option<Duration>,

    /// Source of the observations, as for memtap serve
    #[arg(long, env = "MEMTAP_SOURCE", value_name = "SOURCE", default_value = "auto")]
    pub(crate) source: SourceChoice,

    /// Memory that memtap may use for itself, as for memtap serve
    #[arg(long, env = "MEMTAP_MEMORY", value_name = "SIZE", default_value = "64MiB", value_parser = memory)]
    pub(crate) memory: u64,

    #[command(flatten)]
    pub(crate) priority: PriorityArguments,
}
