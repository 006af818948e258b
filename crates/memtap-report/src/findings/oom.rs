//! OOM kills: the kernel killed a process because memory ran out.

use memtap_history::StoredOomKill;
use memtap_model::WallClock;

use super::{Culprit, Figure, Finding, Link, Rule, Severity, Subject, Text, Value, View};
use crate::evidence::Evidence;
use crate::{Lang, amount};

/// Share of available memory above which a control group, not the machine, ran out. The machine
/// reclaims down to the last few percent before tasks wait or it kills.
pub(super) const PLENTY_SHARE: f64 = 0.1;
/// Number of largest processes to name.
const LARGEST: usize = 3;

pub(super) fn find(evidence: &Evidence) -> Vec<Finding> {
    evidence.oom_kills.iter().map(|kill| finding(evidence, kill)).collect()
}

fn finding(evidence: &Evidence, kill: &StoredOomKill) -> Finding {
    let in_group = is_group_kill(evidence, kill);
    let victim = Culprit {
        host: kill.host.clone(),
        pid: kill.victim,
        started_at: started_at(evidence, kill),
        name: kill.victim_name.clone(),
    };
    Finding {
        rule: Rule::OomKill,
        severity: Severity::Serious,
        subject: Subject::process(victim),
        sentence: Text::told(|lang| sentence(kill, in_group, lang)),
        evidence: figures(kill),
        advice: advice(in_group),
        link: Link::to(View::Process, &evidence.range),
        weight: kill.resident.set_bytes() as f64,
    }
}

/// Start time of the victim: the latest process with that pid that had started by the time of the
/// kill. If none is known, the time of the kill.
fn started_at(evidence: &Evidence, kill: &StoredOomKill) -> WallClock {
    let lives = evidence.lives.iter().map(|traced| &traced.life);
    let same_pid = lives.filter(|life| life.pid == kill.victim && life.started_at <= kill.time);
    same_pid.map(|life| life.started_at).max().unwrap_or(kill.time)
}

fn is_group_kill(evidence: &Evidence, kill: &StoredOomKill) -> bool {
    let total = evidence.total_bytes() as f64;
    let available = kill.before.last().map(|moment| moment.available_bytes as f64);
    available.is_some_and(|available| total > 0.0 && available > PLENTY_SHARE * total)
}

fn sentence(kill: &StoredOomKill, in_group: bool, lang: Lang) -> String {
    let (name, pid) = (&kill.victim_name, kill.victim.0);
    let had = amount::bytes(kill.resident.set_bytes(), lang);
    // The kernel does not report which limit was reached, and the group may no longer exist. Only
    // the machine's available memory is known.
    let left =
        kill.before.last().filter(|_| in_group).map(|moment| amount::bytes(moment.available_bytes, lang));
    let why = left.map_or_else(String::new, |left| {
        lang.pick(
            format!(" The machine still had {left} available, which points to the limit of a control group. memtap did not check that limit."),
            format!(" A la máquina le quedaban {left} disponibles, lo que apunta al límite de un grupo de control. memtap no comprobó ese límite."),
        )
    });
    let asker = if kill.asker == kill.victim {
        String::new()
    } else {
        let (asker, asker_pid) = (&kill.asker_name, kill.asker.0);
        lang.pick(
            format!(" The page that could not be allocated was requested by {asker} (pid {asker_pid})."),
            format!(" La página que no se pudo asignar la solicitó {asker} (pid {asker_pid})."),
        )
    };
    lang.pick(
        format!("The kernel killed {name} (pid {pid}), which had {had} in memory, because it could not allocate memory.{why}{asker}"),
        format!("El núcleo mató el proceso {name} (pid {pid}), que tenía {had} en memoria, porque no pudo asignar memoria.{why}{asker}"),
    )
}

