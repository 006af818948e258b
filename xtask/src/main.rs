//! The developer's commands. `cargo xtask test` is the whole gate; CI calls nothing else.

mod acceptance;
mod bench;
mod bpf;
mod browser;
mod debian;
mod installing;
mod interface;
mod mysql;
mod openapi;
mod package;
mod packaging;
mod parts;
mod prose;
mod run;
mod serving;
mod systemtap;
mod test;
mod tools;
mod vm;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test     the whole gate: format, lints, tests on the real kernel, docs, licences, generated files, the page in a browser
  vm-test  the kernel tests on Debian's kernels 6.1 and 6.12, and SystemTap on 6.1, booted in qemu (kernels are fetched once)
  mysql-test
           the stores' tests on MySQL's own server, out of Debian's packages (fetched once; nothing is installed)
  browser-test
           the page in a headless browser, and the live events by Socket.IO's own client (needs root)
  interface-test
           a running memtap is asked all that its description allows and forbids, by schemathesis (needs root)
  bpf      rebuild the committed eBPF object from its source (needs clang-14 and llvm-14)
  openapi  renew docs/openapi.json from the server's code, and the page's types from it
  packaging-test
           systemd, hadolint and Kubernetes' schemas about packaging/
  package [--static]
           make target/package/memtap.deb, and look into it; --static: target/package/memtap, which needs no library
  install-test [PACKAGE]
           the package (one that is there, or as package makes it) on a minimal Debian of its own: installed in a chroot, run by systemd in qemu, purged (needs root; a minute or two)
  acceptance [NAME...]
           long checks on the real thing that are no part of the gate; without a name, their list
  parts    renew the list of what the program is built of, with licences (memtap --version --verbose)
  prose    what users read: words that are avoided, long lines, links that lead nowhere
  pictures renew docs/pictures/, the screenshots of README: two minutes of real programs on this machine (needs root)
  web      rebuild the committed page from web/ (needs Node 20 or later)
  bench [--peers] [--rounds N] [--millions N] [SECTION...]
           measure on this machine and write BENCHMARKS.md and docs/bench/ (needs root). Sections: overhead, work, stream, footprint,
           snapshot, live, store, run; without any, all of them (half an hour). --peers: bpftrace, perf, strace, htop, atop and Netdata
           beside us in the same run. --millions: of how many stored requests the page's questions are asked (5).
           --rounds: in how many all that is compared takes turns (9)

Tools that are missing are installed with apt-get when you are root; else you are told which.";

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    let done = match command.as_deref() {
        Some("test") => test::run_gate(),
        Some("vm-test") => vm::check(),
        Some("mysql-test") => mysql::check(),
        Some("browser-test") => browser::check(),
        Some("pictures") => browser::pictures(),
        Some("interface-test") => interface::check(),
        Some("bpf") => bpf::rebuild(),
        Some("openapi") => openapi::renew(),
        Some("packaging-test") => packaging::check(),
        Some("package") if std::env::args().nth(2).as_deref() == Some("--static") => {
            package::without_libraries()
        }
        Some("package") => package::debian().map(drop),
        Some("install-test") => installing::check(std::env::args_os().nth(2).map(PathBuf::from)),
        Some("acceptance") => acceptance::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("parts") => parts::renew(),
        Some("prose") => prose::check(),
        Some("web") => web::rebuild(),
        Some("bench") => bench::run_bench(&std::env::args().skip(2).collect::<Vec<_>>()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default()
}

/// Where everything that is built or fetched goes.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
