//! OOM kills with the state of the accounts in the seconds before.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;

use memtap_model::{HostReading, OomKill, Tgid, WallClock};
use serde::{Deserialize, Serialize};

use crate::ProcessSummary;

/// Number of ticks that are kept in case of a kill.
const MOMENTS: usize = 10;
/// Number of the largest processes kept for each tick.
const LARGEST: usize = 10;
/// Number of kills that are kept.
const KILLS: usize = 100;

/// An OOM kill with the state before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OomReport {
    /// The kill as the kernel reported it.
    pub kill: OomKill,
    /// The killed process as last recorded in the ledger.
    pub victim: Option<Arc<ProcessSummary>>,
    /// The ticks before the kill, earliest first.
    pub before: Vec<Arc<Moment>>,
}

/// The largest processes at one tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Time of the tick.
    pub at: WallClock,
    /// Memory of the machine at that time.
    pub host: HostReading,
    /// The processes with the largest resident sets, largest first.
    pub largest: Vec<Arc<ProcessSummary>>,
}

/// The kills, and the moments to attach to the next one.
#[derive(Debug, Default)]
pub(crate) struct OomLog {
    moments: VecDeque<Arc<Moment>>,
    kills: VecDeque<Arc<OomReport>>,
    seen: u64,
    fresh: usize,
}

impl OomLog {
    pub(crate) fn record_tick(&mut self, at: WallClock, host: &HostReading, living: &[Arc<ProcessSummary>]) {
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

    pub(crate) fn record_kill(
        &mut self,
        kill: &OomKill,
        living: impl Fn(Tgid) -> Option<Arc<ProcessSummary>>,
    ) {
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
