//! Evaluates facts into one line each for `memtap doctor`, with a fix for each problem. Pure.

mod priority;

use std::time::Duration;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

pub use priority::{NICE, fix_priority};

use crate::facts::{Facts, FolderFacts, GroupVersion};
use crate::probe::{hooks_are_quick, version};
use crate::{CaptureError, error};

const CAP_SYS_PTRACE: u32 = 19;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYS_NICE: u32 = 23;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// First kernel with every feature that the programs use; `bpf_map_lookup_percpu_elem` was the last
/// one added.
const MINIMUM: (u32, u32) = (5, 19);

/// Start of 2025. A clock with an earlier time was never set.
const PLAUSIBLE: i64 = 1_735_689_600;

/// Disk space that a history and a spool may take by default.
const NEEDED_BYTES: u64 = 3 << 30;

/// Subject of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Features of the kernel.
    Kernel,
    /// Permissions of this process.
    Permissions,
    /// Environment of this process, and how much of the machine it can see.
    Surroundings,
    /// Results of trials.
    Trial,
    /// Storage of the history.
    History,
}

/// Result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Good for memtap.
    Good,
    /// memtap works, but something is missing.
    Less,
    /// Requests cannot be seen, or no history can be stored.
    Missing,
}

/// One line of `memtap doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Subject of the check.
    pub group: Group,
    /// Name of the check.
    pub name: &'static str,
    /// Result of the check.
    pub verdict: Verdict,
    /// Text for users that describes what was observed.
    pub found: String,
    /// Fix; every problem has one.
    pub fix: Option<String>,
}

/// Writes `fix` also under its old name `mend`.
impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut check = serializer.serialize_struct("Check", 6)?;
        check.serialize_field("group", &self.group)?;
        check.serialize_field("name", self.name)?;
        check.serialize_field("verdict", &self.verdict)?;
        check.serialize_field("found", &self.found)?;
        check.serialize_field("fix", &self.fix)?;
        check.serialize_field("mend", &self.fix)?;
        check.end()
    }
}

impl Check {
    fn good(group: Group, name: &'static str, found: impl Into<String>) -> Self {
        Self { group, name, verdict: Verdict::Good, found: found.into(), fix: None }
    }

    fn problem(
        verdict: Verdict,
        group: Group,
        name: &'static str,
        found: impl Into<String>,
        fix: &str,
    ) -> Self {
        Self { group, name, verdict, found: found.into(), fix: Some(fix.to_owned()) }
    }

    /// Check that must be `ok`, because otherwise requests cannot be seen.
    fn needed(group: Group, name: &'static str, ok: bool, found: impl Into<String>, fix: &str) -> Self {
        match ok {
            true => Self::good(group, name, found),
            false => Self::problem(Verdict::Missing, group, name, found, fix),
        }
    }

    /// Check that should be `ok`, because otherwise memtap sees less.
    fn wanted(group: Group, name: &'static str, ok: bool, found: impl Into<String>, fix: &str) -> Self {
        match ok {
            true => Self::good(group, name, found),
            false => Self::problem(Verdict::Less, group, name, found, fix),
        }
    }
}

/// Evaluates the facts.
#[must_use]
pub fn checks(facts: &Facts) -> Vec<Check> {
    vec![
        kernel(facts),
        machine(facts),
        btf(facts),
        lockdown(facts),
        pressure(facts),
        groups(facts),
        user(facts),
        ebpf(facts),
        others(facts),
        priority::check(facts),
        sysctls(facts),
        ptrace(facts),
        container(facts),
        pids(facts),
        clock(facts),
    ]
}

fn kernel(facts: &Facts) -> Check {
    let ok = version(&facts.release).is_some_and(|version| version >= MINIMUM);
    let fix = format!(
        "use Linux {}.{} or later to see requests; memory usage from /proc works on any version",
        MINIMUM.0, MINIMUM.1
    );
    Check::needed(Group::Kernel, "kernel", ok, &facts.release, &fix)
}

fn machine(facts: &Facts) -> Check {
    let fix = "use an x86-64 machine to see requests; memory usage from /proc works on any machine";
    Check::needed(Group::Kernel, "machine", facts.machine == "x86_64", &facts.machine, fix)
}

fn btf(facts: &Facts) -> Check {
    let found = if facts.has_btf {
        "/sys/kernel/btf/vmlinux exists"
    } else {
        "/sys/kernel/btf/vmlinux does not exist"
    };
    let fix = match facts.container {
        Some(_) => {
            "mount it into the container: -v /sys/kernel/btf:/sys/kernel/btf:ro; if the host does not have it either, its kernel needs CONFIG_DEBUG_INFO_BTF=y"
        }
        None => "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as most distributions do",
    };
    Check::needed(Group::Kernel, "kernel types (BTF)", facts.has_btf, found, fix)
}

