//! Requested bytes by process name. The number of names is bounded, because programs choose their
//! names.

use std::collections::HashMap;

use memtap_model::Comm;

use crate::{Share, Slice};

const SLICES: usize = 10;

#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    requested: u64,
    mapped: u64,
}

/// Sums by name. Names beyond the limit share one sum.
#[derive(Debug)]
pub(crate) struct ByName {
    most_names: usize,
    names: HashMap<Comm, Sums>,
    beyond: Sums,
}

impl ByName {
    pub(crate) fn new(most_names: usize) -> Self {
        Self { most_names, names: HashMap::new(), beyond: Sums::default() }
    }

    /// Adds bytes that processes of this name requested, and the part of them requested by mmap.
    pub(crate) fn add(&mut self, name: Comm, requested: u64, mapped: u64) {
        if requested == 0 {
            return;
        }
        let full = self.names.len() >= self.most_names;
        let sums = match self.names.get_mut(&name) {
            Some(sums) => sums,
            None if full => &mut self.beyond,
            None => self.names.entry(name).or_default(),
        };
        sums.requested = sums.requested.saturating_add(requested);
        sums.mapped = sums.mapped.saturating_add(mapped);
    }

    pub(crate) fn requested(&self) -> Share {
        self.share(|sums| sums.requested)
    }

    pub(crate) fn mapped(&self) -> Share {
        self.share(|sums| sums.mapped)
    }

    fn share(&self, measure: impl Fn(&Sums) -> u64) -> Share {
        let mut slices: Vec<Slice> = self
            .names
            .iter()
            .map(|(name, sums)| Slice { name: *name, bytes: measure(sums) })
            .filter(|slice| slice.bytes > 0)
            .collect();
        slices.sort_unstable_by(|a, b| b.bytes.cmp(&a.bytes).then(a.name.cmp(&b.name)));
        let beyond = measure(&self.beyond);
        let others = slices.split_off(slices.len().min(SLICES));
        let sum = |slices: &[Slice]| slices.iter().fold(0_u64, |sum, slice| sum.saturating_add(slice.bytes));
        let other_bytes = sum(&others).saturating_add(beyond);
        Share {
            total_bytes: sum(&slices).saturating_add(other_bytes),
            slices,
            other_names: others.len() as u64 + u64::from(beyond > 0),
            other_bytes,
        }
    }
}
