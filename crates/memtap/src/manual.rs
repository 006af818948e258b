//! `memtap completions` and `memtap man`: generated from the command line types.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::output::unless_closed;

pub(crate) fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "memtap", &mut script);
    unless_closed(std::io::stdout().write_all(&script).map_err(Into::into))
}

pub(crate) fn man(folder: Option<&Path>) -> anyhow::Result<()> {
    let command = Cli::command();
    match folder {
        Some(folder) => {
            let cannot = || format!("cannot write the manual pages to {}", folder.display());
            std::fs::create_dir_all(folder).with_context(cannot)?;
            clap_mangen::generate_to(command, folder).with_context(cannot)
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            unless_closed(std::io::stdout().write_all(&page).map_err(Into::into))
        }
    }
}
