//! Memory shortage: tasks waited for memory, or the kernel moved pages out to swap. Also names the
//! programs that grew at that time.

use memtap_history::{MachinePoint, ProcessLifetime};
use memtap_model::WallClock;

use super::oom::PLENTY_SHARE;
use super::{Figure, Finding, Link, Rule, Severity, Subject, Text, Value, View};
use crate::evidence::{Evidence, Strain};
use crate::track::resident;
use crate::{Lang, amount};

/// Share of ten seconds in which some task waited for memory, percent: people notice the delay.
const SOME_PERCENT: f64 = 10.0;
/// Share of ten seconds in which all tasks waited, percent: no work was done.
const FULL_PERCENT: f64 = 5.0;
const FULL_SERIOUS_PERCENT: f64 = 20.0;
/// Share of available memory below which the kernel reclaims constantly.
const SCARCE_SHARE: f64 = 0.05;
const SCARCE_SERIOUS_SHARE: f64 = 0.02;
/// Rate of swapping out, bytes per second. A healthy machine moves out idle pages more slowly.
const SWAP_OUT: f64 = 4.0 * 1024.0 * 1024.0;
/// Largest distance, in steps, between two strained steps of one period.
const APART: i64 = 3;
/// Number of programs to name.
const GROWN: usize = 3;
/// Smallest growth of a program to name it.
const GROWN_BYTES: u64 = 16 << 20;

/// Periods in which memory was short.
pub(crate) fn strains(machine: &[MachinePoint]) -> Vec<(WallClock, WallClock)> {
    let mut stretches: Vec<(WallClock, WallClock)> = Vec::new();
    for (index, point) in machine.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| machine.get(before));
        if !is_strained(point, before) {
            continue;
        }
        let step = i64::try_from(point.step.as_nanos()).unwrap_or(i64::MAX);
        let end = WallClock(point.from.0.saturating_add(step));
        match stretches.last_mut() {
            Some(last) if point.from.0 - last.1.0 <= APART.saturating_mul(step) => last.1 = end,
            _ => stretches.push((point.from, end)),
        }
    }
    stretches
}

fn is_strained(point: &MachinePoint, before: Option<&MachinePoint>) -> bool {
    let waited = point
        .host
        .pressure
        .is_some_and(|pressure| pressure.some_avg10 >= SOME_PERCENT || pressure.full_avg10 >= FULL_PERCENT);
    let total = point.host.total_bytes as f64;
    let scarce = total > 0.0 && (point.least_available_bytes as f64) < SCARCE_SHARE * total;
    waited || scarce || swapped_out(point, before) >= SWAP_OUT
}

/// Rate at which swap filled, bytes per second.
fn swapped_out(point: &MachinePoint, before: Option<&MachinePoint>) -> f64 {
    let Some(before) = before.filter(|before| before.host.swap.total_bytes == point.host.swap.total_bytes)
    else {
        return 0.0;
    };
    let filled = before.host.swap.free_bytes.saturating_sub(point.host.swap.free_bytes);
    filled as f64 / point.from.seconds_since(before.from).max(1.0)
}

/// Worst values of all periods.
struct Worst {
    seconds: f64,
    some_percent: Option<f64>,
    full_percent: f64,
    least_available: u64,
    total: u64,
    swapped_out: u64,
    stretches: usize,
}

