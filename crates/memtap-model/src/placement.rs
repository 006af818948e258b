//! Container, systemd unit and login session of a process, from the text of /proc/PID/cgroup (v1,
//! v2 or both).
//!
//! Whoever may create cgroups chooses their names. A name is accepted if it has the form that the
//! runtime or systemd uses, so a process with that privilege can pretend to be a container.

use serde::{Deserialize, Serialize};

/// Cgroup, container, systemd unit and login session of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Path of the cgroup that accounts the process's memory, at most 4096 bytes of untrusted text.
    /// Empty on a kernel without cgroups.
    pub cgroup: String,
    /// The container; the innermost one if containers are nested.
    pub container: Option<Container>,
    /// The innermost systemd unit (not a slice) with systemd's `\xNN` escapes:
    /// `getty@tty1.service`.
    pub unit: Option<String>,
    /// Id of the login session, as `loginctl` shows it: `3`, `c2`.
    pub session: Option<String>,
}

/// A container, identified by the name of its cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Runtime that started it.
    pub runtime: Runtime,
    /// 64 hexadecimal digits, or the container's name (untrusted text) if the runtime uses names.
    pub id: String,
    /// UID of the Kubernetes pod, with dashes. The UID of a static pod (from a file on the node)
    /// has 32 digits and no dashes.
    pub pod: Option<String>,
}

/// Container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is a product's name")]
pub enum Runtime {
    Docker,
    Containerd,
    CriO,
    Podman,
    /// LXC, LXD and Incus, which use the same cgroup names, and libvirt's LXC driver.
    Lxc,
    Nspawn,
    /// The path contains a container id but does not show the runtime.
    Unknown,
}

impl Runtime {
    /// Name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
            Self::Lxc => "lxc",
            Self::Nspawn => "systemd-nspawn",
            Self::Unknown => "container",
        }
    }
}

/// Maximum length of a path; longer ones are cut.
const PATH_BYTES: usize = 4096;
const ID_DIGITS: usize = 64;
/// Suffixes of units that have processes. Timers, paths, targets and devices have no cgroup.
const UNITS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

impl Placement {
    /// Parses the text of /proc/PID/cgroup. On v1, the memory controller's path accounts the
    /// memory, and systemd's own hierarchy has the unit and the session. On v2, one path has all
    /// three. Any other text gives the default.
    #[must_use]
    pub fn from_proc_cgroup(proc_cgroup: &str) -> Self {
        let Hierarchies { memory, systemd, unified } = Hierarchies::parse(proc_cgroup);
        let cgroup = memory.or(unified).or(systemd).unwrap_or_default();
        // All processes are in the root of an unused hierarchy: the v2 tree on a v1 host, or the
        // reverse.
        let by_systemd = [systemd, unified, memory].into_iter().flatten().find(|path| *path != "/");
        let names = || by_systemd.into_iter().flat_map(|path| path.rsplit('/'));
        Self {
            cgroup: cgroup.to_owned(),
            // Without a memory controller (`cgroup_disable=memory`), the other hierarchies show the
            // container.
            container: [memory, systemd, unified].into_iter().flatten().find_map(Container::from_path),
            unit: names().find_map(unit).map(str::to_owned),
            session: names().find_map(session).map(str::to_owned),
        }
    }
}

/// Paths of the process in the hierarchies that are used here.
#[derive(Default)]
struct Hierarchies<'a> {
    memory: Option<&'a str>,
    systemd: Option<&'a str>,
    unified: Option<&'a str>,
}

impl<'a> Hierarchies<'a> {
    fn parse(text: &'a str) -> Self {
        let mut hierarchies = Self::default();
        // `lines()` would remove a carriage return at the end of a path. A path may also contain
        // colons.
        for line in text.split('\n') {
            let Some((controllers, path)) =
                line.split_once(':').and_then(|(_, fields)| fields.split_once(':'))
            else {
                continue;
            };
            match controllers {
                // The cgroup of a zombie may be deleted already (kernel/cgroup/cgroup.c,
                // `proc_cgroup_show`, since 4.4).
                "" => hierarchies.unified = Some(cut(path.strip_suffix(" (deleted)").unwrap_or(path))),
                "name=systemd" => hierarchies.systemd = Some(cut(path)),
                list if list.split(',').any(|name| name == "memory") => hierarchies.memory = Some(cut(path)),
                _ => {}
            }
        }
        hierarchies
    }
}

