//! `memtap store check`: whether a history is whole.

use std::fmt::Write as _;

use anyhow::bail;
use memtap_store::{StoreUrl, maintenance};

use super::{name, print, printable, while_waiting};

pub(super) fn run(url: &StoreUrl) -> anyhow::Result<()> {
    let checked = while_waiting("checking pages and rows", |tell| maintenance::check(url, tell))?;
    if checked.findings.is_empty() {
        let (name, requests) = (name(url), checked.requests);
        return print(&format!(
            "{name} is intact: {requests} requests, each with its process, name and call\n"
        ));
    }
    let mut text = String::new();
    for finding in &checked.findings {
        writeln!(text, "{}", printable(finding))?;
    }
    print(&text)?;
    let fix = match url {
        StoreUrl::Mysql(_) => {
            "Save what can still be read with memtap store export. Check the server's log and its backups"
        }
        _ => memtap_store::AFTER_DAMAGE,
    };
    bail!("{} is damaged. {fix}", name(url))
}
