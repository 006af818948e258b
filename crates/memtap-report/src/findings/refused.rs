//! Requests that the kernel refused because of a shortage or a mistake: which limit was reached, as
//! far as that is known, and how to fix it.

use std::collections::HashMap;

use memtap_history::{Refused, StoredRequest};
use memtap_model::{Call, Errno, Used};

use super::refusal::{Kind, fix};
use super::{Culprit, Figure, Finding, Link, Rule, Severity, Subject, Text, Value, View, refusal_meaning};
use crate::evidence::Evidence;
use crate::{Lang, amount};

/// A process that ends this soon after a refusal did not recover from it.
const ENDED_AFTER_S: f64 = 2.0;
/// User address space on x86-64 with four levels of page tables, which no process can exceed
/// (`Documentation/arch/x86/x86_64/mm.rst`).
const ADDRESSES_BYTES: u64 = 1 << 47;
/// `PROT_READ`, `PROT_WRITE` or `PROT_EXEC`: memory that is usable, not only reserved.
const USABLE: u64 = 7;
/// Number of further kinds of refusal that the evidence names.
const OTHERS: usize = 3;

/// Limit that caused the refusal.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    Addresses,
    AddressSpace(Used),
    Data(Used),
    Mappings(Used),
    Commit(Used),
    RuleOfThumb { memory_bytes: u64 },
}

pub(super) fn find(evidence: &Evidence) -> Vec<Finding> {
    let mut programs: HashMap<String, Vec<&Refused>> = HashMap::new();
    for refused in evidence.refusals.iter().filter(|refused| matters(evidence, refused)) {
        programs.entry(program(evidence, refused)).or_default().push(refused);
    }
    programs.into_iter().filter_map(|(name, refusals)| finding(evidence, &name, refusals)).collect()
}

/// Name of the process if it is known. The refused request has the name of its thread, which may
/// differ.
fn program(evidence: &Evidence, refused: &Refused) -> String {
    let traced = evidence.life(refused.pid, refused.started_at);
    traced.map_or_else(|| refused.name.to_text(), |traced| traced.life.name.clone())
}

fn matters(evidence: &Evidence, refused: &Refused) -> bool {
    let Some(kind) = Kind::of(refused.call, refused.errno) else { return false };
    refused.count >= kind.least()
        && !mapped_instead(evidence, refused)
        && (ended_after(evidence, refused) || !only_kept_free(evidence, refused))
}

/// Returns whether the heap could not grow and a mapping was granted right after it. The allocators
/// of glibc and musl fall back like this. A limit would have refused the mapping as well; a mapping
/// that happens to lie above the heap does not. Every run of node shows this.
fn mapped_instead(evidence: &Evidence, refused: &Refused) -> bool {
    refused.call == Call::Brk && evidence.mapped_instead.contains(&(refused.pid, refused.started_at))
}

/// Returns whether every such request with known arguments only reserved addresses (PROT_NONE).
/// Allocators, sandboxes and runtimes do this at startup: they request a huge range first, then
/// smaller ones, to find out how many addresses are available.
fn only_kept_free(evidence: &Evidence, refused: &Refused) -> bool {
    let mut protections = evidence
        .refused
        .iter()
        .filter(|request| is_of(request, refused))
        .filter_map(|request| request.protection)
        .peekable();
    refused.call == Call::Mmap
        && protections.peek().is_some()
        && protections.all(|protection| protection & USABLE == 0)
}

fn is_of(request: &StoredRequest, refused: &Refused) -> bool {
    request.pid == refused.pid
        && request.call == refused.call
        && request.errno == Some(refused.errno)
        && request.time >= refused.started_at
}

fn ended_after(evidence: &Evidence, refused: &Refused) -> bool {
    let traced = evidence.life(refused.pid, refused.started_at);
    let ended = traced.and_then(|traced| traced.life.ended_at);
    ended.is_some_and(|ended| ended.seconds_since(refused.last) <= ENDED_AFTER_S)
}

