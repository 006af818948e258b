//! Head of a report: its scope, the machine, and the version of memtap.

use memtap_model::visible;

use super::super::when;
use super::Page;
use crate::Lang;

/// Replacement for a number that the source cannot see.
pub(in super::super) fn not_visible(lang: Lang) -> &'static str {
    lang.pick("not visible (source: procfs)", "no visibles (fuente: procfs)")
}

pub(super) fn title(page: &Page<'_>) -> String {
    let asked = &page.report.asked;
    let whose = match (&asked.name, asked.pid, &asked.host) {
        (Some(name), _, _) => visible(name),
        (None, Some(pid), _) => page.say(format!("process {pid}"), format!("proceso {pid}")),
        (None, None, Some(host)) => visible(host),
        (None, None, None) => match page.report.hosts.as_slice() {
            [only] => visible(&only.hostname),
            _ => page.say("all machines", "todas las máquinas").to_owned(),
        },
    };
    page.say(format!("Memory report: {whose}"), format!("Informe de memoria: {whose}"))
}

pub(super) fn facts(page: &Page<'_>) -> Vec<(String, String)> {
    let (report, asked) = (page.report, &page.report.asked);
    let mut facts = Vec::new();
    let mut fact = |english: &str, spanish: &str, value: String| {
        facts.push((page.say(english, spanish).to_owned(), value));
    };
    let zone = when::zone(asked.span.from, page.audience);
    let length = when::length(asked.span.seconds(), page.lang);
    fact("Range", "Intervalo", format!("{} ({length}, {zone})", when::span(asked.span, page.audience)));
    if let Some(compared) = asked.compared {
        let length = when::length(compared.seconds(), page.lang);
        fact("Compared with", "Comparado con", format!("{} ({length})", when::span(compared, page.audience)));
    }
    let hosts = report.hosts.iter().map(|host| match host.kernel.as_str() {
        "" => visible(&host.hostname),
        kernel => format!("{} (Linux {})", visible(&host.hostname), visible(kernel)),
    });
    let hosts = hosts.collect::<Vec<_>>().join(", ");
    if !hosts.is_empty() {
        fact("Machine", "Máquina", hosts);
    }
    let programs = match (&asked.name, asked.pid) {
        (None, None) => page.say("all", "todos").to_owned(),
        (name, pid) => {
            let pid = pid.map(|pid| format!("pid {pid}"));
            [name.as_deref().map(visible), pid].into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
    };
    fact("Programs", "Programas", programs);
    facts
}

pub(super) fn made(page: &Page<'_>) -> String {
    let at = when::second(page.report.made, page.audience);
    let (zone, version) = (when::zone(page.report.made, page.audience), &page.report.memtap);
    page.say(
        format!("Created by memtap {version} on {at} {zone}."),
        format!("Creado por memtap {version} el {at} {zone}."),
    )
}
