//! `memtap doctor`: what this kernel and these permissions allow, each line with its mend.

use std::io::Write as _;

use memtap_capture::{Hook, Plan, allows_functions, checks, facts, trial};

pub(crate) fn run() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for check in checks(&facts()) {
        line(&mut out, check.ok, check.name, &check.found, check.mend.as_deref())?;
    }
    match trial() {
        Ok(plan) => {
            line(
                &mut out,
                true,
                "trial",
                "the eBPF programs load and attach: every request can be seen",
                None,
            )?;
            line(&mut out, true, "plan", &format!("{}: {}", plan.name(), plan.about()), None)?;
            functions(&mut out, plan)?;
        }
        Err(error) => {
            line(&mut out, false, "trial", &error.to_string(), None)?;
            writeln!(
                out,
                "\nWithout eBPF, `memtap serve` shows what /proc lets you see: usage of processes, no requests."
            )?;
        }
    }
    Ok(())
}

/// The plan that runs only when it is asked for.
fn functions(out: &mut impl std::io::Write, plan: Plan) -> std::io::Result<()> {
    let other = Plan { hook: Hook::Functions, ..plan };
    match allows_functions() {
        true => line(out, true, "other plan", &format!("--plan {}: {}", other.name(), other.about()), None),
        false => {
            let found = format!(
                "{}: this kernel lets no function be hooked (fexit), so other calls pay as well",
                other.name()
            );
            line(out, false, "other plan", &found, None)
        }
    }
}

fn line(
    out: &mut impl std::io::Write,
    ok: bool,
    name: &str,
    found: &str,
    mend: Option<&str>,
) -> std::io::Result<()> {
    let mark = if ok { "ok  " } else { "no  " };
    writeln!(out, "{mark}{name:<22} {found}")?;
    match mend {
        Some(mend) => writeln!(out, "      {:<20} mend: {mend}", ""),
        None => Ok(()),
    }
}
