//! Key figures, findings, and the comparison of two ranges.

use super::super::when;
use super::missing::missing;
use super::words::not_visible;
use super::{Block, Cell, FindingBlock, Page, Section, Table, Tile};
use crate::{Lang, Severity, Totals};

/// A figure of the totals: its label, its kind, its value and its change.
struct Figure {
    label: &'static str,
    kind: Kind,
    cell: Cell,
    compared: Option<(Cell, Cell)>,
}

/// Kind of a figure, which decides when it is meaningful.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Requests, which the source may not see.
    Requests,
    /// Bytes of requests. If they are not visible, that is stated once, with the requests.
    Bytes,
    Processes,
    Machine,
}

type Read = fn(&Totals) -> Option<u64>;

pub(super) fn summary(page: &Page<'_>) -> Section {
    let totals = &page.report.totals;
    let mut blocks = Vec::new();
    if totals.is_empty() {
        blocks.push(Block::Warn(nothing(page)));
    }
    let shown = figures(page).into_iter().filter(|figure| figure.cell != Cell::None);
    // Zeros without any data would look like measurements.
    let shown = shown.filter(|figure| !totals.is_empty() || figure.kind == Kind::Machine);
    let tile = |figure: Figure| Tile { label: figure.label, cell: figure.cell, compared: figure.compared };
    let tiles: Vec<Tile> = shown.map(tile).collect();
    if !tiles.is_empty() {
        blocks.push(Block::Tiles(tiles));
    }
    if totals.requests > 0 && totals.granted_bytes.is_some() {
        blocks.push(Block::Say(bytes_explained(page.lang).to_owned()));
    }
    blocks.extend(missing(page));
    page.section("summary", ("At a glance", "De un vistazo"), blocks)
}

/// Explains the sums of bytes. Also used for the run of a command.
pub(in super::super) fn bytes_explained(lang: Lang) -> &'static str {
    lang.pick(
        "Requested: the sizes in the granted requests. Granted and released: what requests added to the virtual size and removed from it.",
        "Solicitada: los tamaños de las solicitudes concedidas. Concedida y liberada: lo que las solicitudes añadieron a la memoria virtual y lo que quitaron de ella.",
    )
}

fn nothing(page: &Page<'_>) -> String {
    let asked = &page.report.asked;
    if page.report.matches_nothing() {
        return match (&asked.name, asked.pid) {
            (Some(name), _) => {
                let name = memtap_model::visible(name);
                page.say(
                    format!("No process matches {name} in this range."),
                    format!("Ningún proceso coincide con {name} en este intervalo."),
                )
            }
            (None, pid) => {
                let pid = pid.unwrap_or_default();
                page.say(
                    format!("No process has pid {pid} in this range."),
                    format!("Ningún proceso tiene el pid {pid} en este intervalo."),
                )
            }
        };
    }
    let known = page.report.hosts.iter().map(|host| {
        let span = super::super::Span { from: host.first_time, to: host.last_time };
        format!("{} ({})", memtap_model::visible(&host.hostname), when::span(span, page.audience))
    });
    let known = known.collect::<Vec<_>>().join(", ");
    if known.is_empty() {
        return page
            .say("The history has no data in this range.", "El historial no tiene datos de este intervalo.")
            .to_owned();
    }
    page.say(
        format!("The history has no data in this range. It has data from {known}."),
        format!("El historial no tiene datos de este intervalo. Tiene datos de {known}."),
    )
}

fn figures(page: &Page<'_>) -> Vec<Figure> {
    let count = |label, kind, read: Read| {
        figure(page, label, kind, |it| read(it).map(Cell::Count), Cell::CountChange)
    };
    let bytes = |label, kind, read: Read| {
        figure(page, label, kind, |it| read(it).map(Cell::Bytes), Cell::BytesChange)
    };
    let (resident, virtual_size) = size_labels(page.report.asked.pid.is_some());
    vec![
        count(("Requests", "Solicitudes"), Kind::Requests, |it| Some(it.requests)),
        count(("Refused", "Rechazadas"), Kind::Requests, |it| Some(it.refused)),
        bytes(("Requested", "Memoria solicitada"), Kind::Bytes, |it| Some(it.requested_bytes)),
        bytes(("Granted", "Memoria concedida"), Kind::Bytes, |it| it.granted_bytes),
        bytes(("Released", "Memoria liberada"), Kind::Bytes, |it| it.released_bytes),
        bytes(resident, Kind::Processes, |it| it.peak_resident_bytes),
        bytes(virtual_size, Kind::Processes, |it| it.peak_virtual_bytes),
        bytes(("Least available memory", "Memoria disponible mínima"), Kind::Machine, |it| {
            it.least_available_bytes
        }),
        pressure(page),
        count(("Processes", "Procesos"), Kind::Processes, |it| Some(it.processes)),
        count(("Short-lived processes", "Procesos breves"), Kind::Processes, |it| Some(it.short_lived)),
        count(("OOM kills", "Muertes por OOM"), Kind::Requests, |it| Some(it.oom_kills)),
    ]
}

type Label = (&'static str, &'static str);

