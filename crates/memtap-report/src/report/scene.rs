//! A report built by hand for the tests of the renderers, with hostile names.

use memtap_history::Measure;

use super::*;
use crate::findings::{Severity, Text, Value};

pub(super) const HOSTILE: [&str; 7] = [
    "<script>alert(1)",
    "a|b`c`",
    "=HYPERLINK(1)",
    "\"><img onerror=x",
    "\u{202e}txt.exe",
    "two\nlines\x1b[31m",
    "@SUM(A1)",
];

pub(super) fn at(second: i64) -> At {
    // 2026-11-24 12:00 UTC.
    At(WallClock((1_795_521_600 + second) * 1_000_000_000))
}

pub(super) fn report() -> Report {
    let span = Span { from: at(0), to: at(3600) };
    let earlier = Span { from: at(-3600), to: at(0) };
    Report {
        memtap: "0.1.0".to_owned(),
        made: at(3700),
        asked: Asked { span, compared: Some(earlier), ..Asked::default() },
        hosts: vec![ReportedHost {
            hostname: HOSTILE[0].to_owned(),
            kernel: "6.18".to_owned(),
            first_time: at(60),
            last_time: at(3600),
        }],
        totals: Totals {
            has_data: true,
            requests_visible: true,
            processes: 7,
            requests: 1_000,
            refused: 3,
            lost: 10,
            peak_resident_bytes: Some(3 << 30),
            ..Totals::default()
        },
        compared: Some(Totals {
            has_data: true,
            requests_visible: true,
            processes: 5,
            requests: 400,
            ..Totals::default()
        }),
        findings: vec![Told {
            rule: "refused",
            severity: Severity::Serious,
            sentence: Text::told(|lang| {
                lang.pick("was refused: ", "fue rechazado: ").to_owned() + HOSTILE[3]
            }),
            evidence: vec![ToldFigure {
                label: Text::both("largest", "mayor"),
                value: Amount(Value::Bytes(1 << 30)),
            }],
            advice: Text::both("See `ulimit -v`.", "Vea `ulimit -v`."),
        }],
        memory: Some(memory()),
        calls: Calls {
            calls: vec![CallSum { call: "mmap", requests: 900, refused: 3, requested_bytes: 5 << 30 }],
            step_s: 30.0,
            series: vec![CallPoint { timestamp: at(30), requests: [("mmap", 900)].into() }],
            counted_since: None,
        },
        programs: Measure::ALL.map(ranking).into(),
        resident: Resident {
            step_s: 30.0,
            programs: HOSTILE
                .map(|name| ProgramCourse {
                    name: name.to_owned(),
                    series: vec![(at(0), 1 << 20), (at(30), 2 << 20)],
                })
                .into(),
        },
        processes: HOSTILE.iter().map(|name| process(name)).collect(),
        requesters: HOSTILE.iter().map(|name| process(name)).collect(),
        largest: vec![LargeRequest {
            name: HOSTILE[1].to_owned(),
            call: "mmap",
            requested_bytes: 1 << 40,
            arguments: "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS".to_owned(),
            ..LargeRequest::default()
        }],
        sizes: vec![FrequentSize { call: "mmap", size_bytes: 4096, requests: 500 }],
        refusals: vec![Refusal {
            name: HOSTILE[2].to_owned(),
            call: "mmap",
            error: "ENOMEM".to_owned(),
            meaning: Text::both("not enough memory", "no hay memoria suficiente"),
            requests: 3,
            processes: 1,
            ..Refusal::default()
        }],
        oom_kills: vec![OomKill {
            timestamp: at(100),
            name: HOSTILE[5].to_owned(),
            container: Some(HOSTILE[3].to_owned()),
            ..OomKill::default()
        }],
        short_lived: ShortLived {
            below_s: 10.0,
            processes: 4,
            programs: vec![ShortLivedProgram {
                name: HOSTILE[6].to_owned(),
                processes: 4,
                ..ShortLivedProgram::default()
            }],
            ..ShortLived::default()
        },
        missing: Missing { lost: 10, before: Some(at(60)), ..Missing::default() },
        ..Report::default()
    }
}

fn memory() -> Memory {
    let point = |second: i64| MemoryPoint {
        timestamp: at(second),
        programs_bytes: 4 << 30,
        free_bytes: 12 << 30,
        available_bytes: 11 << 30,
        ..MemoryPoint::default()
    };
    Memory {
        total_bytes: 16 << 30,
        step_s: 30.0,
        at_start: point(60),
        at_end: point(90),
        least_available_bytes: 10 << 30,
        least_available_time: at(90),
        pressure: Some(HighestPressure { some_avg10: 1.5, full_avg10: 0.5, timestamp: at(90) }),
        points: vec![point(60), point(90)],
    }
}

fn ranking(by: Measure) -> Ranking {
    let sum = |(index, name): (usize, &&str)| ProgramSum {
        name: (*name).to_owned(),
        processes: 1,
        value: 1000 - index as u64,
        at_start: Some(10),
        at_end: Some(20),
        compared: Some(2000),
    };
    Ranking { by, programs: HOSTILE.iter().enumerate().map(sum).collect(), other_programs: 2, other_value: 5 }
}

fn process(name: &str) -> Process {
    Process {
        pid: 42,
        name: name.to_owned(),
        user: name.to_owned(),
        lived_s: 3600.0,
        requests: 100,
        peak_resident_bytes: 1 << 30,
        ..Process::default()
    }
}
