//! `memtap store compact`: a database file without the room that holds nothing.

use std::path::Path;

use indicatif::HumanBytes;
use memtap_store::maintenance;

use super::{print, while_waiting};

pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let compacted = while_waiting("the file is written anew", || maintenance::compact(path))?;
    let (before, after) = (HumanBytes(compacted.before), HumanBytes(compacted.after));
    print(&format!("{}: {before} before, {after} now\n", path.display()))
}
