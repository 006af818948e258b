//! One process's requests by call over time.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{CallName, Time};

/// The stored requests of one process by call, in steps, and the names it made them under.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProcessCalls {
    /// Length of a step, seconds.
    step_s: u64,
    /// Oldest first; steps without a request are left out.
    series: Vec<CallStep>,
    /// Oldest first, the latest hundred. From the second on: an exec, or a new name that it gave itself. An exec under the same name is
    /// not told.
    #[schema(max_items = 100)]
    names: Vec<NameSince>,
    /// How many requests were counted.
    rows: u64,
    /// The oldest of them.
    since: Option<Time>,
    /// Whether there were more than were counted.
    cut: bool,
}

/// Requests within one step.
#[derive(Debug, Serialize, ToSchema)]
struct CallStep {
    /// Where it begins.
    timestamp: Time,
    #[schema(value_type = BTreeMap<CallName, CallCount>)]
    calls: BTreeMap<&'static str, CallCount>,
}

/// How many requests.
#[derive(Debug, Serialize, ToSchema)]
struct CallCount {
    /// All of them.
    count: u64,
    /// Those that were refused.
    refused: u64,
}

/// A name, and when the first request under it came back.
#[derive(Debug, Serialize, ToSchema)]
struct NameSince {
    name: String,
    timestamp: Time,
}

impl From<memtap_store::ProcessCalls> for ProcessCalls {
    fn from(found: memtap_store::ProcessCalls) -> Self {
        let count = |(call, count): (memtap_model::Call, memtap_store::CallCount)| {
            (call.name(), CallCount { count: count.count, refused: count.refused })
        };
        let step = |step: memtap_store::CallStep| CallStep {
            timestamp: Time(step.from),
            calls: step.calls.into_iter().map(count).collect(),
        };
        let name =
            |one: memtap_store::NameSince| NameSince { name: one.name.to_text(), timestamp: Time(one.since) };
        Self {
            step_s: found.step.as_secs(),
            series: found.steps.into_iter().map(step).collect(),
            names: found.names.into_iter().map(name).collect(),
            rows: found.rows,
            since: found.since.map(Time),
            cut: found.cut,
        }
    }
}
