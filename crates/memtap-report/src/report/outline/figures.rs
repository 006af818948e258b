//! The figures that say most, what should be known, and the two ranges side by side.

use super::super::when;
use super::{Block, Cell, FindingBlock, Page, Section, Table, Tile};
use crate::{Severity, Totals};

/// A figure of the totals: its name, what it is, how it changed.
struct Figure {
    label: &'static str,
    cell: Cell,
    compared: Option<(Cell, Cell)>,
}

type Read = fn(&Totals) -> Option<u64>;

pub(super) fn summary(page: &Page<'_>) -> Section {
    let totals = &page.report.totals;
    let mut blocks = Vec::new();
    if totals.processes == 0 && totals.requests == 0 {
        blocks.push(Block::Warn(nothing(page)));
    }
    let tiles = figures(page).into_iter().filter(|figure| figure.cell != Cell::None);
    let tile = |figure: Figure| Tile { label: figure.label, cell: figure.cell, compared: figure.compared };
    blocks.push(Block::Tiles(tiles.map(tile).collect()));
    blocks.extend(missing(page));
    page.section("summary", ("At a glance", "De un vistazo"), blocks)
}

fn nothing(page: &Page<'_>) -> String {
    let known = page.report.hosts.iter().map(|host| {
        let span = super::super::Span { from: host.first_time, to: host.last_time };
        format!("{} ({})", super::visible(&host.hostname), when::span(span, page.audience))
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
    let count =
        |english, spanish, read: Read| figure(page, (english, spanish), read, Cell::Count, Cell::CountChange);
    let bytes =
        |english, spanish, read: Read| figure(page, (english, spanish), read, Cell::Bytes, Cell::BytesChange);
    vec![
        count("Requests", "Solicitudes", |it| Some(it.requests)),
        count("Refused", "Rechazadas", |it| Some(it.refused)),
        bytes("Requested", "Memoria solicitada", |it| Some(it.requested_bytes)),
        bytes("Granted", "Memoria concedida", |it| it.granted_bytes),
        bytes("Released", "Memoria liberada", |it| it.released_bytes),
        bytes("Highest resident memory", "Memoria residente máxima", |it| it.peak_resident_bytes),
        bytes("Highest virtual memory", "Memoria virtual máxima", |it| it.peak_virtual_bytes),
        bytes("Least available memory", "Memoria disponible mínima", |it| it.least_available_bytes),
        pressure(page),
        count("Processes", "Procesos", |it| Some(it.processes)),
        count("Short-lived processes", "Procesos breves", |it| Some(it.short_lived)),
        count("OOM kills", "Muertes por falta de memoria", |it| Some(it.oom_kills)),
    ]
}

fn figure(
    page: &Page<'_>,
    label: (&'static str, &'static str),
    read: Read,
    cell: fn(u64) -> Cell,
    change: fn(u64, u64) -> Cell,
) -> Figure {
    let now = read(&page.report.totals);
    let before = page.report.compared.as_ref().map(|before| match (read(before), now) {
        (Some(before), Some(now)) => (cell(before), change(before, now)),
        (before, _) => (before.map_or(Cell::None, cell), Cell::None),
    });
    Figure { label: page.say(label.0, label.1), cell: now.map_or(Cell::None, cell), compared: before }
}

fn pressure(page: &Page<'_>) -> Figure {
    let now = page.report.totals.highest_pressure;
    let before = page.report.compared.as_ref().map(|before| match (before.highest_pressure, now) {
        (Some(before), Some(now)) => (Cell::Percent(before), Cell::PercentChange(before, now)),
        (before, _) => (before.map_or(Cell::None, Cell::Percent), Cell::None),
    });
    Figure {
        label: page.say("Highest memory pressure", "Presión de memoria máxima"),
        cell: now.map_or(Cell::None, Cell::Percent),
        compared: before,
    }
}

/// What is missing in the figures, honestly; and that nothing is, where that is known.
fn missing(page: &Page<'_>) -> Vec<Block> {
    let (missing, report) = (&page.report.missing, page.report);
    let mut blocks = Vec::new();
    let mut warn = |english: String, spanish: String| blocks.push(Block::Warn(page.say(english, spanish)));
    if missing.lost > 0 {
        let lost = page.count(missing.lost);
        let part = missing.lost as f64 * 100.0 / report.totals.requests.max(missing.lost) as f64;
        let part = crate::decimal(part, 2, page.lang);
        warn(
            format!(
                "The records of {lost} requests ({part} %) were lost between the kernel and memtap. The totals (requests, bytes, refusals, process sizes) \
                 are kept in the kernel and include them. The lists of requests, frequent sizes and reasons for refusals may be incomplete."
            ),
            format!(
                "Los registros de {lost} solicitudes ({part} %) se perdieron entre el núcleo y memtap. Los totales (solicitudes, bytes, rechazos, tamaños \
                 de procesos) se llevan en el núcleo y las incluyen. Las listas de solicitudes, de tamaños frecuentes y de motivos de rechazo pueden estar incompletas."
            ),
        );
    }
    if let Some(at) = missing.before {
        let at = when::second(at, page.audience);
        warn(
            format!("The history begins at {at}. There is no data before that time."),
            format!("El historial empieza el {at}. No hay datos anteriores."),
        );
    }
    if let Some(at) = missing.after {
        let at = when::second(at, page.audience);
        warn(
            format!("The history ends at {at}. There is no data after that time."),
            format!("El historial termina el {at}. No hay datos posteriores."),
        );
    }
    if missing.processes > 0 {
        let more = page.count(missing.processes);
        warn(
            format!(
                "{more} processes with few requests were not read one by one. They may be missing from the short-lived processes and from the changes by program."
            ),
            format!(
                "{more} procesos con pocas solicitudes no se leyeron uno por uno. Pueden faltar entre los procesos breves y en los cambios por programa."
            ),
        );
    }
    if let Some(at) = missing.requests_since {
        let at = when::second(at, page.audience);
        warn(
            format!(
                "Requests by call are counted from {at} on, because the range has too many to count them all."
            ),
            format!(
                "Las solicitudes por llamada se cuentan desde el {at}, porque el intervalo tiene demasiadas para contarlas todas."
            ),
        );
    }
    if blocks.is_empty() && report.memory.is_some() {
        blocks.push(Block::Say(
            page.say(
                "No record was lost between the kernel and memtap in this range. The Health view shows whether the store dropped any data.",
                "En este intervalo no se perdió ningún registro entre el núcleo y memtap. La vista Estado muestra si el almacén descartó datos.",
            )
            .to_owned(),
        ));
    }
    blocks
}

pub(super) fn findings(page: &Page<'_>) -> Section {
    let report = page.report;
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|told| FindingBlock {
            severity: told.severity,
            severity_word: severity_word(page, told.severity),
            sentence: super::visible(told.sentence.text(page.lang)),
            evidence: told
                .evidence
                .iter()
                .map(|figure| (figure.label.text(page.lang).to_owned(), amount(page, figure.value.0)))
                .collect(),
            advice: super::visible(told.advice.text(page.lang)),
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
    page.report.compared?;
    let this = page.report.asked.span;
    let other = page.report.asked.compared?;
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
    Some(page.section("comparison", ("Comparison", "Comparación"), blocks))
}
