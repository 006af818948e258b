//! A report as one table for spreadsheets, one figure per line. Filter it by `section` and
//! `measure`, or build a pivot table. Names of sections, measures and units, and all texts, are
//! English in every language: they are an interface, like those of the JSON form.
//!
//! | column | content |
//! | --- | --- |
//! | `section` | section of the report |
//! | `host`, `name`, `pid`, `call`, `error` | subject of the figure, as far as these apply |
//! | `time` | time of the figure, RFC 3339 |
//! | `measure` | quantity that is measured |
//! | `value` | a plain number, or a text |
//! | `unit` | bytes, count, percent, per_second, seconds, time or text |

use std::borrow::Cow;

use memtap_history::Measure;

use super::outline::not_visible;
use super::{At, MemoryPoint, Process, Report, Span, Totals};
use crate::{Lang, Value};

const COLUMNS: [&str; 10] =
    ["section", "host", "name", "pid", "call", "error", "time", "measure", "value", "unit"];

/// Escapes a text for spreadsheets. A text that begins like a formula, or with an apostrophe, gets
/// a leading apostrophe, so removing one always restores the original.
#[must_use]
pub fn plain_cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(|c: char| "=+-@'".contains(c) || c.is_control()) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

pub(super) fn render(report: &Report) -> String {
    let mut lines = Lines(csv::Writer::from_writer(Vec::new()));
    lines.record(&COLUMNS.map(str::to_owned));
    asked(&mut lines, report);
    totals(&mut lines, "summary", &report.totals);
    if let Some(compared) = &report.compared {
        totals(&mut lines, "compared", compared);
    }
    findings(&mut lines, report);
    memory(&mut lines, report);
    calls(&mut lines, report);
    programs(&mut lines, report);
    processes(&mut lines, "processes", &report.processes, report.totals.requests_visible);
    processes(&mut lines, "requesters", &report.requesters, report.totals.requests_visible);
    missing(&mut lines, report);
    requests(&mut lines, report);
    ends(&mut lines, report);
    lines.text()
}

struct Lines(csv::Writer<Vec<u8>>);

/// Subject of a figure: the columns before `measure`.
#[derive(Debug, Clone, Copy, Default)]
struct Of<'a> {
    section: &'a str,
    host: &'a str,
    name: &'a str,
    pid: Option<u32>,
    call: &'a str,
    error: &'a str,
    time: Option<At>,
}

impl Lines {
    fn record(&mut self, fields: &[String]) {
        // Writing to a vector cannot fail, and every record has the same number of fields.
        let _ = self.0.write_record(fields);
    }

    fn line(&mut self, of: Of<'_>, measure: &str, value: &str, unit: &str) {
        self.record(&[
            of.section.to_owned(),
            plain_cell(of.host).into_owned(),
            plain_cell(of.name).into_owned(),
            of.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            of.call.to_owned(),
            of.error.to_owned(),
            of.time.map(time).unwrap_or_default(),
            measure.to_owned(),
            plain_cell(value).into_owned(),
            unit.to_owned(),
        ]);
    }

    fn count(&mut self, of: Of<'_>, measure: &str, count: u64) {
        self.line(of, measure, &count.to_string(), "count");
    }

    fn bytes(&mut self, of: Of<'_>, measure: &str, bytes: u64) {
        self.line(of, measure, &bytes.to_string(), "bytes");
    }

    fn time(&mut self, of: Of<'_>, measure: &str, at: At) {
        self.line(of, measure, &time(at), "time");
    }

