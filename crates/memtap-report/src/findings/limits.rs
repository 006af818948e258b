//! Use close to a limit: of a process (address space, data, locked memory, mappings), of its
//! control group, or of the memory that the machine may commit.

use super::{Culprit, Figure, Finding, Link, Rule, Severity, Subject, Text, Value, View};
use std::collections::HashSet;
use std::sync::Arc;

use memtap_model::{ProcessLimits, Used};

use crate::evidence::{Evidence, Living, Traced};
use crate::track::resident;
use crate::{Lang, amount};

/// Share of a limit from which it is reported: at most a tenth is left.
const NEAR_SHARE: f64 = 0.9;
/// Share of a limit from which the next large request may reach it.
const AT_SHARE: f64 = 0.98;
/// A slope that reaches the limit within this time is serious.
const SOON_S: f64 = 600.0;
/// A slope that needs longer than this is ignored.
const FARTHEST_S: f64 = 30.0 * 86_400.0;
/// Fewest points for a meaningful slope.
const LEAST_POINTS: usize = 5;

/// Kind of limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LimitKind {
    AddressSpace,
    Data,
    Locked,
    Mappings,
    Group,
    Commit,
}

/// One limit that is nearly reached.
struct Near {
    kind: LimitKind,
    used: Used,
    left_s: Option<f64>,
    /// Control group that the limit belongs to.
    group: Option<Arc<str>>,
}

pub(super) fn find(evidence: &Evidence) -> Vec<Finding> {
    let Some(now) = &evidence.now else { return Vec::new() };
    let near = now.living.iter().filter_map(|Living { pid, started_at, limits }| {
        let traced = evidence.life(*pid, *started_at)?;
        Some((traced, tightest(limits, traced)?))
    });
    let process_findings = largest_per_group(near.collect())
        .into_iter()
        .map(|(traced, near)| finding(evidence, Subject::process(Culprit::from(&traced.life)), &near));
    let committed = now.machine.committed;
    let promised = (now.machine.overcommit_mode == 2 && is_near(committed)).then(|| {
        let near = Near { kind: LimitKind::Commit, used: committed, left_s: None, group: None };
        let host = evidence.range.host.as_deref().unwrap_or_default();
        finding(evidence, Subject::Machine(host.into()), &near)
    });
    process_findings.chain(promised).collect()
}

/// Keeps the largest process of each control group, since the limit is near for all of them.
fn largest_per_group(mut near: Vec<(&Traced, Near)>) -> Vec<(&Traced, Near)> {
    near.sort_by_key(|(traced, _)| std::cmp::Reverse(resident(&traced.life.within)));
    let mut groups = HashSet::new();
    near.retain(|(_, near)| near.group.as_ref().is_none_or(|group| groups.insert(Arc::clone(group))));
    near
}

fn is_near(used: Used) -> bool {
    used.limit > 0 && used.share() >= NEAR_SHARE
}

fn tightest(limits: &ProcessLimits, traced: &Traced) -> Option<Near> {
    let group = limits.cgroup.as_ref().map(|group| group.memory);
    let all = [
        (LimitKind::AddressSpace, limits.address_space),
        (LimitKind::Data, limits.data),
        (LimitKind::Locked, limits.locked),
        (LimitKind::Mappings, limits.mappings),
        (LimitKind::Group, group),
    ];
    let near = all.into_iter().filter_map(|(kind, used)| Some((kind, used.filter(|used| is_near(*used))?)));
    let (kind, used) = near.max_by(|a, b| a.1.share().total_cmp(&b.1.share()))?;
    let group =
        limits.cgroup.as_ref().filter(|_| kind == LimitKind::Group).map(|group| Arc::clone(&group.path));
    Some(Near { kind, used, left_s: left_s(kind, used, traced), group })
}

/// Returns the time until the limit is reached at the slope of the range. `None` if the process has
/// no course for this limit or does not grow.
fn left_s(kind: LimitKind, used: Used, traced: &Traced) -> Option<f64> {
    let track = traced.track.as_ref().filter(|track| track.sizes.len() >= LEAST_POINTS)?;
    let course = match kind {
        LimitKind::AddressSpace => track.course(|size| size.virtual_bytes),
        LimitKind::Data | LimitKind::Group => track.course(|size| size.private_bytes),
        LimitKind::Locked | LimitKind::Mappings | LimitKind::Commit => return None,
    };
    let slope = course.slope();
    let left_s = used.limit.saturating_sub(used.used) as f64 / slope;
    (slope > 0.0 && left_s < FARTHEST_S).then_some(left_s)
}

fn finding(evidence: &Evidence, subject: Subject, near: &Near) -> Finding {
    let urgent = near.used.share() >= AT_SHARE || near.left_s.is_some_and(|left_s| left_s < SOON_S);
    let view = if matches!(subject, Subject::Machine(_)) { View::Overview } else { View::Process };
    Finding {
        rule: Rule::NearLimit,
        severity: if urgent { Severity::Serious } else { Severity::Warning },
        sentence: Text::told(|lang| sentence(&subject, near, lang)),
        evidence: figures(near),
        advice: advice(near.kind),
        link: Link::to(view, &evidence.range),
        weight: near.used.share(),
        subject,
    }
}