fn cut(path: &str) -> &str {
    &path[..path.floor_char_boundary(PATH_BYTES)]
}

/// Returns the unit that a cgroup's name stands for. systemd prefixes `_` to names that could be a
/// file of the kernel's (`_cpu.service`).
fn unit(part: &str) -> Option<&str> {
    let name = part.strip_prefix('_').unwrap_or(part);
    let is_unit = UNITS.iter().any(|suffix| name.len() > suffix.len() && name.ends_with(suffix));
    let is_unit_byte = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    (is_unit && name.len() < 256 && name.bytes().all(is_unit_byte)).then_some(name)
}

fn session(part: &str) -> Option<&str> {
    let id = part.strip_prefix("session-")?.strip_suffix(".scope")?;
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(id)
}

impl Container {
    /// Returns the first twelve characters of the id, as container tools show it.
    #[must_use]
    pub fn short_id(&self) -> &str {
        self.id.char_indices().nth(12).map_or(&self.id, |(end, _)| &self.id[..end])
    }

    /// Formats the container for people and for the API: `docker:0123456789ab`,
    /// `lxc:web-frontend-1`. Names are not cut, because two of them may have the same beginning.
    #[must_use]
    pub fn label(&self) -> String {
        let id = if is_id(&self.id) { self.short_id() } else { &self.id };
        format!("{}:{id}", self.runtime.name())
    }

    fn from_path(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').collect();
        let part =
            |index: Option<usize>| index.and_then(|index| parts.get(index)).copied().unwrap_or_default();
        // Start at the innermost cgroup: processes in the container may have created cgroups below
        // its own.
        let mut containers = (0..parts.len()).rev().filter_map(|index| {
            let (before, after) = (part(index.checked_sub(1)), part(index.checked_add(1)));
            let named = identify_by_name(before, parts[index], after)
                .or_else(|| identify_by_id(before, parts[index]))?;
            Some((index, named))
        });
        let (index, (runtime, id)) = containers.next()?;
        let pod = parts[..=index].iter().rev().find_map(|part| pod(part));
        Some(Self { runtime, id, pod })
    }
}

/// Recognizes runtimes that use ids: `ID` (cgroupfs driver), `docker-ID.scope` (systemd driver),
/// `SLICE:cri-containerd:ID` (a systemd path given to the cgroupfs driver).
fn identify_by_id(before: &str, part: &str) -> Option<(Runtime, String)> {
    let scope = part.strip_suffix(".scope");
    let (front, id) = scope.unwrap_or(part).rsplit_once(['-', ':']).unwrap_or(("", part));
    let prefix = front.rsplit(':').next().unwrap_or(front);
    let runtime = match prefix {
        "docker" => Runtime::Docker,
        "cri-containerd" | "containerd" | "nerdctl" => Runtime::Containerd,
        "crio" => Runtime::CriO,
        // `libpod-payload` is from `podman run --cgroups=split`, which systemd units for Podman
        // (Quadlet) use.
        "libpod" | "libpod-payload" => Runtime::Podman,
        "" => match before {
            "docker" => Runtime::Docker,
            // Namespaces of containerd: those of nerdctl and of the CRI plug-in.
            "default" | "k8s.io" => Runtime::Containerd,
            // Cgroup of a Podman pod. Its containers are below it, named `libpod-ID`.
            "libpod_parent" => return None,
            _ => Runtime::Unknown,
        },
        // `libpod-conmon-ID.scope`, `crio-conmon-ID.scope`: the monitor, which runs outside the
        // container.
        other if other == "conmon" || other.ends_with("-conmon") => return None,
        // runc accepts any prefix, but it creates scopes only.
        _ => scope.map(|_| Runtime::Unknown)?,
    };
    is_id(id).then(|| (runtime, id.to_owned()))
}