pub(super) fn find(evidence: &Evidence) -> Vec<Finding> {
    let stretches = strains(&evidence.machine);
    let Some((from, to)) = stretches.iter().copied().max_by_key(|(from, to)| to.0 - from.0) else {
        return Vec::new();
    };
    let worst = worst(&evidence.machine, from, to, stretches.len());
    let strain = evidence.strains.iter().find(|strain| strain.from == from);
    let share = worst.least_available as f64 / (worst.total as f64).max(1.0);
    let waited = worst.some_percent.is_some_and(|some| some >= SOME_PERCENT);
    let in_group = waited && share > PLENTY_SHARE;
    // Programs that grow elsewhere are unrelated to a control group's limit.
    let grown = strain.filter(|_| !in_group).map(grown).unwrap_or_default();
    let serious = worst.full_percent >= FULL_SERIOUS_PERCENT || share < SCARCE_SERIOUS_SHARE;
    let host = evidence.range.host.as_deref().unwrap_or_default();
    vec![Finding {
        rule: Rule::Pressure,
        severity: if serious { Severity::Serious } else { Severity::Warning },
        subject: Subject::Machine(host.into()),
        sentence: Text::told(|lang| {
            if in_group { sentence_of_group(&worst, lang) } else { sentence(&worst, &grown, lang) }
        }),
        evidence: figures(from, &worst, &grown),
        advice: if in_group { advice_for_group() } else { advice() },
        link: Link::to(View::Overview, &memtap_history::Range { from, to, ..evidence.range.clone() }),
        weight: worst.seconds,
    }]
}

fn advice() -> Text {
    Text::both(
        "Limit the programs that grew (MemoryHigh= slows down only them), or give them less work at a time. You can also spread the load over time or add memory. Swap helps with a brief shortage, but the machine stays slow during a long one.",
        "Ponga un límite a los programas que crecieron (MemoryHigh= solo los frena a ellos) o deles menos trabajo a la vez. También puede repartir la carga en el tiempo o añadir memoria. El intercambio ayuda si la escasez es breve, pero si es larga, la máquina sigue lenta.",
    )
}

fn advice_for_group() -> Text {
    Text::both(
        "Find out which group waits: see `memory.pressure` in its directory under /sys/fs/cgroup, or `systemd-cgtop -m`. Raise its limit (MemoryHigh=, MemoryMax=, or the memory limit of the container), or give it less work at a time.",
        "Averigüe qué grupo espera: vea `memory.pressure` en su directorio bajo /sys/fs/cgroup, o `systemd-cgtop -m`. Suba su límite (MemoryHigh=, MemoryMax= o el límite de memoria del contenedor) o dele menos trabajo a la vez.",
    )
}

fn worst(machine: &[MachinePoint], from: WallClock, to: WallClock, stretches: usize) -> Worst {
    let within = || machine.iter().filter(|point| point.from >= from && point.from < to);
    let highest = |part: fn(&memtap_model::Pressure) -> f64| {
        within().filter_map(|point| point.host.pressure.as_ref().map(part)).reduce(f64::max)
    };
    let before = machine.iter().rev().find(|point| point.from < from);
    let free_before = before.or_else(|| within().next()).map_or(0, |point| point.host.swap.free_bytes);
    let free_least = within().map(|point| point.host.swap.free_bytes).min().unwrap_or(free_before);
    Worst {
        seconds: to.seconds_since(from),
        some_percent: highest(|pressure| pressure.some_avg10),
        full_percent: highest(|pressure| pressure.full_avg10).unwrap_or(0.0),
        least_available: within().map(|point| point.least_available_bytes).min().unwrap_or(0),
        total: within().map(|point| point.host.total_bytes).max().unwrap_or(0),
        swapped_out: free_before.saturating_sub(free_least),
        stretches,
    }
}

/// Programs whose processes grew most within a period, by name.
fn grown(strain: &Strain) -> Vec<(String, u64)> {
    let mut programs: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    for life in &strain.lives {
        *programs.entry(&life.name).or_default() += gain(life);
    }
    let mut grown: Vec<(String, u64)> = programs
        .into_iter()
        .filter(|(_, bytes)| *bytes >= GROWN_BYTES)
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect();
    grown.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    grown.truncate(GROWN);
    grown
}

/// Growth of a process within a period. An ended process counts with its peak.
fn gain(life: &ProcessLifetime) -> u64 {
    let after =
        if life.ended_at.is_some() { life.within.peak_resident_bytes } else { resident(&life.within) };
    after.saturating_sub(life.before_resident_bytes)
}

