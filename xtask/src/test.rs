//! The gate: all checks, quick ones first.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail};

use crate::run::{cargo, run};
use crate::{bpf, browser, interface, mysql, packaging, parts, prose, tools, vm, web};

type Step = (&'static str, fn() -> anyhow::Result<()>);

const STEPS: &[Step] = &[
    ("tools", tools::all),
    ("format", || run(&mut cargo(&["fmt", "--all", "--check"]))),
    ("texts for users, and the language of comments", prose::check),
    ("the eBPF object matches its source", bpf::check),
    ("page: lints, types, tests, and the build matches its source", web::check),
    ("lints", || {
        run(&mut cargo(&[
            "clippy",
            "--release",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    }),
    ("tests, including those on the real kernel", tests),
    ("store tests on MySQL", mysql::check),
    ("kernel tests on Debian's kernels 6.1 and 6.12, in a virtual machine", vm::check),
    ("docs", || {
        run(cargo(&["doc", "--release", "--locked", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("licences and sources", licences),
    ("systemd unit, Dockerfile and Kubernetes manifest", packaging::check),
    ("Socket.IO client and browser", browser::check),
    ("the REST API matches its description", interface::check),
];

fn run_step((name, step): &Step) -> anyhow::Result<()> {
    eprintln!("== {name}");
    let begin = Instant::now();
    step().with_context(|| format!("step failed: {name}"))?;
    eprintln!("== {name}: {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// `cargo xtask test`
pub(crate) fn run_gate() -> anyhow::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!(
            "the tests use the real kernel, which needs root. Run: sudo -E env PATH=\"$PATH\" cargo xtask test"
        );
    }
    STEPS.iter().try_for_each(run_step)?;
    println!("gate: {} passed, 0 failed", STEPS.len());
    Ok(())
}

fn tests() -> anyhow::Result<()> {
    // Cargo runs the test binaries one after the other. Tests that load BPF also take turns inside
    // a binary.
    run(&mut cargo(&["test", "--release", "--locked", "--workspace"]))
}

/// Checks licences and sources only. Advisories need their database from the network, so run `cargo
/// deny check` by hand (CONTRIBUTING.md).
fn licences() -> anyhow::Result<()> {
    parts::check()?;
    let deny = tools::cargo_deny()?;
    run(Command::new(deny)
        .args(["--offline", "check", "licenses", "bans", "sources"])
        .current_dir(crate::root()))
}
