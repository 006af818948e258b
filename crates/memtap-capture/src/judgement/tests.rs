use super::*;
use crate::facts::ClockFacts;
use crate::{Hook, Plan};

const ALL: u64 = u64::MAX;
const THREE_CAPABILITIES: u64 = 1 << CAP_BPF | 1 << CAP_PERFMON | 1 << CAP_SYS_PTRACE;

fn good() -> Facts {
    Facts {
        release: "6.18.44-fc".to_owned(),
        machine: "x86_64".to_owned(),
        has_btf: true,
        lockdown: Some("integrity".to_owned()),
        unprivileged_bpf_disabled: Some(2),
        perf_event_paranoid: Some(4),
        has_pressure: true,
        memory_groups: Some(GroupVersion::V2),
        user: "memtap".to_owned(),
        capabilities: Some(THREE_CAPABILITIES),
        nice: NICE,
        clock: ClockFacts { seconds: PLAUSIBLE, is_synchronised: Some(true), zone: None },
        ..Facts::default()
    }
}

fn bad() -> Facts {
    Facts {
        release: "4.19.0".to_owned(),
        lockdown: Some("confidentiality".to_owned()),
        ptrace_scope: Some(3),
        has_own_pids: true,
        hidepid: Some("invisible".to_owned()),
        capabilities: Some(0),
        ..Facts::default()
    }
}

fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("{name} is not looked at"))
}

fn denied() -> CaptureError {
    CaptureError::NotPermitted { step: "x".to_owned(), reason: "EPERM".to_owned(), fix: String::new() }
}

#[test]
fn a_good_machine_needs_no_fix() {
    for check in checks(&good()) {
        assert!(check.verdict == Verdict::Good && check.fix.is_none(), "{check:?}");
    }
}

#[test]
fn every_problem_has_a_fix() {
    let informational = ["user", "sysctls", "container"];
    for container in [None, Some("docker"), Some("podman"), Some("kubernetes"), Some("lxc")] {
        let facts = Facts { container: container.map(str::to_owned), ..bad() };
        for check in checks(&facts).into_iter().filter(|check| !informational.contains(&check.name)) {
            assert!(check.verdict != Verdict::Good, "{check:?}");
            assert!(check.fix.as_deref().is_some_and(|fix| fix.len() > 8), "{check:?}");
        }
    }
}

#[test]
fn sys_admin_includes_both_capabilities() {
    let ebpf = |set: u64| find(&checks(&Facts { capabilities: Some(set), ..good() }), "eBPF").clone();
    assert_eq!(ebpf(1 << CAP_SYS_ADMIN).verdict, Verdict::Good);
    assert_eq!(ebpf(ALL).verdict, Verdict::Good);
    let half = ebpf(1 << CAP_BPF);
    assert_eq!((half.verdict, half.found.as_str()), (Verdict::Missing, "missing CAP_PERFMON"));
}

/// The fix for missing capabilities depends on what runs memtap.
#[test]
fn the_fix_depends_on_the_environment() {
    let fix = |facts: Facts| {
        let facts = Facts { capabilities: Some(0), ..facts };
        find(&checks(&facts), "eBPF").fix.clone().unwrap()
    };
    let inside = |kind: &str| Facts { container: Some(kind.to_owned()), ..good() };
    assert!(fix(good()).contains("setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_sys_nice+ep"));
    assert!(fix(Facts { is_service: true, ..good() }).contains("AmbientCapabilities=CAP_BPF"));
    assert!(fix(inside("docker")).starts_with("docker run --pid=host --cap-add=BPF"));
    assert!(fix(inside("podman")).starts_with("sudo podman run"));
    assert!(fix(inside("kubernetes")).contains("hostPID: true"));
    let rootless = Facts { has_own_users: true, capabilities: Some(ALL), ..inside("podman") };
    assert_eq!(find(&checks(&rootless), "eBPF").verdict, Verdict::Missing);
    assert!(fix(rootless).contains("as root of the host"));
}

#[test]
fn a_higher_priority_needs_a_capability_a_limit_or_an_inherited_value() {
    let check = |facts: Facts| find(&checks(&facts), "priority").clone();
    let ordinary = Facts { nice: 0, nice_limit: 20, ..good() };
    let problem = check(ordinary.clone());
    assert_eq!(problem.verdict, Verdict::Less);
    assert!(problem.fix.unwrap().contains("setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_sys_nice+ep"));
    let capable = Facts { capabilities: Some(1 << CAP_SYS_NICE), ..ordinary.clone() };
    let limited = Facts { nice_limit: -10, ..ordinary.clone() };
    for facts in [capable.clone(), limited, Facts { nice: -15, ..ordinary.clone() }] {
        assert_eq!(check(facts).verdict, Verdict::Good);
    }
    assert_eq!(check(Facts { has_own_users: true, ..capable }).verdict, Verdict::Less, "root of a namespace");
    let service = check(Facts { is_service: true, ..ordinary.clone() });
    assert!(service.fix.unwrap().contains("Nice=-10"));
    let inside = check(Facts { container: Some("docker".to_owned()), ..ordinary });
    assert!(inside.fix.unwrap().contains("--cap-add=SYS_NICE"));
}

