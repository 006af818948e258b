//! Programs of a range of the history.

use memtap_api::{Measure, OtherPrograms, Program, ProgramPoint, Programs, Time};
use memtap_model::WallClock;

pub(crate) fn programs(by: Measure, found: memtap_history::Programs) -> Programs {
    let point = |(at, value): (WallClock, u64)| ProgramPoint { timestamp: Time(at), value };
    let program = |program: memtap_history::Program| Program {
        name: program.name,
        lives: program.lives,
        value: program.value,
        series: program.series.into_iter().map(point).collect(),
    };
    let (others, names) = (found.others, found.other_names);
    let largest = found.programs.iter().map(|program| program.value).sum::<u64>();
    Programs {
        by,
        step_s: found.step.as_secs(),
        total: largest.saturating_add(others.value),
        programs: found.programs.into_iter().map(program).collect(),
        others: (names > 0).then_some(OtherPrograms { names, lives: others.lives, value: others.value }),
    }
}
