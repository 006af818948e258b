//! Findings: rules that read evidence and report what a user should know. Each rule is one file
//! with its thresholds as named constants, a function from [`Evidence`] to findings, and tests.

mod churn;
mod finding;
mod growth;
mod limits;
mod lost;
mod oom;
mod peak;
mod pressure;
mod refusal;
mod refused;
mod reserved;
#[cfg(test)]
mod scene;

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::Lang;
use crate::evidence::Evidence;

pub use memtap_api::{Rule, Severity, View};

pub use finding::{Culprit, Figure, Finding, Link, Subject, Text, Value};
pub(crate) use pressure::strains;
pub use refusal::{refusal_fix, refusal_meaning};

const RULES: [fn(&Evidence) -> Vec<Finding>; 9] = [
    oom::find,
    refused::find,
    limits::find,
    growth::find,
    pressure::find,
    churn::find,
    reserved::find,
    peak::find,
    lost::find,
];

/// Applies all rules to the evidence. Returns at most one finding per rule and program, most severe
/// first.
#[must_use]
pub fn findings(evidence: &Evidence) -> Vec<Finding> {
    in_order(RULES.iter().flat_map(|find| find(evidence)).collect())
}

/// Sorts the findings. Keeps the heaviest one for each rule, machine and program, which counts the
/// others.
pub(crate) fn in_order(mut all: Vec<Finding>) -> Vec<Finding> {
    all.sort_by(|a, b| {
        Reverse(a.severity)
            .cmp(&Reverse(b.severity))
            .then(a.rule.cmp(&b.rule))
            .then(b.weight.total_cmp(&a.weight))
            // Makes the order deterministic.
            .then_with(|| a.sentence(Lang::En).cmp(&b.sentence(Lang::En)))
    });
    let mut kept: Vec<Finding> = Vec::new();
    let mut places = HashMap::new();
    for finding in all {
        match places.get(&(finding.rule, finding.subject.key())) {
            None => {
                places.insert((finding.rule, finding.subject.key()), kept.len());
                kept.push(finding);
            }
            Some(place) => {
                let more = finding.subject.processes();
                if let Some(Subject::Program { processes, .. }) =
                    kept.get_mut(*place).map(|first: &mut Finding| &mut first.subject)
                {
                    *processes += more;
                }
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::scene::{GIB, MIB, Scene};
    use super::*;

    #[test]
    fn a_quiet_machine_has_no_findings() {
        let mut scene = Scene::quiet(3600);
        scene.process("systemd", |_| 12 * MIB);
        scene.process("sshd", |at| (8 + at / 3000) * MIB);
        scene.process("chromium", |at| (400 + (at % 97) / 10) * MIB);
        scene.last().life.within.virtual_bytes = 1200 * GIB;
        scene.process("java", |at| (800 + (at % 600) / 4) * MIB);
        scene.last().life.within.virtual_bytes = 12 * GIB;
        assert_eq!(findings(&scene.evidence), []);
    }

    #[test]
    fn severe_findings_come_first_and_a_program_has_one_per_rule() {
        let mut scene = Scene::quiet(600);
        scene.process("slow", |at| (50 + at / 4) * MIB);
        scene.process("worker", |at| (50 + at * 10) * MIB);
        scene.process("worker", |at| (50 + at / 5) * MIB);
        scene.process("worker", |at| (50 + at * 8) * MIB);
        let sorted = findings(&scene.evidence);
        let severities: Vec<_> =
            sorted.iter().map(|finding| (finding.severity, finding.subject.processes())).collect();
        assert_eq!(severities, [(Severity::Serious, 3), (Severity::Warning, 1)]);
        assert!(sorted[0].sentence(Lang::En).contains("pid 1001"), "the fastest stands for all");
        assert!(sorted[0].sentence(Lang::En).ends_with("2 more processes of this program show the same."));
        assert!(
            sorted[0].sentence(Lang::Es).ends_with("Otros 2 procesos de este programa muestran lo mismo.")
        );
    }
}
