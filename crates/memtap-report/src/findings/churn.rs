//! The same memory mapped and released over and over: time that a pool or an allocator setting
//! saves.

use memtap_history::{ProcessLifetime, Sizes};
use memtap_model::Call;

use super::{Culprit, Figure, Finding, Link, Rule, Severity, Subject, Text, Value, View};
use crate::evidence::{Evidence, Traced};
use crate::track::lived_s;
use crate::{Lang, amount};

/// Cost of an mmap with its munmap when no page is touched, seconds. Assumed for bare metal, and
/// low on purpose. In our virtual machine (Linux 6.18), 4.4 to 7.1 us were measured.
const PAIR_S: f64 = 1.5e-6;
/// Cost of a minor fault, including clearing and freeing the page, seconds. Also assumed; 1.9 to
/// 3.0 us were measured in the same virtual machine.
const FAULT_S: f64 = 0.5e-6;
/// Cost of a brk up and down, seconds. Assumed to be less because no mapping is created.
const BRK_PAIR_S: f64 = 1.0e-6;
/// Counts of mmap and munmap of a size match if the smaller is at least this part of the larger.
const NEAR_SHARE: f64 = 0.8;
/// Fewer pairs than this in the range are a short burst.
const LEAST_PAIRS: u64 = 500;
/// Smallest share of one processor that is worth a change.
const NOTICE_SHARE: f64 = 0.01;
/// Share of one processor from which the finding is a warning.
const WARNING_SHARE: f64 = 0.05;
/// brk moves up and down if the process releases at least this part of what it was granted.
const BRK_RELEASED_SHARE: f64 = 0.8;
/// Smallest size for which huge pages avoid most of the faults.
const HUGE_BYTES: u64 = 2 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChurnKind {
    Mappings { size: u64 },
    Break,
}

struct Churn {
    kind: ChurnKind,
    pairs: u64,
    per_second: f64,
    faults_per_pair: f64,
    /// Share of one processor's time.
    share: f64,
}

pub(super) fn find(evidence: &Evidence) -> Vec<Finding> {
    evidence
        .lives
        .iter()
        .filter_map(|traced| Some(finding(evidence, traced, &churn(evidence, traced)?)))
        .collect()
}

fn churn(evidence: &Evidence, traced: &Traced) -> Option<Churn> {
    let sizes = traced.sizes.as_ref()?;
    let life = &traced.life;
    let span_s = counted_s(sizes, evidence, life);
    if span_s <= 0.0 {
        return None;
    }
    // Sizes may be counted for the newest requests only, but faults are known for the whole range.
    let faults_per_second = life.within.minor_faults as f64 / lived_s(life, &evidence.range).max(1.0);
    let (kind, pairs) = most(sizes, life)?;
    let per_second = pairs as f64 / span_s;
    let faults_per_pair = (faults_per_second / per_second).min(most_faults(kind));
    let pair_s = if kind == ChurnKind::Break { BRK_PAIR_S } else { PAIR_S };
    let share = per_second * (pair_s + faults_per_pair * FAULT_S);
    (pairs >= LEAST_PAIRS && share >= NOTICE_SHARE).then_some(Churn {
        kind,
        pairs,
        per_second,
        faults_per_pair,
        share,
    })
}

/// Duration of the period in which the sizes were counted, seconds.
fn counted_s(sizes: &Sizes, evidence: &Evidence, life: &ProcessLifetime) -> f64 {
    match sizes.since.filter(|_| sizes.cut) {
        Some(since) => life.ended_at.unwrap_or(evidence.range.to).min(evidence.range.to).seconds_since(since),
        None => lived_s(life, &evidence.range),
    }
}

/// Returns the pair of mapping and release that occurs most often.
fn most(sizes: &Sizes, life: &ProcessLifetime) -> Option<(ChurnKind, u64)> {
    let count = |call: Call, size: u64| {
        sizes.frequent.iter().find(|one| (one.call, one.size) == (call, size)).map_or(0, |one| one.count)
    };
    let mapped = sizes.frequent.iter().filter(|one| one.call == Call::Mmap).filter_map(|one| {
        let released = count(Call::Munmap, one.size);
        let (fewer, more) = (one.count.min(released), one.count.max(released));
        (fewer as f64 >= NEAR_SHARE * more as f64).then_some((ChurnKind::Mappings { size: one.size }, fewer))
    });
    let within = &life.within;
    let down = within.released_bytes as f64 >= BRK_RELEASED_SHARE * within.granted_bytes as f64;
    let moves = sizes.buckets.iter().filter(|bucket| bucket.call == Call::Brk && bucket.from_bytes > 0);
    let moves: u64 = moves.map(|bucket| bucket.count).sum();
    let broken = down.then_some((ChurnKind::Break, moves / 2));
    mapped.chain(broken).max_by_key(|(_, pairs)| *pairs).filter(|(_, pairs)| *pairs > 0)
}