fn amount_of(kind: LimitKind, value: u64) -> Value {
    if kind == LimitKind::Mappings { Value::Count(value) } else { Value::Bytes(value) }
}

fn limit_name(kind: LimitKind, lang: Lang) -> &'static str {
    match kind {
        LimitKind::AddressSpace => {
            lang.pick("limit on address space (RLIMIT_AS)", "límite de espacio de direcciones (RLIMIT_AS)")
        }
        LimitKind::Data => lang.pick("limit on data (RLIMIT_DATA)", "límite de datos (RLIMIT_DATA)"),
        LimitKind::Locked => lang
            .pick("limit on locked memory (RLIMIT_MEMLOCK)", "límite de memoria bloqueada (RLIMIT_MEMLOCK)"),
        LimitKind::Mappings => {
            lang.pick("limit on mappings (vm.max_map_count)", "límite de zonas (vm.max_map_count)")
        }
        LimitKind::Group => {
            lang.pick("limit of its control group (memory.max)", "límite de su grupo de control (memory.max)")
        }
        LimitKind::Commit => lang
            .pick("limit on committed memory (CommitLimit)", "límite de memoria comprometida (CommitLimit)"),
    }
}

fn sentence(subject: &Subject, near: &Near, lang: Lang) -> String {
    let share = amount::rate(near.used.share() * 100.0, lang);
    let limit =
        format!("{}, {}", limit_name(near.kind, lang), amount_of(near.kind, near.used.limit).text(lang));
    let path = near.group.as_ref().map_or_else(String::new, |path| format!(" ({path})"));
    let left = near.left_s.map_or_else(String::new, |left_s| {
        let left = amount::duration(left_s, lang);
        lang.pick(
            format!(" At the current rate it will be reached in {left}."),
            format!(" Al ritmo actual lo alcanzará en {left}."),
        )
    });
    match (subject, lang) {
        (Subject::Machine(_), Lang::En) => {
            format!("The machine is at {share} % of its {limit}. Beyond it, the kernel refuses requests.")
        }
        (Subject::Machine(_), Lang::Es) => {
            format!(
                "La máquina está al {share} % de su {limit}. Más allá, el núcleo rechaza las solicitudes."
            )
        }
        (Subject::Program { process, .. }, Lang::En) => {
            format!("{} (pid {}) is at {share} % of its {limit}{path}.{left}", process.name, process.pid.0)
        }
        (Subject::Program { process, .. }, Lang::Es) => {
            format!("{} (pid {}) está al {share} % de su {limit}{path}.{left}", process.name, process.pid.0)
        }
    }
}

fn figures(near: &Near) -> Vec<Figure> {
    let mut figures = vec![
        Figure::new("used", "usado", amount_of(near.kind, near.used.used)),
        Figure::new("limit", "límite", amount_of(near.kind, near.used.limit)),
        Figure::new("share of the limit", "parte del límite", Value::Percent(near.used.share() * 100.0)),
    ];
    if let Some(left_s) = near.left_s {
        figures.push(Figure::new("time until the limit", "tiempo hasta el límite", Value::Seconds(left_s)));
    }
    figures
}

