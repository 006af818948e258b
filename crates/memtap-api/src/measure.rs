//! The measures that processes and programs are compared by.

use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// Measure that processes and programs are compared by. Counters are sums over the range, and sizes
/// are the highest within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Measure {
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

impl Measure {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Requested, Self::Granted, Self::Resident, Self::Virtual, Self::Requests, Self::Refused];

    /// Name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Granted => "granted",
            Self::Resident => "resident",
            Self::Virtual => "virtual",
            Self::Requests => "requests",
            Self::Refused => "refused",
        }
    }

    /// Returns whether it is a size, whose highest value counts, and not a counter.
    #[must_use]
    pub fn is_size(self) -> bool {
        matches!(self, Self::Resident | Self::Virtual)
    }
}