fn finding(evidence: &Evidence, name: &str, mut refusals: Vec<&Refused>) -> Option<Finding> {
    let severity = |refused: &Refused| {
        let severity = Kind::of(refused.call, refused.errno)?.severity(refused.call);
        let fatal = severity == Severity::Warning && ended_after(evidence, refused);
        Some(if fatal { Severity::Serious } else { severity })
    };
    refusals.sort_by_key(|refused| std::cmp::Reverse((severity(refused), refused.count)));
    let worst = *refusals.first()?;
    let kind = Kind::of(worst.call, worst.errno)?;
    let same_kind =
        refusals.iter().filter(|refused| (refused.call, refused.errno) == (worst.call, worst.errno));
    let (count, largest_bytes, processes) =
        same_kind.fold((0, 0, 0), |(count, largest, processes), refused| {
            (count + refused.count, refused.largest_bytes.max(largest), processes + 1)
        });
    let limit = if kind == Kind::NoMemory { limit(evidence, worst) } else { None };
    let process = Culprit {
        host: worst.host.clone(),
        pid: worst.pid,
        started_at: worst.started_at,
        name: name.to_owned(),
    };
    let summary = Summary {
        process: &process,
        worst,
        count,
        largest_bytes,
        ended: ended_after(evidence, worst),
        limit,
    };
    Some(Finding {
        rule: Rule::Refused,
        severity: severity(worst)?,
        sentence: Text::told(|lang| summary.sentence(lang)),
        evidence: summary.figures(&refusals),
        advice: limit.map_or_else(|| fix(kind, largest_bytes), |limit| limit.fix(largest_bytes)),
        link: Link {
            call: Some(worst.call),
            refused: Some(true),
            ..Link::to(View::Requests, &evidence.range)
        },
        weight: count as f64,
        subject: Subject::Program { process, processes },
    })
}

/// Returns the first limit that the refused request would exceed, judged by the current limits.
fn limit(evidence: &Evidence, refused: &Refused) -> Option<Limit> {
    let size = refused.largest_bytes;
    if size >= ADDRESSES_BYTES {
        return Some(Limit::Addresses);
    }
    let breaks = |used: &Used| used.used.saturating_add(size) > used.limit;
    let limits = evidence.limits_of(refused.pid, refused.started_at);
    if let Some(limits) = limits {
        let space = limits.address_space.filter(breaks).map(Limit::AddressSpace);
        let data = || limits.data.filter(breaks).map(Limit::Data);
        // A request adds one mapping, or two when it splits one.
        let mappings = || limits.mappings.filter(|used| used.used + 2 >= used.limit).map(Limit::Mappings);
        if let Some(limit) = space.or_else(data).or_else(mappings) {
            return Some(limit);
        }
    }
    let now = evidence.now.as_ref()?;
    let commit = now.machine.committed;
    match now.machine.overcommit_mode {
        2 if breaks(&commit) => Some(Limit::Commit(commit)),
        // `__vm_enough_memory` (mm/util.c): the heuristic mode refuses a request larger than all
        // memory and swap together. Confirmed on 6.18.
        0 => {
            let swap = evidence.machine.last().map_or(0, |point| point.host.swap.total_bytes);
            let memory_bytes = evidence.total_bytes().saturating_add(swap);
            (memory_bytes > 0 && size > memory_bytes).then_some(Limit::RuleOfThumb { memory_bytes })
        }
        _ => None,
    }
}

struct Summary<'a> {
    process: &'a Culprit,
    worst: &'a Refused,
    count: u64,
    largest_bytes: u64,
    ended: bool,
    limit: Option<Limit>,
}

impl Summary<'_> {
    fn sentence(&self, lang: Lang) -> String {
        let (name, pid, call) = (&self.process.name, self.process.pid.0, self.worst.call.name());
        let errno = self.worst.errno;
        let times = amount::count(self.count, lang);
        let meaning = self.limit.map_or_else(
            || refusal_meaning(self.worst.call, errno).text(lang).to_owned(),
            |limit| limit.words(self.largest_bytes, lang),
        );
        let ended = if self.ended {
            lang.pick(" The process ended right after.", " El proceso terminó justo después.")
        } else {
            ""
        };
        match (lang, self.count) {
            (Lang::En, 1) => {
                format!("A request of {name} (pid {pid}) was refused: {call}, {errno}: {meaning}.{ended}")
            }
            (Lang::En, _) => {
                format!(
                    "{times} requests of {name} (pid {pid}) were refused: {call}, {errno}: {meaning}.{ended}"
                )
            }
            (Lang::Es, 1) => {
                format!("Se rechazó una solicitud de {name} (pid {pid}): {call}, {errno}: {meaning}.{ended}")
            }
            (Lang::Es, _) => {
                format!(
                    "Se rechazaron {times} solicitudes de {name} (pid {pid}): {call}, {errno}: {meaning}.{ended}"
                )
            }
        }
    }

    fn figures(&self, all: &[&Refused]) -> Vec<Figure> {
        let mut figures = vec![
            Figure::new("refused", "rechazadas", Value::Count(self.count)),
            Figure::new("largest", "la mayor", Value::Bytes(self.largest_bytes)),
            Figure::new("latest", "la última", Value::Time(self.worst.last)),
        ];
        figures.extend(self.limit.map(Limit::figures).unwrap_or_default());
        let mut others: Vec<(Call, Errno, u64)> = Vec::new();
        for refused in all.iter().filter(|one| (one.call, one.errno) != (self.worst.call, self.worst.errno)) {
            match others.iter_mut().find(|other| (other.0, other.1) == (refused.call, refused.errno)) {
                Some(other) => other.2 += refused.count,
                None => others.push((refused.call, refused.errno, refused.count)),
            }
        }
        figures.extend(others.iter().take(OTHERS).map(|(call, errno, count)| {
            Figure::named(&format!("{}, {errno}", call.name()), Value::Count(*count))
        }));
        figures
    }
}