    fn text(self) -> String {
        self.0.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

fn time(at: At) -> String {
    serde_json::to_value(at).ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
}

fn of(section: &str) -> Of<'_> {
    Of { section, ..Of::default() }
}

fn asked(lines: &mut Lines, report: &Report) {
    let asked = &report.asked;
    let of = of("asked");
    lines.line(of, "memtap", &report.memtap, "text");
    lines.time(of, "made", report.made);
    let mut span = |from: &str, to: &str, span: Span| {
        lines.time(of, from, span.from);
        lines.time(of, to, span.to);
    };
    span("from", "to", asked.span);
    if let Some(compared) = asked.compared {
        span("compared_from", "compared_to", compared);
    }
    for (measure, value) in [("host", &asked.host), ("name", &asked.name)] {
        if let Some(value) = value {
            lines.line(of, measure, value, "text");
        }
    }
    if let Some(pid) = asked.pid {
        lines.count(of, "pid", pid.into());
    }
    for host in &report.hosts {
        lines.line(Of { host: &host.hostname, ..of }, "kernel", &host.kernel, "text");
    }
}

fn totals(lines: &mut Lines, section: &str, totals: &Totals) {
    let of = of(section);
    if !totals.has_data {
        lines.line(of, "has_data", "no data in this range", "text");
        return;
    }
    lines.count(of, "processes", totals.processes);
    lines.count(of, "short_lived", totals.short_lived);
    for (measure, count) in [
        ("requests", totals.requests),
        ("refused", totals.refused),
        ("oom_kills", totals.oom_kills),
        ("lost", totals.lost),
    ] {
        if totals.requests_visible {
            lines.count(of, measure, count);
        } else {
            lines.line(of, measure, not_visible(Lang::En), "text");
        }
    }
    let moved = |bytes: Option<u64>| bytes.filter(|_| totals.requests_visible);
    for (measure, bytes) in [
        ("requested_bytes", moved(Some(totals.requested_bytes))),
        ("granted_bytes", moved(totals.granted_bytes)),
        ("released_bytes", moved(totals.released_bytes)),
        ("peak_virtual_bytes", totals.peak_virtual_bytes),
        ("peak_resident_bytes", totals.peak_resident_bytes),
        ("least_available_bytes", totals.least_available_bytes),
    ] {
        if let Some(bytes) = bytes {
            lines.bytes(of, measure, bytes);
        }
    }
    if let Some(pressure) = totals.highest_pressure {
        lines.line(of, "highest_pressure", &pressure.to_string(), "percent");
    }
}

fn findings(lines: &mut Lines, report: &Report) {
    for told in &report.findings {
        let of = Of { name: told.rule, ..of("findings") };
        lines.line(of, told.severity.name(), told.sentence.text(Lang::En), "text");
        for figure in &told.evidence {
            let value = match figure.value.0 {
                Value::Bytes(whole) | Value::Count(whole) => whole.to_string(),
                Value::BytesPerSecond(real)
                | Value::PerSecond(real)
                | Value::Percent(real)
                | Value::Seconds(real) => real.to_string(),
                Value::Time(at) => time(At(at)),
            };
            lines.line(of, figure.label.text(Lang::En), &value, figure.value.0.unit());
        }
        lines.line(of, "advice", told.advice.text(Lang::En), "text");
    }
}

fn memory(lines: &mut Lines, report: &Report) {
    let Some(memory) = &report.memory else { return };
    lines.bytes(of("memory"), "total_bytes", memory.total_bytes);
    let least = Of { time: Some(memory.least_available_time), ..of("memory") };
    lines.bytes(least, "least_available_bytes", memory.least_available_bytes);
    if let Some(pressure) = memory.pressure {
        let of = Of { time: Some(pressure.timestamp), ..of("memory") };
        lines.line(of, "some_avg10", &pressure.some_avg10.to_string(), "percent");
        lines.line(of, "full_avg10", &pressure.full_avg10.to_string(), "percent");
    }
    memory.points.iter().for_each(|point| memory_point(lines, "memory_over_time", point));
}

fn memory_point(lines: &mut Lines, section: &str, point: &MemoryPoint) {
    let of = Of { time: Some(point.timestamp), ..of(section) };
    for (measure, bytes) in [
        ("programs_bytes", point.programs_bytes),
        ("kernel_bytes", point.kernel_bytes),
        ("cached_bytes", point.cached_bytes),
        ("free_bytes", point.free_bytes),
        ("available_bytes", point.available_bytes),
        ("swap_used_bytes", point.swap_used_bytes),
    ] {
        lines.bytes(of, measure, bytes);
    }
}

fn calls(lines: &mut Lines, report: &Report) {
    for call in &report.calls.calls {
        let of = Of { call: call.call, ..of("calls") };
        lines.count(of, "requests", call.requests);
        lines.count(of, "refused", call.refused);
        lines.bytes(of, "requested_bytes", call.requested_bytes);
    }
    for point in &report.calls.series {
        for (call, requests) in &point.requests {
            lines.count(
                Of { call, time: Some(point.timestamp), ..of("calls_over_time") },
                "requests",
                *requests,
            );
        }
    }
}

fn programs(lines: &mut Lines, report: &Report) {
    for ranking in &report.programs {
        let section = format!("programs_by_{}", ranking.by.name());
        let unit = if matches!(ranking.by, Measure::Requests | Measure::Refused) { "count" } else { "bytes" };
        for program in &ranking.programs {
            let of = Of { name: &program.name, ..of(&section) };
            lines.count(of, "processes", program.processes);
            lines.line(of, "value", &program.value.to_string(), unit);
            for (measure, value) in
                [("at_start", program.at_start), ("at_end", program.at_end), ("compared", program.compared)]
            {
                if let Some(value) = value {
                    lines.line(of, measure, &value.to_string(), unit);
                }
            }
        }
    }
    for program in &report.resident.programs {
        for (at, bytes) in &program.series {
            let of = Of { name: &program.name, time: Some(*at), ..of("resident_over_time") };
            lines.bytes(of, "resident_bytes", *bytes);
        }
    }
}

fn processes(lines: &mut Lines, section: &str, processes: &[Process], sees_requests: bool) {
    for process in processes {
        let of = Of {
            host: &process.host,
            name: &process.name,
            pid: Some(process.pid),
            time: Some(process.start_time),
            ..of(section)
        };
        for (measure, bytes) in [
            ("before_resident_bytes", process.before_resident_bytes),
            ("resident_bytes", process.resident_bytes),
            ("peak_resident_bytes", process.peak_resident_bytes),
            ("virtual_bytes", process.virtual_bytes),
            ("peak_virtual_bytes", process.peak_virtual_bytes),
        ] {
            lines.bytes(of, measure, bytes);
        }
        if sees_requests {
            lines.bytes(of, "requested_bytes", process.requested_bytes);
            lines.bytes(of, "granted_bytes", process.granted_bytes);
            lines.count(of, "requests", process.requests);
            lines.count(of, "refused", process.refused);
        }
    }
}

/// Gaps that have another reason than lost records, which are part of the totals.
fn missing(lines: &mut Lines, report: &Report) {
    if let Some(requests) = report.missing.damaged_recording {
        lines.count(of("missing"), "damaged_recording", requests);
    }
    for gap in &report.missing.requests_not_visible {
        let of = Of { host: &gap.host, ..of("missing") };
        lines.time(of, "requests_not_visible_from", gap.span.from);
        lines.time(of, "requests_not_visible_to", gap.span.to);
    }
}

fn requests(lines: &mut Lines, report: &Report) {
    for request in &report.largest {
        let of = Of {
            host: &request.host,
            name: &request.name,
            pid: Some(request.pid),
            call: request.call,
            time: Some(request.timestamp),
            ..of("largest")
        };
        lines.bytes(of, "requested_bytes", request.requested_bytes);
    }
    for size in &report.sizes {
        let of = Of { call: size.call, ..of("sizes") };
        // The size is part of the measure's name: a column of its own would be empty in all other
        // lines.
        lines.count(of, &format!("requests_of_{}_bytes", size.size_bytes), size.requests);
    }
    for refusal in &report.refusals {
        let of = Of {
            section: "refusals",
            host: &refusal.host,
            name: &refusal.name,
            call: refusal.call,
            error: &refusal.error,
            time: Some(refusal.last_time),
            ..Of::default()
        };
        lines.count(of, "requests", refusal.requests);
        lines.count(of, "processes", refusal.processes);
        lines.bytes(of, "largest_bytes", refusal.largest_bytes);
    }
}

/// Killed processes and short-lived processes.
fn ends(lines: &mut Lines, report: &Report) {
    for kill in &report.oom_kills {
        let of = Of {
            section: "oom_kills",
            host: &kill.host,
            name: &kill.name,
            pid: Some(kill.pid),
            time: Some(kill.timestamp),
            ..Of::default()
        };
        lines.bytes(of, "resident_bytes", kill.resident_bytes);
        lines.bytes(of, "virtual_bytes", kill.virtual_bytes);
    }
    for program in &report.short_lived.programs {
        let of = Of { name: &program.name, ..of("short_lived") };
        lines.count(of, "processes", program.processes);
        if report.totals.requests_visible {
            lines.count(of, "requests", program.requests);
            lines.bytes(of, "requested_bytes", program.requested_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene;
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let text = render(&scene::report());
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn each_line_has_the_same_columns_and_no_formula() {
        let rows = rows();
        assert_eq!(rows[0], COLUMNS);
        for row in &rows[1..] {
            assert_eq!(row.len(), COLUMNS.len());
            assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\n', '\x1b'])), "{row:?}");
            let is_text = matches!(row[9].as_str(), "text" | "time");
            assert!(is_text || row[8].parse::<f64>().is_ok(), "{row:?}");
        }
    }

    #[test]
    fn a_figure_is_found_by_section_and_measure() {
        let rows = rows();
        let find = |section: &str, name: &str, measure: &str| {
            let found = rows.iter().find(|row| row[0] == section && row[2] == name && row[7] == measure);
            found.map(|row| (row[8].clone(), row[9].clone()))
        };
        let told = |value: &str, unit: &str| Some((value.to_owned(), unit.to_owned()));
        assert_eq!(find("summary", "", "requests"), told("1000", "count"));
        assert_eq!(find("compared", "", "requests"), told("400", "count"));
        assert_eq!(find("programs_by_resident", "'=HYPERLINK(1)", "value"), told("998", "bytes"));
        assert_eq!(find("programs_by_requests", "a|b`c`", "compared"), told("2000", "count"));
    }
}
