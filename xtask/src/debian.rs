//! Files out of Debian's packages, for the guests of `vm.rs`: the name of a package goes in, the path of one file of it below
//! target/vm comes out. Nothing is installed. A file that is there is used as it is, so it can also be put there by hand; remove
//! target/vm to have newer ones.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::run::{output, run};

/// The kernel that a package such as linux-image-amd64 stands for; `series` is what its version has to be.
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

/// One static program that is a shell, `cat`, `mount` and the like.
pub(crate) fn busybox() -> anyhow::Result<PathBuf> {
    let kept = folder().join("busybox");
    keep(&kept, "*/bin/busybox", || Ok("busybox-static".into())).with_context(|| {
        let place = kept.display();
        format!("no busybox (Debian's package busybox-static contains it; you can also put a static one at {place})")
    })?;
    Ok(kept)
}

/// Where all that the guests need is kept.
pub(crate) fn folder() -> PathBuf {
    crate::target().join("vm")
}

/// Has the file of a package whose path fits `pattern` at `kept`, unless it is there.
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
    // Last and at once: what has its final name is whole.
    Ok(std::fs::rename(unpacked, kept)?)
}

/// The package of the newest kernel that another package depends on.
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

/// A kernel's package has hundreds of megabytes of modules: only the one file is written.
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
