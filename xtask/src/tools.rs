//! Tools that the developer's commands need beyond the Rust toolchain. Missing ones are installed,
//! or listed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::{cargo, output, run};

/// A tool, the check that it exists, and the Debian packages that contain it.
struct Tool {
    name: &'static str,
    is_there: fn() -> bool,
    packages: &'static [&'static str],
}

const CLANG: Tool = Tool {
    name: "clang-14, llvm-strip-14 and libbpf's headers",
    is_there: || {
        output("clang-14", &["--version"]).is_some()
            && output("llvm-strip-14", &["--version"]).is_some()
            && PathBuf::from("/usr/include/bpf/bpf_helpers.h").exists()
    },
    packages: &["clang-14", "llvm-14", "libbpf-dev"],
};

const NODE: Tool = Tool {
    name: "Node 20.19 or later with npm",
    is_there: || {
        node_version().is_some_and(|version| version >= (20, 19)) && output("npm", &["--version"]).is_some()
    },
    packages: &["nodejs", "npm"],
};

const CHROMIUM: Tool = Tool {
    name: "Chromium",
    is_there: || output("chromium", &["--version"]).is_some(),
    packages: &["chromium"],
};

const QEMU: Tool = Tool {
    name: "qemu-system-x86_64",
    is_there: || output("qemu-system-x86_64", &["--version"]).is_some(),
    packages: &["qemu-system-x86"],
};

const STRESS: Tool = Tool {
    name: "stress-ng",
    is_there: || output("stress-ng", &["--version"]).is_some(),
    packages: &["stress-ng"],
};

const MARIADB: Tool = Tool {
    name: "MariaDB's server and client, and openssl",
    is_there: || {
        output("mariadbd", &["--version"]).is_some()
            && output("mariadb", &["--version"]).is_some()
            && output("openssl", &["version"]).is_some()
    },
    packages: &["mariadb-server", "openssl"],
};

const SYSTEMTAP: Tool = Tool {
    name: "SystemTap, gcc with the C library's headers, and sqlite3",
    is_there: || {
        ["stap", "gcc", "ldd", "sqlite3"].iter().all(|program| output(program, &["--version"]).is_some())
            && ["/usr/bin/staprun", "/usr/include/stdio.h"].iter().all(|file| PathBuf::from(file).exists())
    },
    packages: &["systemtap", "gcc", "libc6-dev", "sqlite3"],
};

const PYTHON: Tool = Tool {
    name: "Python 3.10 or later with venv",
    is_there: || {
        let new = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))";
        output("python3", &["-c", new]).is_some()
    },
    packages: &["python3", "python3-venv"],
};

const STRACE: Tool =
    Tool { name: "strace", is_there: || output("strace", &["--version"]).is_some(), packages: &["strace"] };
const PEERS: Tool = Tool {
    name: "bpftrace, bpftool, perf, strace, htop, atop and Netdata",
    is_there: || {
        let all = ["bpftrace", "bpftool", "perf", "strace", "htop", "atop", "netdata", "taskset", "script"];
        all.iter().all(|program| output("sh", &["-c", &format!("command -v {program}")]).is_some())
    },
    packages: &[
        "bpftrace",
        "bpftool",
        "linux-perf",
        "strace",
        "htop",
        "atop",
        "netdata-core",
        "util-linux",
        "bsdutils",
    ],
};
const SYSTEMD: Tool = Tool {
    name: "systemd 252 or later (only its programs; it need not run)",
    is_there: || {
        output("systemd-analyze", &["security", "--offline=true", "--no-pager", "--help"]).is_some()
            && output("systemd-sysusers", &["--version"]).is_some()
    },
    packages: &["systemd"],
};

const DPKG: Tool = Tool {
    name: "dpkg-deb and dpkg-shlibdeps",
    is_there: || {
        ["dpkg-deb", "dpkg-shlibdeps"].iter().all(|program| output(program, &["--version"]).is_some())
    },
    packages: &["dpkg", "dpkg-dev"],
};

const DEBOOTSTRAP: Tool = Tool {
    name: "debootstrap, and unshare from util-linux",
    is_there: || {
        output("debootstrap", &["--version"]).is_some() && output("unshare", &["--version"]).is_some()
    },
    packages: &["debootstrap", "util-linux"],
};

