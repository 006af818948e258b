//! A process that grows and does not release memory: it may leak.

use memtap_history::ProcessLifetime;

use super::{Culprit, Figure, Finding, Link, Rule, Severity, Subject, Text, Value, View};
use crate::evidence::{Evidence, Traced};
use crate::track::{Course, Track};
use crate::{Lang, amount};

/// Smallest growth to report, at any rate: a cache or a table may need this much.
const LEAST_BYTES: f64 = 16.0 * 1024.0 * 1024.0;
/// Smallest growth as a share of the current size: the size of a large program fluctuates by less.
const LEAST_SHARE: f64 = 0.1;
/// Fewest points for a meaningful slope.
const LEAST_POINTS: usize = 12;
/// A process must have existed for this share of the observed time. Otherwise its startup would
/// count as growth.
const LIVED_SHARE: f64 = 0.5;
/// A process whose size falls by more than this share of its growth is collecting garbage.
const FALL_SHARE: f64 = 0.25;
/// The slope of the last third must be at least this share of the whole slope: a warm-up flattens.
const STILL_SHARE: f64 = 0.5;
/// The virtual size must have grown by this share of the growth. Memory reserved at the start and
/// filled later (a Java heap) has a fixed end.
const VIRTUAL_SHARE: f64 = 0.5;
/// Growth that needs longer than this to use up the available memory does not matter now.
const FARTHEST_S: f64 = 30.0 * 86_400.0;
/// Growth that uses up the available memory within this time is serious.
const SOON_S: f64 = 3600.0;
/// Change within a step that counts as noise.
const NOISE_BYTES: f64 = 64.0 * 1024.0;
/// A shorter course may still end on a plateau, however steady it is: loading data looks the same.
const SHORT_S: f64 = 120.0;
/// A steady course at least this long is unlikely to end on a plateau.
const LONG_S: f64 = 1800.0;
/// Share of the changing steps that must rise for the growth to count as steady.
const STEADY_SHARE: f64 = 0.95;
/// From this ratio of released to granted bytes on, growth is less certain.
const RELEASED_SHARE: f64 = 0.7;

/// Confidence that the growth continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Confidence {
    Maybe,
    Likely,
    VeryLikely,
}

struct Growth {
    per_second: f64,
    gain: f64,
    span_s: f64,
    rising_share: f64,
    virtual_gain: f64,
    released_share: Option<f64>,
    left_s: Option<f64>,
    confidence: Confidence,
}

pub(super) fn find(evidence: &Evidence) -> Vec<Finding> {
    evidence
        .lives
        .iter()
        .filter_map(|traced| Some(finding(evidence, traced, &growth(evidence, traced)?)))
        .collect()
}

fn growth(evidence: &Evidence, traced: &Traced) -> Option<Growth> {
    let track = traced.track.as_ref()?;
    let (watched_from, watched_to) = evidence.watched();
    let alive = traced.life.ended_at.is_none_or(|ended| ended >= evidence.range.to);
    if !alive
        || track.sizes.len() < LEAST_POINTS
        || track.span_s() < LIVED_SHARE * watched_to.seconds_since(watched_from) - 2.0 * track.step_s
    {
        return None;
    }
    let private = track.course(|size| size.private_bytes);
    let per_second = private.slope();
    let gain = per_second * track.span_s();
    if gain < LEAST_BYTES || gain < LEAST_SHARE * private.last() || !continues(&private, per_second, gain) {
        return None;
    }
    let virtual_gain = track.course(|size| size.virtual_bytes).gain();
    let left_s = evidence.available_bytes().map(|available| available as f64 / per_second);
    if virtual_gain < VIRTUAL_SHARE * gain || left_s.is_some_and(|left_s| left_s > FARTHEST_S) {
        return None;
    }
    let within = &traced.life.within;
    let released_share =
        (within.granted_bytes > 0).then(|| within.released_bytes as f64 / within.granted_bytes as f64);
    let rising_share = private.rising_share(NOISE_BYTES);
    let confidence = confidence(track, rising_share, released_share);
    Some(Growth {
        per_second,
        gain,
        span_s: track.span_s(),
        rising_share,
        virtual_gain,
        released_share,
        left_s,
        confidence,
    })
}

