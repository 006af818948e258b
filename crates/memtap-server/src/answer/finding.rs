//! Findings of a range, in one language.

use memtap_api::{Amount, Culprit, Figure, Finding, FindingLink, Findings, NotLookedAt, Time};
use memtap_history::Range;
use memtap_report::{Lang, Link, Looked, Subject, Value};

pub(crate) fn findings(range: &Range, looked: &Looked, lang: Lang) -> Findings {
    let gap = |gap: &memtap_report::NotLookedAt| NotLookedAt {
        what: gap.name().into(),
        sentence: gap.text().text(lang).to_owned(),
    };
    Findings {
        from: Time(range.from),
        to: Time(range.to),
        findings: looked.findings.iter().map(|found| finding(found, lang)).collect(),
        not_looked_at: looked.not_looked_at.iter().map(gap).collect(),
    }
}

fn finding(found: &memtap_report::Finding, lang: Lang) -> Finding {
    let (host, process) = match &found.subject {
        Subject::Machine(host) => (host, None),
        Subject::Program { process, processes } => {
            let culprit = Culprit {
                pid: process.pid.0,
                start_time: Time(process.started_at),
                name: process.name.clone(),
                processes: *processes,
            };
            (&process.host, Some(culprit))
        }
    };
    Finding {
        rule: found.rule,
        severity: found.severity,
        host: host.to_string(),
        process,
        sentence: found.sentence(lang),
        evidence: found.evidence.iter().map(|one| figure(one, lang)).collect(),
        advice: found.advice.text(lang).to_owned(),
        link: link(&found.link),
    }
}

fn figure(found: &memtap_report::Figure, lang: Lang) -> Figure {
    let value = match found.value {
        Value::Bytes(number) | Value::Count(number) => Amount::Whole(number),
        Value::BytesPerSecond(number)
        | Value::PerSecond(number)
        | Value::Percent(number)
        | Value::Seconds(number) => Amount::Number(number),
        Value::Time(at) => Amount::Time(Time(at)),
    };
    let (unit, text) = (found.value.unit().into(), found.value.text(lang));
    Figure { label: found.label.text(lang).to_owned(), value, unit, text }
}

fn link(link: &Link) -> FindingLink {
    FindingLink {
        view: link.view,
        from: Time(link.range.from),
        to: Time(link.range.to),
        call: link.call.map(Into::into),
        refused: link.refused,
    }
}
