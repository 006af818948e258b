//! Components of the program for `memtap --version --verbose`. `crates/memtap/parts.txt` has one
//! line for each crate or npm package, with its licence. The gate fails when the file does not
//! match the lock files.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::run::{cargo, run_for_output};

/// `cargo xtask parts`
pub(crate) fn renew() -> anyhow::Result<()> {
    std::fs::write(committed(), parts()?).context("cannot write the list of components")
}

/// Fails when the committed list does not match the lock files.
pub(crate) fn check() -> anyhow::Result<()> {
    if parts()? != std::fs::read_to_string(committed()).unwrap_or_default() {
        bail!(
            "crates/memtap/parts.txt differs from Cargo.lock and web/package-lock.json. Run: cargo xtask parts"
        );
    }
    Ok(())
}

fn committed() -> PathBuf {
    crate::root().join("crates/memtap/parts.txt")
}

fn parts() -> anyhow::Result<String> {
    let mut lines = crates()?;
    lines.extend(packages()?);
    Ok(lines.into_iter().map(|line| line + "\n").collect())
}

fn line(name: &str, version: &str, licence: Option<&str>, from: &str) -> String {
    format!("{name} {version} ({from}): {}", licence.unwrap_or("see its own package"))
}

/// Crates that are linked into the binary on Linux.
fn crates() -> anyhow::Result<BTreeSet<String>> {
    let arguments =
        ["metadata", "--format-version=1", "--locked", "--filter-platform=x86_64-unknown-linux-gnu"];
    let metadata: Value = serde_json::from_slice(&run_for_output(&mut cargo(&arguments))?)?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let by_id = |rows: &Value| -> HashMap<String, Value> {
        list(rows).into_iter().map(|row| (text(&row["id"]).to_owned(), row)).collect()
    };
    let (packages, nodes) = (by_id(&metadata["packages"]), by_id(&metadata["resolve"]["nodes"]));
    let root =
        packages.values().find(|package| package["name"] == "memtap").context("there is no crate memtap")?;
    let (mut waiting, mut seen) = (vec![text(&root["id"]).to_owned()], BTreeSet::new());
    while let Some(id) = waiting.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        for dependency in list(&nodes[&id]["deps"]) {
            // Dependencies for build scripts or tests are not part of the program.
            if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()) {
                waiting.push(text(&dependency["pkg"]).to_owned());
            }
        }
    }
    let theirs = seen.iter().map(|id| &packages[id]).filter(|package| !package["source"].is_null());
    Ok(theirs
        .map(|package| {
            line(text(&package["name"]), text(&package["version"]), package["license"].as_str(), "crate")
        })
        .collect())
}

/// npm packages that the page may contain.
fn packages() -> anyhow::Result<BTreeSet<String>> {
    let lock = std::fs::read_to_string(crate::root().join("web/package-lock.json"))?;
    let lock: Value = serde_json::from_str(&lock)?;
    let names = |package: &Value| -> Vec<String> {
        package["dependencies"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default()
    };
    let (mut waiting, mut seen) = (names(&lock["packages"][""]), BTreeSet::new());
    let mut lines = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        let package = &lock["packages"][format!("node_modules/{name}")];
        if seen.insert(name.clone()) && package.is_object() {
            lines.insert(line(&name, text(&package["version"]), package["license"].as_str(), "npm"));
            waiting.extend(names(package));
        }
    }
    Ok(lines)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