/// Recognizes runtimes that use names. Their monitors (`lxc.monitor.NAME`, nspawn's `supervisor`)
/// are outside the container.
fn identify_by_name(before: &str, part: &str, after: &str) -> Option<(Runtime, String)> {
    let named = |runtime, name: &str| (!matches!(name, "" | "..")).then(|| (runtime, name.to_owned()));
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return named(Runtime::Lxc, name);
    }
    if matches!(before, "lxc" | "lxc.payload") {
        return named(Runtime::Lxc, part);
    }
    if after == "supervisor" {
        return None;
    }
    if let Some(name) = part.strip_prefix("systemd-nspawn@").and_then(|unit| unit.strip_suffix(".service")) {
        return named(Runtime::Nspawn, &unescape(name));
    }
    // A machine is below machine.slice: `systemd-run --scope --unit=machine-learning` is not one.
    let machine = part.strip_prefix("machine-").filter(|_| before == "machine.slice");
    let name = unescape(machine?.strip_suffix(".scope")?);
    // libvirt's names are DRIVER-NUMBER-NAME. All of its drivers but lxc run virtual machines.
    let mut pieces = name.splitn(3, '-');
    let driver = pieces.next().filter(|_| pieces.next().is_some_and(|number| number.parse::<u32>().is_ok()));
    match driver {
        Some("qemu" | "ch" | "xen") => None,
        Some("lxc") => named(Runtime::Lxc, &name),
        _ => named(Runtime::Nspawn, &name),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns a machine's name from the name of its unit, in which systemd writes `-` as `\x2d`. Other
/// escapes are kept, because names of machines do not need them.
fn unescape(name: &str) -> String {
    name.replace("\\x2d", "-")
}

/// Returns the UID of a pod from `podUID`, or from a slice whose name repeats its parents':
/// `kubepods-burstable-podUID.slice`, with kind `kubelet-kubepods-podUID.slice`. A slice's name has
/// underscores in place of the UID's dashes, since a dash would add a parent.
fn pod(part: &str) -> Option<String> {
    let part = part.split(':').next().unwrap_or(part);
    let uid = match part.strip_suffix(".slice") {
        Some(slice) => slice.rsplit_once("-pod").filter(|(parents, _)| parents.contains("kubepods"))?.1,
        None => part.strip_prefix("pod")?,
    };
    let uid = uid.replace('_', "-");
    let is_uid_byte = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    (matches!(uid.len(), 32 | 36) && uid.bytes().all(is_uid_byte)).then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OTHER: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0f";
    const UID: &str = "d0d2a1b4-1111-2222-3333-0123456789ab";

    /// Placement of a process on v2. In the path, `ID`, `OTHER`, `UID` and `U_D` (with underscores)
    /// are replaced by the constants.
    fn at(path: &str) -> Placement {
        let path = path.replace("OTHER", OTHER).replace("UID", UID).replace("U_D", &UID.replace('-', "_"));
        Placement::from_proc_cgroup(&format!("0::{}\n", path.replace("ID", ID)))
    }

    /// Formats the container as `docker ID`, `containerd ID in pod UID`, `lxc web`, or `-` if there
    /// is none.
    fn container(placement: &Placement) -> String {
        let Some(Container { runtime, id, pod }) = &placement.container else { return "-".to_owned() };
        let pod = pod.iter().map(|uid| format!(" in pod {uid}")).collect::<String>();
        format!("{} {id}{pod}", runtime.name()).replace(ID, "ID").replace(UID, "UID")
    }

    const CONTAINERS: &str = r"
        /docker/ID = docker ID
        /docker/ID/init.scope = docker ID
        /docker/OTHER/docker/ID = docker ID
        /docker/OTHER/kubelet/kubepods/burstable/podUID/ID = container ID in pod UID
        /docker/OTHER/kubelet.slice/kubelet-kubepods-podU_D.slice/cri-containerd-ID.scope = containerd ID in pod UID
        /docker/ID/libpod-conmon-OTHER.scope = docker ID
        /system.slice/docker-ID.scope = docker ID
        /system.slice/docker-ID.scope/system.slice/nginx.service = docker ID
        /ecstasks.slice/ecstasks-0123456789abcdef0123456789abcdef.slice/docker-ID.scope = docker ID
        /ecs/0123456789abcdef0123456789abcdef/ID = container ID
        /system.slice/my-runtime-ID.scope = container ID
        /system.slice/nerdctl-ID.scope = containerd ID
        /default/ID = containerd ID
        /kubepods/burstable/podUID/ID = container ID in pod UID
        /kubepods/podUID/crio-ID = cri-o ID in pod UID
        /../../podUID/ID = container ID in pod UID
        /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_D.slice/cri-containerd-ID.scope = containerd ID in pod UID
        /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_D.slice/crio-ID.scope/container = cri-o ID in pod UID
        /kubepods.slice/kubepods-podU_D.slice/docker-ID.scope = docker ID in pod UID
        /kubepods.slice/kubepods-podUID.slice/docker-ID.scope = docker ID in pod UID
        /kubepods-besteffort-podU_D.slice:cri-containerd:ID = containerd ID in pod UID
        /system.slice/containerd.service/kubepods-podU_D.slice:cri-containerd:ID = containerd ID in pod UID
        /machine.slice/libpod-ID.scope/container = podman ID
        /machine.slice/machine-libpod_pod_OTHER.slice/libpod-ID.scope = podman ID
        /user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope = podman ID
        /user.slice/user-1000.slice/user@1000.service/app.slice/web.service/libpod-payload-ID = podman ID
        /libpod_parent/OTHER/libpod-ID = podman ID
        /libpod_parent/libpod-ID/ctr = podman ID
        /lxc/web = lxc web
        /lxc/101/ns/system.slice/cron.service = lxc 101
        /lxc.payload/web = lxc web
        /lxc.payload.project_web/init.scope = lxc project_web
        /lxc.payload.outer/lxc.payload.inner = lxc inner
        /lxc.payload.outer/lxc.monitor.inner = lxc outer
        /lxc.payload.ñandú = lxc ñandú
        /machine.slice/machine-lxc\x2d3054\x2dweb.scope = lxc lxc-3054-web
        /machine.slice/machine-my\x2dweb.scope/payload = systemd-nspawn my-web
        /machine.slice/systemd-nspawn@web.service/payload/system.slice/cron.service = systemd-nspawn web
        / = -
        /system.slice/docker.service = -
        /system.slice/var-lib-docker-containers-ID-shm.mount = -
        /machine.slice/libpod-conmon-ID.scope = -
        /kubepods.slice/kubepods-podU_D.slice/crio-conmon-ID.scope = -
        /libpod_parent/ID/conmon = -
        /user.slice/home-ID = -
        /docker-ID0.scope = -
        /docker/0123456789ab = -
        /lxc = -
        /lxc.monitor/101 = -
        /lxc.monitor.web = -
        /lxc.payload. = -
        /machine.slice/machine-.scope = -
        /machine.slice/machine-qemu\x2d1\x2dvm.scope/libvirt/emulator = -
        /machine.slice/systemd-nspawn@web.service/supervisor = -
        /system.slice/machine-learning.scope = -
    ";

    #[test]
    fn containers_are_recognized_by_their_paths() {
        for row in CONTAINERS.trim().lines() {
            let (path, expected) = row.trim().split_once(" = ").unwrap();
            assert_eq!(container(&at(path)), expected, "{path}");
        }
        let static_pod = at(&format!("/kubepods/pod{}/ID", &ID[..32]));
        assert_eq!(static_pod.container.unwrap().pod.as_deref(), Some(&ID[..32]));
    }

    #[test]
    fn units_and_sessions() {
        let user = "/user.slice/user-1000.slice/user@1000.service/app.slice";
        for (path, unit, session) in [
            ("/init.scope", Some("init.scope"), None),
            ("/system.slice/system-getty.slice/getty@tty1.service", Some("getty@tty1.service"), None),
            ("/system.slice/cron.service (deleted)", Some("cron.service"), None),
            ("/system.slice/_cpu.service/worker", Some("cpu.service"), None),
            ("/user.slice/user-1000.slice/session-c2.scope", Some("session-c2.scope"), Some("c2")),
            ("/user.slice/session-3.scope/x.target/y.slice", Some("session-3.scope"), Some("3")),
            ("/user.slice/session-.scope", Some("session-.scope"), None),
            (&format!("{user}/app-foo\\x2dbar.service"), Some("app-foo\\x2dbar.service"), None),
            (&format!("{user}/no unit.service"), Some("user@1000.service"), None),
            ("/system.slice/.service", None, None),
        ] {
            let placement = at(path);
            assert_eq!((placement.unit.as_deref(), placement.session.as_deref()), (unit, session), "{path}");
        }
    }

    #[test]
    fn hierarchies_are_combined() {
        for (text, expected) in [
            (
                "9:cpu:/a\n4:hugetlb,memory:/docker/ID\n1:name=systemd:/docker/ID\n",
                "/docker/ID - - docker ID",
            ),
            (
                "4:memory:/user.slice\n1:name=systemd:/session-3.scope\n0::/b\n",
                "/user.slice session-3.scope 3 -",
            ),
            ("1:name=systemd:/docker/ID\n0::/x.service\n", "/x.service - - docker ID"),
            ("2:memory:/a/x.service\n1:name=systemd:/\n0::/\n", "/a/x.service x.service - -"),
            ("1:name=systemd:/\n0::/a:b/x.service", "/a:b/x.service x.service - -"),
            ("1:name=memory:/a\n2:memory_not:/b\n", " - - -"),
        ] {
            let placement = Placement::from_proc_cgroup(&text.replace("ID", ID));
            let words = [&placement.unit, &placement.session].map(|word| word.as_deref().unwrap_or("-"));
            let actual = format!("{} {} {}", placement.cgroup, words.join(" "), container(&placement));
            assert_eq!(actual.replace(ID, "ID"), expected, "{text}");
        }
    }

    #[test]
    fn hostile_text_is_accepted() {
        for text in ["", ":", "::", "0:", "x:y:z\n\u{fffd}::\n", "0::///.scope/.service//\n", "0:: (deleted)"]
        {
            let Placement { container, unit, session, .. } = Placement::from_proc_cgroup(text);
            assert_eq!((container, unit, session), (None, None, None), "{text:?}");
        }
        assert_eq!(Placement::from_proc_cgroup("0::/a\r\n").cgroup, "/a\r");
        let long = at(&format!("/lxc/{}", "ñ".repeat(PATH_BYTES)));
        assert_eq!((long.cgroup.len(), long.container.unwrap().id.len()), (4095, 4090));
        // Cutting or rotating the path must neither panic nor make the results longer.
        let path = format!(
            "0::/kubepods-pod{UID}.slice:crio:{ID}/machine.slice/machine-ñ\\x2.scope/lxc/é/session-é.scope"
        );
        for (at, _) in path.char_indices() {
            assert!(Placement::from_proc_cgroup(&path[..at]).cgroup.len() <= at);
            let moved = format!("0::{}{}", &path[at..], &path[..at]);
            assert!(
                Placement::from_proc_cgroup(&moved)
                    .container
                    .is_none_or(|container| container.id.len() <= path.len())
            );
        }
    }

    #[test]
    fn labels_are_short_only_for_ids() {
        assert_eq!(at("/docker/ID").container.unwrap().label(), "docker:0123456789ab");
        let named = at("/lxc/ñ-frontend-number-1").container.unwrap();
        assert_eq!((named.short_id(), &*named.label()), ("ñ-frontend-n", "lxc:ñ-frontend-number-1"));
    }
}
