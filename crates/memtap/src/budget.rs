//! Division of memtap's memory limit: one number from the user, a limit for every part.

use crate::serve::OBSERVATION_BATCH_BYTES;

/// Limits of the parts, derived from memtap's memory limit. The database's page cache is not
/// included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Size of the kernel's ring buffer: a quarter, rounded down to a power of two.
    pub(crate) ring_bytes: u32,
    /// Processes with accounts in the kernel: a quarter, at [`ACCOUNT_BYTES`] each.
    pub(crate) accounts: u32,
    /// Batches queued between the capture and the ledger: an eighth.
    pub(crate) batches: usize,
    /// Requests queued in memory for the store: an eighth.
    pub(crate) queue_requests: usize,
}

/// Bytes per account in the kernel, including its share of the lookup structures. The quarter of
/// the limit that no part uses is for the program itself, the ledger and the views.
const ACCOUNT_BYTES: u64 = 1280;
/// Bytes per queued request, including its share of the containers.
const QUEUED_BYTES: u64 = 180;

impl Budget {
    pub(crate) fn of(bytes: u64) -> Self {
        let ring = (bytes / 4).clamp(256 << 10, 1 << 30);
        let count = |bytes: u64, each: u64, least: u64| {
            usize::try_from((bytes / each).max(least)).unwrap_or(usize::MAX)
        };
        Self {
            ring_bytes: 1 << ring.ilog2(),
            accounts: u32::try_from(bytes / 4 / ACCOUNT_BYTES).unwrap_or(u32::MAX).clamp(64, 4_194_304),
            batches: count(bytes / 8, OBSERVATION_BATCH_BYTES, 2),
            queue_requests: count(bytes / 8, QUEUED_BYTES, 10_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_fit_into_the_limit() {
        for mib in [32_u64, 64, 100, 256, 4096] {
            let bytes = mib << 20;
            let budget = Budget::of(bytes);
            let sum = u64::from(budget.ring_bytes)
                + u64::from(budget.accounts) * ACCOUNT_BYTES
                + budget.batches as u64 * OBSERVATION_BATCH_BYTES
                + budget.queue_requests as u64 * QUEUED_BYTES;
            assert!(sum <= bytes * 3 / 4 && sum > bytes / 2, "{mib} MiB: {sum} bytes in {budget:?}");
        }
        assert_eq!(Budget::of(64 << 20).ring_bytes, 16 << 20);
    }
}
