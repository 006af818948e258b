//! The interface's description, `docs/openapi.json`. That it is what the code gives is checked among the tests
//! (`crates/memtap-server/tests/openapi.rs`).

use anyhow::Context as _;

use crate::run::{cargo, run_for_output};

/// `cargo xtask openapi`
pub(crate) fn renew() -> anyhow::Result<()> {
    let print = ["run", "--release", "--locked", "--quiet", "-p", "memtap-server", "--example", "openapi"];
    let document = run_for_output(&mut cargo(&print))?;
    let path = crate::root().join("docs/openapi.json");
    std::fs::write(&path, document).with_context(|| format!("cannot write {}", path.display()))
}
