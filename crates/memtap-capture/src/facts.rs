//! Facts about this kernel, this process, and where it runs. Facts only; `judgement.rs` judges them.

use std::fs;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::AccessFlags;

/// What was found; `None` where it could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Kernel release, as `uname -r`.
    pub release: String,
    /// Machine, as `uname -m`.
    pub machine: String,
    /// Whether the kernel describes its types (CONFIG_DEBUG_INFO_BTF).
    pub has_btf: bool,
    /// Lockdown mode: `none`, `integrity` or `confidentiality`; `None` when securityfs is not mounted and the kernel was not booted with one.
    pub lockdown: Option<String>,
    /// An eBPF program was allowed to read kernel memory, which a lockdown of confidentiality denies.
    pub reads_kernel: bool,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Option<i8>,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: Option<i8>,
    /// Whether the kernel tells memory pressure (PSI).
    pub has_pressure: bool,
    /// Which version of cgroups counts memory.
    pub memory_groups: Option<GroupVersion>,
    /// The user that this process runs as, by name, else by number.
    pub user: String,
    /// Effective capabilities, a bit each.
    pub capabilities: Option<u64>,
    /// The nice value of this process.
    pub nice: i32,
    /// The lowest nice value that it may get without CAP_SYS_NICE (RLIMIT_NICE).
    pub nice_limit: i32,
    /// Whether a seccomp filter looks at this process's calls.
    pub is_filtered: bool,
    /// `hidepid` of /proc, when it hides anything.
    pub hidepid: Option<String>,
    /// `kernel.yama.ptrace_scope`; `None` on kernels without Yama.
    pub ptrace_scope: Option<i8>,
    /// The container's kind: `docker`, `podman`, `kubernetes`, or what it says of itself.
    pub container: Option<String>,
    /// Whether this process has a pid namespace of its own.
    pub has_own_pids: bool,
    /// Whether this process has a user namespace of its own.
    pub has_own_users: bool,
    /// Whether systemd runs it as a service.
    pub is_service: bool,
    /// The machine's clock.
    pub clock: ClockFacts,
}

/// Which cgroups count memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupVersion {
    /// The memory controller has a hierarchy of its own.
    V1,
    /// It is in the unified one.
    V2,
}

/// The machine's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClockFacts {
    /// Seconds since 1970, UTC.
    pub seconds: i64,
    /// Whether the kernel takes it for synchronised (NTP).
    pub is_synchronised: Option<bool>,
    /// The time zone: `TZ`, else where /etc/localtime leads.
    pub zone: Option<String>,
}

/// A folder that shall be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFacts {
    /// It.
    pub path: PathBuf,
    /// Whether it is there, or still to be made.
    pub is_there: bool,
    /// Whether this process may write it, or make it.
    pub is_writable: bool,
    /// What it has room for, bytes.
    pub free_bytes: Option<u64>,
}

/// The kernel's release, as `uname -r`: what plans depend on, without the other facts.
pub(crate) fn release() -> String {
    nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default()
}

/// Reads the facts.
#[must_use]
pub fn facts() -> Facts {
    let machine = nix::sys::utsname::uname().map(|name| name.machine().to_string_lossy().into_owned());
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    Facts {
        release: release(),
        machine: machine.unwrap_or_default(),
        has_btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        lockdown: lockdown(),
        reads_kernel: false,
        unprivileged_bpf_disabled: number("/proc/sys/kernel/unprivileged_bpf_disabled"),
        perf_event_paranoid: number("/proc/sys/kernel/perf_event_paranoid"),
        has_pressure: fs::read("/proc/pressure/memory").is_ok(),
        memory_groups: memory_groups(),
        user: user(),
        capabilities: field(&status, "CapEff:").and_then(|set| u64::from_str_radix(set, 16).ok()),
        nice: nice(),
        nice_limit: nice_limit(),
        is_filtered: field(&status, "Seccomp:") == Some("2"),
        hidepid: fs::read_to_string("/proc/self/mounts").ok().and_then(|mounts| hidepid(&mounts)),
        ptrace_scope: number("/proc/sys/kernel/yama/ptrace_scope"),
        container: container(),
        has_own_pids: has_own_pids(),
        has_own_users: fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !has_all_users(&map)),
        is_service: std::env::var_os("INVOCATION_ID").is_some() && nix::unistd::getppid().as_raw() == 1,
        clock: clock(),
    }
}

/// Of a folder that may be still to be made.
#[must_use]
pub fn folder_facts(path: &Path) -> FolderFacts {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let there = path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("/"));
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    FolderFacts {
        is_there: there == path,
        is_writable: there.is_dir() && nix::unistd::eaccess(there, flags).is_ok(),
        free_bytes: nix::sys::statvfs::statvfs(there)
            .ok()
            .map(|found| found.blocks_available() * found.fragment_size()),
        path,
    }
}

fn nice() -> i32 {
    // SAFETY: the call reads one number of the calling thread.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

/// The limit counts from 20 downwards (getrlimit(2)): 0, the default, allows nothing below the present value.
fn nice_limit() -> i32 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes into the structure that is its own.
    unsafe { libc::getrlimit(libc::RLIMIT_NICE, &raw mut limit) };
    20 - i32::try_from(limit.rlim_cur.min(40)).unwrap_or(0)
}

