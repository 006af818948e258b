//! Facts about the kernel, this process and its environment. `judgement.rs` evaluates them.

use std::fs;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::AccessFlags;

/// Facts; `None` if one could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Kernel release, as from `uname -r`.
    pub release: String,
    /// Machine type, as from `uname -m`.
    pub machine: String,
    /// True if the kernel describes its types (CONFIG_DEBUG_INFO_BTF).
    pub has_btf: bool,
    /// Lockdown mode: `none`, `integrity` or `confidentiality`. `None` if securityfs is not mounted
    /// and the kernel was booted without one.
    pub lockdown: Option<String>,
    /// An eBPF program was allowed to read kernel memory, which a lockdown of confidentiality
    /// denies.
    pub reads_kernel: bool,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Option<i8>,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: Option<i8>,
    /// True if the kernel reports memory pressure (PSI).
    pub has_pressure: bool,
    /// Version of cgroups that accounts memory.
    pub memory_groups: Option<GroupVersion>,
    /// User of this process, by name, or by number if it has none.
    pub user: String,
    /// Effective capabilities, one bit for each.
    pub capabilities: Option<u64>,
    /// Nice value of this process.
    pub nice: i32,
    /// Lowest nice value that this process may set without CAP_SYS_NICE (RLIMIT_NICE).
    pub nice_limit: i32,
    /// True if a seccomp filter checks this process's calls.
    pub is_filtered: bool,
    /// `hidepid` of /proc, if it hides anything.
    pub hidepid: Option<String>,
    /// `kernel.yama.ptrace_scope`; `None` on a kernel without Yama.
    pub ptrace_scope: Option<i8>,
    /// Kind of the container: `docker`, `podman`, `kubernetes`, or the name that the engine
    /// reports.
    pub container: Option<String>,
    /// True if this process is not in the machine's pid namespace.
    pub has_own_pids: bool,
    /// True if this process is not in the machine's user namespace.
    pub has_own_users: bool,
    /// True if systemd runs this process as a service.
    pub is_service: bool,
    /// Clock of the machine.
    pub clock: ClockFacts,
}

/// Version of cgroups that accounts memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupVersion {
    /// The memory controller has its own hierarchy.
    V1,
    /// The memory controller is in the unified hierarchy.
    V2,
}

/// Clock of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClockFacts {
    /// Seconds since 1970, UTC.
    pub seconds: i64,
    /// True if the kernel considers the clock synchronised (NTP).
    pub is_synchronised: Option<bool>,
    /// Time zone from `TZ`, or from the target of /etc/localtime.
    pub zone: Option<String>,
}

/// A directory that memtap has to write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFacts {
    /// Path of the directory.
    pub path: PathBuf,
    /// True if the directory exists; otherwise it has to be created.
    pub is_there: bool,
    /// True if this process may write to the directory or create it.
    pub is_writable: bool,
    /// Free disk space, bytes.
    pub free_bytes: Option<u64>,
}

/// Returns the kernel release, as from `uname -r`. Plans depend on it alone, so they do not need
/// the other facts.
pub(crate) fn release() -> String {
    nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default()
}

/// Reads all facts.
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

/// Returns the facts about a directory, which may not exist yet.
#[must_use]
pub fn folder_facts(path: &Path) -> FolderFacts {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let existing = path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("/"));
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    FolderFacts {
        is_there: existing == path,
        is_writable: existing.is_dir() && nix::unistd::eaccess(existing, flags).is_ok(),
        free_bytes: nix::sys::statvfs::statvfs(existing)
            .ok()
            .map(|stats| stats.blocks_available() * stats.fragment_size()),
        path,
    }
}

