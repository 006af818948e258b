//! Long checks on real programs, which are not part of the gate. Each repeats the conditions of a
//! fault that occurred once. `cargo xtask acceptance` lists them, and `cargo xtask acceptance
//! NAME...` runs them.

mod clock;
mod overload;

use anyhow::{Context as _, bail};

/// An acceptance check, and the condition that it checks.
struct Check {
    name: &'static str,
    about: &'static str,
    run: fn() -> anyhow::Result<()>,
}

const CHECKS: [Check; 2] = [
    Check {
        name: "overload",
        about: "25 stressors keep all processors busy: the stream loses almost no record at the default priority (root, 2 min)",
        run: overload::check,
    },
    Check {
        name: "clock",
        about: "the wall clock jumps an hour and eight days ahead and back: no sample and no request is lost (libfaketime, 1 min)",
        run: clock::check,
    },
];

/// Runs the named checks. Without a name, lists all checks.
pub(crate) fn run(names: &[String]) -> anyhow::Result<()> {
    if names.is_empty() {
        for Check { name, about, .. } in &CHECKS {
            println!("{name:<12}{about}");
        }
        return Ok(());
    }
    let find = |name: &String| {
        let known = || CHECKS.map(|check| check.name).join(", ");
        let check = CHECKS.iter().find(|check| check.name == name.as_str());
        check.with_context(|| format!("unknown check '{name}'; expected one of {}", known()))
    };
    let checks = names.iter().map(find).collect::<anyhow::Result<Vec<_>>>()?;
    crate::run::run(&mut crate::run::cargo(&["build", "--release", "--locked", "-p", "memtap"]))?;
    let mut failed = Vec::new();
    for check in checks {
        println!("{}: {}", check.name, check.about);
        match (check.run)() {
            Ok(()) => println!("{}: passed", check.name),
            Err(error) => {
                println!("{}: failed: {error:#}", check.name);
                failed.push(check.name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}
