//! Outline of a run.

use super::super::chart::{Chart, Colour, Layer, Unit};
use super::super::outline::{Block, Cell, Column, Outline, Section, Table, Tile, bytes_explained};
use super::super::{At, Audience, when};
use super::Run;
use crate::{Lang, refusal_meaning};
use memtap_model::visible;

/// A run and its readers.
struct Page<'a> {
    run: &'a Run,
    audience: &'a Audience,
    lang: Lang,
}

pub(super) fn outline(run: &Run, audience: &Audience) -> Outline {
    let page = Page { run, audience, lang: audience.lang };
    let sections =
        [Some(page.summary()), Some(page.calls()), page.refusals(), page.largest(), page.processes()];
    let whole = visible(&run.command);
    Outline {
        title: page.say(format!("Memory of {whole}"), format!("Memoria de {whole}")),
        facts: page.facts(),
        sections: sections.into_iter().flatten().collect(),
        made: page.say(
            format!("Traced by memtap {} (source: {}).", run.memtap, run.source),
            format!("Rastreado por memtap {} (fuente: {}).", run.memtap, run.source),
        ),
    }
}

impl Page<'_> {
    fn say<T>(&self, english: T, spanish: T) -> T {
        self.lang.pick(english, spanish)
    }

    fn column(&self, english: &str, spanish: &str, is_number: bool) -> Column {
        Column(self.say(english, spanish).to_owned(), is_number)
    }

    fn section(&self, id: &'static str, title: (&'static str, &'static str), blocks: Vec<Block>) -> Section {
        Section { id, title: self.say(title.0, title.1), blocks }
    }

    fn facts(&self) -> Vec<(String, String)> {
        let end = match self.run.signal {
            Some(signal) => self.say(format!("killed by {signal}"), format!("terminado por {signal}")),
            None => self.say(
                format!("exit status {}", self.run.status),
                format!("estado de salida {}", self.run.status),
            ),
        };
        let began = format!(
            "{} {}",
            when::second(self.run.span.from, self.audience),
            when::zone(self.run.span.from, self.audience)
        );
        [
            (self.say("Started", "Inicio"), began),
            (self.say("Duration", "Duración"), self.seconds(self.run.span.seconds())),
            (self.say("Ended", "Final"), end),
        ]
        .map(|(label, value)| (label.to_owned(), value))
        .into()
    }

    fn seconds(&self, seconds: f64) -> String {
        let digits = if seconds < 10.0 { 3 } else { 1 };
        format!("{} s", crate::decimal(seconds.max(0.0), digits, self.lang))
    }

    fn summary(&self) -> Section {
        let run = self.run;
        let tile = |english: &'static str, spanish: &'static str, cell| Tile {
            label: self.say(english, spanish),
            cell,
            compared: None,
        };
        let mut blocks = vec![
            Block::Tiles(vec![
                tile("Peak virtual size", "Pico de memoria virtual", Cell::Bytes(run.peak_virtual_bytes)),
                tile("Peak resident set", "Pico de memoria residente", Cell::Bytes(run.peak_resident_bytes)),
                tile("Requests", "Solicitudes", Cell::Count(run.requests())),
                tile("Refused", "Rechazadas", Cell::Count(run.refused())),
                tile("Requested", "Memoria solicitada", Cell::Bytes(run.requested_bytes)),
                tile("Granted", "Memoria concedida", Cell::Bytes(run.granted_bytes)),
                tile("Released", "Memoria liberada", Cell::Bytes(run.released_bytes)),
                tile("Processes", "Procesos", Cell::Count(run.processes.len() as u64 + run.left_out)),
            ]),
            Block::Say(bytes_explained(self.lang).to_owned()),
            Block::Chart(self.chart()),
        ];
        if run.lost > 0 {
            let lost = crate::count(run.lost, self.lang);
            blocks.push(Block::Warn(self.say(
                format!("{lost} requests were not recorded one by one. The sums include them."),
                format!("{lost} solicitudes no se registraron una a una. Las sumas las incluyen."),
            )));
        }
        self.section("summary", ("Summary", "Resumen"), blocks)
    }

    fn chart(&self) -> Chart {
        let run = self.run;
        let peak = crate::bytes(run.peak_virtual_bytes, self.lang);
        let begin = run.span.from.0.0;
        let times = (0..run.timeline.len()).map(|step| {
            At(memtap_model::WallClock(begin.saturating_add((step as f64 * run.step_s * 1e9) as i64)))
        });
        Chart {
            title: self.say("Virtual size over time", "Memoria virtual a lo largo del tiempo").to_owned(),
            description: self.say(format!("The peak was {peak}."), format!("El pico fue de {peak}.")),
            span: run.span,
            step_s: run.step_s,
            times: times.collect(),
            layers: vec![Layer {
                label: self.say("All processes", "Todos los procesos").to_owned(),
                colour: Colour::Named("programs"),
                values: run.timeline.iter().map(|bytes| *bytes as f64).collect(),
            }],
            marks: Vec::new(),
            unit: Unit::Bytes,
            top: None,
        }
    }

    fn calls(&self) -> Section {
        let rows = self.run.calls.iter().map(|(call, totals)| {
            vec![
                Cell::Code(call.name().to_owned()),
                Cell::Count(totals.count),
                if totals.requested_bytes == 0 { Cell::None } else { Cell::Bytes(totals.requested_bytes) },
                Cell::Count(totals.refused),
            ]
        });
        let table = Table {
            caption: self.say("Requests by call", "Solicitudes por llamada").to_owned(),
            columns: vec![
                self.column("Call", "Llamada", false),
                self.column("Requests", "Solicitudes", true),
                self.column("Requested", "Memoria solicitada", true),
                self.column("Refused", "Rechazadas", true),
            ],
            rows: rows.collect(),
        };
        self.section("calls", ("Requests by call", "Solicitudes por llamada"), vec![Block::Table(table)])
    }

    fn refusals(&self) -> Option<Section> {
        let refusals = &self.run.refusals;
        let rows = refusals.iter().map(|refusals| {
            vec![
                Cell::Code(refusals.call.name().to_owned()),
                Cell::Code(refusals.errno.to_string()),
                Cell::Count(refusals.count),
                Cell::Words(refusal_meaning(refusals.call, refusals.errno).text(self.lang).to_owned()),
            ]
        });
        let table = Table {
            caption: self.say("Refused requests", "Solicitudes rechazadas").to_owned(),
            columns: vec![
                self.column("Call", "Llamada", false),
                self.column("Errno", "Errno", false),
                self.column("Count", "Veces", true),
                self.column("What it means", "Qué significa", false),
            ],
            rows: rows.collect(),
        };
        let section = || {
            self.section("refused", ("Refused requests", "Solicitudes rechazadas"), vec![Block::Table(table)])
        };
        (!refusals.is_empty()).then(section)
    }

    fn largest(&self) -> Option<Section> {
        let largest = &self.run.largest;
        let rows = largest.iter().map(|request| {
            let outcome = match request.refused {
                Some(errno) => self.say(format!("refused: {errno}"), format!("rechazada: {errno}")),
                None => self.say("granted", "concedida").to_owned(),
            };
            let what = request.file.as_deref().map_or_else(|| request.words.clone(), str::to_owned);
            vec![
                Cell::Bytes(request.requested_bytes),
                Cell::Code(request.call.name().to_owned()),
                Cell::Name(request.name.clone()),
                Cell::Code(request.pid.to_string()),
                Cell::Words(self.seconds(request.after_s)),
                Cell::Words(outcome),
                if what.is_empty() { Cell::None } else { Cell::Name(what) },
            ]
        });
        let table = Table {
            caption: self
                .say("The largest requests for memory", "Las solicitudes de memoria más grandes")
                .to_owned(),
            columns: vec![
                self.column("Size", "Tamaño", true),
                self.column("Call", "Llamada", false),
                self.column("Process", "Proceso", false),
                self.column("Pid", "Pid", true),
                self.column("After start", "Tras el inicio", true),
                self.column("Outcome", "Resultado", false),
                self.column("File or arguments", "Archivo o argumentos", false),
            ],
            rows: rows.collect(),
        };
        let section = || {
            self.section(
                "largest",
                ("Largest requests", "Solicitudes más grandes"),
                vec![Block::Table(table)],
            )
        };
        (!largest.is_empty()).then(section)
    }

    /// Lists the processes, unless there is only one: the summary covers it.
    fn processes(&self) -> Option<Section> {
        let processes = &self.run.processes;
        let rows = processes.iter().map(|process| {
            vec![
                Cell::Code(process.pid.to_string()),
                Cell::Name(process.command.clone()),
                Cell::Bytes(process.peak_virtual_bytes),
                Cell::Bytes(process.peak_resident_bytes),
                Cell::Count(process.requests),
                Cell::Bytes(process.requested_bytes),
                Cell::Count(process.refused),
                Cell::Words(self.seconds(process.seconds)),
            ]
        });
        let table = Table {
            caption: self.say("Processes", "Procesos").to_owned(),
            columns: vec![
                self.column("Pid", "Pid", true),
                self.column("Command", "Orden", false),
                self.column("Peak virtual", "Pico virtual", true),
                self.column("Peak resident", "Pico residente", true),
                self.column("Requests", "Solicitudes", true),
                self.column("Requested", "Memoria solicitada", true),
                self.column("Refused", "Rechazadas", true),
                self.column("Lifetime", "Duración", true),
            ],
            rows: rows.collect(),
        };
        let mut blocks = vec![Block::Table(table)];
        if self.run.left_out > 0 {
            let left_out = crate::count(self.run.left_out, self.lang);
            blocks.push(Block::Say(self.say(
                format!("{left_out} more processes are not listed. The sums include them."),
                format!("Otros {left_out} procesos no aparecen en la lista. Las sumas los incluyen."),
            )));
        }
        let section = || self.section("processes", ("Processes", "Procesos"), blocks);
        (processes.len() > 1).then(section)
    }
}
