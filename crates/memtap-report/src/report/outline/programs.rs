//! Programs and processes.

use memtap_history::Measure;

use super::super::chart::{Chart, Colour, Layer, Unit};
use super::super::{Process, ProgramSum, Ranking, colours, when};
use super::{Block, Cell, Page, Section, Table};

pub(super) fn resident(page: &Page<'_>) -> Option<Section> {
    let resident = &page.report.resident;
    let largest = resident.programs.first()?;
    let slots = colours::slots(resident.programs.iter().map(|program| program.name.as_str()));
    // Layers are stacked from the bottom, in this order.
    let layers = resident.programs.iter().zip(slots).map(|(program, slot)| Layer {
        label: memtap_model::visible(&program.name),
        colour: Colour::Slot(slot),
        values: program.series.iter().map(|(_, value)| *value as f64).collect(),
    });
    let name = memtap_model::visible(&largest.name);
    let chart = Chart {
        title: page
            .say("Resident memory of the largest programs", "Memoria residente de los programas más grandes")
            .to_owned(),
        description: page.say(
            format!("The largest is {name}. Shared memory counts once for each process."),
            format!("El más grande es {name}. La memoria compartida cuenta una vez por proceso."),
        ),
        span: page.report.asked.span,
        step_s: resident.step_s,
        times: largest.series.iter().map(|(at, _)| *at).collect(),
        layers: layers.collect(),
        marks: Vec::new(),
        unit: Unit::Bytes,
        top: None,
    };
    let title = ("Programs over time", "Los programas a lo largo del tiempo");
    Some(page.section("resident", title, vec![Block::Chart(chart)]))
}

pub(super) fn rankings(page: &Page<'_>) -> Option<Section> {
    let rankings = page.report.programs.iter().filter(|ranking| !ranking.programs.is_empty());
    let tables: Vec<Table> = rankings.map(|ranking| table(page, ranking)).collect();
    if tables.is_empty() {
        return None;
    }
    let about = page.say(
        "Processes with the same name are added up. Changes are from the start of the range to its end.",
        "Se suman los procesos del mismo nombre. Los cambios van del principio al final del intervalo.",
    );
    let sizes = if page.report.asked.pid.is_some() {
        peak_explained(page)
    } else {
        page.say(
            "The highest size is the highest sum at a sample; between samples it may have been higher.",
            "El tamaño máximo es la suma más alta en una muestra; entre dos muestras pudo ser mayor.",
        )
    };
    let about = format!("{about} {sizes}");
    let blocks = vec![Block::Say(about), Block::Tables(tables)];
    Some(page.section("programs", ("Top programs", "Programas principales"), blocks))
}

