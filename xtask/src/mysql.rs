//! A real MySQL server for the store tests. Debian's stable releases contain only MariaDB, so the
//! server and its libraries come from packages of the unstable release. Nothing is installed. The
//! files are in target/tools/mysql, with the libraries' own dynamic linker, so that they run on a
//! system with an older C library. To get a newer server, remove that directory.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::{cargo, output, run};

/// Script that starts the server from its directory. The packages do not contain one.
const START: &str = r#"#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
libraries=$(echo "$here"/usr/lib/*-linux-gnu*)
exec "$libraries"/ld-linux-*.so.* --library-path "$libraries" "$here/usr/sbin/mysqld" "$@" --lc-messages-dir="$here/usr/share/mysql"
"#;

/// `cargo xtask mysql-test`: runs the store tests on MySQL. They have already run on MariaDB, so a
/// missing MySQL is not an error.
pub(crate) fn check() -> anyhow::Result<()> {
    let mysqld = match mysqld() {
        Ok(mysqld) => mysqld,
        Err(error) => {
            eprintln!("NOTICE: not tested on MySQL, which is not available here: {error:#}");
            return Ok(());
        }
    };
    // Test the whole workspace, as the previous step does. Another selection of packages would
    // rebuild the dependencies.
    let mut test = cargo(&["test", "--release", "--locked", "--workspace"]);
    test.args(["--test=conformance", "--test=mysql", "--test=store_on_server"]);
    run(test.env("MEMTAP_TEST_MYSQLD", &mysqld))
}

/// Returns the server that `MEMTAP_TEST_MYSQLD` names, or one from Debian's packages.
fn mysqld() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("MEMTAP_TEST_MYSQLD") {
        return Ok(named.into());
    }
    let folder = std::path::absolute(crate::target())?.join("tools/mysql");
    let program = folder.join("mysqld");
    if !program.exists() {
        let tools = crate::target().join("tools");
        std::fs::create_dir_all(&tools)?;
        let place = tempfile::tempdir_in(&tools)?;
        let unpacked = unpack(place.path())?;
        // The rename comes last, so a directory with its final name is complete.
        std::fs::rename(unpacked, &folder)?;
    }
    Ok(program)
}

fn unpack(place: &Path) -> anyhow::Result<PathBuf> {
    fetch(place)?;
    let folder = place.join("mysql");
    for entry in std::fs::read_dir(place.join("archives"))? {
        let package = entry?.path();
        if package.extension().is_some_and(|ending| ending == "deb") {
            run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&folder))?;
        }
    }
    let program = folder.join("mysqld");
    std::fs::write(&program, START)?;
    std::fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    let version = output(&program, &["--no-defaults", "--version"]).context("mysqld does not run here")?;
    eprintln!("{}", version.trim());
    Ok(folder)
}

/// Downloads the packages to `place`/archives. apt uses its own package lists there, and assumes
/// that nothing is installed.
fn fetch(place: &Path) -> anyhow::Result<()> {
    if output("apt-get", &["--version"]).is_none() {
        bail!("apt-get is missing");
    }
    let sources = place.join("sources.list");
    std::fs::write(&sources, format!("deb {} sid main\n", mirror()?))?;
    for folder in ["lists/partial", "archives/partial"] {
        std::fs::create_dir_all(place.join(folder))?;
    }
    let installed = place.join("installed");
    std::fs::write(&installed, "")?;
    let at = |key: &str, path: &Path| format!("--option={key}={}", path.display());
    let options = [
        at("Dir::Etc::SourceList", &sources),
        at("Dir::Etc::SourceParts", Path::new("/dev/null")),
        at("Dir::State::Lists", &place.join("lists")),
        at("Dir::State::Status", &installed),
        at("Dir::Cache::Archives", &place.join("archives")),
        at("Dir::Cache::PkgCache", &place.join("packages.bin")),
        at("Dir::Cache::SrcPkgCache", &place.join("sources.bin")),
        // apt's own user cannot write below target/.
        "--option=APT::Sandbox::User=root".to_owned(),
        "--option=Acquire::Languages=none".to_owned(),
        "--option=Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
        "--option=Acquire::http::Timeout=20".to_owned(),
    ];
    let apt = |arguments: &[&str]| run(Command::new("apt-get").arg("-qq").args(&options).args(arguments));
    apt(&["update", "--error-on=any"])?;
    apt(&["install", "--download-only", "--yes", "--no-install-recommends", "mysql-server-core"])
}

/// Address of the Debian mirror that this machine uses.
fn mirror() -> anyhow::Result<String> {
    let known = || {
        output("apt-get", &["indextargets", "--format=$(REPO_URI)", "Created-By: Packages", "Label: Debian"])
            .and_then(|addresses| addresses.lines().next().map(str::to_owned))
    };
    if known().is_none() {
        run(Command::new("apt-get").args(["update", "-qq"]))?;
    }
    known().context("this machine has no Debian package source")
}
