//! Memory of the machine, and the processes that the kernel killed because memory ran out.

use super::super::chart::{Chart, Colour, Layer, Mark, Unit};
use super::super::{MemoryPoint, when};
use super::{Block, Cell, Page, Section, Table};

pub(super) fn machine(page: &Page<'_>) -> Option<Section> {
    let memory = page.report.memory.as_ref()?;
    let mut blocks = vec![Block::Chart(chart(page)?), Block::Table(table(page)?)];
    let at = when::second(memory.least_available_time, page.audience);
    let (least, total) = (page.bytes(memory.least_available_bytes), page.bytes(memory.total_bytes));
    blocks.push(Block::Say(page.say(
        format!("Least available: {least} of {total}, around {at}."),
        format!("Mínimo disponible: {least} de {total}, hacia el {at}."),
    )));
    let pressure = match memory.pressure {
        None => page
            .say(
                "This kernel does not measure memory pressure (PSI).",
                "Este núcleo no mide la presión de memoria (PSI).",
            )
            .to_owned(),
        Some(highest) if highest.some_avg10 <= 0.0 => page
            .say(
                "No task waited for memory: the pressure was 0 all the time.",
                "Ninguna tarea tuvo que esperar memoria: la presión fue 0 todo el tiempo.",
            )
            .to_owned(),
        Some(highest) => {
            let at = when::second(highest.timestamp, page.audience);
            let some = crate::decimal(highest.some_avg10, 1, page.lang);
            let full = crate::decimal(highest.full_avg10, 1, page.lang);
            page.say(
                format!("Highest memory pressure around {at}: over 10 seconds, some task waited for memory {some} % of the time, and all tasks did {full} % of the time."),
                format!("Presión de memoria máxima hacia el {at}: en 10 segundos, alguna tarea esperó memoria el {some} % del tiempo; todas las tareas, el {full} %."),
            )
        }
    };
    blocks.push(Block::Say(pressure));
    Some(page.section("memory", ("The machine's memory", "La memoria de la máquina"), blocks))
}

type Read = fn(&MemoryPoint) -> u64;

fn parts(page: &Page<'_>) -> [(&'static str, Colour, Read); 4] {
    [
        (page.say("Programs", "Programas"), Colour::Named("programs"), |point| point.programs_bytes),
        (page.say("Kernel", "Núcleo"), Colour::Named("kernel"), |point| point.kernel_bytes),
        (page.say("File cache", "Caché de archivos"), Colour::Named("cache"), |point| point.cached_bytes),
        (page.say("Free", "Libre"), Colour::Named("free"), |point| point.free_bytes),
    ]
}

fn chart(page: &Page<'_>) -> Option<Chart> {
    let memory = page.report.memory.as_ref()?;
    let layers = parts(page).map(|(label, colour, read)| Layer {
        label: label.to_owned(),
        colour,
        values: memory.points.iter().map(|point| read(point) as f64).collect(),
    });
    let least = Mark {
        at: memory.least_available_time,
        label: page.say("least available", "mínimo disponible").to_owned(),
        is_bad: false,
    };
    let kills = page.report.oom_kills.iter().map(|kill| Mark {
        at: kill.timestamp,
        label: page.say("OOM kill", "muerte por OOM").to_owned(),
        is_bad: true,
    });
    let (start, end) = (memory.at_start.available_bytes, memory.at_end.available_bytes);
    Some(Chart {
        title: page
            .say("The machine's memory over time", "La memoria de la máquina a lo largo del tiempo")
            .to_owned(),
        description: page.say(
            format!("Available memory went from {} to {}.", page.bytes(start), page.bytes(end)),
            format!("La memoria disponible pasó de {} a {}.", page.bytes(start), page.bytes(end)),
        ),
        span: page.report.asked.span,
        step_s: memory.step_s,
        times: memory.points.iter().map(|point| point.timestamp).collect(),
        layers: layers.into(),
        marks: std::iter::once(least).chain(kills).collect(),
        unit: Unit::Bytes,
        top: Some(memory.total_bytes as f64),
    })
}

fn table(page: &Page<'_>) -> Option<Table> {
    let memory = page.report.memory.as_ref()?;
    let available: (&str, Read) = (page.say("Available", "Disponible"), |point| point.available_bytes);
    let swap: (&str, Read) = (page.say("Swap in use", "Intercambio en uso"), |point| point.swap_used_bytes);
    let parts = parts(page).map(|(label, _, read)| (label, read));
    let rows = std::iter::once(available).chain(parts).chain(std::iter::once(swap)).map(|(label, read)| {
        let (start, end) = (read(&memory.at_start), read(&memory.at_end));
        vec![
            Cell::Words(label.to_owned()),
            Cell::Bytes(start),
            Cell::Bytes(end),
            Cell::BytesChange(start, end),
        ]
    });
    Some(Table {
        caption: page.say("At the start and at the end", "Al principio y al final").to_owned(),
        columns: vec![
            page.text_column("Part", "Parte"),
            page.number_column("Start", "Principio"),
            page.number_column("End", "Final"),
            page.number_column("Change", "Cambio"),
        ],
        rows: rows.collect(),
    })
}

pub(super) fn oom_kills(page: &Page<'_>) -> Section {
    let title = ("OOM kills", "Muertes por OOM");
    let kills = &page.report.oom_kills;
    if kills.is_empty() {
        let none = if page.report.totals.requests_visible {
            page.say("There were no OOM kills in this range.", "No hubo muertes por OOM en este intervalo.")
        } else {
            page.say(
                "OOM kills are not visible (source: procfs).",
                "Las muertes por OOM no son visibles (fuente: procfs).",
            )
        };
        return page.section("oom", title, vec![Block::Say(none.to_owned())]);
    }
    let rows = kills.iter().map(|kill| {
        vec![
            Cell::Time(kill.timestamp),
            page.process(&kill.host, &kill.name),
            Cell::Code(kill.pid.to_string()),
            Cell::Bytes(kill.resident_bytes),
            Cell::Name(kill.container.clone().unwrap_or_else(|| "–".to_owned())),
            Cell::Name(format!("{} ({})", kill.asker_name, kill.asker_pid)),
        ]
    });
    let table = Table {
        caption: page
            .say("Killed processes, latest first", "Procesos matados, los más recientes primero")
            .to_owned(),
        columns: vec![
            page.text_column("Time", "Hora"),
            page.text_column("Process", "Proceso"),
            page.number_column("Pid", "Pid"),
            page.number_column("Resident", "Residente"),
            page.text_column("Container", "Contenedor"),
            page.text_column("Requested the page", "Solicitó la página"),
        ],
        rows: rows.collect(),
    };
    page.section("oom", title, vec![Block::Table(table)])
}