fn caption(page: &Page<'_>, by: Measure) -> &'static str {
    match by {
        Measure::Requested => page.say("By memory requested", "Por memoria solicitada"),
        Measure::Granted => page.say("By memory granted", "Por memoria concedida"),
        // For one process the peak is known; for several, only the highest sum at a sample.
        Measure::Resident if page.report.asked.pid.is_some() => {
            page.say("By resident peak", "Por pico residente")
        }
        Measure::Virtual if page.report.asked.pid.is_some() => {
            page.say("By virtual peak", "Por pico virtual")
        }
        Measure::Resident => page.say("By highest resident memory", "Por memoria residente máxima"),
        Measure::Virtual => page.say("By highest virtual memory", "Por memoria virtual máxima"),
        Measure::Requests => page.say("By requests", "Por solicitudes"),
        Measure::Refused => page.say("By refused requests", "Por solicitudes rechazadas"),
    }
}

fn table(page: &Page<'_>, ranking: &Ranking) -> Table {
    let is_count = matches!(ranking.by, Measure::Requests | Measure::Refused);
    let is_size = matches!(ranking.by, Measure::Resident | Measure::Virtual);
    let amount = |value: u64| if is_count { Cell::Count(value) } else { Cell::Bytes(value) };
    let change =
        |from: u64, to: u64| if is_count { Cell::CountChange(from, to) } else { Cell::BytesChange(from, to) };
    let is_compared = page.report.compared.is_some_and(|compared| compared.has_data);
    let most = ranking.programs.first().map_or(1, |program| program.value.max(1));
    let row = |program: &ProgramSum| {
        let mut row = vec![
            Cell::Name(program.name.clone()),
            Cell::Count(program.processes),
            amount(program.value),
            Cell::Share(program.value as f64 / most as f64),
        ];
        if is_size {
            let change = program.at_start.zip(program.at_end).map(|(start, end)| change(start, end));
            row.push(change.unwrap_or(Cell::None));
        }
        if is_compared {
            row.push(program.compared.map_or(Cell::None, |before| change(before, program.value)));
        }
        row
    };
    let mut rows: Vec<_> = ranking.programs.iter().map(row).collect();
    if ranking.other_programs > 0 && ranking.other_value > 0 {
        let more = page.count(ranking.other_programs);
        let others = page.say(format!("{more} others"), format!("otros {more}"));
        let mut row = vec![Cell::Words(others), Cell::None, amount(ranking.other_value), Cell::None];
        row.resize(4 + usize::from(is_size) + usize::from(is_compared), Cell::None);
        rows.push(row);
    }
    let mut columns = vec![
        page.text_column("Program", "Programa"),
        page.number_column("Processes", "Procesos"),
        page.number_column(
            if is_count { "Requests" } else { "Memory" },
            if is_count { "Solicitudes" } else { "Memoria" },
        ),
        page.text_column("Relative to the first", "Respecto al primero"),
    ];
    if is_size {
        columns.push(page.number_column("Change", "Cambio"));
    }
    if is_compared {
        columns.push(page.number_column("vs. other range", "Frente al otro intervalo"));
    }
    Table { caption: caption(page, ranking.by).to_owned(), columns, rows }
}

pub(super) fn processes(page: &Page<'_>) -> Option<Section> {
    let processes = &page.report.processes;
    if processes.is_empty() {
        return None;
    }
    let rows = processes.iter().map(|process| {
        vec![
            page.process(&process.host, &process.name),
            Cell::Code(process.pid.to_string()),
            owner(process),
            Cell::Bytes(process.peak_resident_bytes),
            Cell::Time(process.peak_resident_time),
            Cell::Bytes(process.resident_bytes),
            Cell::BytesChange(process.before_resident_bytes, process.resident_bytes),
            Cell::Bytes(process.peak_virtual_bytes),
        ]
    });
    let table = Table {
        caption: page.say("Processes by resident peak", "Procesos por pico residente").to_owned(),
        columns: vec![
            page.text_column("Process", "Proceso"),
            page.number_column("Pid", "Pid"),
            page.text_column("Owner", "Propietario"),
            page.number_column("Resident peak", "Pico residente"),
            page.text_column("When", "Cuándo"),
            page.number_column("At the end", "Al final"),
            page.number_column("Change", "Cambio"),
            page.number_column("Virtual peak", "Pico virtual"),
        ],
        rows: rows.collect(),
    };
    Some(page.section(
        "processes",
        ("Largest processes", "Procesos más grandes"),
        vec![Block::Say(peak_explained(page).to_owned()), Block::Table(table)],
    ))
}

fn peak_explained(page: &Page<'_>) -> &'static str {
    page.say(
        "A peak is the highest size of one process, which the kernel also records between samples.",
        "Un pico es el tamaño máximo de un proceso, que el núcleo registra también entre dos muestras.",
    )
}

/// Container, unit or user of a process: the narrowest that is known.
fn owner(process: &Process) -> Cell {
    let known = [process.container.as_deref(), process.unit.as_deref(), Some(process.user.as_str())];
    let known = known.into_iter().flatten().find(|text| !text.is_empty());
    known.map_or(Cell::None, |text| Cell::Name(text.to_owned()))
}

pub(super) fn requesters(page: &Page<'_>) -> Option<Section> {
    let processes = &page.report.requesters;
    if processes.is_empty() {
        return None;
    }
    let rows = processes.iter().map(|process| {
        vec![
            page.process(&process.host, &process.name),
            Cell::Code(process.pid.to_string()),
            owner(process),
            Cell::Count(process.requests),
            Cell::PerSecond(process.requests as f64 / process.lived_s.max(1.0)),
            Cell::Count(process.refused),
            Cell::Bytes(process.requested_bytes),
        ]
    });
    let table = Table {
        caption: page.say("Processes by number of requests", "Procesos por número de solicitudes").to_owned(),
        columns: vec![
            page.text_column("Process", "Proceso"),
            page.number_column("Pid", "Pid"),
            page.text_column("Owner", "Propietario"),
            page.number_column("Requests", "Solicitudes"),
            page.number_column("Per second", "Por segundo"),
            page.number_column("Refused", "Rechazadas"),
            page.number_column("Requested", "Memoria solicitada"),
        ],
        rows: rows.collect(),
    };
    let title = ("Processes with the most requests", "Procesos con más solicitudes");
    Some(page.section("requesters", title, vec![Block::Table(table)]))
}

pub(super) fn short_lived(page: &Page<'_>) -> Option<Section> {
    let short = &page.report.short_lived;
    if short.processes == 0 {
        return None;
    }
    let sees_requests = page.report.totals.requests_visible;
    let rows = short.programs.iter().map(|program| {
        let mut row = vec![Cell::Name(program.name.clone()), Cell::Count(program.processes)];
        if sees_requests {
            row.extend([Cell::Count(program.requests), Cell::Bytes(program.requested_bytes)]);
        }
        row
    });
    let mut columns =
        vec![page.text_column("Program", "Programa"), page.number_column("Processes", "Procesos")];
    if sees_requests {
        columns.push(page.number_column("Requests", "Solicitudes"));
        columns.push(page.number_column("Requested", "Memoria solicitada"));
    }
    let table = Table {
        caption: page
            .say("Programs with the most short-lived processes", "Programas con más procesos breves")
            .to_owned(),
        columns,
        rows: rows.collect(),
    };
    let title = ("Short-lived processes", "Procesos breves");
    let blocks = vec![Block::Say(short_lived_sentence(page)), Block::Table(table)];
    Some(page.section("short-lived", title, blocks))
}

fn short_lived_sentence(page: &Page<'_>) -> String {
    let short = &page.report.short_lived;
    let below = when::length(short.below_s, page.lang);
    let (processes, requests) = (page.count(short.processes), page.count(short.requests));
    let bytes = page.bytes(short.requested_bytes);
    let lived = match short.processes {
        1 => page.say(
            format!("1 process started and ended within the range, in less than {below}."),
            format!("1 proceso empezó y terminó dentro del intervalo, en menos de {below}."),
        ),
        _ => page.say(
            format!("{processes} processes started and ended within the range, each in less than {below}."),
            format!("{processes} procesos empezaron y terminaron dentro del intervalo, cada uno en menos de {below}."),
        ),
    };
    if !page.report.totals.requests_visible {
        return lived;
    }
    let made = page.say(
        format!("Requests made: {requests}; memory requested: {bytes}."),
        format!("Solicitudes hechas: {requests}; memoria solicitada: {bytes}."),
    );
    format!("{lived} {made}")
}
