//! `memtap --version`, with `--verbose` also the components of memtap.

use std::io::Write as _;

use crate::output::unless_closed;

/// One line per crate or package in the program: name, version, licence. Written by `cargo xtask
/// licences`.
const PARTS: &str = include_str!("../parts.txt");

pub(crate) fn print(verbose: bool) -> anyhow::Result<()> {
    let mut text = format!("memtap {}\n", env!("CARGO_PKG_VERSION"));
    if verbose {
        let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
        text += &format!(
            "licence: {}\nbuilt for: {arch}-{os}\n\nComponents and their licences:\n",
            env!("CARGO_PKG_LICENSE")
        );
        for part in PARTS.lines() {
            text += &format!("  {part}\n");
        }
    }
    unless_closed(std::io::stdout().write_all(text.as_bytes()).map_err(Into::into))
}