fn figures(kill: &StoredOomKill) -> Vec<Figure> {
    let mut figures = vec![
        Figure::new("when", "cuándo", Value::Time(kill.time)),
        Figure::new("resident set", "memoria residente", Value::Bytes(kill.resident.set_bytes())),
        Figure::new("virtual size", "memoria virtual", Value::Bytes(kill.virtual_bytes)),
    ];
    if let Some(moment) = kill.before.last() {
        figures.push(Figure::new(
            "available just before",
            "disponible justo antes",
            Value::Bytes(moment.available_bytes),
        ));
        figures.extend(moment.largest.iter().take(LARGEST).map(|(pid, name, _, resident)| {
            Figure::named(&format!("{name} (pid {})", pid.0), Value::Bytes(*resident))
        }));
    }
    figures
}

fn advice(in_group: bool) -> Text {
    if in_group {
        Text::both(
            "Check the group's limit (memory.max: MemoryMax= of the unit, or the memory limit of the container or pod); oom_kill in its memory.events counts the kills. Raise the limit, or configure the program's pools and heaps to stay below it.",
            "Compruebe el límite del grupo (memory.max: MemoryMax= de la unidad, o el límite de memoria del contenedor o pod); oom_kill en su memory.events cuenta las muertes. Suba el límite, o configure los pools y montículos del programa para que queden por debajo.",
        )
    } else {
        Text::both(
            "Find out which processes grew in the seconds before. The kernel usually kills the largest process, which is not always the cause. Limit the program that grew (MemoryMax=), add memory or swap, and protect essential services (OOMScoreAdjust=).",
            "Averigüe qué procesos crecieron en los segundos anteriores. El núcleo suele matar el proceso más grande, que no siempre es la causa. Limite el programa que creció (MemoryMax=), añada memoria o espacio de intercambio y proteja los servicios esenciales (OOMScoreAdjust=).",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{GIB, MIB, Scene};
    use super::*;
    use memtap_history::StoredMoment;
    use memtap_model::{Resident, Tgid};

    fn kill(scene: &Scene, second: u64, available_bytes: u64) -> StoredOomKill {
        StoredOomKill {
            host: "box".into(),
            time: scene.at(second),
            victim: Tgid(1000),
            victim_name: "db".to_owned(),
            command: String::new(),
            container: None,
            virtual_bytes: 9 * GIB,
            resident: Resident { anonymous_bytes: 8 * GIB, ..Resident::default() },
            asker: Tgid(77),
            asker_name: "web".to_owned(),
            before: vec![StoredMoment {
                time: scene.at(second - 1),
                available_bytes,
                largest: vec![(Tgid(1000), "db".to_owned(), 9 * GIB, 8 * GIB)],
            }],
        }
    }

    #[test]
    fn a_kill_is_serious_and_names_the_requester() {
        let mut scene = Scene::quiet(60);
        scene.process("db", |_| 50 * MIB);
        scene.evidence.oom_kills = vec![kill(&scene, 30, 100 * MIB)];
        let [finding] = &find(&scene.evidence)[..] else { panic!("one finding") };
        assert_eq!((finding.rule, finding.severity), (Rule::OomKill, Severity::Serious));
        let text = finding.sentence(Lang::En);
        assert!(
            text.contains("killed db (pid 1000), which had 8.00 GiB") && text.contains("by web (pid 77)"),
            "{text}"
        );
        assert!(!text.contains("control group"));
        let Subject::Program { process, .. } = &finding.subject else { panic!("a process") };
        assert_eq!(process.started_at, scene.last().life.started_at, "the link finds its life");
    }

    #[test]
    fn a_kill_with_available_memory_points_to_a_group() {
        let mut scene = Scene::quiet(60);
        scene.evidence.oom_kills = vec![kill(&scene, 30, 5 * GIB)];
        let finding = &find(&scene.evidence)[0];
        let text = finding.sentence(Lang::En);
        assert!(
            text.contains("still had 5.00 GiB available, which points to") && text.contains("did not check"),
            "{text}"
        );
        assert!(!text.contains("the cause was"), "no limit was read: {text}");
        assert!(finding.sentence(Lang::Es).contains("grupo de control"));
        assert!(finding.advice.text(Lang::En).contains("MemoryMax="));
    }
}