/// Returns whether the growth continues. It rules out growth that flattens, that falls back, and
/// that is a single jump.
fn continues(private: &Course, per_second: f64, gain: f64) -> bool {
    let last = private.last_third().slope();
    last >= STILL_SHARE * per_second && private.deepest_fall() <= FALL_SHARE * gain
}

fn confidence(track: &Track, rising_share: f64, released_share: Option<f64>) -> Confidence {
    let steady = rising_share >= STEADY_SHARE && released_share.is_none_or(|share| share < RELEASED_SHARE);
    match (track.span_s(), steady) {
        (..SHORT_S, _) => Confidence::Maybe,
        (LONG_S.., true) => Confidence::VeryLikely,
        (_, true) => Confidence::Likely,
        (LONG_S.., false) => Confidence::Likely,
        (_, false) => Confidence::Maybe,
    }
}

fn finding(evidence: &Evidence, traced: &Traced, growth: &Growth) -> Finding {
    let soon = growth.left_s.is_some_and(|left_s| left_s < SOON_S);
    let severity = match growth.confidence {
        Confidence::Maybe => Severity::Notice,
        Confidence::Likely | Confidence::VeryLikely if soon => Severity::Serious,
        Confidence::Likely | Confidence::VeryLikely => Severity::Warning,
    };
    Finding {
        rule: Rule::Growth,
        severity,
        subject: Subject::process(Culprit::from(&traced.life)),
        sentence: Text::told(|lang| sentence(&traced.life, growth, lang)),
        evidence: figures(traced, growth),
        advice: advice(),
        link: Link::to(View::Process, &evidence.range),
        weight: growth.per_second,
    }
}

fn sentence(life: &ProcessLifetime, growth: &Growth, lang: Lang) -> String {
    let (name, pid) = (&life.name, life.pid.0);
    let gain = amount::bytes(growth.gain as u64, lang);
    let span = amount::duration(growth.span_s, lang);
    let left = growth.left_s.map(|left_s| {
        let left = amount::duration(left_s, lang);
        lang.pick(
            format!(" At this rate it will use up the available memory of the machine in {left}."),
            format!(" A este ritmo agotará en {left} la memoria disponible de la máquina."),
        )
    });
    let left = left.unwrap_or_default();
    match (lang, growth.confidence) {
        (Lang::En, Confidence::Maybe) => {
            format!(
                "{name} (pid {pid}) grew by {gain} in {span} and released almost nothing. It is not yet clear whether this is a leak.{left}"
            )
        }
        (Lang::En, Confidence::Likely) => {
            format!(
                "{name} (pid {pid}) grew by {gain} in {span} without releasing it: a leak is likely.{left}"
            )
        }
        (Lang::En, Confidence::VeryLikely) => {
            format!(
                "{name} (pid {pid}) grew steadily by {gain} in {span} without releasing it: a leak is very likely.{left}"
            )
        }
        (Lang::Es, Confidence::Maybe) => {
            format!(
                "{name} (pid {pid}) creció {gain} en {span} y no liberó casi nada. Aún no está claro si es una fuga.{left}"
            )
        }
        (Lang::Es, Confidence::Likely) => {
            format!(
                "{name} (pid {pid}) creció {gain} en {span} sin liberarlos: es probable que tenga una fuga de memoria.{left}"
            )
        }
        (Lang::Es, Confidence::VeryLikely) => {
            format!(
                "{name} (pid {pid}) creció de forma constante {gain} en {span} sin liberarlos: es muy probable que tenga una fuga de memoria.{left}"
            )
        }
    }
}

fn figures(traced: &Traced, growth: &Growth) -> Vec<Figure> {
    let private =
        traced.track.as_ref().and_then(|track| track.sizes.last()).map_or(0, |size| size.private_bytes);
    let mut figures = vec![
        Figure::new("growth rate", "ritmo de crecimiento", Value::BytesPerSecond(growth.per_second)),
        Figure::new("anonymous memory at the end", "memoria anónima al final", Value::Bytes(private)),
        Figure::new(
            "growth of the virtual size",
            "crecimiento de la memoria virtual",
            Value::Bytes(growth.virtual_gain.max(0.0) as u64),
        ),
        Figure::new(
            "share of changes that are increases",
            "proporción de cambios que son aumentos",
            Value::Percent(growth.rising_share * 100.0),
        ),
    ];
    if let Some(share) = growth.released_share {
        figures.push(Figure::new(
            "released, as a share of granted",
            "liberado, como parte de lo concedido",
            Value::Percent(share * 100.0),
        ));
    }
    if let Some(left_s) = growth.left_s {
        figures.push(Figure::new(
            "time until available memory is used up",
            "tiempo hasta agotar la memoria disponible",
            Value::Seconds(left_s),
        ));
    }
    figures
}

