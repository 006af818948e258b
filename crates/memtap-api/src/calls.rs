//! Requests of one process by call over time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::{CallName, Time};

/// Stored requests of one process by call and step, and the names that the process had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct ProcessCalls {
    /// Length of a step in seconds.
    pub step_s: u64,
    /// Oldest first. Steps without a request are left out.
    pub series: Vec<CallStep>,
    /// Names of the process, oldest first: at most the latest 100. Each name after the first comes
    /// from an exec or from the process itself. An exec that keeps the name is not shown.
    #[cfg_attr(feature = "openapi", schema(max_items = 100))]
    pub names: Vec<NameSince>,
    /// Number of requests that were counted.
    pub rows: u64,
    /// Time of the oldest request that was counted.
    pub since: Option<Time>,
    /// True if the range has more requests than were counted.
    pub cut: bool,
}

/// Requests within one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct CallStep {
    /// Start of the step.
    pub timestamp: Time,
    /// Requests by call.
    pub calls: BTreeMap<CallName, CallCount>,
}

/// Number of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct CallCount {
    /// All requests, refused ones included.
    pub count: u64,
    /// Refused requests.
    pub refused: u64,
}

/// A name, and the time of the first request under that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct NameSince {
    /// Name of the first thread. Untrusted text.
    pub name: String,
    /// Time of the first request under that name.
    pub timestamp: Time,
}
