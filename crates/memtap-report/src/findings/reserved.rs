//! Far more memory reserved than used. Address space alone costs nothing: sandboxes, collectors and
//! sanitisers reserve terabytes with PROT_NONE or MAP_NORESERVE. The kernel commits memory for
//! writable mappings, and a machine that reaches its commit limit refuses other requests.

use std::collections::HashMap;

use memtap_history::{ProcessLifetime, StoredRequest};
use memtap_model::{Call, Used};

use super::{Culprit, Figure, Finding, Link, Rule, Severity, Subject, Text, Value, View};
use crate::evidence::{Evidence, Traced};
use crate::track::resident;
use crate::{Lang, amount};

/// Thresholds for heuristic overcommit: reserved share of the machine's memory, and the used share
/// of the reservation, which must be smaller.
const LOOSE_SHARE: f64 = 0.5;
const LOOSE_USED_SHARE: f64 = 0.1;
/// The same thresholds for strict accounting (vm.overcommit_memory=2), where every idle reservation
/// takes memory from other programs.
const STRICT_SHARE: f64 = 0.05;
const STRICT_USED_SHARE: f64 = 0.5;
/// Share of the commit limit from which the finding is more than a notice.
const TIGHT_SHARE: f64 = 0.8;

const PROT_WRITE: u64 = 0x2;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_NORESERVE: u64 = 0x4000;

pub(super) fn find(evidence: &Evidence) -> Vec<Finding> {
    let total = evidence.total_bytes() as f64;
    let strict = evidence.now.as_ref().filter(|now| now.machine.overcommit_mode == 2);
    let (share, used_share) =
        if strict.is_some() { (STRICT_SHARE, STRICT_USED_SHARE) } else { (LOOSE_SHARE, LOOSE_USED_SHARE) };
    let commit = strict.map(|now| now.machine.committed);
    let lives = evidence.lives.iter().filter(|traced| total > 0.0 && traced.life.ended_at.is_none());
    lives
        .filter_map(|traced| {
            let reserved = writable(traced, strict.is_some());
            let used = resident(&traced.life.within);
            let idle = reserved as f64 >= share * total && (used as f64) < used_share * reserved as f64;
            idle.then(|| finding(evidence, &traced.life, reserved, commit))
        })
        .collect()
}

/// Sums the mappings that the process may write to and has not released, among the large mappings
/// with known flags. Memory made writable later (mprotect) is not counted, so the sum is a lower
/// bound.
fn writable(traced: &Traced, strict: bool) -> u64 {
    let mut mappings: HashMap<u64, u64> = HashMap::new();
    for request in traced.largest.iter().rev() {
        match request.call {
            Call::Mmap if promises(request, strict) => {
                mappings.insert(request.address, request.requested_bytes);
            }
            Call::Mmap | Call::Munmap => drop(mappings.remove(&request.address)),
            // An mremap record has no old address, so the mapping is left out rather than counted
            // twice.
            _ => drop(mappings.remove(&request.address)),
        }
    }
    mappings.values().sum::<u64>().min(traced.life.within.virtual_bytes)
}

/// Returns whether the kernel commits memory for the mapping. Mode 2 ignores MAP_NORESERVE
/// (`do_mmap`, mm/mmap.c, all versions).
fn promises(request: &StoredRequest, strict: bool) -> bool {
    let (protection, flags) = (request.protection.unwrap_or(0), request.flags.unwrap_or(0));
    protection & PROT_WRITE != 0 && flags & MAP_ANONYMOUS != 0 && (strict || flags & MAP_NORESERVE == 0)
}

fn finding(evidence: &Evidence, life: &ProcessLifetime, reserved: u64, commit: Option<Used>) -> Finding {
    let used = resident(&life.within);
    let mut figures = vec![
        Figure::new("reserved and writable", "reservada y escribible", Value::Bytes(reserved)),
        Figure::new("resident set", "memoria residente", Value::Bytes(used)),
        Figure::new("virtual size", "memoria virtual", Value::Bytes(life.within.virtual_bytes)),
        Figure::new("memory of the machine", "memoria de la máquina", Value::Bytes(evidence.total_bytes())),
    ];
    if let Some(commit) = commit {
        figures.push(Figure::named("Committed_AS", Value::Bytes(commit.used)));
        figures.push(Figure::named("CommitLimit", Value::Bytes(commit.limit)));
    }
    let tight = commit.is_some_and(|commit| commit.share() >= TIGHT_SHARE);
    Finding {
        rule: Rule::Reserved,
        severity: if tight { Severity::Warning } else { Severity::Notice },
        subject: Subject::process(Culprit::from(life)),
        sentence: Text::told(|lang| sentence(life, reserved, used, commit, lang)),
        evidence: figures,
        advice: advice(commit.is_some()),
        link: Link::to(View::Process, &evidence.range),
        weight: reserved as f64,
    }
}

/// In strict mode the kernel also commits mappings with MAP_NORESERVE, so the advice omits that
/// flag.
fn advice(strict: bool) -> Text {
    if strict {
        Text::both(
            "If the program needs only the addresses, it should map them with PROT_NONE and make parts writable as it uses them. Otherwise, size its pools and heaps (-Xmx, shared_buffers, number of workers) to what it uses.",
            "Si el programa solo necesita las direcciones, debería asignarlas con PROT_NONE y hacer escribible cada parte cuando la use. Si no, ajuste sus pools y montículos (-Xmx, shared_buffers, número de procesos) a lo que usa.",
        )
    } else {
        Text::both(
            "If the program needs only the addresses, it should map them with PROT_NONE or MAP_NORESERVE, and make parts writable as it uses them. Otherwise, size its pools and heaps (-Xmx, shared_buffers, number of workers) to what it uses.",
            "Si el programa solo necesita las direcciones, debería asignarlas con PROT_NONE o MAP_NORESERVE y hacer escribible cada parte cuando la use. Si no, ajuste sus pools y montículos (-Xmx, shared_buffers, número de procesos) a lo que usa.",
        )
    }
}

