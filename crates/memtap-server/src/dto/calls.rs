//! One process's requests by call over time.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{CallName, Time};

/// Stored requests of one process by call and step, and the names that the process had.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProcessCalls {
    /// Length of a step in seconds.
    step_s: u64,
    /// Oldest first. Steps without a request are left out.
    series: Vec<CallStep>,
    /// Names of the process, oldest first: at most the latest 100. Each name after the first comes
    /// from an exec or from the process itself. An exec that keeps the name is not shown.
    #[schema(max_items = 100)]
    names: Vec<NameSince>,
    /// Number of requests that were counted.
    rows: u64,
    /// Time of the oldest request that was counted.
    since: Option<Time>,
    /// True if the range has more requests than were counted.
    cut: bool,
}

/// Requests within one step.
#[derive(Debug, Serialize, ToSchema)]
struct CallStep {
    /// Start of the step.
    timestamp: Time,
    #[schema(value_type = BTreeMap<CallName, CallCount>)]
    calls: BTreeMap<&'static str, CallCount>,
}

/// Number of requests.
#[derive(Debug, Serialize, ToSchema)]
struct CallCount {
    /// All requests, refused ones included.
    count: u64,
    /// Refused requests.
    refused: u64,
}

/// A name, and the time of the first request under that name.
#[derive(Debug, Serialize, ToSchema)]
struct NameSince {
    name: String,
    timestamp: Time,
}

impl From<memtap_history::ProcessCalls> for ProcessCalls {
    fn from(found: memtap_history::ProcessCalls) -> Self {
        let count = |(call, count): (memtap_model::Call, memtap_history::CallCount)| {
            (call.name(), CallCount { count: count.count, refused: count.refused })
        };
        let step = |step: memtap_history::CallStep| CallStep {
            timestamp: Time(step.from),
            calls: step.calls.into_iter().map(count).collect(),
        };
        let name = |one: memtap_history::NameSince| NameSince {
            name: one.name.to_text(),
            timestamp: Time(one.since),
        };
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
