//! Checks the files in packaging/: the unit with systemd, the Dockerfile with hadolint, and the
//! manifest with the Kubernetes schemas.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::{run, run_for_output};
use crate::tools;

/// Highest exposure score that systemd may give the unit, in tenths (0 to 100).
const EXPOSURE: u32 = 20;

/// Kubernetes version whose schemas the manifest must match.
const KUBERNETES: &str = "1.29";

/// `cargo xtask packaging-test`, a step of the gate.
pub(crate) fn check() -> anyhow::Result<()> {
    tools::systemd()?;
    let tools = tools::venv("packaging", &crate::root().join("xtask/packaging/requirements.txt"))?;
    let place = tempfile::tempdir()?;
    unit(place.path())?;
    users()?;
    run(Command::new(tools.join("hadolint")).arg(source("Dockerfile")))?;
    let mut manifest = Command::new(tools.join("kubernetes-validate"));
    run(manifest.args(["--strict", "--kubernetes-version", KUBERNETES]).arg(source("kubernetes.yaml")))
}

pub(crate) fn source(name: &str) -> PathBuf {
    crate::root().join("packaging").join(name)
}

/// Checks that systemd accepts every line of the unit, and that its sandbox is strict enough.
fn unit(place: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(source("memtap.service")).context("cannot read the unit")?;
    // systemd checks that the program and the user exist.
    let here = std::env::current_exe()?;
    let text = text.replace("/usr/bin/memtap", here.to_str().context("the path is not UTF-8")?);
    let text = text.replace("=memtap\nGroup=memtap", "=daemon\nGroup=daemon");
    let unit = place.join("memtap.service");
    std::fs::write(&unit, text)?;
    let verify = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output()?;
    // systemd also reports faults in other units of the machine.
    let messages = String::from_utf8_lossy(&verify.stderr).into_owned();
    let ours: Vec<&str> = messages.lines().filter(|line| line.contains("memtap.service")).collect();
    if !ours.is_empty() {
        bail!("packaging/memtap.service: {}", ours.join("\n"));
    }
    let mut security = Command::new("systemd-analyze");
    security
        .args(["security", "--offline=true", "--no-pager", &format!("--threshold={EXPOSURE}")])
        .arg(&unit);
    let table =
        run_for_output(&mut security).context("packaging/memtap.service is more exposed than before")?;
    eprintln!("{}", String::from_utf8_lossy(&table).lines().last().unwrap_or_default());
    Ok(())
}

/// Checks that systemd creates the user from its configuration line.
fn users() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    let etc = root.path().join("etc");
    std::fs::create_dir(&etc)?;
    run(Command::new("systemd-sysusers")
        .arg(format!("--root={}", root.path().display()))
        .arg(source("memtap.sysusers")))?;
    let made = std::fs::read_to_string(etc.join("passwd")).unwrap_or_default();
    match made
        .lines()
        .any(|line| line.starts_with("memtap:") && line.ends_with(":/var/lib/memtap:/usr/sbin/nologin"))
    {
        true => Ok(()),
        false => bail!("packaging/memtap.sysusers does not create the user memtap: {made}"),
    }
}
