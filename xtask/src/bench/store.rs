//! The stores: the example `stores` of memtap measures them, and prints its tables as JSON.

use std::process::{Command, Stdio};

use anyhow::bail;

use super::load::fixture;
use super::section::{Chart, Section, Table};
use crate::tools;

pub(crate) fn measured(millions: u64) -> anyhow::Result<Section> {
    tools::mariadb()?;
    let program = fixture().with_file_name("stores");
    let out = Command::new(program).arg(millions.to_string()).stderr(Stdio::inherit()).output()?;
    if !out.status.success() {
        bail!("the measurement of the stores failed");
    }
    let mut tables: Vec<Table> = serde_json::from_slice(&out.stdout)?;
    if let Some(writing) = tables.first_mut() {
        writing.chart = Some(Chart { column: 0, is_logarithmic: true });
    }
    Ok(Section {
        name: "store".to_owned(),
        title: "Stores".to_owned(),
        measured: super::machine(),
        about: "`memtap import` of lines as the original system's script wrote them, into each store, and questions of the page to a history of so many \
                stored requests; on MariaDB beside the original's way, one INSERT a line, on the same server."
            .to_owned(),
        tables,
    })
}
