//! Gaps in the figures of a range: lost records, and memory that no cause explains.

use super::{Figure, Finding, Link, Rule, Severity, Subject, Text, Value, View};
use crate::amount;
use crate::evidence::Evidence;

/// Unexplained memory below this may be pages in flight.
const UNEXPLAINED_BYTES: u64 = 1 << 20;

pub(super) fn find(evidence: &Evidence) -> Vec<Finding> {
    lost(evidence).into_iter().chain(unexplained(evidence)).collect()
}

fn machine(evidence: &Evidence) -> Subject {
    Subject::Machine(evidence.range.host.as_deref().unwrap_or_default().into())
}

fn lost(evidence: &Evidence) -> Option<Finding> {
    let lost: u64 = evidence.machine.iter().map(|point| point.lost).sum();
    let calls = evidence.machine.iter().flat_map(|point| &point.calls);
    let made: u64 = calls.map(|(_, totals)| totals.count).sum();
    // Lost requests are part of the counted ones. A SystemTap script does not count them, so there
    // can be more lost than counted.
    let made = made.max(lost);
    let percent = lost as f64 * 100.0 / made as f64;
    (lost > 0).then(|| Finding {
        rule: Rule::Lost,
        severity: Severity::Notice,
        subject: machine(evidence),
        sentence: Text::told(|lang| {
            let (lost, made) = (amount::count(lost, lang), amount::count(made, lang));
            lang.pick(
                format!("{lost} of {made} requests were not recorded one by one. Totals by process and by call include them. Lists of requests, sizes and times do not."),
                format!("{lost} de {made} solicitudes no se registraron una a una. Los totales por proceso y por llamada las incluyen. Las listas de solicitudes, tamaños y horas, no."),
            )
        }),
        evidence: vec![
            Figure::new("lost", "perdidas", Value::Count(lost)),
            Figure::new("share of all requests", "parte de todas las solicitudes", Value::Percent(percent)),
        ],
        advice: Text::both(
            "The Health view shows why requests are lost. If the ring buffer was full, give memtap a larger one (--ring-size or --memory).",
            "La vista Estado muestra por qué se pierden solicitudes. Si el búfer circular estaba lleno, dé a memtap uno mayor (--ring-size o --memory).",
        ),
        link: Link::to(View::Overview, &evidence.range),
        weight: percent,
    })
}

fn unexplained(evidence: &Evidence) -> Option<Finding> {
    let bytes = evidence.now.as_ref()?.unexplained_bytes;
    (bytes >= UNEXPLAINED_BYTES).then(|| Finding {
        rule: Rule::Unexplained,
        severity: Severity::Notice,
        subject: machine(evidence),
        sentence: Text::told(|lang| {
            let size = amount::bytes(bytes, lang);
            lang.pick(
                format!("{size} of the virtual memory of running processes has no recorded cause. Their totals are correct, but memtap did not see what requested this memory."),
                format!("{size} de la memoria virtual de los procesos en ejecución no tienen causa registrada. Sus totales son correctos, pero memtap no vio qué solicitó esa memoria."),
            )
        }),
        evidence: vec![Figure::new("unexplained now", "sin explicar ahora", Value::Bytes(bytes))],
        advice: Text::both(
            "The Processes view shows which processes have it. If it happens again, please report it with the kernel version.",
            "La vista Procesos muestra qué procesos la tienen. Si se repite, avísenos, por favor, e indique la versión del núcleo.",
        ),
        link: Link::to(View::Overview, &evidence.range),
        weight: bytes as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::super::scene::{MIB, Scene};
    use super::*;
    use crate::Lang;
    use crate::evidence::Now;
    use memtap_model::{Call, CallTotals};

    #[test]
    fn lost_records_are_reported_with_their_effect() {
        let mut scene = Scene::quiet(10);
        assert_eq!(find(&scene.evidence), []);
        scene.evidence.machine[3].lost = 5;
        scene.evidence.machine[7].lost = 20;
        scene.evidence.machine[7].calls =
            vec![(Call::Mmap, CallTotals { count: 1000, ..CallTotals::default() })];
        let [finding] = &find(&scene.evidence)[..] else { panic!("one finding") };
        assert_eq!((finding.rule, finding.severity), (Rule::Lost, Severity::Notice));
        assert!(finding.sentence(Lang::En).starts_with("25 of 1,000 requests"));
        assert_eq!(finding.evidence[1].value, Value::Percent(2.5));
    }

    #[test]
    fn unexplained_memory_is_reported_from_its_threshold() {
        let mut scene = Scene::quiet(10);
        scene.evidence.now = Some(Now { unexplained_bytes: 4096, ..Now::default() });
        assert_eq!(find(&scene.evidence), []);
        scene.evidence.now = Some(Now { unexplained_bytes: 40 * MIB, ..Now::default() });
        assert_eq!(find(&scene.evidence)[0].rule, Rule::Unexplained);
    }
}