impl Limit {
    fn words(self, size: u64, lang: Lang) -> String {
        let size_text = |bytes| amount::bytes(bytes, lang);
        let (size, amounts) = (size_text(size), |used: Used| (size_text(used.used), size_text(used.limit)));
        match self {
            Self::Addresses => lang.pick(
                format!("{size} is more than the address space of a process"),
                format!("{size} es más que el espacio de direcciones de un proceso"),
            ),
            Self::AddressSpace(used) => {
                let (used, limit) = amounts(used);
                lang.pick(
                    format!("with {size} more, its virtual size ({used}) would exceed its limit on address space (RLIMIT_AS) of {limit}"),
                    format!("con {size} más, su memoria virtual ({used}) superaría su límite de espacio de direcciones (RLIMIT_AS), {limit}"),
                )
            }
            Self::Data(used) => {
                let (used, limit) = amounts(used);
                lang.pick(
                    format!(
                        "with {size} more, its data ({used}) would exceed its limit on data (RLIMIT_DATA) of {limit}"
                    ),
                    format!(
                        "con {size} más, sus datos ({used}) superarían su límite de datos (RLIMIT_DATA), {limit}"
                    ),
                )
            }
            Self::Mappings(used) => {
                let (used, limit) = (amount::count(used.used, lang), amount::count(used.limit, lang));
                lang.pick(
                    format!("it has {used} mappings, and vm.max_map_count allows {limit}"),
                    format!("tiene {used} zonas, y vm.max_map_count permite {limit}"),
                )
            }
            Self::Commit(used) => {
                let (used, limit) = amounts(used);
                lang.pick(
                    format!("this machine does not overcommit memory (vm.overcommit_memory=2): {used} of {limit} are committed already"),
                    format!("esta máquina no sobreasigna memoria (vm.overcommit_memory=2): ya tiene comprometidos {used} de {limit}"),
                )
            }
            Self::RuleOfThumb { memory_bytes } => {
                let memory = size_text(memory_bytes);
                lang.pick(
                    format!("{size} at once is more than all memory and swap together ({memory}), and vm.overcommit_memory=0 does not allow that"),
                    format!("{size} de una vez es más que toda la memoria y el intercambio juntos ({memory}), y vm.overcommit_memory=0 no lo permite"),
                )
            }
        }
    }

    fn fix(self, size: u64) -> Text {
        match self {
            Self::Addresses => Text::both(
                "No setting fixes this. The size comes from a bug in the program, often a negative number or a corrupted length.",
                "Ningún ajuste lo soluciona. Ese tamaño se debe a un error del programa, a menudo un número negativo o una longitud corrupta.",
            ),
            Self::AddressSpace(_) => Text::both(
                "Raise the limit (`ulimit -v`, or LimitAS= of its systemd unit). It is better to limit the memory in use (MemoryMax=), because a limit on address space also counts memory that is never touched.",
                "Suba el límite (`ulimit -v`, o LimitAS= de su unidad de systemd). Es mejor limitar la memoria en uso (MemoryMax=), porque el límite de espacio de direcciones cuenta también la memoria que nunca se toca.",
            ),
            Self::Data(_) => Text::both(
                "Raise the limit on data (`ulimit -d`, or LimitDATA= of its systemd unit), or make the program keep less data.",
                "Suba el límite de datos (`ulimit -d`, o LimitDATA= de su unidad de systemd) o haga que el programa guarde menos datos.",
            ),
            Self::Mappings(_) => Text::both(
                "Raise the limit with `sysctl -w vm.max_map_count=262144` (and a file in /etc/sysctl.d, to keep it after a reboot). Or find out why the program needs that many mappings.",
                "Suba el límite con `sysctl -w vm.max_map_count=262144` (y un archivo en /etc/sysctl.d, para conservarlo tras un reinicio). O averigüe por qué el programa necesita tantas zonas.",
            ),
            Self::Commit(_) => Text::both(
                "Stop programs that reserve memory without using it, add swap, or raise vm.overcommit_ratio. Or let the kernel overcommit memory by its heuristic: vm.overcommit_memory=0.",
                "Detenga los programas que reservan memoria sin usarla, añada espacio de intercambio o suba vm.overcommit_ratio. O deje que el núcleo sobreasigne memoria con su heurística: vm.overcommit_memory=0.",
            ),
            Self::RuleOfThumb { .. } => Text::told(|lang| {
                let size = amount::bytes(size, lang);
                lang.pick(
                    format!("Check whether the program really needs {size} at once. If it only reserves addresses, it should map them with MAP_NORESERVE or PROT_NONE. Otherwise it needs a larger machine, or smaller pieces."),
                    format!("Compruebe si el programa necesita de verdad {size} de una vez. Si solo reserva direcciones, debería asignarlas con MAP_NORESERVE o PROT_NONE. Si no, necesita una máquina mayor o trozos menores."),
                )
            }),
        }
    }

