//! Files generated from the server's handlers and the types of memtap-api: the API description
//! `docs/openapi.json`, and the page's types, which come from it. The test
//! `crates/memtap-server/tests/openapi.rs` checks that the description matches the code.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::{cargo, run, run_for_output};
use crate::{tools, web};

/// First lines of the types' file.
const HEAD: &str = "// Generated from docs/openapi.json, which is generated from the server's code. To regenerate both: cargo xtask openapi\n\
     /* oxlint-disable */\n";

/// `cargo xtask openapi`
pub(crate) fn renew() -> anyhow::Result<()> {
    let print = ["run", "--release", "--locked", "--quiet", "-p", "memtap-server", "--example", "openapi"];
    let printed = run_for_output(&mut cargo(&print))?;
    std::fs::write(document(), printed).context("cannot write docs/openapi.json")?;
    renew_types()
}

/// Regenerates the page's types.
pub(crate) fn renew_types() -> anyhow::Result<()> {
    let made = types()?;
    std::fs::write(committed_types(), made).context("cannot write the page's types")
}

/// Fails when the page's types differ from the description.
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