fn user() -> String {
    let uid = nix::unistd::geteuid();
    nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn number(path: &str) -> Option<i8> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// `none [integrity] confidentiality`: the one in brackets. Else what the kernel was booted with.
fn lockdown() -> Option<String> {
    match fs::read_to_string("/sys/kernel/security/lockdown") {
        Ok(text) => {
            let (_, rest) = text.split_once('[')?;
            rest.split_once(']').map(|(mode, _)| mode.to_owned())
        }
        Err(_) => {
            let options = fs::read_to_string("/proc/cmdline").unwrap_or_default();
            let booted = options.split_whitespace().find_map(|option| option.strip_prefix("lockdown="));
            // Where the security modules are listed, lockdown is not one of them.
            let is_listed = fs::read("/sys/kernel/security/lsm").is_ok();
            booted.or(is_listed.then_some("none: not in this kernel")).map(str::to_owned)
        }
    }
}

fn memory_groups() -> Option<GroupVersion> {
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    if controllers.split_whitespace().any(|controller| controller == "memory") {
        return Some(GroupVersion::V2);
    }
    Path::new("/sys/fs/cgroup/memory/memory.stat").exists().then_some(GroupVersion::V1)
}

/// What hides others' processes in /proc: `1`, `2`, or the words of later kernels.
fn hidepid(mounts: &str) -> Option<String> {
    let mut proc = mounts.lines().filter(|line| line.split(' ').nth(1) == Some("/proc"));
    let options = proc.next_back()?.split(' ').nth(3)?;
    let value = options.split(',').find_map(|option| option.strip_prefix("hidepid="))?;
    (!matches!(value, "0" | "off")).then(|| value.to_owned())
}

/// As the engines tell those inside. A machine made of an image has the image's marks and is none: it has no namespace of its own.
fn container() -> Option<String> {
    if FIRST_NAMESPACES.into_iter().all(|(kind, number)| is_first(kind, number)) {
        return None;
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("kubernetes".to_owned());
    }
    // Of the engine to its first process, which systemd passes on as a file.
    let told = std::env::var("container").ok().or_else(|| fs::read_to_string("/run/systemd/container").ok());
    if let Some(told) = told.map(|told| told.trim().to_owned()).filter(|told| !told.is_empty()) {
        return Some(told);
    }
    let marks = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];
    marks.into_iter().find(|(file, _)| Path::new(file).exists()).map(|(_, kind)| kind.to_owned())
}

/// The machine's own namespaces, whose numbers never change (include/linux/proc_ns.h, from Linux 3.8 on; of cgroups from 4.6 on).
const FIRST_NAMESPACES: [(&str, u32); 4] =
    [("pid", 0xEFFF_FFFC), ("ipc", 0xEFFF_FFFF), ("uts", 0xEFFF_FFFE), ("cgroup", 0xEFFF_FFFB)];

/// Also where it cannot be told.
fn is_first(kind: &str, number: u32) -> bool {
    let name = fs::read_link(format!("/proc/self/ns/{kind}"));
    name.map_or(true, |name| name.as_os_str() == format!("{kind}:[{number}]").as_str())
}

fn has_own_pids() -> bool {
    let [(kind, number), ..] = FIRST_NAMESPACES;
    !is_first(kind, number)
}

/// Whether the map of users is that of the machine: each as itself.
fn has_all_users(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn clock() -> ClockFacts {
    let seconds =
        nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME).map_or(0, |time| time.tv_sec());
    // SAFETY: numbers, of which all may be 0: with no mode, nothing is set.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes into the structure that is its own.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    let zone = std::env::var("TZ").ok().filter(|zone| !zone.is_empty()).or_else(|| {
        let place = fs::canonicalize("/etc/localtime").ok()?;
        place.to_str()?.split_once("zoneinfo/").map(|(_, zone)| zone.to_owned())
    });
    ClockFacts {
        seconds,
        is_synchronised: (answer >= 0).then_some(state.status & libc::STA_UNSYNC == 0),
        zone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_others_in_proc() {
        let mounts = |options: &str| format!("sysfs /sys sysfs rw 0 0\nproc /proc proc {options} 0 0\n");
        assert_eq!(hidepid(&mounts("rw,relatime")), None);
        assert_eq!(hidepid(&mounts("rw,hidepid=0")), None);
        assert_eq!(hidepid(&mounts("rw,hidepid=invisible,gid=4")).as_deref(), Some("invisible"));
        let twice = mounts("rw") + "proc /proc proc rw,hidepid=2 0 0\n";
        assert_eq!(hidepid(&twice).as_deref(), Some("2"), "the upper one counts");
    }

    #[test]
    fn a_user_namespace_has_a_map_of_its_own() {
        assert!(has_all_users("         0          0 4294967295\n"));
        assert!(!has_all_users("         0       1000          1\n"));
    }

    #[test]
    fn folders_that_are_still_to_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let found = folder_facts(&folder.path().join("a/b"));
        assert!(found.is_writable && found.free_bytes > Some(0), "{found:?}");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(!folder_facts(&file.join("a")).is_writable);
    }

    #[test]
    fn this_machine_tells_of_itself() {
        let facts = facts();
        assert!(!facts.release.is_empty() && !facts.user.is_empty() && facts.capabilities.is_some());
        assert!(facts.clock.seconds > 1_700_000_000 && facts.clock.is_synchronised.is_some());
    }
}
