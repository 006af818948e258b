//! The tests in `e2e/`: the official Socket.IO client and the page in headless Chromium, against the real memtap.

use std::path::Path;
use std::process::Command;

use crate::run::{cargo, run};
use crate::{tools, web};

/// Screenshots stay in target/artefacts.
pub(crate) fn check() -> anyhow::Result<()> {
    // As the tests were built: nothing is built twice.
    run(&mut cargo(&["build", "--release", "--locked", "--workspace", "--all-targets"]))?;
    run(node(&crate::target().join("artefacts"))?.args(["--test", "--test-concurrency=1"]))
}

/// `cargo xtask pictures`: the screenshots of README, of real programs on this machine.
pub(crate) fn pictures() -> anyhow::Result<()> {
    tools::browser()?;
    run(&mut cargo(&["build", "--release", "--locked", "--package=memtap"]))?;
    run(node(&crate::root().join("docs/pictures"))?.arg("pictures.mjs"))
}

/// Node among the tests, which puts its pictures into `artefacts`.
fn node(artefacts: &Path) -> anyhow::Result<Command> {
    let place = web::install("e2e", &["node_modules"])?;
    std::fs::create_dir_all(artefacts)?;
    let built = crate::target().join("release");
    let mut node = Command::new("node");
    node.current_dir(place)
        .env("MEMTAP", built.join("memtap"))
        .env("FIXTURE", built.join("examples/fixture"))
        .env("DAY", built.join("examples/day"))
        .env("ARTEFACTS", std::path::absolute(artefacts)?);
    Ok(node)
}
