//! Tests our SystemTap script for real. The script is compiled for Debian's kernel 6.1 and runs in
//! a guest, where a program makes known requests. The output is then imported and compared with
//! those requests.

use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::{cargo, copy, output, run};
use crate::{debian, tools, vm};

pub(crate) const SERIES: &str = "6.1";

const RUNTIME: &str = "/usr/share/systemtap/runtime";

/// Warning of staprun when the module could not deliver part of its output, which happens
/// occasionally on a busy machine.
const LOST: &str = "transport failures";
/// Maximum number of boots until no output is lost.
const BOOTS: usize = 4;

/// Successful requests of vm/requests.c under its own name: call, count and bytes.
const EXPECTED: &str = "mmap|300|1273650\nmunmap|100|414550\n";

/// Tests the script if SystemTap and the kernel headers are available. Otherwise prints what is
/// missing.
pub(crate) fn check(kernel: &Path, busybox: &Path) -> anyhow::Result<()> {
    let release = release(kernel)?;
    eprintln!("== SystemTap on kernel {release}");
    let headers = match tools::systemtap().and_then(|()| headers(&release)) {
        Ok(headers) => headers,
        Err(error) => {
            eprintln!("skipped: the SystemTap script is not tested: {error:#}");
            return Ok(());
        }
    };
    let module = module(&release, &headers)?;
    let initramfs = initramfs(busybox, &module)?;
    let lines = debian::folder().join("systemtap-lines.csv");
    for _ in 0..BOOTS {
        if watch(kernel, &initramfs, &lines)? {
            return compare(&lines);
        }
    }
    eprintln!(
        "skipped: SystemTap lost output of the script in all {BOOTS} boots, so there is nothing to compare"
    );
    Ok(())
}

/// Boots the guest. Returns whether SystemTap delivered the whole output of the script.
fn watch(kernel: &Path, initramfs: &Path, lines: &Path) -> anyhow::Result<bool> {
    let log = debian::folder().join("systemtap.log");
    let guest = vm::Guest { series: SERIES, options: "", kernel, initramfs, log: &log, lines: Some(lines) };
    vm::boot(&guest).with_context(|| format!("see the whole log in {}", log.display()))?;
    Ok(!String::from_utf8_lossy(&std::fs::read(log)?).contains(LOST))
}

/// Reads `uname -r` of a kernel from its image (Documentation/x86/boot.rst, `kernel_version`).
fn release(kernel: &Path) -> anyhow::Result<String> {
    let image = std::fs::read(kernel)?;
    let text = image.get(0x20e..0x210).and_then(|at| {
        let at = 0x200 + usize::from(u16::from_le_bytes(at.try_into().ok()?));
        image.get(at..)?.split(|byte| *byte == b' ').next()
    });
    let text = text.and_then(|text| std::str::from_utf8(text).ok());
    text.map(String::from).with_context(|| format!("{} contains no kernel version", kernel.display()))
}

/// Directory of the kernel headers. Installs them if possible.
fn headers(release: &str) -> anyhow::Result<PathBuf> {
    let (package, place) =
        (format!("linux-headers-{release}"), PathBuf::from(format!("/usr/src/linux-headers-{release}")));
    if !place.exists() {
        tools::install(&[&package])?;
    }
    if !place.exists() {
        bail!(
            "missing on this machine: {}. Install {package}, or run this command as root on a machine with apt-get",
            place.display()
        );
    }
    Ok(place)
}

/// Compiles the script as a module, unless this version of it was compiled for this kernel before.
fn module(release: &str, headers: &Path) -> anyhow::Result<PathBuf> {
    let script = crate::root().join("systemtap/memtap.stp");
    let kept = debian::folder().join(format!("systemtap-{release}"));
    let (module, built) = (kept.join("memtap_stp.ko"), kept.join("memtap.stp"));
    if std::fs::read(&built).is_ok_and(|built| std::fs::read(&script).is_ok_and(|script| script == built)) {
        return Ok(module);
    }
    let place = tempfile::tempdir_in(debian::folder())?;
    let (tree, runtime) = (place.path().join("tree"), place.path().join("runtime"));
    link_headers(headers, &tree)?;
    copy_runtime(headers, &runtime)?;
    let mut stap = Command::new("stap");
    stap.args(["-p4", "--suppress-handler-errors", "--disable-cache", "-m", "memtap_stp", "-r"])
        .arg(std::path::absolute(&tree)?);
    stap.arg("-R").arg(std::path::absolute(&runtime)?).arg(std::path::absolute(&script)?);
    run(stap.current_dir(place.path()).env("SYSTEMTAP_DIR", std::path::absolute(place.path())?))?;
    std::fs::create_dir_all(&kept)?;
    std::fs::copy(place.path().join("memtap_stp.ko"), &module)?;
    // The script is copied last: it marks the module as complete, and as built from this version.
    std::fs::copy(script, built)?;
    Ok(module)
}

