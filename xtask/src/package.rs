//! Release packages: a package for Debian and derivative distributions, and a program without
//! library dependencies.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::{cargo, output, run, run_for_output};
use crate::{packaging, tools};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Files that the package must contain.
const FILES: [&str; 10] = [
    "usr/bin/memtap",
    "usr/lib/systemd/system/memtap.service",
    "usr/lib/sysusers.d/memtap.conf",
    "etc/memtap/memtap.env",
    "usr/share/man/man1/memtap.1.gz",
    "usr/share/man/man1/memtap-serve.1.gz",
    "usr/share/bash-completion/completions/memtap",
    "usr/share/zsh/vendor-completions/_memtap",
    "usr/share/fish/vendor_completions.d/memtap.fish",
    "usr/share/doc/memtap/copyright",
];

/// Output directory of the packages.
fn place() -> PathBuf {
    // crates/memtap/Cargo.toml names the same directory.
    crate::root().join("target/package")
}

/// `cargo xtask package`: builds and checks memtap.deb, and returns its path.
pub(crate) fn debian() -> anyhow::Result<PathBuf> {
    tools::dpkg()?;
    let cargo_deb = tools::cargo_deb()?;
    run(&mut cargo(&["build", "--release", "--locked", "--package", "memtap"]))?;
    let memtap = crate::target().join("release/memtap");
    documents(&memtap)?;
    let package = place().join("memtap.deb");
    let mut make = Command::new(cargo_deb);
    make.args(["--no-build", "--locked", "--package", "memtap", "--output"]).arg(&package);
    run(make.current_dir(crate::root()))?;
    check_package(&package)?;
    println!("{}", package.display());
    Ok(package)
}

/// Lets the program write its manual pages and completions.
fn documents(memtap: &Path) -> anyhow::Result<()> {
    let (man, completions) = (place().join("man"), place().join("completions"));
    for folder in [&man, &completions] {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
    }
    run(Command::new(memtap).args(["man", "--output"]).arg(man))?;
    for (shell, file) in [("bash", "memtap.bash"), ("zsh", "_memtap"), ("fish", "memtap.fish")] {
        let script = run_for_output(Command::new(memtap).args(["completions", shell]))?;
        std::fs::write(completions.join(file), script)?;
    }
    Ok(())
}

/// Checks the package's content and scripts in a temporary directory, without installing it.
fn check_package(package: &Path) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (root, control) = (folder.path().join("root"), folder.path().join("control"));
    run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root))?;
    run(Command::new("dpkg-deb").arg("--control").arg(package).arg(&control))?;
    // If /lib is a link to usr/lib, units may be below either path.
    let there =
        |file: &&&str| root.join(file).exists() || root.join(file.trim_start_matches("usr/")).exists();
    let missing: BTreeSet<&str> = FILES.iter().filter(|file| !there(file)).copied().collect();
    if !missing.is_empty() {
        bail!("the package does not contain {missing:?}");
    }
    let settings = std::fs::read(root.join("etc/memtap/memtap.env"))?;
    if settings != std::fs::read(packaging::source("memtap.env"))? {
        bail!("the settings in the package differ from packaging/memtap.env");
    }
    let read = |name: &str| std::fs::read_to_string(control.join(name)).with_context(|| format!("no {name}"));
    for (name, words) in [
        ("conffiles", "/etc/memtap/memtap.env"),
        ("postinst", "systemd-sysusers"),
        ("postrm", "daemon-reload"),
        ("control", "libc6"),
    ] {
        if !read(name)?.contains(words) {
            bail!("the package's {name} does not contain {words}:\n{}", read(name)?);
        }
    }
    for script in ["postinst", "prerm", "postrm"] {
        run(Command::new("sh").arg("-n").arg(control.join(script)))?;
    }
    let version =
        output(root.join("usr/bin/memtap"), &["--version"]).context("the packaged memtap does not run")?;
    eprint!("{version}");
    Ok(())
}

/// `cargo xtask package --static`: links the C library too, so that the program runs on any
/// distribution.
pub(crate) fn without_libraries() -> anyhow::Result<()> {
    let folder = place().join("static");
    let mut build = cargo(&["build", "--release", "--locked", "--package", "memtap", "--target", TARGET]);
    // Its own target directory, because other flags would invalidate the main build.
    run(build.env("RUSTFLAGS", "-C target-feature=+crt-static").env("CARGO_TARGET_DIR", &folder))?;
    let built = folder.join(TARGET).join("release/memtap");
    let program = place().join("memtap");
    std::fs::copy(built, &program)?;
    let linked = Command::new("ldd").arg(&program).output()?;
    let linkage = [linked.stdout, linked.stderr].concat();
    let linkage = String::from_utf8_lossy(&linkage);
    if !["statically linked", "not a dynamic executable"].iter().any(|words| linkage.contains(words)) {
        bail!("{} still needs libraries: {linkage}", program.display());
    }
    let version = output(&program, &["--version"]).context("the static memtap does not run")?;
    eprint!("{version}");
    println!("{}", program.display());
    Ok(())
}