    fn figures(self) -> Vec<Figure> {
        match self {
            Self::Addresses => Vec::new(),
            Self::AddressSpace(used) => vec![
                Figure::new("virtual size now", "memoria virtual ahora", Value::Bytes(used.used)),
                Figure::named("RLIMIT_AS", Value::Bytes(used.limit)),
            ],
            Self::Data(used) => vec![
                Figure::new("data now", "datos ahora", Value::Bytes(used.used)),
                Figure::named("RLIMIT_DATA", Value::Bytes(used.limit)),
            ],
            Self::Mappings(used) => vec![
                Figure::new("mappings now", "zonas ahora", Value::Count(used.used)),
                Figure::named("vm.max_map_count", Value::Count(used.limit)),
            ],
            Self::Commit(used) => {
                vec![
                    Figure::named("Committed_AS", Value::Bytes(used.used)),
                    Figure::named("CommitLimit", Value::Bytes(used.limit)),
                ]
            }
            Self::RuleOfThumb { memory_bytes } => {
                vec![Figure::new("memory and swap", "memoria e intercambio", Value::Bytes(memory_bytes))]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{GIB, MIB, Scene};
    use super::*;
    use crate::evidence::{Living, Now};
    use memtap_model::{Comm, MachineLimits, ProcessLimits, Tid};

    fn refused(scene: &mut Scene, call: Call, errno: u16, count: u64, largest_bytes: u64) {
        scene.process("db", |_| 50 * MIB);
        let (first, last) = (scene.at(10), scene.at(20));
        let life = &scene.last().life;
        let refused = Refused {
            host: life.host.clone(),
            pid: life.pid,
            started_at: life.started_at,
            name: Comm::new(b"db"),
            call,
            errno: Errno(errno),
            count,
            largest_bytes,
            first,
            last,
        };
        scene.evidence.refusals.push(refused);
    }

    fn only(scene: &Scene) -> Finding {
        let mut findings = find(&scene.evidence);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    }

    fn with_limits(scene: &mut Scene, limits: ProcessLimits) {
        let life = &scene.last().life;
        let living = Living { pid: life.pid, started_at: life.started_at, limits };
        scene.evidence.now = Some(Now { living: vec![living], ..Now::default() });
    }

    #[test]
    fn an_address_space_limit_is_named_with_its_figures() {
        let mut scene = Scene::quiet(60);
        refused(&mut scene, Call::Mmap, 12, 3, 2 * GIB);
        let space = Used { used: 70 * MIB, limit: GIB };
        with_limits(&mut scene, ProcessLimits { address_space: Some(space), ..ProcessLimits::default() });
        let finding = only(&scene);
        assert_eq!((finding.rule, finding.severity), (Rule::Refused, Severity::Warning));
        let text = finding.sentence(Lang::En);
        assert!(text.contains("3 requests of db") && text.contains("RLIMIT_AS) of 1.00 GiB"), "{text}");
        assert!(finding.sentence(Lang::Es).starts_with("Se rechazaron 3 solicitudes de db"));
        assert!(finding.advice.text(Lang::En).contains("ulimit -v"));
        assert_eq!((finding.link.call, finding.link.refused), (Some(Call::Mmap), Some(true)));
    }

    #[test]
    fn a_mapping_after_a_refused_heap_is_no_finding() {
        // Observed with node in a build: a mapping lay above its heap nine times, and half a second
        // later node had finished its work.
        let mut scene = Scene::quiet(60);
        refused(&mut scene, Call::Brk, 12, 9, 192 << 10);
        let ended = scene.at(21);
        scene.last().life.ended_at = Some(ended);
        assert_eq!(only(&scene).severity, Severity::Serious, "without a mapping it has failed");
        let life = &scene.last().life;
        let process = (life.pid, life.started_at);
        scene.evidence.mapped_instead.push(process);
        assert_eq!(find(&scene.evidence), []);
        scene.evidence.refusals[0].call = Call::Mmap;
        assert_eq!(only(&scene).severity, Severity::Serious, "of a refused mapping that says nothing");
    }

    #[test]
    fn other_limits_are_derived_from_known_figures() {
        let words = |size: u64, now: Now| {
            let mut scene = Scene::quiet(60);
            refused(&mut scene, Call::Mmap, 12, 1, size);
            scene.evidence.now = Some(now);
            only(&scene).sentence(Lang::En)
        };
        assert!(words(1 << 50, Now::default()).contains("more than the address space of a process"));
        assert!(
            words(20 * GIB, Now::default()).contains("more than all memory and swap together (16.0 GiB)")
        );
        let committed = Used { used: 7 * GIB, limit: 8 * GIB };
        let machine = MachineLimits { overcommit_mode: 2, committed, ..MachineLimits::default() };
        let strict = Now { machine, ..Now::default() };
        assert!(words(2 * GIB, strict).contains("7.00 GiB of 8.00 GiB are committed"));
        assert!(words(GIB, Now::default()).contains("vm.max_map_count"), "nothing tells: all are named");
    }

    #[test]
    fn a_process_that_ended_after_a_refusal_did_not_recover() {
        let mut scene = Scene::quiet(60);
        refused(&mut scene, Call::Mmap, 12, 1, 2 * GIB);
        let end = scene.at(21);
        scene.last().life.ended_at = Some(end);
        assert_eq!(only(&scene).severity, Severity::Serious);
    }

    #[test]
    fn a_refused_reservation_is_reported_only_if_the_program_ended() {
        let mut scene = Scene::quiet(60);
        refused(&mut scene, Call::Mmap, 12, 1, 1 << 50);
        let request = StoredRequest {
            host: "box".into(),
            time: scene.at(20),
            pid: scene.last().life.pid,
            tid: Tid(1),
            name: Comm::new(b"db"),
            call: Call::Mmap,
            protection: Some(0),
            flags: Some(0x4022),
            file: None,
            requested_bytes: 1 << 50,
            address: 0,
            delta_bytes: 0,
            errno: Some(Errno(12)),
            virtual_bytes: 0,
            lost_before: 0,
        };
        scene.evidence.refused.push(request);
        assert_eq!(find(&scene.evidence), []);
        let end = scene.at(21);
        scene.last().life.ended_at = Some(end);
        assert_eq!(only(&scene).severity, Severity::Serious);
        scene.last().life.ended_at = None;
        scene.evidence.refused[0].protection = Some(3);
        assert_eq!(only(&scene).severity, Severity::Warning, "it wanted to use it");
    }

    #[test]
    fn probes_are_ignored_and_a_program_has_one_finding() {
        let mut scene = Scene::quiet(60);
        refused(&mut scene, Call::Madvise, 22, 500, 4096);
        refused(&mut scene, Call::Mprotect, 12, 1, 4096);
        assert_eq!(find(&scene.evidence), []);
        refused(&mut scene, Call::Mlock, 12, 1, 4096);
        refused(&mut scene, Call::Mmap, 12, 2, 4096);
        refused(&mut scene, Call::Mmap, 12, 5, 4096);
        let finding = only(&scene);
        assert_eq!(finding.subject.processes(), 2);
        assert!(finding.evidence.iter().any(|figure| figure.label.text(Lang::En) == "mlock, ENOMEM"));
        assert!(finding.sentence(Lang::En).ends_with("One more process of this program shows the same."));
        assert!(finding.sentence(Lang::En).starts_with("7 requests"));
    }

    #[test]
    fn a_locked_limit_has_its_own_fix() {
        let mut scene = Scene::quiet(60);
        refused(&mut scene, Call::Mlockall, 12, 1, 0);
        let finding = only(&scene);
        assert!(finding.sentence(Lang::En).contains("RLIMIT_MEMLOCK"));
        assert!(finding.advice.text(Lang::Es).contains("LimitMEMLOCK"));
    }
}
