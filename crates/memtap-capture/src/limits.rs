//! Memory limits from /proc and the files of control groups, read on demand for many processes at
//! once.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memtap_model::{AllLimits, CgroupLimit, MachineLimits, ProcessLimits, Resource, ResourceLimit, Used};

/// Mount points of control groups: version 2, version 2 next to version 1, and the memory
/// controller of version 1.
const GROUPS_V2: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
const GROUPS_V1: &str = "/sys/fs/cgroup/memory";
/// Capability to lock any amount of memory (`include/uapi/linux/capability.h`).
const CAP_IPC_LOCK: u32 = 14;

/// Reader of limits. It caches the limits of groups, because many processes share one.
#[derive(Debug)]
pub struct LimitReader {
    machine: MachineLimits,
    groups: HashMap<PathBuf, Option<Used>>,
}

impl LimitReader {
    /// Creates a reader with the present limits of the machine.
    #[must_use]
    pub fn new() -> Self {
        let number = |path| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let machine = MachineLimits {
            overcommit_mode: number("/proc/sys/vm/overcommit_memory")
                .and_then(|mode| mode.try_into().ok())
                .unwrap_or(0),
            committed: Used {
                used: kilobytes(&memory, "Committed_AS:").unwrap_or(0),
                limit: kilobytes(&memory, "CommitLimit:").unwrap_or(0),
            },
            max_map_count: number("/proc/sys/vm/max_map_count").unwrap_or(0),
        };
        Self { machine, groups: HashMap::new() }
    }

    /// Limits of the machine.
    #[must_use]
    pub fn machine(&self) -> MachineLimits {
        self.machine
    }

    /// Reads the limits of a process; empty if it has ended. Mappings are counted only on request,
    /// because the kernel then visits all of them.
    #[must_use]
    pub fn process(&mut self, pid: u32, count_mappings: bool) -> ProcessLimits {
        let file = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let (limits, status) = (file("limits"), file("status"));
        let used = |limit: &str, size: &str| {
            Some(Used { limit: soft_limit(&limits, limit)?, used: kilobytes(&status, size)? })
        };
        let mappings = || Some(Used { used: mappings(pid)?, limit: self.machine.max_map_count });
        ProcessLimits {
            address_space: used("Max address space", "VmSize:"),
            data: used("Max data size", "VmData:"),
            locked: used("Max locked memory", "VmLck:").filter(|_| !may_lock_all(&status)),
            mappings: if count_mappings { mappings() } else { None },
            cgroup: self.group(&file("cgroup")),
        }
    }

    /// Returns the fullest group with a limit, from the process's own up to the root.
    fn group(&mut self, cgroup: &str) -> Option<CgroupLimit> {
        let (folders, path) = memory_group(cgroup)?;
        let mut fullest: Option<CgroupLimit> = None;
        for part in Path::new(path).ancestors() {
            let below = part.strip_prefix("/").unwrap_or(part);
            for folder in &folders {
                let folder = Path::new(folder).join(below);
                let memory = *self.groups.entry(folder).or_insert_with_key(|folder| group_memory(folder));
                let Some(memory) = memory else { continue };
                if fullest.as_ref().is_none_or(|fullest| fullest.memory.share() < memory.share()) {
                    fullest = Some(CgroupLimit { path: Arc::from(part.to_string_lossy()), memory });
                }
            }
        }
        fullest
    }
}

impl Default for LimitReader {
    fn default() -> Self {
        Self::new()
    }
}

/// Limits of a process, their names in /proc/PID/limits, and the field of /proc/PID/status that
/// counts against each.
const RESOURCES: [(Resource, &str, &str); 4] = [
    (Resource::AddressSpace, "Max address space", "VmSize:"),
    (Resource::Data, "Max data size", "VmData:"),
    (Resource::Stack, "Max stack size", "VmStk:"),
    (Resource::Locked, "Max locked memory", "VmLck:"),
];

/// Reads everything that limits the memory of one process, and how much of it is used.
///
/// # Errors
/// Fails if the process has ended or may not be read.
pub fn read_limits(pid: u32) -> io::Result<AllLimits> {
    let mut reader = LimitReader::new();
    let file = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
    let (limits, status) = (file("limits")?, file("status")?);
    let resource = |(resource, limit, used): (Resource, &str, &str)| ResourceLimit {
        resource,
        soft_bytes: limit_at(&limits, limit, 0),
        hard_bytes: limit_at(&limits, limit, 1),
        used_bytes: kilobytes(&status, used),
        is_lifted: resource == Resource::Locked && may_lock_all(&status),
    };
    let present = reader.process(pid, true);
    Ok(AllLimits {
        resources: RESOURCES.map(resource).into(),
        mappings: present.mappings,
        cgroup: present.cgroup,
        machine: reader.machine(),
    })
}

