//! From facts to a judgement, line by line, each with its mend. Pure.

use std::time::Duration;

use crate::{CaptureError, Facts, error};

const CAP_SYS_PTRACE: u32 = 19;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// The first kernel with every feature that the programs use: `bpf_map_lookup_percpu_elem` came last.
const MINIMUM: (u32, u32) = (5, 19);

/// Where requests are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// At the exit of every system call, filtered: each other call pays for the look.
    Exit,
    /// At the exit of the memory calls' own functions: no other call pays. Kernels may forbid it, and each hook waits for the kernel to be
    /// at rest when it comes and when it goes.
    Functions,
}

/// How requests, and what they change, are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Where requests are seen.
    pub hook: Hook,
    /// Whether the lock of the address space is watched, so that each change is booked by the thread that made it, in the moment it makes
    /// it. Without, what has changed since the last call came back is booked to the call; stacks that grew, and what is in flight, are
    /// found at every reading.
    pub locks: bool,
}

impl Plan {
    /// All plans, in the order in which they are tried.
    pub const ALL: [Self; 4] = [
        Self { hook: Hook::Functions, locks: true },
        Self { hook: Hook::Exit, locks: true },
        Self { hook: Hook::Functions, locks: false },
        Self { hook: Hook::Exit, locks: false },
    ];

    /// Its name in the API and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.hook, self.locks) {
            (Hook::Functions, true) => "functions+locks",
            (Hook::Exit, true) => "exit+locks",
            (Hook::Functions, false) => "functions",
            (Hook::Exit, false) => "exit",
        }
    }

    /// What it does and what it costs others, for people. The figures are those of BENCHMARKS.md.
    #[must_use]
    pub fn about(self) -> String {
        let (others, seen) = match self.hook {
            Hook::Functions => ("other system calls pay nothing", "the memory calls alone are hooked"),
            Hook::Exit => ("other system calls pay about 0.1 us", "every system call's exit is looked at"),
        };
        let (cost, books) = match self.locks {
            true => ("0.7 to 0.9", "each change is booked by the very thread that made it"),
            false => (
                "0.4 to 0.6",
                "sums are exact, but threads of one process that change its memory in the same instant may be booked for each other",
            ),
        };
        format!("{seen}; {books}; a memory call pays about {cost} us, {others}")
    }

    /// # Errors
    /// When the kernel is none for it. To attach would not fail there: the tracepoints of older kernels have one argument more, which our
    /// programs would take for another.
    pub(crate) fn possible(self, facts: &Facts) -> Result<(), CaptureError> {
        if self.locks && !locks_are_cheap(facts) {
            let reason = format!("Linux {} is older than 6.14; go on with --plan exit", facts.release);
            return Err(CaptureError::Unsupported { step: format!("plan {}", self.name()), reason });
        }
        Ok(())
    }
}

impl std::str::FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|plan| plan.name() == text)
            .ok_or_else(|| format!("'{text}' is no plan; there are {}", names()))
    }
}

/// From here on the lock's tracepoints are cheap: before, each resolves a cgroup's path (include/linux/mmap_lock.h), and every page
/// fault takes the lock up to 6.3.
const CHEAP_LOCKS: (u32, u32) = (6, 14);

fn locks_are_cheap(facts: &Facts) -> bool {
    version(&facts.release).is_some_and(|version| version >= CHEAP_LOCKS)
}

/// What one hook on a function may take to come and to go. There are about forty: the start and the end then take a second at the most.
/// It is some milliseconds on a machine of its own, and hundreds in an emulated one.
const QUICK_HOOK: Duration = Duration::from_millis(25);

/// Whether hooks on functions come and go quickly enough to be used unasked; `hook` is what one took, `None` where the kernel allows none.
#[must_use]
pub fn hooks_are_quick(hook: Option<Duration>) -> bool {
    hook.is_some_and(|took| took <= QUICK_HOOK)
}

/// The plans to try, the best first.
#[must_use]
pub(crate) fn plans(facts: &Facts, hook: Option<Duration>) -> Vec<Plan> {
    let by_itself =
        |plan: &Plan| (plan.hook == Hook::Exit || hooks_are_quick(hook)) && plan.possible(facts).is_ok();
    Plan::ALL.into_iter().filter(by_itself).collect()
}

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
    check("kernel lockdown", !is_confidential(facts), mode.to_owned(), error::UNLOCK)
}

/// The lockdown mode that denies reading kernel memory, which tracing needs (kernel/trace/bpf_trace.c).
pub(crate) fn is_confidential(facts: &Facts) -> bool {
    facts.lockdown.as_deref() == Some("confidentiality")
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
pub(crate) fn version(release: &str) -> Option<(u32, u32)> {
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
    fn the_locks_are_watched_where_that_is_cheap() {
        for (release, locks) in
            [("6.18.44-fc", true), ("6.14.0", true), ("6.12.95", false), ("7.2", true), ("?", false)]
        {
            let facts = Facts { release: release.to_owned(), ..good() };
            let plans = plans(&facts, None);
            assert_eq!((plans[0].hook, plans[0].locks), (Hook::Exit, locks), "{release}");
            assert_eq!(plans.last().map(|plan| plan.name()), Some("exit"), "{release}");
        }
        for plan in Plan::ALL {
            assert_eq!(plan.name().parse(), Ok(plan));
        }
        assert!("magic".parse::<Plan>().is_err());
    }

    #[test]
    fn functions_are_hooked_unasked_where_that_is_quick() {
        let names = |release: &str, hook: Option<u64>| {
            let facts = Facts { release: release.to_owned(), ..good() };
            let plans = plans(&facts, hook.map(Duration::from_millis));
            plans.into_iter().map(Plan::name).collect::<Vec<_>>()
        };
        assert_eq!(names("6.18.1", Some(5)), ["functions+locks", "exit+locks", "functions", "exit"]);
        assert_eq!(names("6.1.0", Some(5)), ["functions", "exit"]);
        assert_eq!(names("6.1.0", Some(200)), ["exit"], "too slow");
        assert_eq!(names("6.1.0", None), ["exit"], "not allowed");
    }

    #[test]
    fn admin_stands_for_both_capabilities() {
        let facts = Facts { capabilities: Some(1 << CAP_SYS_ADMIN), ..good() };
        assert!(permission(&facts).ok);
        let facts = Facts { capabilities: Some(1 << CAP_BPF), ..good() };
        assert!(permission(&facts).found.contains("CAP_PERFMON"));
    }
}
