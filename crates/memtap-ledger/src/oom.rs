//! OOM kills, each with what the books said in the seconds before.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;

use memtap_model::{HostReading, OomKill, Tgid, WallClock};
use serde::{Deserialize, Serialize};

use crate::ProcessSummary;

/// Ticks that are remembered, for the case.
const MOMENTS: usize = 10;
/// The largest processes of each.
const LARGEST: usize = 10;
/// Kills that are kept.
const KILLS: usize = 100;

/// Who was killed and why, as far as the books can tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OomReport {
    /// What the kernel did.
    pub kill: OomKill,
    /// The victim as the books last had it.
    pub victim: Option<Arc<ProcessSummary>>,
    /// The last ticks before, earliest first.
    pub before: Vec<Arc<Moment>>,
}

/// Who had most at one tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: WallClock,
    /// The machine's memory then.
    pub host: HostReading,
    /// The processes with the largest resident sets, largest first.
    pub largest: Vec<Arc<ProcessSummary>>,
}

/// The kills, and the moments that the next one will want.
#[derive(Debug, Default)]
pub(crate) struct OomLog {
    moments: VecDeque<Arc<Moment>>,
    kills: VecDeque<Arc<OomReport>>,
    seen: u64,
    fresh: usize,
}

impl OomLog {
    pub(crate) fn tick(&mut self, at: WallClock, host: &HostReading, living: &[Arc<ProcessSummary>]) {
        let size = |summary: &Arc<ProcessSummary>| Reverse(summary.resident.set_bytes());
        let mut largest: Vec<_> = living.iter().collect();
        if largest.len() > LARGEST {
            largest.select_nth_unstable_by_key(LARGEST, |summary| size(summary));
            largest.truncate(LARGEST);
        }
        largest.sort_by_key(|summary| size(summary));
        if self.moments.len() >= MOMENTS {
            self.moments.pop_front();
        }
        let largest = largest.into_iter().cloned().collect();
        self.moments.push_back(Arc::new(Moment { at, host: host.clone(), largest }));
    }

    pub(crate) fn kill(&mut self, kill: &OomKill, living: impl Fn(Tgid) -> Option<Arc<ProcessSummary>>) {
        let report = OomReport {
            kill: *kill,
            victim: living(kill.victim),
            before: self.moments.iter().cloned().collect(),
        };
        if self.kills.len() >= KILLS {
            self.kills.pop_front();
        }
        self.kills.push_back(Arc::new(report));
        self.seen += 1;
        self.fresh = (self.fresh + 1).min(KILLS);
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    pub(crate) fn kills(&self) -> Arc<[Arc<OomReport>]> {
        self.kills.iter().cloned().collect()
    }

    pub(crate) fn take_fresh(&mut self) -> usize {
        std::mem::take(&mut self.fresh)
    }
}
