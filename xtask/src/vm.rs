//! `cargo xtask vm-test` runs the tests of memtap-capture on other kernels. It boots Debian's
//! kernels in qemu with only busybox and the statically linked test program. It prints the tests'
//! output, and fails if a test fails.

use std::collections::HashMap;
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::run::{cargo, run};
use crate::{debian, systemtap, tools};

/// Kernel series in Debian 12, and the metapackages of their newest kernels. They differ from later
/// kernels where memtap hooks in: in both, sched_process_exit comes after exit_mm()
/// (kernel/exit.c), and 6.1 keeps the resident set in plain counters.
const KERNELS: [(&str, &str); 2] = [("6.1", "linux-image-amd64"), ("6.12", "linux-image-6.12-amd64")];

/// Guests: the kernel series, options beyond [`KERNEL_OPTIONS`], and a filter for test names (empty
/// for all). Lockdown is a security module (LSM). memtap must work in integrity mode.
/// Confidentiality mode blocks tracing, and memtap must name that as the reason.
const GUESTS: [(&str, &str, &str); 3] = [
    ("6.1", "", ""),
    ("6.12", "lsm=lockdown,yama,apparmor,bpf lockdown=integrity", ""),
    ("6.1", "lsm=lockdown,yama,apparmor,bpf lockdown=confidentiality", "locked_down"),
];

/// Time limit for a guest. The tests take some seconds; a busy machine needs longer, and a guest
/// that hangs must end.
const SECONDS: &str = "420";

/// The reboot that `panic=-1` causes ends qemu. Mitigations only cost time here. The kernel checks
/// its timer at boot, and panics if the emulated timer's ticks come too late on a busy machine
/// (arch/x86/kernel/apic/io_apic.c, check_timer); `no_timer_check` skips that check.
const KERNEL_OPTIONS: &str = "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check";

const TARGET: &str = "x86_64-unknown-linux-gnu";

const BEGIN: &str = "vm-test: begin";

/// `cargo xtask vm-test`
pub(crate) fn check() -> anyhow::Result<()> {
    tools::qemu()?;
    let kernels = KERNELS.map(|(series, package)| Ok((series, debian::kernel(series, package)?)));
    let kernels = kernels.into_iter().collect::<anyhow::Result<HashMap<_, _>>>()?;
    let busybox = debian::busybox()?;
    let initramfs = initramfs(&busybox, &static_tests()?)?;
    let guest = |number: usize| {
        let (series, options, tests) = GUESTS[number];
        eprintln!("== on kernel {series} {options}");
        let log = debian::folder().join(format!("guest-{number}.log"));
        let options = format!("{options} memtap.tests={tests}");
        let booted = kernels.get(series).context("the kernel of a guest is missing").and_then(|kernel| {
            boot(&Guest { series, options: &options, kernel, initramfs: &initramfs, log: &log, lines: None })
        });
        booted.map_err(|error| format!("on kernel {series}: {error:#}. The whole log is {}", log.display()))
    };
    let systemtap = || {
        let kernel = kernels.get(systemtap::SERIES).context("the kernel for SystemTap is missing");
        let checked = kernel.and_then(|kernel| systemtap::check(kernel, &busybox));
        checked.map_err(|error| format!("SystemTap on kernel {}: {error:#}", systemtap::SERIES))
    };
    // Two guests at a time: most of a guest's boot uses only one CPU.
    let results = std::thread::scope(|scope| {
        let first = scope.spawn(|| [guest(0), guest(2)]);
        let second = [guest(1), systemtap()];
        first.join().map(|first| first.into_iter().chain(second).collect::<Vec<_>>())
    });
    let results = results.map_err(|_| anyhow::anyhow!("a thread that boots guests has panicked"))?;
    let failed: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    Ok(())
}

/// Builds the tests as one static file, which needs no library in the guest. It has its own target
/// directory, because other flags would invalidate the main build.
fn static_tests() -> anyhow::Result<PathBuf> {
    let mut build =
        cargo(&["test", "--release", "--locked", "--no-run", "--package=memtap-capture", "--test=bpf"]);
    build.args(["--target", TARGET, "--message-format=json-render-diagnostics"]);
    build
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_TARGET_DIR", debian::folder().join("build"));
    eprintln!("+ {build:?}");
    let built = build.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    if !built.status.success() {
        bail!("the static build of the tests failed");
    }
    let text = String::from_utf8(built.stdout)?;
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = messages.filter_map(|message| Some(message["executable"].as_str()?.into())).next();
    program.context("cargo named no test program")
}

