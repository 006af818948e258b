//! A short peak far above the usual size. A machine or a container must be sized for it, although
//! the memory is needed only for moments.

use memtap_history::ProcessLifetime;

use super::{Culprit, Figure, Finding, Link, Rule, Severity, Subject, Text, Value, View};
use crate::evidence::{Evidence, Traced};
use crate::{Lang, amount};
use memtap_model::WallClock;

/// Smallest ratio of the peak to the median.
const TIMES: f64 = 3.0;
/// Smallest height of the peak above the median: less fits on any machine.
const LEAST_BYTES: f64 = 64.0 * 1024.0 * 1024.0;
/// Smallest height as a share of the machine's memory, for large machines.
const LEAST_SHARE: f64 = 0.01;
/// Largest share of the time in which usage may exceed half of the peak: longer is not a peak.
const SHORT_SHARE: f64 = 0.2;
/// At the end, usage must be below this share of the peak. Otherwise the process may still be
/// growing.
const OVER_SHARE: f64 = 0.5;
/// Fewest points for a meaningful median.
const LEAST_POINTS: usize = 10;
/// Share of available memory at the peak below which the peak made the machine short of memory.
const SCARCE_SHARE: f64 = 0.1;

struct Burst {
    peak: u64,
    usual: u64,
    at: WallClock,
    high_share: f64,
    least_available: Option<u64>,
}

pub(super) fn find(evidence: &Evidence) -> Vec<Finding> {
    evidence
        .lives
        .iter()
        .filter_map(|traced| Some(finding(evidence, &traced.life, &burst(evidence, traced)?)))
        .collect()
}

fn burst(evidence: &Evidence, traced: &Traced) -> Option<Burst> {
    let track = traced.track.as_ref().filter(|track| track.sizes.len() >= LEAST_POINTS)?;
    // Takes the first of equal maxima: if several steps show the peak, it began with that one.
    let peaks = track.sizes.iter().map(|size| size.peak_resident_bytes).enumerate();
    let (index, peak) = peaks.rev().max_by_key(|(_, peak)| *peak)?;
    let usual = track.course(|size| size.resident_bytes).median();
    let least = LEAST_BYTES.max(LEAST_SHARE * evidence.total_bytes() as f64);
    let above = peak as f64 - usual;
    let last = track.sizes.last().map_or(0, |size| size.resident_bytes);
    if (peak as f64) < TIMES * usual || above < least || last as f64 > OVER_SHARE * peak as f64 {
        return None;
    }
    let high = track.sizes.iter().filter(|size| size.peak_resident_bytes > peak / 2).count();
    let high_share = high as f64 / track.sizes.len() as f64;
    let at = WallClock(track.from.0 + (index as f64 * track.step_s * 1e9) as i64);
    let least_available = least_available(evidence, at);
    (high_share <= SHORT_SHARE).then_some(Burst {
        peak,
        usual: usual as u64,
        at,
        high_share,
        least_available,
    })
}

/// Returns the lowest available memory in the step of that time.
fn least_available(evidence: &Evidence, at: WallClock) -> Option<u64> {
    let point = evidence.machine.iter().rev().find(|point| point.from <= at)?;
    Some(point.least_available_bytes)
}

fn finding(evidence: &Evidence, life: &ProcessLifetime, burst: &Burst) -> Finding {
    let total = evidence.total_bytes() as f64;
    let scarce = burst.least_available.is_some_and(|least| (least as f64) < SCARCE_SHARE * total);
    let mut figures = vec![
        Figure::new("peak resident set", "memoria residente máxima", Value::Bytes(burst.peak)),
        Figure::new("usual (median)", "habitual (mediana)", Value::Bytes(burst.usual)),
        Figure::new("when", "cuándo", Value::Time(burst.at)),
        Figure::new(
            "time above half of the peak",
            "tiempo por encima de la mitad del máximo",
            Value::Percent(burst.high_share * 100.0),
        ),
    ];
    if let Some(least) = burst.least_available {
        figures.push(Figure::new(
            "least available at that time",
            "mínimo disponible en ese momento",
            Value::Bytes(least),
        ));
    }
    Finding {
        rule: Rule::Peak,
        severity: if scarce { Severity::Warning } else { Severity::Notice },
        subject: Subject::process(Culprit::from(life)),
        sentence: Text::told(|lang| sentence(life, burst, scarce, lang)),
        evidence: figures,
        advice: Text::both(
            "Look at its requests around that time. Working in smaller pieces (streams, batches, pages) lowers the peak. Avoid running several such programs at the same time. If you set a limit, it must allow for the peak.",
            "Mire sus solicitudes alrededor de esa hora. Trabajar por partes (flujos, lotes, páginas) reduce el máximo. Evite que varios programas así coincidan. Si le pone un límite, debe admitir el máximo.",
        ),
        link: Link::to(View::Process, &evidence.range),
        weight: burst.peak as f64,
    }
}

