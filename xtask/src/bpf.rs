//! The committed eBPF object: its rebuild, and the check that it is what its source gives.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::run;
use crate::tools;

const OBJECT: &str = "memtap.bpf.o";

fn folder() -> PathBuf {
    crate::root().join("crates/memtap-capture/bpf")
}

/// `cargo xtask bpf`
pub(crate) fn rebuild() -> anyhow::Result<()> {
    tools::clang()?;
    build(&folder().join(OBJECT))
}

/// Fails when the committed object differs from a rebuild.
pub(crate) fn check() -> anyhow::Result<()> {
    let fresh = crate::target().join(OBJECT);
    build(&fresh)?;
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    if read(&fresh)? != read(&folder().join(OBJECT))? {
        bail!("the committed {OBJECT} is not what its source gives; run: cargo xtask bpf");
    }
    Ok(())
}

/// The paths in the object are relative, so it is the same from any folder; DWARF goes, BTF stays.
fn build(object: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(object.parent().context("the object has a folder")?)?;
    let prefix = format!("-fdebug-prefix-map={}=.", folder().display());
    let mut clang = Command::new("clang-14");
    clang.args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-D__TARGET_ARCH_x86", "-Wall", "-Werror", "-I."]);
    clang.arg(prefix).args(["-c", "memtap.bpf.c", "-o"]).arg(object).current_dir(folder());
    run(&mut clang)?;
    run(Command::new("llvm-strip-14").arg("-g").arg(object))
}
