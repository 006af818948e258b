//! From facts to a judgement, line by line, each with its mend. Pure.

use crate::{Facts, error};

const CAP_SYS_PTRACE: u32 = 19;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// The first kernel with every feature that the programs use: `bpf_map_lookup_percpu_elem` came last.
const MINIMUM: (u32, u32) = (5, 19);

/// One line of `memtap doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is as memtap needs it.
    pub ok: bool,
    /// What was found.
    pub found: String,
    /// What mends it.
    pub mend: Option<String>,
}

/// Judges the facts.
#[must_use]
pub fn checks(facts: &Facts) -> Vec<Check> {
    vec![
        kernel(facts),
        machine(facts),
        btf(facts),
        permission(facts),
        lockdown(facts),
        others(facts),
        pressure(facts),
    ]
}

fn check(name: &'static str, ok: bool, found: String, mend: &str) -> Check {
    Check { name, ok, found, mend: (!ok).then(|| mend.to_owned()) }
}

fn kernel(facts: &Facts) -> Check {
    let ok = version(&facts.release).is_some_and(|version| version >= MINIMUM);
    let mend =
        format!("requests need Linux {}.{} or later; usage from /proc works on any", MINIMUM.0, MINIMUM.1);
    check("kernel", ok, facts.release.clone(), &mend)
}

fn machine(facts: &Facts) -> Check {
    let mend = "requests are followed on x86-64 only in this version; usage from /proc works on any";
    check("machine", facts.machine == "x86_64", facts.machine.clone(), mend)
}

fn btf(facts: &Facts) -> Check {
    let found = if facts.has_btf { "/sys/kernel/btf/vmlinux is there" } else { "no /sys/kernel/btf/vmlinux" };
    check(
        "kernel types (BTF)",
        facts.has_btf,
        found.to_owned(),
        "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (distributions' are)",
    )
}

fn permission(facts: &Facts) -> Check {
    let has = |bit: u32| facts.capabilities.is_some_and(|set| set >> bit & 1 == 1);
    let missing: Vec<&str> = [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")]
        .into_iter()
        .filter(|(bit, _)| !has(*bit))
        .map(|(_, name)| name)
        .collect();
    let ok = missing.is_empty() || has(CAP_SYS_ADMIN);
    let found =
        if ok { "CAP_BPF and CAP_PERFMON".to_owned() } else { format!("{} missing", missing.join(" and ")) };
    check("permission for eBPF", ok, found, &error::mend())
}

fn lockdown(facts: &Facts) -> Check {
    let mode = facts.lockdown.as_deref().unwrap_or("not told (securityfs is not mounted)");
    let mend =
        "boot without lockdown=confidentiality: that mode denies reading kernel memory, which tracing needs";
    check("kernel lockdown", mode != "confidentiality", mode.to_owned(), mend)
}

fn others(facts: &Facts) -> Check {
    let ok = facts.capabilities.is_some_and(|set| set >> CAP_SYS_PTRACE & 1 == 1);
    let found = if ok {
        "CAP_SYS_PTRACE"
    } else {
        "CAP_SYS_PTRACE missing: with hidepid, others' command lines stay hidden"
    };
    check("others' /proc", ok, found.to_owned(), &error::mend())
}

fn pressure(facts: &Facts) -> Check {
    let found =
        if facts.has_pressure { "/proc/pressure/memory is there" } else { "no /proc/pressure/memory" };
    check(
        "memory pressure (PSI)",
        facts.has_pressure,
        found.to_owned(),
        "boot with psi=1; without it the page shows no pressure",
    )
}

/// `6.18.44-fc` as (6, 18).
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            release: "6.18.44-fc".to_owned(),
            machine: "x86_64".to_owned(),
            has_btf: true,
            capabilities: Some(u64::MAX),
            unprivileged_bpf_disabled: Some(2),
            lockdown: Some("integrity".to_owned()),
            has_pressure: true,
        }
    }

    #[test]
    fn a_good_machine_needs_no_mend() {
        assert!(checks(&good()).iter().all(|check| check.ok && check.mend.is_none()));
    }

    #[test]
    fn every_lack_has_its_mend() {
        let bad = Facts {
            release: "4.19.0".to_owned(),
            lockdown: Some("confidentiality".to_owned()),
            ..Facts::default()
        };
        let checks = checks(&bad);
        assert!(checks.iter().all(|check| !check.ok && check.mend.is_some()), "{checks:?}");
    }

    #[test]
    fn admin_stands_for_both_capabilities() {
        let facts = Facts { capabilities: Some(1 << CAP_SYS_ADMIN), ..good() };
        assert!(permission(&facts).ok);
        let facts = Facts { capabilities: Some(1 << CAP_BPF), ..good() };
        assert!(permission(&facts).found.contains("CAP_PERFMON"));
    }
}
