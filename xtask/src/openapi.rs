//! What is generated from the server's handlers and the types of memtap-api: the description of the interface `docs/openapi.json`, and
//! from that the page's types.
//! That the description is what the code gives is checked among the tests (`crates/memtap-server/tests/openapi.rs`).

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::{cargo, run, run_for_output};
use crate::{tools, web};

/// How the types' file begins.
const HEAD: &str = "// Generated from docs/openapi.json, which is generated from the server's code. To regenerate both: cargo xtask openapi\n\
     /* oxlint-disable */\n";

/// `cargo xtask openapi`
pub(crate) fn renew() -> anyhow::Result<()> {
    let print = ["run", "--release", "--locked", "--quiet", "-p", "memtap-server", "--example", "openapi"];
    let printed = run_for_output(&mut cargo(&print))?;
    std::fs::write(document(), printed).context("cannot write docs/openapi.json")?;
    renew_types()
}

/// The page's types anew.
pub(crate) fn renew_types() -> anyhow::Result<()> {
    let made = types()?;
    std::fs::write(committed_types(), made).context("cannot write the page's types")
}

/// Fails when the page's types are not those of the description.
pub(crate) fn check_types() -> anyhow::Result<()> {
    if types()? != std::fs::read_to_string(committed_types()).unwrap_or_default() {
        bail!("web/src/model/api.ts differs from docs/openapi.json. Run: cargo xtask openapi");
    }
    Ok(())
}

fn document() -> PathBuf {
    crate::root().join("docs/openapi.json")
}

fn committed_types() -> PathBuf {
    crate::root().join("web/src/model/api.ts")
}

fn types() -> anyhow::Result<String> {
    tools::node()?;
    let place = web::install("xtask/api-types", &["node_modules"])?;
    let made = place.join("api.ts");
    let mut make = Command::new(place.join("node_modules/.bin/openapi-typescript"));
    make.arg(document()).arg("--output").arg(&made).current_dir(&place);
    run(make.args([
        "--enum-values",
        "--root-types",
        "--root-types-no-schema-prefix",
        "--root-types-keep-casing",
    ]))?;
    Ok(HEAD.to_owned() + &std::fs::read_to_string(made)?)
}
