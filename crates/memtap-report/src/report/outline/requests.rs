//! Requests by call, the largest requests, the most frequent sizes, and refusals.

use super::super::chart::{Chart, Colour, Layer, Unit};
use super::{Block, Cell, Page, Section, Table};
use memtap_model::Call;

/// Number of calls that get their own layer in the chart.
const LAYERS: usize = 6;

pub(super) fn by_call(page: &Page<'_>) -> Option<Section> {
    let calls = &page.report.calls;
    let most = calls.calls.first()?.requests;
    let rows = calls.calls.iter().map(|call| {
        vec![
            Cell::Code(call.call.to_owned()),
            Cell::Count(call.requests),
            Cell::Share(call.requests as f64 / most.max(1) as f64),
            Cell::Count(call.refused),
            if call.requested_bytes == 0 { Cell::None } else { Cell::Bytes(call.requested_bytes) },
        ]
    });
    let table = Table {
        caption: page.say("Requests by call", "Solicitudes por llamada").to_owned(),
        columns: vec![
            page.text_column("Call", "Llamada"),
            page.number_column("Requests", "Solicitudes"),
            page.text_column("Relative to the most frequent", "Respecto a la más frecuente"),
            page.number_column("Refused", "Rechazadas"),
            page.number_column("Requested", "Memoria solicitada"),
        ],
        rows: rows.collect(),
    };
    let chart = chart(page).map(Block::Chart);
    let mut blocks: Vec<Block> = chart.into_iter().chain([Block::Table(table)]).collect();
    let counted: u64 = calls.calls.iter().map(|call| call.requests).sum();
    if page.report.asked.name.is_some() && counted < page.report.totals.requests {
        let (counted, all) = (page.count(counted), page.count(page.report.totals.requests));
        blocks.push(Block::Say(page.say(
            format!("These are the {counted} of {all} requests that were made under a matching name. The processes made the others before an exec or a change of their name."),
            format!("Estas son las {counted} de {all} solicitudes hechas con un nombre que coincide. Los procesos hicieron las demás antes de un exec o de un cambio de nombre."),
        )));
    }
    Some(page.section("calls", ("Requests by call", "Solicitudes por llamada"), blocks))
}

fn chart(page: &Page<'_>) -> Option<Chart> {
    let calls = &page.report.calls;
    if calls.series.is_empty() {
        return None;
    }
    let rate = |count: u64| count as f64 / calls.step_s.max(1.0);
    let own: Vec<&str> = calls.calls.iter().map(|call| call.call).take(LAYERS).collect();
    let mut layers: Vec<Layer> = own
        .iter()
        .map(|call| Layer {
            label: (*call).to_owned(),
            // A call has the same colour in all reports.
            colour: Colour::Slot(Call::from_name(call).map_or(0, Call::index) % super::super::colours::SLOTS),
            values: calls
                .series
                .iter()
                .map(|point| rate(point.requests.get(call).copied().unwrap_or(0)))
                .collect(),
        })
        .collect();
    if calls.calls.len() > LAYERS {
        let others = calls.series.iter().map(|point| {
            let others = point.requests.iter().filter(|(call, _)| !own.contains(call));
            rate(others.map(|(_, count)| count).sum())
        });
        layers.push(Layer {
            label: page.say("Others", "Otras").to_owned(),
            colour: Colour::Named("others"),
            values: others.collect(),
        });
    }
    let totals = &page.report.totals;
    Some(Chart {
        title: page.say("Requests per second", "Solicitudes por segundo").to_owned(),
        description: page.say(
            format!("{} requests in all, most of them {}.", page.count(totals.requests), own.first()?),
            format!("{} solicitudes en total, sobre todo {}.", page.count(totals.requests), own.first()?),
        ),
        span: page.report.asked.span,
        step_s: calls.step_s,
        times: calls.series.iter().map(|point| point.timestamp).collect(),
        layers,
        marks: Vec::new(),
        unit: Unit::PerSecond,
        top: None,
    })
}