/// Packs the guest's only file system: busybox, the tests, and the script that runs them.
fn initramfs(busybox: &Path, tests: &Path) -> anyhow::Result<PathBuf> {
    let root = tempfile::tempdir_in(debian::folder())?;
    std::fs::copy(tests, root.path().join("tests"))?;
    std::fs::copy(crate::root().join("xtask/vm/init.sh"), root.path().join("init"))?;
    let archive = debian::folder().join("initramfs");
    pack(root.path(), busybox, &archive)?;
    Ok(archive)
}

/// Adds busybox to a directory and packs it as a guest's file system.
pub(crate) fn pack(root: &Path, busybox: &Path, archive: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(root.join("bin"))?;
    let copied = root.join("bin/busybox");
    std::fs::copy(busybox, &copied)?;
    std::fs::set_permissions(&copied, Permissions::from_mode(0o755))?;
    pack_directory(root, &copied, archive)
}

/// Packs a directory as a guest's file system. `busybox` must be executable.
pub(crate) fn pack_directory(root: &Path, busybox: &Path, archive: &Path) -> anyhow::Result<()> {
    let mut names = String::new();
    list(root, Path::new(""), &mut names)?;
    let mut cpio = Command::new(std::path::absolute(busybox)?);
    cpio.args(["cpio", "-o", "-H", "newc"]).current_dir(root);
    let mut cpio = cpio.stdin(Stdio::piped()).stdout(File::create(archive)?).spawn()?;
    cpio.stdin.take().context("piped")?.write_all(names.as_bytes())?;
    if !cpio.wait()?.success() {
        bail!("busybox cannot write {}", archive.display());
    }
    Ok(())
}

/// Lists the paths below a directory, one per line. A directory comes before its content.
fn list(root: &Path, below: &Path, names: &mut String) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        *names += name.to_str().context("a file name is not UTF-8")?;
        *names += "\n";
        if entry.file_type()?.is_dir() {
            list(root, &name, names)?;
        }
    }
    Ok(())
}

/// Configuration of a guest.
pub(crate) struct Guest<'a> {
    pub(crate) series: &'a str,
    /// Kernel options beyond [`KERNEL_OPTIONS`].
    pub(crate) options: &'a str,
    pub(crate) kernel: &'a Path,
    pub(crate) initramfs: &'a Path,
    /// File for the output of the guest's console.
    pub(crate) log: &'a Path,
    /// File for the output of the guest's second serial port.
    pub(crate) lines: Option<&'a Path>,
}

/// Boots a kernel, waits until the guest shuts down, prints its output, and fails if the tests
/// failed.
pub(crate) fn boot(guest: &Guest) -> anyhow::Result<()> {
    let mut qemu = Command::new("timeout");
    // Emulated, so that it behaves the same everywhere. `--foreground` lets Ctrl-C on the terminal
    // reach qemu.
    qemu.args(["--foreground", SECONDS, "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max"]);
    qemu.args(["-smp", "2", "-m", "1G", "-nographic", "-nic", "none", "-no-reboot", "-serial", "stdio"]);
    qemu.args(["-monitor", "none", "-append", &format!("{KERNEL_OPTIONS} {}", guest.options)]);
    qemu.arg("-kernel").arg(guest.kernel).arg("-initrd").arg(guest.initramfs);
    if let Some(lines) = guest.lines {
        qemu.arg("-serial").arg(format!("file:{}", lines.display()));
    }
    let ended = run(qemu.stdin(Stdio::null()).stdout(File::create(guest.log)?));
    let text = String::from_utf8_lossy(&std::fs::read(guest.log)?).replace('\r', "");
    let shown = text.find(BEGIN).map_or(text.as_str(), |begin| &text[begin..]);
    println!("{}", shown.trim_end());
    ended.with_context(|| format!("qemu failed, or the guest did not shut down within {SECONDS} s"))?;
    judge(guest.series, shown)
}

fn judge(series: &str, shown: &str) -> anyhow::Result<()> {
    if !shown.starts_with(&format!("{BEGIN} on {series}.")) {
        bail!("the tests did not start");
    }
    let code = shown.lines().find_map(|line| line.strip_prefix("vm-test: exit code "));
    match code {
        Some("0") => Ok(()),
        Some(code) => bail!("tests failed (exit code {code})"),
        None => bail!("the guest shut down before its tests ended"),
    }
}