fn lockdown(facts: &Facts) -> Check {
    let (group, name) = (Group::Kernel, "kernel lockdown");
    match facts.lockdown.as_deref() {
        Some(mode) => Check::needed(group, name, !is_confidential(facts), mode, error::UNLOCK),
        None if facts.reads_kernel => {
            Check::good(group, name, "not confidentiality: eBPF programs can read kernel memory")
        }
        None => {
            let found = "unknown: cannot read /sys/kernel/security/lockdown";
            let fix = "sudo mount -t securityfs securityfs /sys/kernel/security, and run memtap doctor again";
            Check::problem(Verdict::Less, group, name, found, fix)
        }
    }
}

/// Returns whether the lockdown mode forbids reading kernel memory, which tracing needs
/// (kernel/trace/bpf_trace.c).
pub(crate) fn is_confidential(facts: &Facts) -> bool {
    facts.lockdown.as_deref() == Some("confidentiality")
}

fn pressure(facts: &Facts) -> Check {
    let found =
        if facts.has_pressure { "/proc/pressure/memory exists" } else { "cannot read /proc/pressure/memory" };
    let fix = "boot with psi=1 (the kernel needs CONFIG_PSI=y); without it, memtap shows no memory pressure";
    Check::wanted(Group::Kernel, "memory pressure (PSI)", facts.has_pressure, found, fix)
}

fn groups(facts: &Facts) -> Check {
    let found = match facts.memory_groups {
        Some(GroupVersion::V1) => "version 1, with the memory controller",
        Some(GroupVersion::V2) => "version 2, with the memory controller",
        None => "no memory controller: memtap shows no limits of containers and units",
    };
    let fix = "boot with cgroup_enable=memory; in a container, mount the host's cgroups: -v /sys/fs/cgroup:/sys/fs/cgroup:ro --cgroupns=host";
    Check::wanted(Group::Kernel, "cgroups", facts.memory_groups.is_some(), found, fix)
}

fn user(facts: &Facts) -> Check {
    let names: Vec<&str> =
        CAPABILITIES.iter().filter(|(bit, _)| has(facts, *bit)).map(|(_, name)| *name).collect();
    let found = match (facts.capabilities, names.as_slice()) {
        (Some(set), _) if set.count_ones() > 30 => format!("{}, with all capabilities", facts.user),
        (_, []) => format!("{}, without any capability that memtap can use", facts.user),
        _ => format!("{}, with {}", facts.user, names.join(", ")),
    };
    Check::good(Group::Permissions, "user", found)
}

const CAPABILITIES: [(u32, &str); 5] = [
    (CAP_SYS_PTRACE, "CAP_SYS_PTRACE"),
    (CAP_SYS_ADMIN, "CAP_SYS_ADMIN"),
    (CAP_SYS_NICE, "CAP_SYS_NICE"),
    (CAP_PERFMON, "CAP_PERFMON"),
    (CAP_BPF, "CAP_BPF"),
];

fn has(facts: &Facts, bit: u32) -> bool {
    facts.capabilities.is_some_and(|set| set >> bit & 1 == 1)
}

fn may_load(facts: &Facts) -> bool {
    has(facts, CAP_SYS_ADMIN) || (has(facts, CAP_BPF) && has(facts, CAP_PERFMON))
}

/// Returns whether capabilities suffice, so that a denial has another cause. Kernels also return
/// EPERM if they do not support hooks on functions.
fn may_attach(facts: &Facts) -> bool {
    may_load(facts) && !facts.has_own_users
}

