//! The stores. The examples `stores` of memtap and `limit` of memtap-store measure them and print
//! tables as JSON.

use std::process::{Command, Stdio};

use anyhow::bail;

use super::load::fixture;
use super::section::{Chart, Section, Table};
use crate::tools;

/// Runs an example and returns its stdout.
fn run_example(example: &str, argument: &str) -> anyhow::Result<Vec<u8>> {
    let program = fixture().with_file_name(example);
    let out = Command::new(program).arg(argument).stderr(Stdio::inherit()).output()?;
    if !out.status.success() {
        bail!("the store benchmark failed: {example} {argument}");
    }
    Ok(out.stdout)
}

pub(crate) fn measure(millions: u64) -> anyhow::Result<Section> {
    tools::mariadb()?;
    let mut tables: Vec<Table> = serde_json::from_slice(&run_example("stores", &millions.to_string())?)?;
    tables.push(serde_json::from_slice(&run_example("limit", "bench")?)?);
    if let Some(writing) = tables.first_mut() {
        writing.chart = Some(Chart { column: 0, is_logarithmic: true });
    }
    Ok(Section {
        name: "store".to_owned(),
        title: "Stores".to_owned(),
        measured: super::machine(),
        about: "`memtap import` reads lines in the format of the original system's script into each store. Then the page's queries run on a history with the given \
                number of stored requests. On MariaDB, the original's way (one INSERT per line) runs on the same server for comparison. The last table is a history at \
                its size limit."
            .to_owned(),
        tables,
    })
}