fn sentence(worst: &Worst, grown: &[(String, u64)], lang: Lang) -> String {
    let seconds = amount::duration(worst.seconds, lang);
    let least = amount::bytes(worst.least_available, lang);
    let total = amount::bytes(worst.total, lang);
    let mut text = lang.pick(
        format!("Memory was short for {seconds}: at the lowest point, {least} of {total} were available"),
        format!(
            "Faltó memoria durante {seconds}: en el peor momento quedaban disponibles {least} de {total}"
        ),
    );
    if let Some(some) = worst.some_percent.filter(|some| *some >= SOME_PERCENT) {
        let some = amount::rate(some, lang);
        text += &lang.pick(
            format!(", and tasks waited for memory up to {some} % of the time"),
            format!(", y hubo tareas esperando memoria hasta el {some} % del tiempo"),
        );
    }
    text.push('.');
    if worst.swapped_out >= GROWN_BYTES {
        let out = amount::bytes(worst.swapped_out, lang);
        text += &lang.pick(format!(" {out} were swapped out."), format!(" {out} pasaron al intercambio."));
    }
    if let Some((last, first)) = grown.split_last() {
        let describe = |(name, bytes): &(String, u64)| format!("{name} (+{})", amount::bytes(*bytes, lang));
        let first = first.iter().map(describe).collect::<Vec<_>>().join(", ");
        let joined = if first.is_empty() {
            describe(last)
        } else {
            format!("{first}{}{}", lang.pick(" and ", " y "), describe(last))
        };
        text += &lang.pick(
            format!(" These programs grew meanwhile: {joined}."),
            format!(" Mientras tanto crecieron: {joined}."),
        );
    }
    text
}

fn sentence_of_group(worst: &Worst, lang: Lang) -> String {
    let seconds = amount::duration(worst.seconds, lang);
    let (least, total) = (amount::bytes(worst.least_available, lang), amount::bytes(worst.total, lang));
    let some = amount::rate(worst.some_percent.unwrap_or(0.0), lang);
    lang.pick(
        format!("For {seconds}, tasks waited for memory up to {some} % of the time. The machine had at least {least} of {total} available, which points to the limit of a control group. memtap did not check that limit."),
        format!("Durante {seconds} hubo tareas esperando memoria hasta el {some} % del tiempo. La máquina tuvo siempre disponibles al menos {least} de {total}, lo que apunta al límite de un grupo de control. memtap no comprobó ese límite."),
    )
}

fn figures(from: WallClock, worst: &Worst, grown: &[(String, u64)]) -> Vec<Figure> {
    let mut figures = vec![
        Figure::new("from", "desde", Value::Time(from)),
        Figure::new("duration", "duración", Value::Seconds(worst.seconds)),
        Figure::new("least available", "mínimo disponible", Value::Bytes(worst.least_available)),
        Figure::new("periods like this", "períodos como este", Value::Count(worst.stretches as u64)),
    ];
    if let Some(some) = worst.some_percent {
        figures.push(Figure::new("some task waited", "alguna tarea esperó", Value::Percent(some)));
        figures.push(Figure::new(
            "all tasks waited",
            "todas las tareas esperaron",
            Value::Percent(worst.full_percent),
        ));
    }
    if worst.swapped_out > 0 {
        figures.push(Figure::new("swapped out", "pasó al intercambio", Value::Bytes(worst.swapped_out)));
    }
    figures.extend(grown.iter().map(|(name, bytes)| Figure::named(name, Value::Bytes(*bytes))));
    figures
}

#[cfg(test)]
mod tests {
    use super::super::scene::{GIB, MIB, Scene};
    use super::*;
    use memtap_model::{Pressure, SwapReading};

    fn wait(scene: &mut Scene, from: usize, to: usize, some_avg10: f64, full_avg10: f64) {
        for point in &mut scene.evidence.machine[from..to] {
            point.host.pressure = Some(Pressure { some_avg10, full_avg10 });
        }
    }