fn ebpf(facts: &Facts) -> Check {
    if facts.has_own_users {
        let found = "memtap runs in a user namespace, but the kernel requires capabilities of the host";
        return Check::problem(Verdict::Missing, Group::Permissions, "eBPF", found, ROOTFUL);
    }
    let missing = [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")];
    let missing: Vec<&str> =
        missing.into_iter().filter(|(bit, _)| !has(facts, *bit)).map(|(_, name)| name).collect();
    let found = match may_load(facts) {
        true if missing.is_empty() => "CAP_BPF and CAP_PERFMON".to_owned(),
        true => "CAP_SYS_ADMIN, which includes CAP_BPF and CAP_PERFMON".to_owned(),
        false => format!("missing {}", missing.join(" and ")),
    };
    Check::needed(Group::Permissions, "eBPF", may_load(facts), found, &permit(facts))
}

const ROOTFUL: &str = "start the container as root of the host: sudo podman run ..., or Docker without rootless mode and userns-remap";

/// Returns how to give this process the capabilities in its environment.
#[must_use]
pub(crate) fn permit(facts: &Facts) -> String {
    match facts.container.as_deref() {
        _ if facts.has_own_users => ROOTFUL.to_owned(),
        Some("kubernetes") => "set capabilities: {add: [BPF, PERFMON, SYS_PTRACE]} and runAsUser: 0 in the container's securityContext, and hostPID: true in the pod's spec (see packaging/kubernetes.yaml)".to_owned(),
        Some(kind) => format!(
            "{} run --pid=host --cap-add=BPF --cap-add=PERFMON --cap-add=SYS_PTRACE -v /sys/kernel/btf:/sys/kernel/btf:ro ...",
            if kind == "podman" { "sudo podman" } else { "docker" }
        ),
        None if facts.is_service => {
            "add to the unit: AmbientCapabilities=CAP_BPF CAP_PERFMON CAP_SYS_PTRACE (see packaging/memtap.service)".to_owned()
        }
        None => error::fix(),
    }
}

fn others(facts: &Facts) -> Check {
    let found = match (has(facts, CAP_SYS_PTRACE), facts.hidepid.as_deref()) {
        (true, _) => "CAP_SYS_PTRACE: mappings, PSS and USS of all processes".to_owned(),
        (false, None) => {
            "missing CAP_SYS_PTRACE: mappings, PSS and USS only of this user's processes".to_owned()
        }
        (false, Some(mode)) => {
            format!(
                "missing CAP_SYS_PTRACE, and /proc is mounted with hidepid={mode}: processes of other users are hidden"
            )
        }
    };
    Check::wanted(Group::Permissions, "others' /proc", has(facts, CAP_SYS_PTRACE), found, &permit(facts))
}

/// Reports two settings that other tracers depend on. memtap does not.
fn sysctls(facts: &Facts) -> Check {
    let shown = |value: Option<i8>| value.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
    let found = format!(
        "kernel.unprivileged_bpf_disabled {}, kernel.perf_event_paranoid {}: memtap works with any value",
        shown(facts.unprivileged_bpf_disabled),
        shown(facts.perf_event_paranoid)
    );
    Check::good(Group::Permissions, "sysctls", found)
}

/// Checks whether `memtap run` may trace its child. From scope 2 on, Yama requires a capability,
/// and scope 3 forbids tracing (Documentation/admin-guide/LSM/Yama.rst).
fn ptrace(facts: &Facts) -> Check {
    let (group, name) = (Group::Permissions, "Yama ptrace_scope");
    match facts.ptrace_scope {
        None => Check::good(group, name, "no Yama: `memtap run` can trace its command"),
        Some(scope @ (0 | 1)) => {
            Check::good(group, name, format!("{scope}: `memtap run` can trace its command"))
        }
        Some(2) if has(facts, CAP_SYS_PTRACE) => Check::good(group, name, "2, and memtap has CAP_SYS_PTRACE"),
        Some(scope) => {
            let fix = match scope {
                2 => "sudo sysctl kernel.yama.ptrace_scope=1",
                _ => {
                    "remove kernel.yama.ptrace_scope=3 from /etc/sysctl.d and reboot: a running kernel cannot lower it"
                }
            };
            let found = format!("{scope}: `memtap run` cannot trace its command without eBPF");
            Check::problem(Verdict::Less, group, name, found, fix)
        }
    }
}

fn container(facts: &Facts) -> Check {
    let found = match (facts.container.as_deref(), facts.is_service) {
        (Some(kind), _) => kind.to_owned(),
        (None, true) => "none; memtap runs as a systemd service".to_owned(),
        (None, false) => "none".to_owned(),
    };
    Check::good(Group::Surroundings, "container", found)
}

fn pids(facts: &Facts) -> Check {
    let found = match facts.has_own_pids {
        false => "the host's pid namespace: /proc shows all processes",
        true => "a pid namespace: commands, users, mappings and limits of processes outside it are unknown",
    };
    let fix = match facts.container.as_deref() {
        Some("kubernetes") => "set hostPID: true in the pod's spec",
        Some(_) => "start the container with --pid=host",
        None => "start memtap outside the pid namespace (unshare --pid, nspawn, ...)",
    };
    Check::wanted(Group::Surroundings, "processes", !facts.has_own_pids, found, fix)
}

fn clock(facts: &Facts) -> Check {
    let (group, name, clock) = (Group::Surroundings, "clock", &facts.clock);
    let zone = clock.zone.as_deref().unwrap_or("UTC (no /etc/localtime)");
    let fix = "set the clock and keep it synchronised: sudo timedatectl set-ntp true (or run chrony); the history uses this clock";
    match clock.is_synchronised {
        _ if clock.seconds < PLAUSIBLE => Check::problem(
            Verdict::Less,
            group,
            name,
            "the time is before 2025, so the clock was never set",
            fix,
        ),
        Some(true) => Check::good(group, name, format!("synchronised; time zone {zone}")),
        Some(false) => {
            Check::problem(Verdict::Less, group, name, format!("not synchronised; time zone {zone}"), fix)
        }
        None => Check::problem(
            Verdict::Less,
            group,
            name,
            format!("synchronisation unknown; time zone {zone}"),
            fix,
        ),
    }
}

/// Checks the directory of the history for the user that memtap runs as.
#[must_use]
pub fn folder_check(user: &str, folder: &FolderFacts) -> Check {
    let (group, name, path) = (Group::History, "folder", folder.path.display());
    if !folder.is_writable {
        // The directory may belong to another user and contain other files.
        let fix = match folder.is_there {
            true => format!(
                "choose another place with --store sqlite:PATH; or, if only memtap uses this directory, run: sudo chown -R {user}: {path}"
            ),
            false => format!(
                "sudo install --directory --owner={user} --mode=0700 {path}; or choose another place with --store sqlite:PATH"
            ),
        };
        return Check::problem(Verdict::Missing, group, name, format!("{user} cannot write to {path}"), &fix);
    }
    let free = folder.free_bytes.map_or_else(
        || "free space unknown".to_owned(),
        |bytes| format!("{:.1} GiB free", bytes as f64 / f64::from(1 << 30)),
    );
    let found = format!("{user} can write to {path}; {free}");
    let fix = "free disk space, or keep less: --max-size and --spool-size (2 GiB and 1 GiB by default)";
    Check::wanted(group, name, folder.free_bytes.is_none_or(|bytes| bytes >= NEEDED_BYTES), found, fix)
}

/// A way to attach to the kernel, which is tried separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachment {
    /// A tracepoint with the kernel's types (`tp_btf`).
    Tracepoint,
    /// An iterator over all processes (`iter/task`).
    Iterator,
    /// The exit of a function (`fexit`).
    Function,
}

