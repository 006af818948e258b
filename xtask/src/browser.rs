//! The tests in `e2e/`: the official Socket.IO client and the page in headless Chromium, against the real memtap.

use std::process::Command;

use crate::run::{cargo, run};
use crate::web;

/// Screenshots stay in target/artefacts.
pub(crate) fn check() -> anyhow::Result<()> {
    // As the tests were built: nothing is built twice.
    run(&mut cargo(&["build", "--release", "--locked", "--workspace", "--all-targets"]))?;
    let place = web::install("e2e", &["node_modules"])?;
    let artefacts = crate::target().join("artefacts");
    std::fs::create_dir_all(&artefacts)?;
    let built = crate::target().join("release");
    let mut node = Command::new("node");
    node.args(["--test", "--test-concurrency=1"]).current_dir(place);
    node.env("MEMTAP", built.join("memtap"))
        .env("FIXTURE", built.join("examples/fixture"))
        .env("DAY", built.join("examples/day"))
        .env("ARTEFACTS", artefacts);
    run(&mut node)
}
