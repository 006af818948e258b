//! `memtap store compact`: rewrites a history without free space.

use indicatif::HumanBytes;
use memtap_store::StoreUrl;

use super::{name, print, while_waiting};

pub(super) fn run(url: &StoreUrl) -> anyhow::Result<()> {
    let compacted = while_waiting("rewriting the database", async |progress| url.compact(progress).await)?;
    let (before, after) = (HumanBytes(compacted.before), HumanBytes(compacted.after));
    print(&format!("{}: {before} before, {after} now\n", name(url)))
}
