//! Who asked for most.

use serde::Serialize;
use utoipa::ToSchema;

/// The ten largest names, and the sum of all others.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Share {
    /// Name of the summed field.
    by: &'static str,
    total_bytes: u64,
    /// Largest first.
    #[schema(max_items = 10)]
    slices: Vec<Slice>,
    /// All further names together.
    others: Option<Others>,
}

/// The share of one name.
#[derive(Debug, Serialize, ToSchema)]
struct Slice {
    name: String,
    bytes: u64,
}

/// All further names together.
#[derive(Debug, Serialize, ToSchema)]
struct Others {
    /// Number of names.
    names: u64,
    bytes: u64,
}

impl From<&memtap_ledger::Share> for Share {
    fn from(share: &memtap_ledger::Share) -> Self {
        let slice = |slice: &memtap_ledger::Slice| Slice { name: slice.name.to_text(), bytes: slice.bytes };
        Self {
            by: "requested_bytes",
            total_bytes: share.total_bytes,
            slices: share.slices.iter().map(slice).collect(),
            others: (share.other_names > 0)
                .then_some(Others { names: share.other_names, bytes: share.other_bytes }),
        }
    }
}
