//! `cargo xtask install-test`: memtap.deb on a system of its own. A minimal Debian is made once below target/install. A copy of it gets the
//! package (in a chroot), is booted in qemu with systemd as its first process, and loses the package again.

use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::{run, run_for_output};
use crate::{debian, package, tools, vm};

/// As the package's libraries are: those of the machine that it is made on.
const SUITE: &str = "bookworm";

/// Beyond Debian's least: systemd as the first process, what the guest asks with, and who reads manual pages and completions.
const PACKAGES: &str = "systemd-sysv,dbus,procps,curl,man-db,bash-completion";

/// Of the base system, what would only take memory in the guest.
const UNNEEDED: [&str; 4] = ["var/cache/apt", "var/lib/apt/lists", "usr/share/locale", "usr/share/doc"];

/// Where dpkg and systemd write down what they do: it grows with each package, whatever that is.
const JOURNALS: [&str; 4] = ["var/lib/dpkg/", "var/log/", "var/cache/", "etc/.pwd.lock"];

/// The kernel of the guest.
const KERNEL: (&str, &str) = ("6.12", "linux-image-6.12-amd64");

/// Started in the guest in place of all that a machine usually starts.
const UNIT: &str = "install-test.service";

/// What must go well where the package is installed.
const LOOKS: [&str; 6] = [
    "memtap --version",
    "memtap doctor",
    "man memtap | grep --quiet memtap && man memtap-serve | grep --quiet listen",
    ". /usr/share/bash-completion/bash_completion && _completion_loader memtap; complete -p memtap",
    "test \"$(stat --format %U:%G:%a /etc/memtap/memtap.env)\" = root:memtap:640",
    "test \"$(getent passwd memtap | cut --delimiter=: --fields=6,7)\" = /var/lib/memtap:/usr/sbin/nologin",
];

/// `cargo xtask install-test`, of a package that is there already or of one that is made now.
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
    for look in LOOKS {
        system.run(look)?;
    }
    boot(&system, place.path())?;
    // As it is where memtap has run.
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

/// The minimal system, made by debootstrap unless it is there; remove target/install to have a newer one.
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
    // Last and at once: what has its final name is whole.
    std::fs::rename(made, &kept)?;
    Ok(kept)
}

/// A system below a folder.
struct System(PathBuf);

impl System {
    /// Runs a line of shell in it, with the machine's /proc and /sys, in a mount namespace that goes with it.
    fn run(&self, line: &str) -> anyhow::Result<()> {
        const ENTER: &str = "mount --rbind /proc \"$0/proc\" && mount --rbind /sys \"$0/sys\" && exec chroot \"$0\" bash -c \"$1\"";
        let mut enter = Command::new("unshare");
        enter.args(["--mount", "--propagation=private", "sh", "-c", ENTER]).arg(&self.0).arg(line);
        enter.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
        run(enter.env("DEBIAN_FRONTEND", "noninteractive"))
    }

    /// All that is in it but for the journals.
    fn paths(&self) -> anyhow::Result<BTreeSet<String>> {
        let mut find = Command::new("find");
        find.args([".", "-mindepth", "1", "-printf", "%P\\n"]).current_dir(&self.0);
        let found = String::from_utf8(run_for_output(&mut find)?).context("a file name is not UTF-8")?;
        let is_kept = |path: &&str| !JOURNALS.iter().any(|journal| path.starts_with(journal));
        Ok(found.lines().filter(is_kept).map(str::to_owned).collect())
    }
}

/// The whole system is the guest's first file system; what only the test needs comes in a second archive.
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
    // The kernel looks for it here.
    symlink("usr/lib/systemd/systemd", more.join("init"))?;
    let (initramfs, second) = (place.join("initramfs"), place.join("second"));
    vm::archive_of(&system.0, &busybox, &initramfs)?;
    vm::archive_of(&more, &busybox, &second)?;
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