/// Evaluates a trial: the time it took, or the reason why it failed.
#[must_use]
pub fn attempt_check(facts: &Facts, what: Attachment, outcome: &Result<Duration, CaptureError>) -> Check {
    let name = match what {
        Attachment::Tracepoint => "tracepoints (tp_btf)",
        Attachment::Iterator => "all processes (iter)",
        Attachment::Function => "functions (fexit)",
    };
    match (what, outcome) {
        (Attachment::Function, Ok(took)) => function(name, *took),
        (_, Ok(took)) => Check::good(Group::Trial, name, format!("works, {}", milliseconds(*took))),
        (Attachment::Function, Err(error)) if !error.not_permitted() || may_attach(facts) => {
            let found = "this kernel does not allow hooks on functions, so every system call takes about 0.1 µs longer";
            let fix =
                "use a kernel built with CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=y, as most distributions do";
            Check::problem(Verdict::Less, Group::Trial, name, found, fix)
        }
        (_, Err(error)) => {
            Check::problem(Verdict::Missing, Group::Trial, name, error.summary(), &fix(facts, error))
        }
    }
}

/// Evaluates the trial of the complete kernel side.
#[must_use]
pub fn trial_check(facts: &Facts, outcome: &Result<crate::Plan, CaptureError>) -> Check {
    match outcome {
        Ok(plan) => Check::good(Group::Trial, "plan", format!("{}: {}", plan.name(), plan.about())),
        Err(error) => {
            Check::problem(Verdict::Missing, Group::Trial, "plan", error.summary(), &fix(facts, error))
        }
    }
}

fn function(name: &'static str, took: Duration) -> Check {
    let found = format!("works; one hook takes {} to attach and detach", milliseconds(took));
    let fix = "nothing needs fixing: memtap chooses another plan, because attaching about forty such hooks is slow here; use --plan functions if other system calls must not become slower";
    Check::wanted(Group::Trial, name, hooks_are_quick(Some(took)), found, fix)
}

fn milliseconds(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}

/// Returns the fix for a failure, depending on the facts.
fn fix(facts: &Facts, error: &CaptureError) -> String {
    match error {
        CaptureError::Locked => error::UNLOCK.to_owned(),
        CaptureError::NotPermitted { .. } if may_attach(facts) && facts.is_filtered => {
            "a seccomp filter denies bpf(): start the container with --security-opt seccomp=unconfined (or a profile that allows bpf), or add SystemCallFilter=bpf to the unit".to_owned()
        }
        CaptureError::NotPermitted { .. } => permit(facts),
        _ => "see the section Kernel; memory usage from /proc still works".to_owned(),
    }
}

#[cfg(test)]
mod tests;
