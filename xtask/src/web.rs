//! The committed build of the page: rebuilds it, runs its checks, and compares it with a rebuild.
//! All commands run in a copy below target/, so that nothing is written into the source.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::run::{copy, files, run};
use crate::{openapi, tools};

/// `cargo xtask web`
pub(crate) fn rebuild() -> anyhow::Result<()> {
    tools::node()?;
    openapi::renew_types()?;
    let built = build()?;
    let dist = crate::root().join("web/dist");
    if dist.exists() {
        std::fs::remove_dir_all(&dist)?;
    }
    copy(&built, &dist, &[])
}

/// Runs lints, type checks and unit tests. Fails when the committed build, or the types generated
/// from the API description, differ from a rebuild.
pub(crate) fn check() -> anyhow::Result<()> {
    openapi::check_types()?;
    let built = build()?;
    run(npm(&workplace("web")).args(["run", "check"]))?;
    if files(&built)? != files(&crate::root().join("web/dist"))? {
        bail!("the committed web/dist differs from a rebuild. Run: cargo xtask web");
    }
    Ok(())
}

fn build() -> anyhow::Result<PathBuf> {
    let place = install("web", &["node_modules", "dist"])?;
    run(npm(&place).args(["run", "build"]))?;
    Ok(place.join("dist"))
}

/// Copies a directory of the project and installs the packages of its lock file.
pub(crate) fn install(name: &str, without: &[&str]) -> anyhow::Result<PathBuf> {
    let place = workplace(name);
    if place.exists() {
        std::fs::remove_dir_all(&place)?;
    }
    copy(&crate::root().join(name), &place, without)?;
    // Not `npm ci`: it insists on the linter's binaries for every platform, and some registries do
    // not have all of them. The lock file still decides every version.
    run(npm(&place).args(["install", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    Ok(place)
}

fn workplace(name: &str) -> PathBuf {
    crate::target().join("node").join(name)
}

fn npm(place: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(place);
    npm
}
