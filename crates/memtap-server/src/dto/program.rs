//! Programs of a range of the history: processes of one name, together.

use memtap_model::WallClock;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Measure, Time};

/// The largest programs, and all others together.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Programs {
    /// What they are compared by.
    by: Measure,
    /// Length of a step of the series.
    step_s: u64,
    programs: Vec<Program>,
    others: Option<OtherPrograms>,
    /// What all programs come to together.
    total: u64,
}

/// One program.
#[derive(Debug, Serialize, ToSchema)]
struct Program {
    name: String,
    /// How many processes of that name lived within the range.
    lives: u64,
    /// Of what was done, the sum; of sizes, the highest that they had together.
    value: u64,
    series: Vec<ProgramPoint>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProgramPoint {
    /// Where the step begins.
    timestamp: Time,
    value: u64,
}

/// All other programs.
#[derive(Debug, Serialize, ToSchema)]
struct OtherPrograms {
    /// How many names they have.
    names: u64,
    lives: u64,
    value: u64,
}

impl Programs {
    pub(crate) fn of(by: Measure, found: memtap_store::Programs) -> Self {
        let point = |(at, value): (WallClock, u64)| ProgramPoint { timestamp: Time(at), value };
        let program = |program: memtap_store::Program| Program {
            name: program.name,
            lives: program.lives,
            value: program.value,
            series: program.series.into_iter().map(point).collect(),
        };
        let (others, names) = (found.others, found.other_names);
        let largest = found.programs.iter().map(|program| program.value).sum::<u64>();
        Self {
            by,
            step_s: found.step.as_secs(),
            total: largest.saturating_add(others.value),
            programs: found.programs.into_iter().map(program).collect(),
            others: (names > 0).then_some(OtherPrograms { names, lives: others.lives, value: others.value }),
        }
    }
}