fn sentence(life: &ProcessLifetime, burst: &Burst, scarce: bool, lang: Lang) -> String {
    let (name, pid) = (&life.name, life.pid.0);
    let (peak, usual) = (amount::bytes(burst.peak, lang), amount::bytes(burst.usual, lang));
    let times = amount::rate(burst.peak as f64 / burst.usual.max(1) as f64, lang);
    let mut text = lang.pick(
        format!("{name} (pid {pid}) had {peak} for a short time, {times} times the {usual} it usually has."),
        format!(
            "{name} (pid {pid}) tuvo {peak} durante poco tiempo, {times} veces los {usual} que suele tener."
        ),
    );
    if let Some(least) = burst.least_available.filter(|_| scarce) {
        let least = amount::bytes(least, lang);
        text += &lang.pick(
            format!(" At that time the machine had only {least} available."),
            format!(" En ese momento a la máquina solo le quedaban {least} disponibles."),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::scene::{GIB, MIB, Scene};
    use super::*;

    fn findings(course: impl Fn(u64) -> u64) -> Vec<Finding> {
        let mut scene = Scene::quiet(100);
        scene.process("importer", course);
        find(&scene.evidence)
    }

    #[test]
    fn a_short_peak_is_reported_with_its_time() {
        let [finding] = &findings(|at| if (40..45).contains(&at) { 800 * MIB } else { 50 * MIB })[..] else {
            panic!("one finding")
        };
        assert_eq!(finding.severity, Severity::Notice);
        let text = finding.sentence(Lang::En);
        assert!(text.contains("had 800 MiB") && text.contains("16 times the 50.0 MiB"), "{text}");
        let when = finding.evidence.iter().find(|figure| figure.label.text(Lang::En) == "when").unwrap();
        assert_eq!(when.value, Value::Time(Scene::quiet(1).at(40)));
    }

    #[test]
    fn a_peak_within_a_step_counts() {
        let mut scene = Scene::quiet(100);
        scene.process("importer", |_| 50 * MIB);
        scene.last().track.as_mut().unwrap().sizes[70].peak_resident_bytes = GIB;
        assert_eq!(find(&scene.evidence).len(), 1);
    }

    #[test]
    fn a_peak_that_left_little_available_memory_is_a_warning() {
        let mut scene = Scene::quiet(100);
        scene.process("importer", |at| if at == 40 { 9 * GIB } else { 50 * MIB });
        scene.evidence.machine[40].least_available_bytes = GIB;
        let [finding] = &find(&scene.evidence)[..] else { panic!("one finding") };
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.sentence(Lang::Es).contains("1,00 GiB disponibles"));
    }

    #[test]
    fn lasting_growing_or_small_peaks_are_no_finding() {
        assert_eq!(findings(|at| if at < 30 { 800 * MIB } else { 50 * MIB }), [], "lasts");
        assert_eq!(findings(|at| if at < 95 { 50 * MIB } else { 800 * MIB }), [], "may still be growing");
        assert_eq!(findings(|at| at * 10 * MIB), [], "grows");
        assert_eq!(findings(|at| if at == 40 { 60 * MIB } else { 2 * MIB }), [], "small");
        assert_eq!(findings(|at| if at == 40 { 900 * MIB } else { 400 * MIB }), [], "hardly twice");
    }
}
