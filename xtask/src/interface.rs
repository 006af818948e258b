//! Tests the REST API against its OpenAPI description. schemathesis sends requests that
//! `/api/v1/openapi.json` allows or forbids to a running memtap, and checks status codes, headers
//! and bodies. Its settings and packages are in `xtask/interface/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::run::{output, run};
use crate::serving::Serving;
use crate::tools;

/// Pairs of mmap and munmap made before the test, so that memtap has live data.
const PAIRS: &str = "20000";

/// `cargo xtask interface-test`: tests the built memtap with a recorded history of yesterday and
/// live data of this machine.
pub(crate) fn check() -> anyhow::Result<()> {
    let schemathesis = tools::venv("schemathesis", &sources().join("requirements.txt"))?.join("schemathesis");
    let examples = crate::target().join("release/examples");
    let fill = |store: &str| run(Command::new(examples.join("day")).arg(store));
    let memtap = Serving::start_on_filled(fill)?;
    let mut live = Command::new(examples.join("fixture"));
    run(live.args(["loop", "pair", PAIRS]).stdout(Stdio::null()))?;
    ask(&schemathesis, memtap.port)
}

/// Sends forbidden requests, then allowed ones. The allowed ones use a fixed time range from
/// yesterday to tomorrow, since most random ranges contain no history. Reports of failures go to
/// target/artefacts/interface.
fn ask(schemathesis: &Path, port: u16) -> anyhow::Result<()> {
    let place = crate::target().join("artefacts/interface");
    std::fs::create_dir_all(&place)?;
    let description = format!("http://127.0.0.1:{port}/api/v1/openapi.json");
    for settings in ["forbidden.toml", "allowed.toml"] {
        let mut ask = Command::new(schemathesis);
        ask.arg("--config-file").arg(sources().join(settings)).args(["run", "--no-color", &description]);
        ask.env("MEMTAP_FROM", day("yesterday")?).env("MEMTAP_TO", day("tomorrow")?);
        ask.env("MEMTAP_BEFORE", day("2 days ago")?);
        run(ask.env("NO_PROXY", "127.0.0.1").current_dir(&place))?;
    }
    Ok(())
}

/// Start of a day as RFC 3339.
fn day(which: &str) -> anyhow::Result<String> {
    let date = output("date", &["-u", "-d", which, "+%Y-%m-%dT00:00:00Z"]).context("no date")?;
    Ok(date.trim().to_owned())
}

fn sources() -> PathBuf {
    crate::root().join("xtask/interface")
}
