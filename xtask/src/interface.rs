//! The interface against its own description: schemathesis asks a running memtap what `/api/v1/openapi.json` allows and what it forbids,
//! and looks whether statuses, headers and bodies are those described. `xtask/interface/` has its settings and its packages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::run::{output, run};
use crate::serving::Serving;
use crate::tools;

/// Pairs of mmap and munmap made while memtap looks, so that the live figures are of something.
const PAIRS: &str = "20000";

/// `cargo xtask interface-test`, on the built memtap: a recorded yesterday, and what this machine does now.
pub(crate) fn check() -> anyhow::Result<()> {
    let schemathesis = tools::venv("schemathesis", &sources().join("requirements.txt"))?.join("schemathesis");
    let examples = crate::target().join("release/examples");
    let fill = |store: &str| run(Command::new(examples.join("day")).arg(store));
    let memtap = Serving::start_on_filled(fill)?;
    let mut live = Command::new(examples.join("fixture"));
    run(live.args(["loop", "pair", PAIRS]).stdout(Stdio::null()))?;
    ask(&schemathesis, memtap.port)
}

/// What it writes about failures lies in target/artefacts/interface. First what is forbidden, then what is allowed: of a range from
/// yesterday on, since most of those that it would draw lie where there is no history.
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

/// Where a day begins.
fn day(which: &str) -> anyhow::Result<String> {
    let found = output("date", &["-u", "-d", which, "+%Y-%m-%dT00:00:00Z"]).context("no date")?;
    Ok(found.trim().to_owned())
}

fn sources() -> PathBuf {
    crate::root().join("xtask/interface")
}