#[test]
fn a_container_hides_processes_and_types() {
    let facts = Facts { container: Some("docker".to_owned()), has_own_pids: true, has_btf: false, ..good() };
    let checks = checks(&facts);
    assert_eq!(find(&checks, "processes").fix.as_deref(), Some("start the container with --pid=host"));
    assert!(find(&checks, "kernel types (BTF)").fix.as_ref().unwrap().contains("-v /sys/kernel/btf"));
}

#[test]
fn ptrace_scope_is_checked() {
    let scope = |scope: Option<i8>, set: u64| {
        find(&checks(&Facts { ptrace_scope: scope, capabilities: Some(set), ..good() }), "Yama ptrace_scope")
            .verdict
    };
    assert_eq!((scope(None, 0), scope(Some(1), 0)), (Verdict::Good, Verdict::Good));
    assert_eq!((scope(Some(2), 0), scope(Some(2), THREE_CAPABILITIES)), (Verdict::Less, Verdict::Good));
    assert_eq!(scope(Some(3), ALL), Verdict::Less);
}

#[test]
fn the_clock_must_be_set_and_synchronised() {
    let clock = |clock: ClockFacts| find(&checks(&Facts { clock, ..good() }), "clock").clone();
    let zone = Some("Europe/Madrid".to_owned());
    let right = ClockFacts { zone, ..good().clock };
    assert_eq!(clock(right.clone()).found, "synchronised; time zone Europe/Madrid");
    assert_eq!(clock(ClockFacts { is_synchronised: Some(false), ..right.clone() }).verdict, Verdict::Less);
    assert!(clock(ClockFacts { seconds: 0, ..right }).found.contains("never set"));
}

#[test]
fn the_directory_must_be_writable_and_have_space() {
    let good = FolderFacts {
        path: "/var/lib/memtap".into(),
        is_there: true,
        is_writable: true,
        free_bytes: Some(NEEDED_BYTES),
    };
    let check = |folder: FolderFacts| folder_check("memtap", &folder);
    assert_eq!(check(good.clone()).verdict, Verdict::Good);
    let full = FolderFacts { free_bytes: Some(NEEDED_BYTES - 1), ..good.clone() };
    assert!(check(full).fix.unwrap().contains("--max-size"));
    let closed = FolderFacts { is_writable: false, ..good.clone() };
    assert_eq!(check(closed.clone()).verdict, Verdict::Missing);
    assert!(check(closed.clone()).fix.unwrap().contains("chown -R memtap: /var/lib/memtap"));
    let unknown = FolderFacts { free_bytes: None, ..good };
    assert!(check(unknown).found.ends_with("free space unknown"));
    let missing = FolderFacts { is_there: false, ..closed };
    assert!(check(missing).fix.unwrap().contains("install --directory --owner=memtap"));
}

#[test]
fn failed_trials_are_judged_by_their_cause() {
    let took = Ok(Duration::from_millis(3));
    assert_eq!(attempt_check(&good(), Attachment::Tracepoint, &took).found, "works, 3.0 ms");
    let slow = attempt_check(&good(), Attachment::Function, &Ok(Duration::from_millis(300)));
    assert!(slow.verdict == Verdict::Less && slow.fix.unwrap().contains("--plan functions"));
    let none = CaptureError::Unsupported { step: "x".to_owned(), reason: "ENOTSUPP".to_owned() };
    assert_eq!(attempt_check(&good(), Attachment::Function, &Err(none)).verdict, Verdict::Less, "others do");
    let refused = attempt_check(&good(), Attachment::Function, &Err(denied()));
    assert_eq!(refused.verdict, Verdict::Less, "it has the capabilities");
    let facts = Facts { is_filtered: true, ..good() };
    let filtered = attempt_check(&facts, Attachment::Iterator, &Err(denied()));
    assert!(filtered.fix.unwrap().contains("seccomp=unconfined"));
    let plain =
        attempt_check(&Facts { capabilities: Some(0), ..good() }, Attachment::Iterator, &Err(denied()));
    assert!(plain.verdict == Verdict::Missing && plain.fix.unwrap().contains("setcap"));
    assert!(trial_check(&good(), &Err(CaptureError::Locked)).fix.unwrap().contains("lockdown=integrity"));
    let plan = Plan { hook: Hook::Exit, locks: true };
    assert!(trial_check(&good(), &Ok(plan)).found.starts_with("exit+locks: "));
}

#[test]
fn a_lockdown_that_is_unknown_is_good_only_where_kernel_memory_was_read() {
    let lockdown = |lockdown: Option<&str>, reads_kernel| {
        let facts = Facts { lockdown: lockdown.map(str::to_owned), reads_kernel, ..good() };
        find(&checks(&facts), "kernel lockdown").clone()
    };
    assert_eq!(lockdown(None, true).verdict, Verdict::Good);
    let unknown = lockdown(None, false);
    assert_eq!(unknown.verdict, Verdict::Less);
    assert!(unknown.fix.is_some_and(|fix| fix.contains("securityfs")));
    assert_eq!(lockdown(Some("confidentiality"), false).verdict, Verdict::Missing);
    assert_eq!(lockdown(Some("none"), false).verdict, Verdict::Good);
}