/// Upper bound of faults per pair: a mapping has no more faults than pages. For brk the bound is
/// unknown.
fn most_faults(kind: ChurnKind) -> f64 {
    match kind {
        ChurnKind::Mappings { size } => size.div_ceil(4096) as f64,
        ChurnKind::Break => f64::INFINITY,
    }
}

fn finding(evidence: &Evidence, traced: &Traced, churn: &Churn) -> Finding {
    let life = &traced.life;
    let call = if churn.kind == ChurnKind::Break { Call::Brk } else { Call::Mmap };
    Finding {
        rule: Rule::Churn,
        severity: if churn.share >= WARNING_SHARE { Severity::Warning } else { Severity::Notice },
        subject: Subject::process(Culprit::from(life)),
        sentence: Text::told(|lang| sentence(life, churn, lang)),
        evidence: figures(churn),
        advice: advice(churn.kind),
        link: Link { call: Some(call), ..Link::to(View::Requests, &evidence.range) },
        weight: churn.share,
    }
}

fn sentence(life: &ProcessLifetime, churn: &Churn, lang: Lang) -> String {
    let (name, pid) = (&life.name, life.pid.0);
    let rate = amount::rate(churn.per_second, lang);
    let share = amount::rate(churn.share * 100.0, lang);
    match (lang, churn.kind) {
        (Lang::En, ChurnKind::Mappings { size }) => format!(
            "{name} (pid {pid}) maps and releases {} again and again, {rate} times a second. This takes about {share} % of a processor.",
            amount::bytes(size, lang)
        ),
        (Lang::Es, ChurnKind::Mappings { size }) => format!(
            "{name} (pid {pid}) asigna y libera {} una y otra vez, {rate} veces por segundo. Esto ocupa cerca del {share} % de un procesador.",
            amount::bytes(size, lang)
        ),
        (Lang::En, ChurnKind::Break) => format!(
            "{name} (pid {pid}) moves the end of its heap up and down again and again, {rate} times a second. This takes about {share} % of a processor."
        ),
        (Lang::Es, ChurnKind::Break) => format!(
            "{name} (pid {pid}) sube y baja el final de su montículo una y otra vez, {rate} veces por segundo. Esto ocupa cerca del {share} % de un procesador."
        ),
    }
}

fn figures(churn: &Churn) -> Vec<Figure> {
    vec![
        Figure::new("pairs counted", "pares contados", Value::Count(churn.pairs)),
        Figure::new("pairs per second", "pares por segundo", Value::PerSecond(churn.per_second)),
        Figure::new(
            "minor faults per pair",
            "fallos menores por par",
            Value::Count(churn.faults_per_pair.round() as u64),
        ),
        Figure::new(
            "estimated share of one processor (assuming 0.5 µs per fault and 1.5 µs per pair, 1 µs with brk; virtual machines need more)",
            "parte estimada de un procesador (suponiendo 0,5 µs por fallo y 1,5 µs por par, 1 µs con brk; las máquinas virtuales necesitan más)",
            Value::Percent(churn.share * 100.0),
        ),
    ]
}

