//! `cargo xtask install-test` installs memtap.deb on a minimal Debian, which is created once below
//! target/install. A copy of that system gets the package in a chroot, boots in qemu with systemd,
//! and purges the package.

use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::{run, run_for_output};
use crate::{debian, package, tools, vm};

/// Debian release of the test system. The package's libraries are those of the machine that builds
/// it.
const SUITE: &str = "bookworm";

/// Packages beyond the minimal base: systemd as the first process, commands for the guest's checks,
/// and readers of manual pages and completions.
const PACKAGES: &str = "systemd-sysv,dbus,procps,curl,man-db,bash-completion";

/// Directories of the base system that would only use the guest's memory.
const UNNEEDED: [&str; 4] = ["var/cache/apt", "var/lib/apt/lists", "usr/share/locale", "usr/share/doc"];

/// Paths where dpkg and systemd write logs and state, which change with any package.
const JOURNALS: [&str; 4] = ["var/lib/dpkg/", "var/log/", "var/cache/", "etc/.pwd.lock"];

/// The guest's kernel: series and package.
const KERNEL: (&str, &str) = ("6.12", "linux-image-6.12-amd64");

/// Unit that the guest starts instead of the default target.
const UNIT: &str = "install-test.service";

/// Commands that must succeed after the installation.
const CHECKS: [&str; 6] = [
    "memtap --version",
    "memtap doctor",
    "man memtap | grep --quiet memtap && man memtap-serve | grep --quiet listen",
    ". /usr/share/bash-completion/bash_completion && _completion_loader memtap; complete -p memtap",
    "test \"$(stat --format %U:%G:%a /etc/memtap/memtap.env)\" = root:memtap:640",
    "test \"$(getent passwd memtap | cut --delimiter=: --fields=6,7)\" = /var/lib/memtap:/usr/sbin/nologin",
];

/// `cargo xtask install-test`: tests the given package, or builds one.
pub(crate) fn check(package: Option<PathBuf>) -> anyhow::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!(
            "install-test needs root, to create a system and to enter it. Run: sudo -E env PATH=\"$PATH\" cargo xtask install-test"
        );
    }
    tools::debootstrap()?;
    tools::qemu()?;
    let package = package.map_or_else(package::debian, Ok)?;
    let base = base()?;
    let place = tempfile::tempdir_in(folder())?;
    let system = System(place.path().join("root"));
    run(Command::new("cp").arg("--archive").arg(base).arg(&system.0))?;
    let before = system.paths()?;
    std::fs::copy(package, system.0.join("tmp/memtap.deb"))?;
    system.run("dpkg --install /tmp/memtap.deb")?;
    for check in CHECKS {
        system.run(check)?;
    }
    boot(&system, place.path())?;
    // Create the files that memtap leaves after a run.
    system.run("install --directory --owner=memtap /var/lib/memtap && touch /var/lib/memtap/memtap.db")?;
    system.run("dpkg --purge memtap && rm /tmp/memtap.deb")?;
    let left: Vec<String> = system.paths()?.difference(&before).cloned().collect();
    if !left.is_empty() {
        bail!("purging the package left {left:?}");
    }
    println!("install-test: installed, booted, purged");
    Ok(())
}

fn folder() -> PathBuf {
    crate::target().join("install")
}

/// Minimal system made by debootstrap, unless it exists. To get a newer one, remove target/install.
fn base() -> anyhow::Result<PathBuf> {
    let kept = folder().join(SUITE);
    if kept.exists() {
        return Ok(kept);
    }
    std::fs::create_dir_all(folder())?;
    let place = tempfile::tempdir_in(folder())?;
    let made = place.path().join("root");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", &format!("--include={PACKAGES}"), SUITE]);
    run(debootstrap.arg(&made))?;
    for unneeded in UNNEEDED.map(|path| made.join(path)) {
        std::fs::remove_dir_all(&unneeded)?;
        std::fs::create_dir(unneeded)?;
    }
    // The rename comes last, so a directory with its final name is complete.
    std::fs::rename(made, &kept)?;
    Ok(kept)
}

/// Root directory of an installed system.
struct System(PathBuf);

impl System {
    /// Runs a shell command in the system, with the machine's /proc and /sys mounted in a private
    /// mount namespace.
    fn run(&self, line: &str) -> anyhow::Result<()> {
        const ENTER: &str = "mount --rbind /proc \"$0/proc\" && mount --rbind /sys \"$0/sys\" && exec chroot \"$0\" bash -c \"$1\"";
        let mut enter = Command::new("unshare");
        enter.args(["--mount", "--propagation=private", "sh", "-c", ENTER]).arg(&self.0).arg(line);
        enter.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
        run(enter.env("DEBIAN_FRONTEND", "noninteractive"))
    }

    /// Lists all paths of the system except the journals.
    fn paths(&self) -> anyhow::Result<BTreeSet<String>> {
        let mut find = Command::new("find");
        find.args([".", "-mindepth", "1", "-printf", "%P\\n"]).current_dir(&self.0);
        let listing = String::from_utf8(run_for_output(&mut find)?).context("a file name is not UTF-8")?;
        let is_kept = |path: &&str| !JOURNALS.iter().any(|journal| path.starts_with(journal));
        Ok(listing.lines().filter(is_kept).map(str::to_owned).collect())
    }
}

/// Boots the system as the guest's initial file system. A second archive adds the files that only
/// the test needs.
fn boot(system: &System, place: &Path) -> anyhow::Result<()> {
    let (series, package) = KERNEL;
    let kernel = debian::kernel(series, package)?;
    let busybox = debian::busybox()?;
    std::fs::set_permissions(&busybox, Permissions::from_mode(0o755))?;
    let more = place.join("more");
    for (file, folder) in [("guest.sh", "install-test"), (UNIT, "etc/systemd/system")] {
        let folder = more.join(folder);
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(crate::root().join("xtask/install").join(file), folder.join(file))?;
    }
    // The kernel starts /init.
    symlink("usr/lib/systemd/systemd", more.join("init"))?;
    let (initramfs, second) = (place.join("initramfs"), place.join("second"));
    vm::pack_directory(&system.0, &busybox, &initramfs)?;
    vm::pack_directory(&more, &busybox, &second)?;
    std::io::copy(&mut File::open(&second)?, &mut File::options().append(true).open(&initramfs)?)?;
    let log = folder().join("guest.log");
    let guest = vm::Guest {
        series,
        options: &format!("systemd.show_status=false systemd.unit={UNIT}"),
        kernel: &kernel,
        initramfs: &initramfs,
        log: &log,
        lines: None,
    };
    vm::boot(&guest).with_context(|| format!("see the whole log in {}", log.display()))
}