pub(super) fn largest(page: &Page<'_>) -> Option<Section> {
    let requests = &page.report.largest;
    if requests.is_empty() {
        return None;
    }
    let rows = requests.iter().map(|request| {
        vec![
            Cell::Bytes(request.requested_bytes),
            Cell::Code(request.call.to_owned()),
            page.process(&request.host, &request.name),
            Cell::Code(request.pid.to_string()),
            Cell::Time(request.timestamp),
            if request.arguments.is_empty() { Cell::None } else { Cell::Code(request.arguments.clone()) },
        ]
    });
    let table = Table {
        caption: page
            .say("The largest granted requests for memory", "Las mayores solicitudes de memoria concedidas")
            .to_owned(),
        columns: vec![
            page.number_column("Size", "Tamaño"),
            page.text_column("Call", "Llamada"),
            page.text_column("Process", "Proceso"),
            page.number_column("Pid", "Pid"),
            page.text_column("Time", "Hora"),
            page.text_column("Arguments", "Argumentos"),
        ],
        rows: rows.collect(),
    };
    let mut blocks = vec![Block::Table(table)];
    if let Some(since) = page.report.missing.largest_since {
        let since = super::when::second(since, page.audience);
        blocks.push(Block::Say(page.say(
            format!("Many requests have about this size. Only those since {since} were searched."),
            format!("Muchas solicitudes tienen más o menos este tamaño. Solo se revisaron las posteriores al {since}."),
        )));
    }
    Some(page.section("largest", ("Largest requests", "Solicitudes más grandes"), blocks))
}

pub(super) fn sizes(page: &Page<'_>) -> Option<Section> {
    let sizes = &page.report.sizes;
    let most = sizes.first()?.requests;
    let rows = sizes.iter().map(|size| {
        vec![
            Cell::Code(size.call.to_owned()),
            Cell::Bytes(size.size_bytes),
            Cell::Count(size.requests),
            Cell::Share(size.requests as f64 / most.max(1) as f64),
        ]
    });
    let table = Table {
        caption: page.say("The most frequent sizes", "Los tamaños más frecuentes").to_owned(),
        columns: vec![
            page.text_column("Call", "Llamada"),
            page.number_column("Size", "Tamaño"),
            page.number_column("Requests", "Solicitudes"),
            page.text_column("Relative to the most frequent", "Respecto al más frecuente"),
        ],
        rows: rows.collect(),
    };
    Some(page.section("sizes", ("Frequent sizes", "Tamaños frecuentes"), vec![Block::Table(table)]))
}

pub(super) fn refusals(page: &Page<'_>) -> Section {
    let title = ("Refused requests", "Solicitudes rechazadas");
    let refusals = &page.report.refusals;
    if refusals.is_empty() {
        let none = if page.report.totals.requests_visible {
            page.say(
                "The history has no refused requests in this range.",
                "El historial no tiene solicitudes rechazadas en este intervalo.",
            )
        } else {
            page.say(
                "Refused requests are not visible (source: procfs).",
                "Las solicitudes rechazadas no son visibles (fuente: procfs).",
            )
        };
        return page.section("refusals", title, vec![Block::Say(none.to_owned())]);
    }
    let rows = refusals.iter().map(|refusal| {
        vec![
            page.process(&refusal.host, &refusal.name),
            Cell::Code(refusal.call.to_owned()),
            Cell::Code(refusal.error.clone()),
            Cell::Count(refusal.requests),
            Cell::Count(refusal.processes),
            if refusal.largest_bytes == 0 { Cell::None } else { Cell::Bytes(refusal.largest_bytes) },
            Cell::Time(refusal.last_time),
            Cell::Words(refusal.meaning.text(page.lang).to_owned()),
        ]
    });
    let table = Table {
        caption: page.say("By program, call and reason", "Por programa, llamada y motivo").to_owned(),
        columns: vec![
            page.text_column("Program", "Programa"),
            page.text_column("Call", "Llamada"),
            page.text_column("Errno", "Errno"),
            page.number_column("Requests", "Solicitudes"),
            page.number_column("Processes", "Procesos"),
            page.number_column("Largest", "Mayor"),
            page.text_column("Latest", "Última"),
            page.text_column("What it means", "Qué significa"),
        ],
        rows: rows.collect(),
    };
    page.section("refusals", title, vec![Block::Table(table)])
}