fn node_version() -> Option<(u32, u32)> {
    let text = output("node", &["--version"])?;
    let mut numbers = text.trim().trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Provides the compiler of the eBPF objects.
pub(crate) fn clang() -> anyhow::Result<()> {
    provide(&[CLANG])
}

/// Provides the build tools of the page.
pub(crate) fn node() -> anyhow::Result<()> {
    provide(&[NODE])
}

/// Provides the browser for the page's tests.
pub(crate) fn browser() -> anyhow::Result<()> {
    provide(&[NODE, CHROMIUM])
}

/// Provides the emulator for other kernels.
pub(crate) fn qemu() -> anyhow::Result<()> {
    provide(&[QEMU])
}

/// Provides the server for the store benchmark.
pub(crate) fn mariadb() -> anyhow::Result<()> {
    provide(&[MARIADB])
}

/// Provides everything for the SystemTap test: SystemTap itself, a C compiler for the guest's
/// program, and sqlite3 to read the imported rows.
pub(crate) fn systemtap() -> anyhow::Result<()> {
    provide(&[SYSTEMTAP])
}

/// Provides the checker of the systemd unit.
pub(crate) fn systemd() -> anyhow::Result<()> {
    provide(&[SYSTEMD])
}

/// Provides the tools that build and unpack Debian packages.
pub(crate) fn dpkg() -> anyhow::Result<()> {
    provide(&[DPKG])
}

/// Provides the tools that create a minimal Debian and run commands in it.
pub(crate) fn debootstrap() -> anyhow::Result<()> {
    provide(&[DEBOOTSTRAP])
}

/// Installs a list of Python packages into a virtual environment below target/tools, and returns
/// the directory of its programs. The environment is rebuilt when the list changes.
pub(crate) fn venv(name: &str, list: &Path) -> anyhow::Result<PathBuf> {
    provide(&[PYTHON])?;
    let place = std::path::absolute(crate::target())?.join("tools").join(name);
    let wanted = std::fs::read(list).with_context(|| format!("cannot read {}", list.display()))?;
    let (programs, installed) = (place.join("bin"), place.join("requirements.txt"));
    if std::fs::read(&installed).is_ok_and(|known| known == wanted) {
        return Ok(programs);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
    let mut install = Command::new(programs.join("pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"]);
    run(install.arg(list))?;
    // The list is copied last, so an environment that contains it is complete.
    std::fs::write(installed, wanted)?;
    Ok(programs)
}

/// Provides strace, which `memtap run` is compared with.
pub(crate) fn strace() -> anyhow::Result<()> {
    provide(&[STRACE])
}

/// Provides the programs that memtap is compared with.
pub(crate) fn peers() -> anyhow::Result<()> {
    provide(&[PEERS])
}

/// Provides the tools for the whole gate.
pub(crate) fn all() -> anyhow::Result<()> {
    provide(&[CLANG, NODE, CHROMIUM, QEMU, STRESS, STRACE, MARIADB, PYTHON, SYSTEMD])
}

fn provide(tools: &[Tool]) -> anyhow::Result<()> {
    let missing = |tools: &[Tool]| -> Vec<String> {
        let absent = tools.iter().filter(|tool| !(tool.is_there)());
        absent.map(|tool| format!("{} (Debian packages: {})", tool.name, tool.packages.join(" "))).collect()
    };
    if missing(tools).is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> =
        tools.iter().filter(|tool| !(tool.is_there)()).flat_map(|tool| tool.packages).copied().collect();
    install(&packages)?;
    let still = missing(tools);
    if !still.is_empty() {
        bail!(
            "missing on this machine:\n  {}\nInstall them, or run this command as root on a machine with apt-get",
            still.join("\n  ")
        );
    }
    Ok(())
}

/// Installs packages if this process is root and apt-get exists. The caller checks the result.
pub(crate) fn install(packages: &[&str]) -> anyhow::Result<()> {
    if !nix::unistd::geteuid().is_root() || output("apt-get", &["--version"]).is_none() {
        return Ok(());
    }
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages);
    run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// cargo-deny from PATH, or one built once below target/.
pub(crate) fn cargo_deny() -> anyhow::Result<PathBuf> {
    cargo_tool("cargo-deny", "0.20.2")
}

/// cargo-deb from PATH, or one built once below target/.
pub(crate) fn cargo_deb() -> anyhow::Result<PathBuf> {
    cargo_tool("cargo-deb", "3.8.0")
}

fn cargo_tool(name: &str, version: &str) -> anyhow::Result<PathBuf> {
    if output(name, &["--version"]).is_some() {
        return Ok(name.into());
    }
    let folder = std::path::absolute(crate::target())?.join("tools");
    let program = folder.join("bin").join(name);
    if !program.exists() {
        eprintln!("building {name}; this takes some minutes, once");
        let root = folder.display().to_string();
        // A debug build is fast enough to run, and much faster to compile.
        run(&mut cargo(&["install", "--debug", "--locked", "--root", &root, &format!("{name}@{version}")]))?;
    }
    Ok(program)
}
