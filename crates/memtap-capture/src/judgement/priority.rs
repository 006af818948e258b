//! Check whether memtap may run at a higher priority than the load that it observes.

use super::{CAP_SYS_NICE, Check, Group, has};
use crate::facts::Facts;

/// Default nice value of a capture. With 25 stressors on two processors, a third of the records is
/// lost at nice value 0, and none at -10.
pub const NICE: i32 = -10;

/// Line of `memtap doctor` about the priority. Capabilities in a user namespace do not count: the
/// kernel checks the machine's CAP_SYS_NICE (kernel/sched/syscalls.c: can_nice).
pub(super) fn check(facts: &Facts) -> Check {
    let may_raise = has(facts, CAP_SYS_NICE) && !facts.has_own_users;
    let is_allowed = may_raise || facts.nice.min(facts.nice_limit) <= NICE;
    let found = match is_allowed {
        true => format!("nice value {NICE} is allowed"),
        false => format!(
            "nice value {NICE} is not allowed, so memtap runs at {}: request records may be lost while all processors are busy",
            facts.nice
        ),
    };
    Check::wanted(Group::Permissions, "priority", is_allowed, found, &fix(facts))
}

/// Returns how to allow this process a higher priority in its environment.
#[must_use]
pub fn fix_priority() -> String {
    fix(&crate::facts())
}

fn fix(facts: &Facts) -> String {
    match facts.container.as_deref() {
        _ if facts.has_own_users => {
            "start the container as root of the host, with CAP_SYS_NICE; or choose --nice 0".to_owned()
        }
        Some("kubernetes") => {
            "set capabilities: {add: [BPF, PERFMON, SYS_PTRACE, SYS_NICE]} in the container's securityContext"
                .to_owned()
        }
        Some(_) => "start the container with --cap-add=SYS_NICE".to_owned(),
        None if facts.is_service => format!("add to the unit: Nice={NICE} (see packaging/memtap.service)"),
        None => {
            let program = crate::error::program();
            format!(
                "sudo {program} (or once: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_sys_nice+ep {program})"
            )
        }
    }
}