/// Labels of the sizes. For one process they are the kernel's high-water marks; for several, only
/// the highest sum at a sample is known.
fn size_labels(is_one: bool) -> (Label, Label) {
    if is_one {
        (("Resident peak", "Pico residente"), ("Virtual peak", "Pico virtual"))
    } else {
        (
            ("Highest resident memory", "Memoria residente máxima"),
            ("Highest virtual memory", "Memoria virtual máxima"),
        )
    }
}

fn figure(
    page: &Page<'_>,
    label: Label,
    kind: Kind,
    read: impl Fn(&Totals) -> Option<Cell>,
    change: fn(u64, u64) -> Cell,
) -> Figure {
    let cell = |totals: &Totals| match kind {
        _ if !totals.has_data => Cell::None,
        Kind::Requests if !totals.requests_visible => Cell::Words(not_visible(page.lang).to_owned()),
        Kind::Bytes if !totals.requests_visible => Cell::None,
        _ => read(totals).unwrap_or(Cell::None),
    };
    let now = cell(&page.report.totals);
    let compared = page.report.compared.as_ref().map(|before| {
        let before = cell(before);
        let change = match (&before, &now) {
            (Cell::Count(from), Cell::Count(to)) | (Cell::Bytes(from), Cell::Bytes(to)) => change(*from, *to),
            (Cell::Percent(from), Cell::Percent(to)) => Cell::PercentChange(*from, *to),
            _ => Cell::None,
        };
        (before, change)
    });
    Figure { label: page.say(label.0, label.1), kind, cell: now, compared }
}

fn pressure(page: &Page<'_>) -> Figure {
    let label = ("Highest memory pressure", "Presión de memoria máxima");
    figure(page, label, Kind::Machine, |it| it.highest_pressure.map(Cell::Percent), Cell::CountChange)
}

pub(super) fn findings(page: &Page<'_>) -> Section {
    let report = page.report;
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|finding| FindingBlock {
            severity: finding.severity,
            severity_word: severity_word(page, finding.severity),
            sentence: memtap_model::visible(finding.sentence.text(page.lang)),
            evidence: finding
                .evidence
                .iter()
                .map(|figure| (figure.label.text(page.lang).to_owned(), amount(page, figure.value.0)))
                .collect(),
            advice: memtap_model::visible(finding.advice.text(page.lang)),
        })
        .collect();
    let mut blocks = Vec::new();
    if findings.is_empty() {
        blocks.push(Block::Say(
            page.say(
                "Nothing that needs attention was found in this range.",
                "En este intervalo no se encontró nada que requiera atención.",
            )
            .to_owned(),
        ));
    } else {
        blocks.push(Block::Findings(findings));
    }
    if !report.not_looked_at.is_empty() {
        let reasons: Vec<&str> = report.not_looked_at.iter().map(|why| why.text(page.lang)).collect();
        blocks.push(Block::Say(format!(
            "{} {}",
            page.say("Not checked:", "Sin revisar:"),
            reasons.join(" ")
        )));
    }
    page.section("findings", ("Findings", "Hallazgos"), blocks)
}

fn amount(page: &Page<'_>, value: crate::Value) -> String {
    match value {
        crate::Value::Time(at) => when::second(super::At(at), page.audience),
        value => value.text(page.lang),
    }
}

fn severity_word(page: &Page<'_>, severity: Severity) -> &'static str {
    match severity {
        Severity::Serious => page.say("Serious", "Grave"),
        Severity::Warning => page.say("Warning", "Aviso"),
        Severity::Notice => page.say("Notice", "Nota"),
    }
}

pub(super) fn comparison(page: &Page<'_>) -> Option<Section> {
    let compared = page.report.compared?;
    let this = page.report.asked.span;
    let other = page.report.asked.compared?;
    let title = ("Comparison", "Comparación");
    if !compared.has_data {
        let none = page.say(
            "The history has no data in the compared range, so there is nothing to compare with.",
            "El historial no tiene datos del intervalo de comparación, así que no hay con qué comparar.",
        );
        return Some(page.section("comparison", title, vec![Block::Warn(none.to_owned())]));
    }
    let rows = figures(page).into_iter().filter_map(|figure| {
        let (before, change) = figure.compared?;
        let is_known = figure.cell != Cell::None || before != Cell::None;
        is_known.then(|| vec![Cell::Words(figure.label.to_owned()), before, figure.cell, change])
    });
    let table = Table {
        caption: page.say("The two ranges", "Los dos intervalos").to_owned(),
        columns: vec![
            page.text_column("Figure", "Cifra"),
            super::Column(when::span(other, page.audience), true),
            super::Column(when::span(this, page.audience), true),
            page.number_column("Change", "Cambio"),
        ],
        rows: rows.collect(),
    };
    let mut blocks = vec![Block::Table(table)];
    if (this.seconds() - other.seconds()).abs() > 1.0 {
        blocks.insert(
            0,
            Block::Warn(
                page.say(
                    "The two ranges differ in length. Sums grow with the length, sizes do not.",
                    "Los dos intervalos no duran lo mismo. Las sumas crecen con la duración; los tamaños, no.",
                )
                .to_owned(),
            ),
        );
    }
    Some(page.section("comparison", title, blocks))
}
