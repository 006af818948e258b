//! What processes and programs are compared by.

use memtap_store::Measure as Stored;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is compared: of what was done the sum over the range, of sizes the highest within it.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Measure {
    /// Bytes that were asked for and granted.
    #[default]
    Requested,
    /// Bytes that requests truly added.
    Granted,
    /// Resident set.
    Resident,
    /// Virtual size.
    Virtual,
    /// How many requests.
    Requests,
    /// How many of them were refused.
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
