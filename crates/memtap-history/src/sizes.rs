//! Counts requested sizes in one pass and in bounded memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use memtap_model::{Call, WallClock};

use crate::{FrequentSize, SizeBucket, Sizes};

/// Number of different sizes that are counted individually.
const KEPT: usize = 65_536;
/// Number of most frequent sizes returned.
const FREQUENT: usize = 20;

/// Counts requests by size.
#[derive(Default)]
pub(crate) struct SizeCount {
    buckets: BTreeMap<(Call, u64), SizeBucket>,
    counts: HashMap<(Call, u64), FrequentSize>,
    rows: u64,
    since: Option<WallClock>,
}

impl SizeCount {
    pub(crate) fn add(&mut self, call: Call, size: u64, is_refused: bool, time: WallClock) {
        self.rows += 1;
        self.since = Some(self.since.map_or(time, |since| since.min(time)));
        let from_bytes = size.checked_ilog2().map_or(0, |bits| 1 << bits);
        let empty = SizeBucket { call, from_bytes, count: 0, refused: 0, bytes: 0 };
        let bucket = self.buckets.entry((call, from_bytes)).or_insert(empty);
        bucket.count += 1;
        bucket.refused += u64::from(is_refused);
        bucket.bytes = bucket.bytes.saturating_add(size);
        let none = FrequentSize { call, size, count: 0 };
        self.counts.entry((call, size)).or_insert(none).count += 1;
        if self.counts.len() > KEPT {
            self.evict_rare_sizes();
        }
    }

    /// Misra-Gries algorithm, variant that subtracts the median (Anderson et al., 2017): it removes
    /// at least half of the sizes, and no count is ever too high.
    fn evict_rare_sizes(&mut self) {
        let mut counts: Vec<u64> = self.counts.values().map(|size| size.count).collect();
        let middle = counts.len() / 2;
        let median = *counts.select_nth_unstable(middle).1;
        self.counts.retain(|_, size| {
            size.count = size.count.saturating_sub(median);
            size.count > 0
        });
    }

    /// Returns the counts. `cut`: there were more requests than were added.
    pub(crate) fn finish(self, cut: bool) -> Sizes {
        let mut frequent: Vec<FrequentSize> = self.counts.into_values().collect();
        frequent.sort_unstable_by_key(|size| (Reverse(size.count), size.call, size.size));
        frequent.truncate(FREQUENT);
        let buckets = self.buckets.into_values().collect();
        Sizes { buckets, frequent, rows: self.rows, since: self.since, cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_goes_from_a_power_of_two_to_the_next() {
        let mut count = SizeCount::default();
        for size in [0, 1, 2, 3, 4095, 4096, 8191, 8192, u64::MAX] {
            count.add(Call::Mmap, size, size == 3, WallClock(5));
        }
        let sizes = count.finish(false);
        let buckets: Vec<_> = sizes.buckets.iter().map(|b| (b.from_bytes, b.count, b.refused)).collect();
        let expected =
            [(0, 1, 0), (1, 1, 0), (2, 2, 1), (2048, 1, 0), (4096, 2, 0), (8192, 1, 0), (1 << 63, 1, 0)];
        assert_eq!(buckets, expected);
        assert_eq!((sizes.rows, sizes.since), (9, Some(WallClock(5))));
    }

    #[test]
    fn frequent_sizes_are_kept_among_many_different_sizes() {
        let mut count = SizeCount::default();
        for n in 0..1_000_000 {
            let size = if n % 10 == 0 { 4096 } else { 1 << 40 | n };
            count.add(Call::Brk, size, false, WallClock(n.cast_signed()));
            assert!(count.counts.len() <= KEPT);
        }
        let sizes = count.finish(true);
        assert_eq!((sizes.frequent.len(), sizes.frequent[0].size), (FREQUENT, 4096));
        let count = sizes.frequent[0].count;
        assert!((99_000..=100_000).contains(&count), "{count}");
    }
}
