//! The tests in `e2e/`: the official Socket.IO client and the page in headless Chromium, against
//! the real memtap.

use std::path::Path;
use std::process::Command;

use crate::run::{cargo, run};
use crate::{tools, web};

/// Runs the tests. Screenshots go to target/artefacts.
pub(crate) fn check() -> anyhow::Result<()> {
    // The same arguments as for the tests, so cargo builds nothing twice.
    run(&mut cargo(&["build", "--release", "--locked", "--workspace", "--all-targets"]))?;
    run(node(&crate::target().join("artefacts"))?.args(["--test", "--test-concurrency=1"]))
}

/// `cargo xtask pictures`: takes the screenshots of README, with real programs on this machine.
pub(crate) fn pictures() -> anyhow::Result<()> {
    tools::browser()?;
    run(&mut cargo(&["build", "--release", "--locked", "--package=memtap"]))?;
    run(node(&crate::root().join("docs/pictures"))?.arg("pictures.mjs"))
}

/// Prepares Node in a copy of e2e/, with `artefacts` as the directory for screenshots.
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
