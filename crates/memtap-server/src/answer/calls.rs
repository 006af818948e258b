//! One process's requests by call over time.

use memtap_api::{CallCount, CallStep, NameSince, ProcessCalls, Time};
use memtap_model::Call;

pub(crate) fn process_calls(found: memtap_history::ProcessCalls) -> ProcessCalls {
    let count = |(call, count): (Call, memtap_history::CallCount)| {
        (call.into(), CallCount { count: count.count, refused: count.refused })
    };
    let step = |step: memtap_history::CallStep| CallStep {
        timestamp: Time(step.from),
        calls: step.calls.into_iter().map(count).collect(),
    };
    let name =
        |one: memtap_history::NameSince| NameSince { name: one.name.to_text(), timestamp: Time(one.since) };
    ProcessCalls {
        step_s: found.step.as_secs(),
        series: found.steps.into_iter().map(step).collect(),
        names: found.names.into_iter().map(name).collect(),
        rows: found.rows,
        since: found.since.map(Time),
        cut: found.cut,
    }
}
