//! Filter options for requests, shared by several commands.

use clap::Args;
use memtap_model::Call;

#[derive(Debug, Args)]
pub(crate) struct ChosenRequests {
    /// Only these calls, such as mmap,brk
    #[arg(long, value_name = "CALLS", value_delimiter = ',', value_parser = super::call)]
    pub(crate) call: Vec<Call>,

    /// Only requests of at least this size
    #[arg(long, value_name = "SIZE", value_parser = super::bytes)]
    pub(crate) min_size: Option<u64>,

    /// Only refused requests
    #[arg(long)]
    pub(crate) refused: bool,
}
