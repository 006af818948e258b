//! What may be typed after `memtap record`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use memtap_capture::SourceChoice;

use super::{PriorityArguments, age, memory};

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo memtap record -o morning.mtrec                  until Ctrl-C
  sudo memtap record -o morning.mtrec --duration 10s
  memtap serve --source recording:morning.mtrec        look at it, on any machine and with no privilege
  sudo memtap record -o - | ssh desk 'cat > there.mtrec'
Of a memtap that was killed, or a disk that was full, all but the last seconds can be read.";

/// Settings of `record`.
#[derive(Debug, Args)]
pub(crate) struct RecordArguments {
    /// The file; - writes to standard output. One that is there is replaced only if it is a recording, or empty
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Replace the file whatever it is
    #[arg(long)]
    pub(crate) force: bool,

    /// How long: 10s, 5m, 1h [default: until Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = age)]
    pub(crate) duration: Option<Duration>,

    /// Where observations come from, as of memtap serve
    #[arg(long, env = "MEMTAP_SOURCE", value_name = "SOURCE", default_value = "auto")]
    pub(crate) source: SourceChoice,

    /// Memory that memtap may take for itself, as of memtap serve
    #[arg(long, env = "MEMTAP_MEMORY", value_name = "SIZE", default_value = "64MiB", value_parser = memory)]
    pub(crate) memory: u64,

    #[command(flatten)]
    pub(crate) priority: PriorityArguments,
}
