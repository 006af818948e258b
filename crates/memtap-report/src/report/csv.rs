//! A report as a spreadsheet table, one figure per line, to filter by `section` and `measure`.
//! All names and texts are English in every language: they are an interface, like those of JSON.
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

/// Adds an apostrophe before a text that begins like a formula, or with an apostrophe (reversible).
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
struct Subject<'a> {
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

    fn line(&mut self, subject: Subject<'_>, measure: &str, value: &str, unit: &str) {
        self.record(&[
            subject.section.to_owned(),
            plain_cell(subject.host).into_owned(),
            plain_cell(subject.name).into_owned(),
            subject.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            subject.call.to_owned(),
            subject.error.to_owned(),
            subject.time.map(time).unwrap_or_default(),
            measure.to_owned(),
            plain_cell(value).into_owned(),
            unit.to_owned(),
        ]);
    }

    fn count(&mut self, subject: Subject<'_>, measure: &str, count: u64) {
        self.line(subject, measure, &count.to_string(), "count");
    }

    fn bytes(&mut self, subject: Subject<'_>, measure: &str, bytes: u64) {
        self.line(subject, measure, &bytes.to_string(), "bytes");
    }

    fn time(&mut self, subject: Subject<'_>, measure: &str, at: At) {
        self.line(subject, measure, &time(at), "time");
    }

    fn text(self) -> String {
        self.0.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

fn time(at: At) -> String {
    serde_json::to_value(at).ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
}

fn in_section(section: &str) -> Subject<'_> {
    Subject { section, ..Subject::default() }
}

fn asked(lines: &mut Lines, report: &Report) {
    let asked = &report.asked;
    let subject = in_section("asked");
    lines.line(subject, "memtap", &report.memtap, "text");
    lines.time(subject, "made", report.made);
    let mut span = |from: &str, to: &str, span: Span| {
        lines.time(subject, from, span.from);
        lines.time(subject, to, span.to);
    };
    span("from", "to", asked.span);
    if let Some(compared) = asked.compared {
        span("compared_from", "compared_to", compared);
    }
    for (measure, value) in [("host", &asked.host), ("name", &asked.name)] {
        if let Some(value) = value {
            lines.line(subject, measure, value, "text");
        }
    }
    if let Some(pid) = asked.pid {
        lines.count(subject, "pid", pid.into());
    }
    for host in &report.hosts {
        lines.line(Subject { host: &host.hostname, ..subject }, "kernel", &host.kernel, "text");
    }
}

fn totals(lines: &mut Lines, section: &str, totals: &Totals) {
    let subject = in_section(section);
    if !totals.has_data {
        lines.line(subject, "has_data", "no data in this range", "text");
        return;
    }
    lines.count(subject, "processes", totals.processes);
    lines.count(subject, "short_lived", totals.short_lived);
    for (measure, count) in [
        ("requests", totals.requests),
        ("refused", totals.refused),
        ("oom_kills", totals.oom_kills),
        ("lost", totals.lost),
    ] {
        if totals.requests_visible {
            lines.count(subject, measure, count);
        } else {
            lines.line(subject, measure, not_visible(Lang::En), "text");
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
            lines.bytes(subject, measure, bytes);
        }
    }
    if let Some(pressure) = totals.highest_pressure {
        lines.line(subject, "highest_pressure", &pressure.to_string(), "percent");
    }
}

fn findings(lines: &mut Lines, report: &Report) {
    for finding in &report.findings {
        let subject = Subject { name: finding.rule, ..in_section("findings") };
        lines.line(subject, finding.severity.name(), finding.sentence.text(Lang::En), "text");
        for figure in &finding.evidence {
            let value = match figure.value.0 {
                Value::Bytes(whole) | Value::Count(whole) => whole.to_string(),
                Value::BytesPerSecond(real)
                | Value::PerSecond(real)
                | Value::Percent(real)
                | Value::Seconds(real) => real.to_string(),
                Value::Time(at) => time(At(at)),
            };
            lines.line(subject, figure.label.text(Lang::En), &value, figure.value.0.unit());
        }
        lines.line(subject, "advice", finding.advice.text(Lang::En), "text");
    }
}

fn memory(lines: &mut Lines, report: &Report) {
    let Some(memory) = &report.memory else { return };
    lines.bytes(in_section("memory"), "total_bytes", memory.total_bytes);
    let least = Subject { time: Some(memory.least_available_time), ..in_section("memory") };
    lines.bytes(least, "least_available_bytes", memory.least_available_bytes);
    if let Some(pressure) = memory.pressure {
        let subject = Subject { time: Some(pressure.timestamp), ..in_section("memory") };
        lines.line(subject, "some_avg10", &pressure.some_avg10.to_string(), "percent");
        lines.line(subject, "full_avg10", &pressure.full_avg10.to_string(), "percent");
    }
    memory.points.iter().for_each(|point| memory_point(lines, "memory_over_time", point));
}

fn memory_point(lines: &mut Lines, section: &str, point: &MemoryPoint) {
    let subject = Subject { time: Some(point.timestamp), ..in_section(section) };
    for (measure, bytes) in [
        ("programs_bytes", point.programs_bytes),
        ("kernel_bytes", point.kernel_bytes),
        ("cached_bytes", point.cached_bytes),
        ("free_bytes", point.free_bytes),
        ("available_bytes", point.available_bytes),
        ("swap_used_bytes", point.swap_used_bytes),
    ] {
        lines.bytes(subject, measure, bytes);
    }
}