fn advice(kind: LimitKind) -> Text {
    match kind {
        LimitKind::AddressSpace | LimitKind::Data => Text::both(
            "Beyond the limit, the kernel refuses requests (ENOMEM). Raise the limit where the program is started (`ulimit`, LimitAS=, LimitDATA=), or limit the memory in use instead (MemoryMax=).",
            "Más allá del límite, el núcleo rechaza las solicitudes (ENOMEM). Súbalo donde se arranca el programa (`ulimit`, LimitAS=, LimitDATA=) o limite en su lugar la memoria en uso (MemoryMax=).",
        ),
        LimitKind::Locked => Text::both(
            "Beyond the limit, the kernel refuses mlock. Raise the limit (`ulimit -l`, LimitMEMLOCK=), or lock only memory that must never be swapped out.",
            "Más allá del límite, el núcleo rechaza mlock. Súbalo (`ulimit -l`, LimitMEMLOCK=) o bloquee solo la memoria que nunca deba ir al intercambio.",
        ),
        LimitKind::Mappings => Text::both(
            "Beyond the limit, the kernel refuses mmap, mprotect and even munmap (ENOMEM). Raise the limit with `sysctl -w vm.max_map_count=262144`, and find out why the program needs that many mappings.",
            "Más allá del límite, el núcleo rechaza mmap, mprotect e incluso munmap (ENOMEM). Súbalo con `sysctl -w vm.max_map_count=262144` y averigüe por qué el programa necesita tantas zonas.",
        ),
        LimitKind::Group => Text::both(
            "Beyond the limit, the kernel kills a process of the group. Raise memory.max (MemoryMax=, or the memory limit of the container), or configure the program's pools and heaps to stay below it.",
            "Más allá del límite, el núcleo mata un proceso del grupo. Suba memory.max (MemoryMax=, o el límite de memoria del contenedor) o configure los pools y montículos del programa para que queden por debajo.",
        ),
        LimitKind::Commit => Text::both(
            "Stop programs that reserve memory without using it (sort the processes by virtual size), add swap, or raise vm.overcommit_ratio.",
            "Detenga los programas que reservan memoria sin usarla (ordene los procesos por memoria virtual), añada espacio de intercambio o suba vm.overcommit_ratio.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{GIB, MIB, Scene};
    use super::*;
    use crate::evidence::Now;
    use memtap_model::{CgroupLimit, MachineLimits};

    fn findings(course: impl Fn(u64) -> u64, limits: ProcessLimits) -> Vec<Finding> {
        let mut scene = Scene::quiet(100);
        scene.process("tight", course);
        let life = &scene.last().life;
        let living = Living { pid: life.pid, started_at: life.started_at, limits };
        scene.evidence.now = Some(Now { living: vec![living], ..Now::default() });
        find(&scene.evidence)
    }

    #[test]
    fn a_process_near_its_address_space_limit_shows_the_remaining_time() {
        let space = Used { used: 950 * MIB, limit: 1000 * MIB };
        let limits = ProcessLimits { address_space: Some(space), ..ProcessLimits::default() };
        let [finding] = &findings(|at| (850 * MIB) + at * MIB / 100, limits.clone())[..] else {
            panic!("one finding")
        };
        assert_eq!(finding.severity, Severity::Warning);
        let text = finding.sentence(Lang::En);
        assert!(text.contains("95 % of its limit on address space (RLIMIT_AS), 1000 MiB"), "{text}");
        assert!(text.contains("reached in 83 min"), "{text}");
        let [fast] = &findings(|at| (850 + at) * MIB, limits.clone())[..] else { panic!("one finding") };
        assert_eq!(fast.severity, Severity::Serious, "50 s are left");
        let [still] = &findings(|_| 930 * MIB, limits)[..] else { panic!("one finding") };
        assert!(!still.sentence(Lang::Es).contains("ritmo"), "{}", still.sentence(Lang::Es));
    }

    #[test]
    fn the_tightest_limit_is_reported_and_a_group_with_its_path() {
        let limits = ProcessLimits {
            locked: Some(Used { used: 61 << 10, limit: 64 << 10 }),
            mappings: Some(Used { used: 60_000, limit: 65_530 }),
            cgroup: Some(CgroupLimit {
                path: "/app.slice/db".into(),
                memory: Used { used: 99 * MIB, limit: 100 * MIB },
            }),
            ..ProcessLimits::default()
        };
        let [finding] = &findings(|_| 90 * MIB, limits)[..] else { panic!("one finding") };
        assert_eq!(finding.severity, Severity::Serious);
        assert!(finding.sentence(Lang::En).contains("memory.max), 100 MiB (/app.slice/db)"));
    }

    #[test]
    fn a_full_group_is_reported_once_with_its_largest_process() {
        let mut scene = Scene::quiet(60);
        let cgroup = CgroupLimit { path: "/pod".into(), memory: Used { used: 95 * MIB, limit: 100 * MIB } };
        let limits = ProcessLimits { cgroup: Some(cgroup), ..ProcessLimits::default() };
        let mut living = Vec::new();
        for (name, size) in [("sidecar", 5), ("app", 80), ("shell", 1)] {
            scene.process(name, |_| size * MIB);
            let life = &scene.last().life;
            living.push(Living { pid: life.pid, started_at: life.started_at, limits: limits.clone() });
        }
        scene.evidence.now = Some(Now { living, ..Now::default() });
        let [finding] = &find(&scene.evidence)[..] else { panic!("one finding") };
        assert!(finding.sentence(Lang::En).starts_with("app (pid 1001)"));
    }

    #[test]
    fn counts_are_no_sizes() {
        let limits = ProcessLimits {
            mappings: Some(Used { used: 60_000, limit: 65_530 }),
            ..ProcessLimits::default()
        };
        let [finding] = &findings(|_| 90 * MIB, limits)[..] else { panic!("one finding") };
        assert!(
            finding.sentence(Lang::En).contains("(vm.max_map_count), 65,530"),
            "{}",
            finding.sentence(Lang::En)
        );
    }

    #[test]
    fn the_commit_limit_matters_only_in_strict_mode() {
        let mut scene = Scene::quiet(60);
        let committed = Used { used: 19 * GIB, limit: 20 * GIB };
        let now = |overcommit_mode| {
            let machine = MachineLimits { overcommit_mode, committed, ..MachineLimits::default() };
            Some(Now { machine, ..Now::default() })
        };
        scene.evidence.now = now(0);
        assert_eq!(find(&scene.evidence), []);
        scene.evidence.now = now(2);
        let [finding] = &find(&scene.evidence)[..] else { panic!("one finding") };
        assert!(matches!(finding.subject, Subject::Machine(_)));
        assert!(finding.sentence(Lang::Es).contains("CommitLimit"));
    }

    #[test]
    fn use_far_below_every_limit_is_no_finding() {
        let limits =
            ProcessLimits { address_space: Some(Used { used: 8, limit: 10 }), ..ProcessLimits::default() };
        assert_eq!(findings(|_| MIB, limits), []);
    }
}