fn advice(kind: ChurnKind) -> Text {
    match kind {
        ChurnKind::Break => Text::both(
            "With glibc, make free() keep more memory: set MALLOC_TRIM_THRESHOLD_=134217728 and MALLOC_TOP_PAD_=16777216 in its environment, or use mallopt with M_TRIM_THRESHOLD and M_TOP_PAD.",
            "Con glibc, haga que free() conserve más memoria: defina MALLOC_TRIM_THRESHOLD_=134217728 y MALLOC_TOP_PAD_=16777216 en su entorno, o use mallopt con M_TRIM_THRESHOLD y M_TOP_PAD.",
        ),
        ChurnKind::Mappings { size: HUGE_BYTES.. } => Text::both(
            "Keep the buffer and reuse it, or take it from a pool. With glibc, MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ above this size make malloc keep it. If it must be mapped each time, huge pages (madvise with MADV_HUGEPAGE) avoid most of the page faults.",
            "Conserve el búfer y reutilícelo, o tómelo de un pool. Con glibc, MALLOC_MMAP_THRESHOLD_ y MALLOC_TRIM_THRESHOLD_ por encima de este tamaño hacen que malloc lo conserve. Si hay que asignarlo cada vez, las páginas enormes (madvise con MADV_HUGEPAGE) evitan casi todos los fallos de página.",
        ),
        ChurnKind::Mappings { .. } => Text::both(
            "Keep the buffer and reuse it, or take it from a pool. With glibc, MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ above this size (or mallopt with M_MMAP_THRESHOLD and M_TRIM_THRESHOLD) make malloc keep it.",
            "Conserve el búfer y reutilícelo, o tómelo de un pool. Con glibc, MALLOC_MMAP_THRESHOLD_ y MALLOC_TRIM_THRESHOLD_ por encima de este tamaño (o mallopt con M_MMAP_THRESHOLD y M_TRIM_THRESHOLD) hacen que malloc lo conserve.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{MIB, Scene};
    use super::*;
    use memtap_history::{FrequentSize, SizeBucket};

    fn scene(sizes: &[(Call, u64, u64)], faults: u64) -> Scene {
        let mut scene = Scene::quiet(100);
        scene.process("imager", |_| 50 * MIB);
        let frequent =
            sizes.iter().map(|(call, size, count)| FrequentSize { call: *call, size: *size, count: *count });
        let bucket = |(call, size, count): &(Call, u64, u64)| SizeBucket {
            call: *call,
            from_bytes: *size,
            count: *count,
            refused: 0,
            bytes: size * count,
        };
        let counted = Sizes {
            frequent: frequent.collect(),
            buckets: sizes.iter().map(bucket).collect(),
            ..Sizes::default()
        };
        let life = scene.last();
        life.sizes = Some(counted);
        life.life.within.minor_faults = faults;
        life.life.within.granted_bytes = 1000 * MIB;
        life.life.within.released_bytes = 1000 * MIB;
        scene
    }

    #[test]
    fn mapping_and_releasing_a_buffer_is_churn() {
        let pairs = [(Call::Mmap, MIB, 10_000), (Call::Munmap, MIB, 9_900), (Call::Mmap, 4096, 50)];
        let [finding] = &find(&scene(&pairs, 9_900 * 256).evidence)[..] else { panic!("one finding") };
        // 99 pairs a second, each 1.5 us plus 256 faults of 0.5 us: 1.28 % of a processor.
        assert_eq!(finding.severity, Severity::Notice);
        let text = finding.sentence(Lang::En);
        assert!(text.contains("maps and releases 1.00 MiB") && text.contains("99 times a second"), "{text}");
        assert!(text.contains("1.3 % of a processor"), "{text}");
        assert!(finding.sentence(Lang::Es).contains("1,3 %"));
        assert!(finding.advice.text(Lang::En).contains("MALLOC_MMAP_THRESHOLD_"));
    }

    #[test]
    fn more_time_is_a_warning_and_large_buffers_need_huge_pages() {
        let size = 4 * MIB;
        let pairs = [(Call::Mmap, size, 10_000), (Call::Munmap, size, 10_000)];
        let [finding] = &find(&scene(&pairs, 10_000 * 1024).evidence)[..] else { panic!("one finding") };
        assert_eq!(finding.severity, Severity::Warning, "100 a second with 1,024 faults each");
        assert!(finding.advice.text(Lang::En).contains("MADV_HUGEPAGE"));
    }

    #[test]
    fn growing_and_trimming_the_heap_is_churn() {
        let brk = [(Call::Brk, 128 << 10, 200_000)];
        let [finding] = &find(&scene(&brk, 100_000 * 32).evidence)[..] else { panic!("one finding") };
        assert!(finding.sentence(Lang::En).contains("up and down"));
        assert!(finding.advice.text(Lang::En).contains("MALLOC_TRIM_THRESHOLD_"));
        let mut grows = scene(&brk, 100_000 * 32);
        grows.last().life.within.released_bytes = 0;
        assert_eq!(find(&grows.evidence), [], "a heap that only grows");
    }

    #[test]
    fn few_or_unbalanced_pairs_are_no_churn() {
        let cases: [&[(Call, u64, u64)]; 3] = [
            &[(Call::Mmap, MIB, 400), (Call::Munmap, MIB, 400)],
            &[(Call::Mmap, MIB, 100_000), (Call::Munmap, MIB, 10_000)],
            &[(Call::Mmap, 4096, 10_000), (Call::Munmap, 4096, 10_000)],
        ];
        for sizes in cases {
            assert_eq!(find(&scene(sizes, 10_000).evidence), [], "{sizes:?}");
        }
    }
}
