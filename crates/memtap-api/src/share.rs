//! The names with the most requested bytes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// The ten largest names, and the sum of all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Share {
    /// Name of the summed field.
    pub by: Cow<'static, str>,
    /// Sum of all names in bytes.
    pub total_bytes: u64,
    /// Largest first.
    #[cfg_attr(feature = "openapi", schema(max_items = 10))]
    pub slices: Vec<Slice>,
    /// All other names together.
    pub others: Option<Others>,
}

/// The share of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Slice {
    /// Name of the processes. Untrusted text.
    pub name: String,
    /// Sum in bytes.
    pub bytes: u64,
}

/// All other names together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Others {
    /// Number of names.
    pub names: u64,
    /// Sum in bytes.
    pub bytes: u64,
}

impl From<&memtap_ledger::Share> for Share {
    fn from(share: &memtap_ledger::Share) -> Self {
        let slice = |slice: &memtap_ledger::Slice| Slice { name: slice.name.to_text(), bytes: slice.bytes };
        Self {
            by: "requested_bytes".into(),
            total_bytes: share.total_bytes,
            slices: share.slices.iter().map(slice).collect(),
            others: (share.other_names > 0)
                .then_some(Others { names: share.other_names, bytes: share.other_bytes }),
        }
    }
}
