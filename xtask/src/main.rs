//! Commands for developers. `cargo xtask test` is the whole gate, and the only command that CI
//! runs.

mod acceptance;
mod bench;
mod bpf;
mod browser;
mod comments;
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

  test     run all checks: format, lints, tests on the real kernel, docs, licences, generated files, the page in a browser (needs root)
  vm-test  run the kernel tests on Debian's kernels 6.1 and 6.12, and SystemTap on 6.1, in qemu (downloads the kernels once)
  mysql-test
           run the store tests on a MySQL server from Debian's packages (downloads them once, installs nothing)
  browser-test
           test the page in a headless browser, and the live events with the Socket.IO client (needs root)
  interface-test
           test the REST API of a running memtap against its OpenAPI description, with schemathesis (needs root)
  bpf      rebuild the committed eBPF object from its source (needs clang-14 and llvm-14)
  openapi  regenerate docs/openapi.json from the server's code, and the page's types from it
  packaging-test
           check packaging/ with systemd, hadolint and the Kubernetes schemas
  package [--static]
           build and check target/package/memtap.deb; with --static, target/package/memtap without library dependencies
  install-test [PACKAGE]
           test a package (PACKAGE, or a new one) on a minimal Debian: install it in a chroot, run it under systemd in qemu, and purge it
           (needs root; a minute or two)
  acceptance [NAME...]
           run long checks that are not part of `test`; without a name, list them
  parts    regenerate the list of components and their licences (memtap --version --verbose)
  prose    check texts for users: words to avoid, long lines, links that lead nowhere
  comments [PATH...]
           list comments that open with a fragment or say 'tell', and long lines; count them by directory
  pictures regenerate docs/pictures/, the screenshots of README, from two minutes of real programs on this machine (needs root)
  web      rebuild the committed page from web/ (needs Node 20 or later)
  bench [--peers] [--rounds N] [--millions N] [SECTION...]
           measure on this machine and write BENCHMARKS.md and docs/bench/ (needs root). Sections: overhead, work, stream, footprint,
           snapshot, live, store, run; without a section, all of them (half an hour). --peers: also measure bpftrace, perf, strace, htop,
           atop and Netdata in the same run. --millions: number of stored requests for the page's queries (5).
           --rounds: number of rounds in which the compared programs take turns (9)

As root, xtask installs missing tools with apt-get. Otherwise it lists them.";

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
        Some("comments") => comments::print(&std::env::args().skip(2).collect::<Vec<_>>()),
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

/// Root directory of the workspace.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default()
}

/// Directory for everything that is built or downloaded.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