fn calls(lines: &mut Lines, report: &Report) {
    for call in &report.calls.calls {
        let subject = Subject { call: call.call, ..in_section("calls") };
        lines.count(subject, "requests", call.requests);
        lines.count(subject, "refused", call.refused);
        lines.bytes(subject, "requested_bytes", call.requested_bytes);
    }
    for point in &report.calls.series {
        for (call, requests) in &point.requests {
            lines.count(
                Subject { call, time: Some(point.timestamp), ..in_section("calls_over_time") },
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
            let subject = Subject { name: &program.name, ..in_section(&section) };
            lines.count(subject, "processes", program.processes);
            lines.line(subject, "value", &program.value.to_string(), unit);
            for (measure, value) in
                [("at_start", program.at_start), ("at_end", program.at_end), ("compared", program.compared)]
            {
                if let Some(value) = value {
                    lines.line(subject, measure, &value.to_string(), unit);
                }
            }
        }
    }
    for program in &report.resident.programs {
        for (at, bytes) in &program.series {
            let subject =
                Subject { name: &program.name, time: Some(*at), ..in_section("resident_over_time") };
            lines.bytes(subject, "resident_bytes", *bytes);
        }
    }
}

fn processes(lines: &mut Lines, section: &str, processes: &[Process], sees_requests: bool) {
    for process in processes {
        let subject = Subject {
            host: &process.host,
            name: &process.name,
            pid: Some(process.pid),
            time: Some(process.start_time),
            ..in_section(section)
        };
        for (measure, bytes) in [
            ("before_resident_bytes", process.before_resident_bytes),
            ("resident_bytes", process.resident_bytes),
            ("peak_resident_bytes", process.peak_resident_bytes),
            ("virtual_bytes", process.virtual_bytes),
            ("peak_virtual_bytes", process.peak_virtual_bytes),
        ] {
            lines.bytes(subject, measure, bytes);
        }
        if sees_requests {
            lines.bytes(subject, "requested_bytes", process.requested_bytes);
            lines.bytes(subject, "granted_bytes", process.granted_bytes);
            lines.count(subject, "requests", process.requests);
            lines.count(subject, "refused", process.refused);
        }
    }
}

/// Gaps that have another reason than lost records, which are part of the totals.
fn missing(lines: &mut Lines, report: &Report) {
    if let Some(requests) = report.missing.damaged_recording {
        lines.count(in_section("missing"), "damaged_recording", requests);
    }
    for gap in &report.missing.requests_not_visible {
        let subject = Subject { host: &gap.host, ..in_section("missing") };
        lines.time(subject, "requests_not_visible_from", gap.span.from);
        lines.time(subject, "requests_not_visible_to", gap.span.to);
    }
}

fn requests(lines: &mut Lines, report: &Report) {
    for request in &report.largest {
        let subject = Subject {
            host: &request.host,
            name: &request.name,
            pid: Some(request.pid),
            call: request.call,
            time: Some(request.timestamp),
            ..in_section("largest")
        };
        lines.bytes(subject, "requested_bytes", request.requested_bytes);
    }
    for size in &report.sizes {
        let subject = Subject { call: size.call, ..in_section("sizes") };
        // The measure's name has the size: a column of its own would be empty in all other lines.
        lines.count(subject, &format!("requests_of_{}_bytes", size.size_bytes), size.requests);
    }
    for refusal in &report.refusals {
        let subject = Subject {
            section: "refusals",
            host: &refusal.host,
            name: &refusal.name,
            call: refusal.call,
            error: &refusal.error,
            time: Some(refusal.last_time),
            ..Subject::default()
        };
        lines.count(subject, "requests", refusal.requests);
        lines.count(subject, "processes", refusal.processes);
        lines.bytes(subject, "largest_bytes", refusal.largest_bytes);
    }
}

/// Killed processes and short-lived processes.
fn ends(lines: &mut Lines, report: &Report) {
    for kill in &report.oom_kills {
        let subject = Subject {
            section: "oom_kills",
            host: &kill.host,
            name: &kill.name,
            pid: Some(kill.pid),
            time: Some(kill.timestamp),
            ..Subject::default()
        };
        lines.bytes(subject, "resident_bytes", kill.resident_bytes);
        lines.bytes(subject, "virtual_bytes", kill.virtual_bytes);
    }
    for program in &report.short_lived.programs {
        let subject = Subject { name: &program.name, ..in_section("short_lived") };
        lines.count(subject, "processes", program.processes);
        if report.totals.requests_visible {
            lines.count(subject, "requests", program.requests);
            lines.bytes(subject, "requested_bytes", program.requested_bytes);
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
        let expected = |value: &str, unit: &str| Some((value.to_owned(), unit.to_owned()));
        assert_eq!(find("summary", "", "requests"), expected("1000", "count"));
        assert_eq!(find("compared", "", "requests"), expected("400", "count"));
        assert_eq!(find("programs_by_resident", "'=HYPERLINK(1)", "value"), expected("998", "bytes"));
        assert_eq!(find("programs_by_requests", "a|b`c`", "compared"), expected("2000", "count"));
    }
}
