//! Extracts single files from Debian packages into target/vm, for the guests of `vm.rs`. Nothing is
//! installed. An existing file is used as it is, so you can also put one there yourself. To get
//! newer files, remove target/vm.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::run::{output, run};

/// Kernel image that a metapackage such as linux-image-amd64 depends on. Its version must begin
/// with `series`.
pub(crate) fn kernel(series: &str, package: &str) -> anyhow::Result<PathBuf> {
    let kept = folder().join(format!("vmlinuz-{series}"));
    keep(&kept, "*/vmlinuz-*", || newest_image(series, package)).with_context(|| {
        let place = kept.display();
        format!(
            "no kernel {series} (Debian 12's package {package} contains it; you can also put its vmlinuz at {place})"
        )
    })?;
    Ok(kept)
}

/// A static busybox, which contains a shell, `cat`, `mount` and similar commands.
pub(crate) fn busybox() -> anyhow::Result<PathBuf> {
    let kept = folder().join("busybox");
    keep(&kept, "*/bin/busybox", || Ok("busybox-static".into())).with_context(|| {
        let place = kept.display();
        format!("no busybox (Debian's package busybox-static contains it; you can also put a static one at {place})")
    })?;
    Ok(kept)
}

/// Directory for everything that the guests need.
pub(crate) fn folder() -> PathBuf {
    crate::target().join("vm")
}

/// Extracts the file that matches `pattern` from the package to `kept`, unless `kept` exists.
fn keep(kept: &Path, pattern: &str, package: impl Fn() -> anyhow::Result<String>) -> anyhow::Result<()> {
    if kept.exists() {
        return Ok(());
    }
    if output("apt-get", &["--version"]).is_none() {
        bail!("apt-get is missing");
    }
    std::fs::create_dir_all(folder())?;
    let place = tempfile::tempdir_in(folder())?;
    let fetched = fetch(place.path(), &package()?)?;
    let unpacked = place.path().join("unpacked");
    unpack(&fetched, pattern, &unpacked)?;
    // The rename comes last, so a file with its final name is complete.
    Ok(std::fs::rename(unpacked, kept)?)
}

/// Name of the newest kernel package that a metapackage depends on.
fn newest_image(series: &str, package: &str) -> anyhow::Result<String> {
    if nix::unistd::geteuid().is_root() {
        run(Command::new("apt-get").args(["update", "-qq"]))?;
    }
    let known = output("apt-cache", &["depends", package]).context("unknown to apt")?;
    let wanted = format!("linux-image-{series}.");
    let images = known.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let image = images.into_iter().find(|image| image.starts_with(&wanted));
    image.map(String::from).with_context(|| format!("it depends on no {wanted}* here"))
}

fn fetch(place: &Path, package: &str) -> anyhow::Result<PathBuf> {
    // apt's own user cannot write below target/.
    run(Command::new("apt-get")
        .args(["-qq", "-o", "APT::Sandbox::User=root", "download", package])
        .current_dir(place))?;
    let entry = std::fs::read_dir(place)?.next().context("apt-get downloaded no package")?;
    Ok(entry?.path())
}

/// Extracts one file only, since a kernel package contains hundreds of megabytes of modules.
fn unpack(package: &Path, pattern: &str, to: &Path) -> anyhow::Result<()> {
    let mut dpkg =
        Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package).stdout(Stdio::piped()).spawn()?;
    let archive = dpkg.stdout.take().context("piped")?;
    let mut tar = Command::new("tar");
    tar.args(["-x", "--to-stdout", "--wildcards", pattern]).stdin(archive).stdout(File::create(to)?);
    run(&mut tar)?;
    if !dpkg.wait()?.success() {
        bail!("dpkg-deb cannot read {}", package.display());
    }
    Ok(())
}
