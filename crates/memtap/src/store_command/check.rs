//! `memtap store check`: whether a history is whole.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::bail;
use memtap_store::maintenance;

use super::{print, printable, while_waiting};

pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let checked = while_waiting("every page and row is looked at", || maintenance::check(path))?;
    if checked.findings.is_empty() {
        return print(&format!(
            "{} is whole: {} requests, each with its process, name and call\n",
            path.display(),
            checked.requests
        ));
    }
    let mut text = String::new();
    for finding in &checked.findings {
        writeln!(text, "{}", printable(finding))?;
    }
    print(&text)?;
    bail!(
        "{} is damaged: end memtap, save what can still be read with memtap store export, move the file away, and start memtap again",
        path.display()
    )
}
