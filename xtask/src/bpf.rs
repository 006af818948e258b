//! The committed eBPF objects: rebuilds them, and checks that they match their sources.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::run;
use crate::tools;

/// Names of the objects: memtap's own, and the baseline for `bench`.
const NAMES: [&str; 2] = ["memtap", "floor"];

fn folder() -> PathBuf {
    crate::root().join("crates/memtap-capture/bpf")
}

fn object(name: &str) -> String {
    format!("{name}.bpf.o")
}

/// `cargo xtask bpf`
pub(crate) fn rebuild() -> anyhow::Result<()> {
    tools::clang()?;
    NAMES.iter().try_for_each(|name| build(name, &folder().join(object(name))))
}

/// Fails when a committed object differs from a rebuild.
pub(crate) fn check() -> anyhow::Result<()> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    for name in NAMES {
        let fresh = crate::target().join(object(name));
        build(name, &fresh)?;
        if read(&fresh)? != read(&folder().join(object(name)))? {
            bail!("the committed {} differs from a rebuild. Run: cargo xtask bpf", object(name));
        }
    }
    Ok(())
}

/// Compiles an object. Its paths are relative, so it is the same in any directory. DWARF is removed
/// and BTF is kept.
fn build(name: &str, object: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(object.parent().context("the object has no directory")?)?;
    let prefix = format!("-fdebug-prefix-map={}=.", folder().display());
    let mut clang = Command::new("clang-14");
    clang.args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-D__TARGET_ARCH_x86", "-Wall", "-Werror", "-I."]);
    clang.arg(prefix).args(["-c", &format!("{name}.bpf.c"), "-o"]).arg(object).current_dir(folder());
    run(&mut clang)?;
    run(Command::new("llvm-strip-14").arg("-g").arg(object))
}
