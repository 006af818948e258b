//! Which requests are meant, wherever some are chosen from many.

use clap::Args;
use memtap_model::Call;

#[derive(Debug, Args)]
pub(crate) struct ChosenRequests {
    /// Of these calls, such as mmap,brk
    #[arg(long, value_name = "CALLS", value_delimiter = ',', value_parser = super::call)]
    pub(crate) call: Vec<Call>,

    /// For at least this much
    #[arg(long, value_name = "SIZE", value_parser = super::bytes)]
    pub(crate) min_size: Option<u64>,

    /// Only what was refused
    #[arg(long)]
    pub(crate) refused: bool,
}