fn sentence(life: &ProcessLifetime, reserved: u64, used: u64, commit: Option<Used>, lang: Lang) -> String {
    let (name, pid) = (&life.name, life.pid.0);
    let (reserved, used) = (amount::bytes(reserved, lang), amount::bytes(used, lang));
    let share = commit.map(|commit| amount::rate(commit.share() * 100.0, lang));
    match (lang, share) {
        (Lang::En, None) => {
            format!(
                "{name} (pid {pid}) has reserved {reserved} of writable memory and uses {used}. If it used all of it, the machine could run out of memory."
            )
        }
        (Lang::Es, None) => {
            format!(
                "{name} (pid {pid}) tiene reservados {reserved} de memoria escribible y usa {used}. Si llegara a usarla toda, la máquina podría quedarse sin memoria."
            )
        }
        (Lang::En, Some(share)) => {
            format!(
                "{name} (pid {pid}) has reserved {reserved} of writable memory and uses {used}. This machine does not overcommit memory (vm.overcommit_memory=2), and {share} % of its CommitLimit is taken."
            )
        }
        (Lang::Es, Some(share)) => {
            format!(
                "{name} (pid {pid}) tiene reservados {reserved} de memoria escribible y usa {used}. Esta máquina no sobreasigna memoria (vm.overcommit_memory=2), y ya está ocupado el {share} % de su CommitLimit."
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{GIB, MIB, Scene};
    use super::*;
    use crate::evidence::Now;
    use memtap_model::{Comm, MachineLimits, Tid};

    fn request(scene: &Scene, call: Call, address: u64, size: u64, words: (u64, u64)) -> StoredRequest {
        StoredRequest {
            host: "box".into(),
            time: scene.at(1),
            pid: memtap_model::Tgid(1000),
            tid: Tid(1000),
            name: Comm::new(b"pool"),
            call,
            protection: Some(words.0),
            flags: Some(words.1),
            file: None,
            requested_bytes: size,
            address,
            delta_bytes: 0,
            errno: None,
            virtual_bytes: 0,
            lost_before: 0,
        }
    }

    /// A process with 300 MiB resident and one mapping of `size`. `words` are its protection and
    /// flags.
    fn reserver(size: u64, words: (u64, u64)) -> Scene {
        let mut scene = Scene::quiet(60);
        scene.process("pool", |_| 300 * MIB);
        let request = request(&scene, Call::Mmap, 0x7000, size, words);
        let traced = scene.last();
        traced.life.within.virtual_bytes = size + 320 * MIB;
        traced.largest = vec![request];
        scene
    }

    const WRITABLE: (u64, u64) = (3, 0x22);

    #[test]
    fn writable_memory_beyond_half_the_machine_is_reported() {
        let [finding] = &find(&reserver(10 * GIB, WRITABLE).evidence)[..] else { panic!("one finding") };
        assert_eq!(finding.severity, Severity::Notice);
        assert!(finding.sentence(Lang::En).contains("reserved 10.0 GiB of writable memory and uses 300 MiB"));
        assert!(finding.sentence(Lang::Es).contains("tiene reservados 10,0 GiB"));
    }

    #[test]
    fn usual_reservations_are_no_finding() {
        let usual = [
            ("a sandbox keeps addresses free", 1 << 40, (0, 0x4022)),
            ("a collector's heap", 256 * GIB, (3, 0x4022)),
            ("a sanitiser's shadow", 15 << 40, (3, 0x4032)),
            ("a large file", 100 * GIB, (3, 0x1)),
            ("a thread's stack", 8 * MIB, WRITABLE),
            ("a third of the machine", 5 * GIB, WRITABLE),
        ];
        for (what, size, words) in usual {
            assert_eq!(find(&reserver(size, words).evidence), [], "{what}");
        }
    }

    #[test]
    fn released_or_used_memory_is_no_finding() {
        let mut scene = reserver(10 * GIB, WRITABLE);
        let release = request(&scene, Call::Munmap, 0x7000, 10 * GIB, (0, 0));
        scene.last().largest.insert(0, release);
        assert_eq!(find(&scene.evidence), []);
        let mut scene = reserver(10 * GIB, WRITABLE);
        scene.last().life.within.anonymous_bytes = 2 * GIB;
        assert_eq!(find(&scene.evidence), []);
    }

    #[test]
    fn strict_mode_has_a_lower_threshold() {
        let mut scene = reserver(2 * GIB, WRITABLE);
        assert_eq!(find(&scene.evidence), []);
        let committed = Used { used: 9 * GIB, limit: 10 * GIB };
        let machine = MachineLimits { overcommit_mode: 2, committed, ..MachineLimits::default() };
        scene.evidence.now = Some(Now { machine, ..Now::default() });
        let [finding] = &find(&scene.evidence)[..] else { panic!("one finding") };
        assert_eq!(finding.severity, Severity::Warning);
        assert!(
            finding.sentence(Lang::En).contains("90 % of its CommitLimit is taken"),
            "{}",
            finding.sentence(Lang::En)
        );
    }
}
