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
    let schemathesis = schemathesis()?;
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

/// Its program, in an environment of its own below target/tools that is kept as long as the list of packages is the same.
fn schemathesis() -> anyhow::Result<PathBuf> {
    tools::python()?;
    let place = std::path::absolute(crate::target())?.join("tools/schemathesis");
    let wanted = sources().join("requirements.txt");
    let list = std::fs::read(&wanted).context("cannot read the list of packages")?;
    let (program, installed) = (place.join("bin/schemathesis"), place.join("requirements.txt"));
    if std::fs::read(&installed).is_ok_and(|known| known == list) {
        return Ok(program);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
    let mut install = Command::new(place.join("bin/pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"]);
    run(install.arg(&wanted))?;
    // Last: what has the list is whole.
    std::fs::write(installed, list)?;
    Ok(program)
}

fn sources() -> PathBuf {
    crate::root().join("xtask/interface")
}
