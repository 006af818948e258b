//! Priority option of the commands that capture from the kernel.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct PriorityArguments {
    /// Nice value of memtap's threads while they capture with eBPF, from -20 (first to run) to 19.
    /// A value below the one that memtap is started with needs root or CAP_SYS_NICE; without
    /// either, memtap logs a warning and keeps its present value [default: -10, or the value that
    /// memtap is started with if that is lower]
    #[arg(long, env = "MEMTAP_NICE", value_name = "NICE", allow_hyphen_values = true, value_parser = super::number::whole::<i32>(-20..=19))]
    pub(crate) nice: Option<i32>,
}
