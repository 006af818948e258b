//! What processes and programs are compared by.

use memtap_history::Measure as Stored;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Measure that processes and programs are compared by. Counters are sums over the range, and sizes
/// are the highest within it.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Measure {
    /// Requested bytes of granted requests.
    #[default]
    Requested,
    /// Bytes that requests added to the virtual size.
    Granted,
    /// Resident set.
    Resident,
    /// Virtual size.
    Virtual,
    /// Number of requests.
    Requests,
    /// Number of refused requests.
    Refused,
}

impl From<Measure> for Stored {
    fn from(measure: Measure) -> Self {
        match measure {
            Measure::Requested => Self::Requested,
            Measure::Granted => Self::Granted,
            Measure::Resident => Self::Resident,
            Measure::Virtual => Self::Virtual,
            Measure::Requests => Self::Requests,
            Measure::Refused => Self::Refused,
        }
    }
}
