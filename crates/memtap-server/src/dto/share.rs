//! Who asked for most.

use serde::Serialize;

/// The ten largest names and the rest.
#[derive(Debug, Serialize)]
pub(crate) struct Share {
    by: &'static str,
    total_bytes: u64,
    slices: Vec<Slice>,
    others: Option<Others>,
}

#[derive(Debug, Serialize)]
struct Slice {
    name: String,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Others {
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