fn advice() -> Text {
    Text::both(
        "Look at its largest requests and when they began. If it should not grow, trace its allocations with heaptrack, `valgrind --tool=massif` or the profiler of its language. Until then, set a limit (systemd MemoryMax=, or the memory limit of the container) to protect other programs.",
        "Mire sus solicitudes más grandes y cuándo empezaron. Si no debería crecer, rastree sus asignaciones con heaptrack, `valgrind --tool=massif` o el perfilador de su lenguaje. Mientras tanto, póngale un límite (MemoryMax= de systemd o el límite de memoria del contenedor) para proteger a los demás programas.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::scene::{MIB, Scene};
    use super::*;

    fn findings(course: impl Fn(u64) -> u64, seconds: u64) -> Vec<Finding> {
        let mut scene = Scene::quiet(seconds);
        scene.process("leaky", course);
        find(&scene.evidence)
    }

    #[test]
    fn longer_steady_growth_gives_more_confidence() {
        let [finding] = &findings(|at| (50 + at / 4) * MIB, 600)[..] else { panic!("one finding") };
        assert_eq!((finding.rule, finding.severity), (Rule::Growth, Severity::Warning));
        let text = finding.sentence(Lang::En);
        assert!(
            text.contains("leaky (pid 1000) grew by 150 MiB")
                && text.contains("likely")
                && text.contains("hours"),
            "{text}"
        );
        assert!(finding.sentence(Lang::Es).contains("es probable"), "{}", finding.sentence(Lang::Es));
        let long = findings(|at| (50 + at / 16) * MIB, 3600);
        assert!(long[0].sentence(Lang::En).contains("very likely"), "{}", long[0].sentence(Lang::En));
    }

    #[test]
    fn a_short_course_gives_low_confidence() {
        let [finding] = &findings(|at| (10 + 2 * at) * MIB, 20)[..] else { panic!("one finding") };
        assert_eq!(finding.severity, Severity::Notice);
        assert!(finding.sentence(Lang::En).contains("not yet clear"));
    }

    #[test]
    fn growth_that_uses_up_memory_within_the_hour_is_serious() {
        let [finding] = &findings(|at| (50 + 10 * at) * MIB, 200)[..] else { panic!("one finding") };
        assert_eq!(finding.severity, Severity::Serious, "10 GiB are available, at 10 MiB a second");
    }

    #[test]
    fn warm_up_garbage_collection_and_one_jump_are_no_growth() {
        let warm = |at: u64| (500.0 * (1.0 - (-(at as f64) / 60.0).exp())) as u64 * MIB;
        assert_eq!(findings(warm, 600), [], "flattens");
        assert_eq!(findings(|at| (50 + (at % 100) * 2) * MIB, 600), [], "falls back");
        assert_eq!(findings(|at| if at < 300 { 50 * MIB } else { 550 * MIB }, 600), [], "jumps once");
        assert_eq!(findings(|at| if at < 590 { 50 * MIB } else { 550 * MIB }, 600), [], "jumps at the end");
        assert_eq!(findings(|_| 500 * MIB, 600), [], "stays");
        assert_eq!(findings(|at| (2000 + at / 20) * MIB, 600), [], "little beside what it has");
    }

    #[test]
    fn filling_reserved_memory_is_no_growth() {
        let mut scene = Scene::quiet(600);
        scene.process("java", |at| (50 + at) * MIB);
        for size in &mut scene.last().track.as_mut().unwrap().sizes {
            size.virtual_bytes = 8192 * MIB;
        }
        assert_eq!(find(&scene.evidence), []);
    }

    #[test]
    fn ended_and_new_processes_are_no_growth() {
        let mut scene = Scene::quiet(600);
        scene.process("ended", |at| (50 + at) * MIB);
        let end = scene.at(599);
        scene.last().life.ended_at = Some(end);
        assert_eq!(find(&scene.evidence), []);
        let mut scene = Scene::quiet(600);
        scene.process("young", |at| (50 + at) * MIB);
        scene.last().track.as_mut().unwrap().sizes.truncate(100);
        assert_eq!(find(&scene.evidence), []);
    }
}
