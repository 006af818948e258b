//! `memtap store check`: checks that a history is intact.

use std::fmt::Write as _;

use anyhow::bail;
use memtap_model::visible;
use memtap_store::StoreUrl;

use super::{name, print, while_waiting};

pub(super) fn run(url: &StoreUrl) -> anyhow::Result<()> {
    let checked = while_waiting("checking pages and rows", async |progress| url.check(progress).await)?;
    if checked.findings.is_empty() {
        let (name, requests) = (name(url), checked.requests);
        return print(&format!(
            "{name} is intact: {requests} requests, each with its process, name and call\n"
        ));
    }
    let mut text = String::new();
    for finding in &checked.findings {
        writeln!(text, "{}", visible(finding))?;
    }
    print(&text)?;
    let fix = if url.file().is_some() {
        memtap_store::AFTER_DAMAGE
    } else {
        "Save what can still be read with memtap store export. Check the server's log and its backups"
    };
    bail!("{} is damaged. {fix}", name(url))
}
