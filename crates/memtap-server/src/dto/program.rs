//! Programs of a range of the history: processes of one name, together.

use memtap_model::WallClock;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Measure, Time};

/// The largest programs, and the sum of all others.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Programs {
    /// Measure that programs are compared by.
    by: Measure,
    /// Length of a step of the series in seconds.
    step_s: u64,
    programs: Vec<Program>,
    others: Option<OtherPrograms>,
    /// Sum of all programs.
    total: u64,
}

/// One program: all processes of one name.
#[derive(Debug, Serialize, ToSchema)]
struct Program {
    name: String,
    /// Number of processes of that name in the range.
    lives: u64,
    /// Counters: the sum. Sizes: the highest sum of the processes at the end of a step.
    value: u64,
    series: Vec<ProgramPoint>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProgramPoint {
    /// Start of the step.
    timestamp: Time,
    value: u64,
}

/// All other programs together.
#[derive(Debug, Serialize, ToSchema)]
struct OtherPrograms {
    /// Number of other names.
    names: u64,
    lives: u64,
    value: u64,
}

impl Programs {
    pub(crate) fn of(by: Measure, found: memtap_history::Programs) -> Self {
        let point = |(at, value): (WallClock, u64)| ProgramPoint { timestamp: Time(at), value };
        let program = |program: memtap_history::Program| Program {
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