    #[test]
    fn pressure_names_the_programs_that_grew() {
        let mut scene = Scene::quiet(100);
        wait(&mut scene, 30, 50, 25.0, 3.0);
        wait(&mut scene, 80, 82, 12.0, 0.0);
        for point in &mut scene.evidence.machine[30..50] {
            point.least_available_bytes = GIB;
        }
        let mut lives = Vec::new();
        for (name, before, after) in [("db", 100, 900), ("web", 50, 55), ("web", 50, 90), ("idle", 500, 500)]
        {
            scene.process(name, |_| after * MIB);
            let mut life = scene.last().life.clone();
            life.before_resident_bytes = before * MIB;
            lives.push(life);
        }
        scene.evidence.strains = vec![Strain { from: scene.at(30), to: scene.at(50), lives }];
        let [finding] = &find(&scene.evidence)[..] else { panic!("one finding") };
        assert_eq!(finding.severity, Severity::Warning);
        let text = finding.sentence(Lang::En);
        assert!(text.contains("short for 20 s") && text.contains("up to 25 % of the time"), "{text}");
        assert!(
            text.ends_with("These programs grew meanwhile: db (+800 MiB) and web (+45.0 MiB)."),
            "{text}"
        );
        assert!(finding.sentence(Lang::Es).contains("db (+800 MiB) y web"));
        assert_eq!((finding.link.range.from, finding.link.range.to), (scene.at(30), scene.at(50)));
        assert!(finding.evidence.iter().any(|figure| figure.value == Value::Count(2)), "two stretches");
    }

    #[test]
    fn pressure_with_available_memory_is_attributed_to_a_group() {
        // Observed with a group of 32 MiB during builds: it waited 36 % of the time, and the
        // growing compilers had nothing to do with it.
        let mut scene = Scene::quiet(100);
        wait(&mut scene, 30, 90, 36.0, 1.6);
        scene.process("rustc", |_| 900 * MIB);
        let lives = vec![scene.last().life.clone()];
        scene.evidence.strains = vec![Strain { from: scene.at(30), to: scene.at(90), lives }];
        let [finding] = &find(&scene.evidence)[..] else { panic!("one finding") };
        let text = finding.sentence(Lang::En);
        assert!(
            text.contains("up to 36 % of the time")
                && text.ends_with("limit of a control group. memtap did not check that limit."),
            "{text}"
        );
        let (spanish, advice) = (finding.sentence(Lang::Es), finding.advice.text(Lang::En));
        assert!(spanish.contains("grupo de control") && advice.contains("MemoryHigh="), "{spanish} {advice}");
        assert!(!finding.evidence.iter().any(|figure| figure.label.text(Lang::En).contains("rustc")));
    }

    #[test]
    fn a_stalled_machine_is_serious() {
        let mut scene = Scene::quiet(100);
        wait(&mut scene, 30, 50, 60.0, 40.0);
        assert_eq!(find(&scene.evidence)[0].severity, Severity::Serious);
    }

    #[test]
    fn available_memory_and_swap_show_pressure_without_psi() {
        let mut scene = Scene::quiet(100);
        for point in &mut scene.evidence.machine {
            point.host.pressure = None;
        }
        assert_eq!(find(&scene.evidence), []);
        scene.evidence.machine[10].least_available_bytes = GIB / 2;
        assert_eq!(find(&scene.evidence)[0].severity, Severity::Warning);

        let mut scene = Scene::quiet(100);
        for (at, point) in scene.evidence.machine.iter_mut().enumerate() {
            let out = (at.clamp(20, 30) as u64 - 20) * 50 * MIB;
            point.host.swap = SwapReading { total_bytes: 2 * GIB, free_bytes: 2 * GIB - out };
        }
        let [finding] = &find(&scene.evidence)[..] else { panic!("one finding") };
        assert!(
            finding.sentence(Lang::En).contains("500 MiB were swapped out"),
            "{}",
            finding.sentence(Lang::En)
        );
    }

    #[test]
    fn slow_swapping_and_short_waits_are_no_pressure() {
        let mut scene = Scene::quiet(100);
        wait(&mut scene, 30, 50, 4.0, 1.0);
        for (at, point) in scene.evidence.machine.iter_mut().enumerate() {
            point.host.swap = SwapReading { total_bytes: 2 * GIB, free_bytes: 2 * GIB - at as u64 * MIB };
        }
        assert_eq!(find(&scene.evidence), []);
    }
}
