//! `memtap doctor`: what this kernel and these permissions allow, each line with its mend.

use std::io::Write as _;

use memtap_capture::{Hook, Plan, checks, facts, function_hook, hooks_are_quick, trial};

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

/// What the kernel says of hooking functions: with it, other calls pay nothing.
fn functions(out: &mut impl std::io::Write, plan: Plan) -> std::io::Result<()> {
    let took = function_hook();
    let found = match took {
        None => "this kernel lets no function be hooked (fexit), so other calls pay as well".to_owned(),
        Some(took) => {
            let time = format!("one comes and goes in {:.1} ms", took.as_secs_f64() * 1000.0);
            let other = Plan { hook: Hook::Functions, ..plan };
            match hooks_are_quick(Some(took)) {
                true => time,
                false => format!(
                    "{time}, too slow for forty of them: --plan {} has other calls pay nothing, but starts and ends slowly",
                    other.name()
                ),
            }
        }
    };
    line(out, hooks_are_quick(took), "hooks on functions", &found, None)
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