/// Returns the directories that may contain the process's group, and the path of the group.
fn memory_group(cgroup: &str) -> Option<(Vec<&'static str>, &str)> {
    let line = |wanted: fn(&str) -> bool| {
        cgroup.lines().find_map(|line| {
            let (_, fields) = line.split_once(':')?;
            let (controllers, path) = fields.split_once(':')?;
            wanted(controllers).then_some(path)
        })
    };
    let old = line(|controllers| controllers.split(',').any(|controller| controller == "memory"));
    old.map(|path| (vec![GROUPS_V1], path)).or_else(|| Some((GROUPS_V2.to_vec(), line(str::is_empty)?)))
}

/// Returns the memory of a group that it cannot release at once, against its limit; `None` without
/// a limit.
fn group_memory(folder: &Path) -> Option<Used> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let stat = read("memory.stat")?;
    let (limit, usage, files) = match number("memory.limit_in_bytes") {
        Some(limit) => {
            (limit, number("memory.usage_in_bytes")?, ["total_active_file", "total_inactive_file"])
        }
        None => (number("memory.max")?, number("memory.current")?, ["active_file", "inactive_file"]),
    };
    // For "no limit", version 1 reports the largest multiple of a page (PAGE_COUNTER_MAX,
    // include/linux/page_counter.h).
    let limited = limit < i64::MAX as u64 / 4096 * 4096;
    let field = |name: &str| {
        stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<u64>().ok())
    };
    let releasable: u64 = files.iter().filter_map(|name| field(name)).sum();
    limited.then_some(Used { used: usage.saturating_sub(releasable), limit })
}

/// Parses `VmSize:  123 kB` and returns bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let values = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(values.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Returns the soft limit from a line of /proc/PID/limits; `None` for `unlimited`.
fn soft_limit(text: &str, name: &str) -> Option<u64> {
    limit_at(text, name, 0)
}

/// Returns a limit from a line of /proc/PID/limits: column 0 is the soft limit, column 1 the hard
/// one.
fn limit_at(text: &str, name: &str, column: usize) -> Option<u64> {
    let values = text.lines().find_map(|line| line.strip_prefix(name))?;
    values.split_whitespace().nth(column)?.parse().ok()
}

fn may_lock_all(status: &str) -> bool {
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    capabilities
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .is_some_and(|bits| bits >> CAP_IPC_LOCK & 1 == 1)
}

fn mappings(pid: u32) -> Option<u64> {
    let file = fs::File::open(format!("/proc/{pid}/maps")).ok()?;
    let mut lines = BufReader::new(file).split(b'\n');
    lines.try_fold(0, |count, line| line.map(|_| count + 1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_and_unlimited_is_none() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max data size             unlimited            unlimited            bytes     \n\
            Max locked memory         8388608              16777216             bytes     \n";
        assert_eq!(soft_limit(text, "Max locked memory"), Some(8_388_608));
        assert_eq!(soft_limit(text, "Max data size"), None);
        assert_eq!(kilobytes("VmPeak:\t9 kB\nVmSize:\t  12 kB\n", "VmSize:"), Some(12_288));
        assert!(may_lock_all("CapEff:\t000001fffeffffff\n") && !may_lock_all("CapEff:\t0000000000000000\n"));
    }

    #[test]
    fn a_group_is_found_in_both_versions() {
        assert_eq!(memory_group("0::/user.slice/a.scope\n").unwrap().1, "/user.slice/a.scope");
        let old = "9:name=systemd:/\n4:memory:/docker/ab\n0::/\n";
        assert_eq!(memory_group(old), Some((vec![GROUPS_V1], "/docker/ab")));
        assert_eq!(memory_group(""), None);
    }

    #[test]
    fn memory_that_a_group_can_release_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("memory.stat", "anon 700\nactive_file 100\ninactive_file 150\n");
        write("memory.current", "1000\n");
        write("memory.max", "max\n");
        assert_eq!(group_memory(folder.path()), None);
        write("memory.max", "2000\n");
        assert_eq!(group_memory(folder.path()), Some(Used { used: 750, limit: 2000 }));
        write("memory.stat", "total_active_file 10\ntotal_inactive_file 20\n");
        write("memory.usage_in_bytes", "500\n");
        write("memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(group_memory(folder.path()), None, "version 1's word for no limit");
        write("memory.limit_in_bytes", "600\n");
        assert_eq!(group_memory(folder.path()), Some(Used { used: 470, limit: 600 }));
    }

    #[test]
    fn this_machine_and_this_process_have_limits() {
        let mut reader = LimitReader::new();
        let machine = reader.machine();
        assert!(machine.committed.limit > 0 && machine.max_map_count > 0, "{machine:?}");
        let own = reader.process(std::process::id(), true);
        assert!(own.mappings.is_some_and(|mappings| mappings.used > 10), "{own:?}");
        assert_eq!(reader.process(u32::MAX, true), ProcessLimits::default());
    }
}
