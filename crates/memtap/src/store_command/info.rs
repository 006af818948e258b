//! `memtap store info`: shows the contents of a history.

use std::fmt::Write as _;

use indicatif::HumanBytes;
use memtap_history::maintenance::Contents;
use memtap_model::WallClock;
use memtap_model::visible;
use memtap_store::StoreUrl;

use super::{print, while_waiting};

pub(super) fn run(url: &StoreUrl) -> anyhow::Result<()> {
    let contents = while_waiting("counting rows and pages", async |_| url.contents().await)?;
    print(&text(url, &contents)?)
}

fn text(url: &StoreUrl, contents: &Contents) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "store     {url}")?;
    if let Some(server) = &contents.server {
        writeln!(text, "server    {}", visible(server))?;
    }
    writeln!(text, "schema    version {}", contents.schema)?;
    let (bytes, free) = (HumanBytes(contents.bytes), HumanBytes(contents.free_bytes));
    writeln!(text, "size      {bytes}, {free} free")?;
    match contents.times {
        Some((from, to)) => writeln!(text, "requests  {} to {}", time(from), time(to))?,
        None => writeln!(text, "requests  none")?,
    }
    writeln!(text, "\n{:<20} {:>14} {:>14}", "table", "rows", "bytes")?;
    for table in &contents.tables {
        writeln!(text, "{:<20} {:>14} {:>14}", table.name, table.rows, table.bytes)?;
    }
    if !contents.machines.is_empty() {
        writeln!(text, "\n{:<20} {:<20} {:>6}  first and last start", "machine", "kernel", "runs")?;
    }
    for machine in &contents.machines {
        let (hostname, kernel) = (visible(&machine.hostname), visible(&machine.kernel));
        let (first, last) = (time(machine.began.0), time(machine.began.1));
        writeln!(text, "{hostname:<20} {kernel:<20} {:>6}  {first} {last}", machine.runs)?;
    }
    Ok(text)
}

/// Formats a time as RFC 3339 in UTC. A damaged row may contain a time out of range.
fn time(at: WallClock) -> String {
    match jiff::Timestamp::from_nanosecond(at.0.into()) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => "?".to_owned(),
    }
}