fn nice() -> i32 {
    // SAFETY: the call reads one number of the calling thread.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

/// Returns the lowest nice value that RLIMIT_NICE allows. The limit counts down from 20
/// (getrlimit(2)); 0, the default, allows no value below the present one.
fn nice_limit() -> i32 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes into a struct owned by this function.
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

/// Returns the mode in brackets in `none [integrity] confidentiality`, or the one that the kernel
/// was booted with.
fn lockdown() -> Option<String> {
    match fs::read_to_string("/sys/kernel/security/lockdown") {
        Ok(text) => {
            let (_, mode) = text.split_once('[')?;
            mode.split_once(']').map(|(mode, _)| mode.to_owned())
        }
        Err(_) => {
            let options = fs::read_to_string("/proc/cmdline").unwrap_or_default();
            let booted = options.split_whitespace().find_map(|option| option.strip_prefix("lockdown="));
            // The kernel lists its security modules, and lockdown is not among them.
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

/// Returns the mode that hides processes of other users in /proc: `1`, `2`, or the words of newer
/// kernels.
fn hidepid(mounts: &str) -> Option<String> {
    let mut proc = mounts.lines().filter(|line| line.split(' ').nth(1) == Some("/proc"));
    let options = proc.next_back()?.split(' ').nth(3)?;
    let value = options.split(',').find_map(|option| option.strip_prefix("hidepid="))?;
    (!matches!(value, "0" | "off")).then(|| value.to_owned())
}

/// Returns the kind of the container, as engines announce it to processes inside. A machine
/// installed from a container image has the engine's files, but it is no container, because it uses
/// the first namespaces.
fn container() -> Option<String> {
    if FIRST_NAMESPACES.into_iter().all(|(kind, number)| is_first(kind, number)) {
        return None;
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("kubernetes".to_owned());
    }
    // The engine sets the variable for its first process, and systemd writes it to the file.
    let announced =
        std::env::var("container").ok().or_else(|| fs::read_to_string("/run/systemd/container").ok());
    if let Some(announced) =
        announced.map(|announced| announced.trim().to_owned()).filter(|announced| !announced.is_empty())
    {
        return Some(announced);
    }
    let marks = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];
    marks.into_iter().find(|(file, _)| Path::new(file).exists()).map(|(_, kind)| kind.to_owned())
}

/// The machine's first namespaces. Their numbers never change (include/linux/proc_ns.h, since Linux
/// 3.8; for cgroups since 4.6).
const FIRST_NAMESPACES: [(&str, u32); 4] =
    [("pid", 0xEFFF_FFFC), ("ipc", 0xEFFF_FFFF), ("uts", 0xEFFF_FFFE), ("cgroup", 0xEFFF_FFFB)];

/// Returns whether this process is in the first namespace, and true if that is unknown.
fn is_first(kind: &str, number: u32) -> bool {
    let name = fs::read_link(format!("/proc/self/ns/{kind}"));
    name.map_or(true, |name| name.as_os_str() == format!("{kind}:[{number}]").as_str())
}

fn has_own_pids() -> bool {
    let [(kind, number), ..] = FIRST_NAMESPACES;
    !is_first(kind, number)
}

/// Returns whether the user map is the machine's, which maps each user to itself.
fn has_all_users(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn clock() -> ClockFacts {
    let seconds =
        nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME).map_or(0, |time| time.tv_sec());
    // SAFETY: the struct contains only numbers, for which 0 is valid. With mode 0, adjtimex sets
    // nothing.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes into a struct owned by this function.
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
    fn hidepid_is_read_from_the_mounts() {
        let mounts = |options: &str| format!("sysfs /sys sysfs rw 0 0\nproc /proc proc {options} 0 0\n");
        assert_eq!(hidepid(&mounts("rw,relatime")), None);
        assert_eq!(hidepid(&mounts("rw,hidepid=0")), None);
        assert_eq!(hidepid(&mounts("rw,hidepid=invisible,gid=4")).as_deref(), Some("invisible"));
        let twice = mounts("rw") + "proc /proc proc rw,hidepid=2 0 0\n";
        assert_eq!(hidepid(&twice).as_deref(), Some("2"), "the upper one counts");
    }

    #[test]
    fn a_user_namespace_is_recognized_by_its_map() {
        assert!(has_all_users("         0          0 4294967295\n"));
        assert!(!has_all_users("         0       1000          1\n"));
    }

    #[test]
    fn directories_that_do_not_exist_yet() {
        let folder = tempfile::tempdir().unwrap();
        let facts = folder_facts(&folder.path().join("a/b"));
        assert!(facts.is_writable && facts.free_bytes > Some(0), "{facts:?}");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(!folder_facts(&file.join("a")).is_writable);
    }

    #[test]
    fn this_machine_has_facts() {
        let facts = facts();
        assert!(!facts.release.is_empty() && !facts.user.is_empty() && facts.capabilities.is_some());
        assert!(facts.clock.seconds > 1_700_000_000 && facts.clock.is_synchronised.is_some());
    }
}