/// Links the headers and adds a System.map with the functions that the script probes. Debian's
/// headers contain none, and only a running kernel provides its own table.
fn link_headers(headers: &Path, tree: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(tree)?;
    for entry in std::fs::read_dir(headers)? {
        let entry = entry?;
        symlink(entry.path(), tree.join(entry.file_name()))?;
    }
    let functions = "0000000000001000 T __x64_sys_mmap\n0000000000002000 T __x64_sys_munmap\n";
    Ok(std::fs::write(tree.join("System.map"), functions)?)
}

/// Copies SystemTap's runtime. SystemTap 4.8 calls task_work_cancel, which Debian's 6.1.192 renamed
/// to task_work_cancel_func.
fn copy_runtime(headers: &Path, runtime: &Path) -> anyhow::Result<()> {
    copy(Path::new(RUNTIME), runtime, &[])?;
    let common = headers.to_string_lossy().replace("-amd64", "-common");
    let is_renamed = std::fs::read_to_string(format!("{common}/include/linux/task_work.h"))
        .is_ok_and(|text| text.contains("task_work_cancel_func"));
    let file = runtime.join("stp_task_work.c");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    if is_renamed && !text.is_empty() && !text.contains("task_work_cancel_func") {
        run(Command::new("sed").args(["-i", r"s/\btask_work_cancel\b/task_work_cancel_func/g"]).arg(file))?;
    }
    Ok(())
}

/// Packs the guest's files: SystemTap's programs with their libraries, the module, and the program
/// to watch.
fn initramfs(busybox: &Path, module: &Path) -> anyhow::Result<PathBuf> {
    let root = tempfile::tempdir_in(debian::folder())?;
    let staprun = Path::new("/usr/bin/staprun");
    let stapio = ["/usr/lib/systemtap/stapio", "/usr/libexec/systemtap/stapio"];
    let stapio = stapio.map(Path::new).into_iter().find(|path| path.exists());
    let stapio = stapio.context("SystemTap has no stapio")?;
    for program in [staprun, stapio] {
        place(program, root.path())?;
        let libraries = output("ldd", &[&program.display().to_string()]).context("ldd fails")?;
        for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            place(Path::new(library), root.path())?;
        }
    }
    std::fs::copy(module, root.path().join("memtap_stp.ko"))?;
    std::fs::copy(crate::root().join("xtask/vm/systemtap.sh"), root.path().join("init"))?;
    let mut gcc = Command::new("gcc");
    gcc.args(["-O1", "-static", "-Wall", "-Wextra", "-Werror", "-o"]).arg(root.path().join("requests"));
    run(gcc.arg(crate::root().join("xtask/vm/requests.c")))?;
    let archive = debian::folder().join("systemtap-initramfs");
    vm::pack(root.path(), busybox, &archive)?;
    Ok(archive)
}

/// Copies a file to the same path below another root.
fn place(file: &Path, root: &Path) -> anyhow::Result<()> {
    let to = root.join(file.strip_prefix("/")?);
    std::fs::create_dir_all(to.parent().context("a file without a directory")?)?;
    std::fs::copy(file, &to).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}

/// Imports the lines, and compares the rows with the requests that the program made.
fn compare(lines: &Path) -> anyhow::Result<()> {
    let count = std::fs::read(lines)?.iter().filter(|byte| **byte == b'\n').count();
    let folder = tempfile::tempdir_in(debian::folder())?;
    let database = std::path::absolute(folder.path().join("memtap.db"))?;
    // The gate has built memtap by now. Otherwise, this builds it.
    let program = crate::target().join("release/memtap");
    if !program.exists() {
        run(&mut cargo(&["build", "--release", "--locked", "--package=memtap"]))?;
    }
    let mut import = Command::new(program);
    import.arg("import");
    import.arg(format!("--store=sqlite:{}", database.display())).arg(std::path::absolute(lines)?);
    run(&mut import)?;
    let ask = |sql: &str| {
        let arguments = [OsStr::new("-readonly"), database.as_os_str(), OsStr::new(sql)];
        let answer = Command::new("sqlite3").args(arguments).output().context("cannot start sqlite3")?;
        anyhow::Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
    };
    let rows = ask("select count(*) from memory_usage")?;
    if rows.trim() != count.to_string() {
        bail!("{count} lines in {} became {} rows", lines.display(), rows.trim());
    }
    let sql = "select my_call, count(*), sum(memory_size) from memory_usage where process_name = 'a,b \"c\"?%s' group by 1 order by 1";
    let seen = ask(sql)?;
    if seen != EXPECTED {
        bail!(
            "the guest's program did\n{EXPECTED}but SystemTap saw\n{seen}. Its lines are in {}",
            lines.display()
        );
    }
    Ok(())
}
