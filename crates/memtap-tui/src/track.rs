//! Samples of a process over the last minutes, for its charts. Kept for processes that were
//! recently on the screen.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use memtap_api::ProcessId;

use crate::rows::Row;

/// Maximum number of samples per process: five minutes at one sample per second.
const SAMPLES: usize = 300;
/// Maximum number of processes with samples. The one that was on the screen longest ago is removed
/// first.
const FOLLOWED: usize = 256;
/// Maximum gap between two samples, in seconds. After a longer one, earlier samples are dropped,
/// because a line across it would show values that nobody measured.
const GAP: i64 = 15;

/// Data of one process at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    pub(crate) virtual_bytes: u64,
    pub(crate) resident_bytes: u64,
    pub(crate) requests_per_second: f64,
}

impl Sample {
    pub(crate) fn of(row: &Row, at: Timestamp) -> Self {
        Self {
            at,
            virtual_bytes: row.process.virtual_bytes,
            resident_bytes: row.process.resident_bytes,
            requests_per_second: row.requests_per_second,
        }
    }
}

/// Samples of one process, latest last.
pub(crate) type Track = VecDeque<Sample>;

/// Tracks by process lifetime.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    by_process: HashMap<ProcessId, Track>,
}

impl Tracks {
    /// Adds a sample of a process that is on the screen.
    pub(crate) fn add(&mut self, process: ProcessId, sample: Sample) {
        if !self.by_process.contains_key(&process) && self.by_process.len() >= FOLLOWED {
            let latest = |track: &Track| track.back().map(|sample| sample.at);
            let oldest = self.by_process.iter().min_by_key(|(_, track)| latest(track)).map(|(life, _)| *life);
            oldest.map(|life| self.by_process.remove(&life));
        }
        let track = self.by_process.entry(process).or_default();
        let gap = track.back().is_some_and(|last| {
            let seconds = sample.at.duration_since(last.at).as_secs();
            !(0..=GAP).contains(&seconds)
        });
        if gap {
            track.clear();
        }
        if track.len() >= SAMPLES {
            track.pop_front();
        }
        track.push_back(sample);
    }

    /// Returns the samples of a process.
    pub(crate) fn of(&self, process: ProcessId) -> Option<&Track> {
        self.by_process.get(&process)
    }
}

/// Formats the latest values as bars. Each cell shows the highest value of its samples. The scale
/// covers at least a quarter of the maximum, so that small changes look small.
pub(crate) fn bars(values: impl DoubleEndedIterator<Item = f64>, cells: usize) -> String {
    /// Samples per cell.
    const SAMPLES: usize = 6;
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values: Vec<f64> = values.rev().take(SAMPLES * cells).collect();
    let high = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let range = (high(&values) - low).max(high(&values) / 4.0).max(f64::MIN_POSITIVE);
    let bar = |part: &[f64]| BARS[(((high(part) - low) / range * 7.99) as usize).min(7)];
    values.chunks(SAMPLES).rev().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use memtap_api::Time;

    use super::*;

    fn sample(second: i64) -> Sample {
        let at = Timestamp::from_second(second).unwrap();
        Sample { at, virtual_bytes: 0, resident_bytes: 0, requests_per_second: 0.0 }
    }

    #[test]
    fn bars_show_maxima_and_small_changes_look_small() {
        let samples = |values: &[f64]| {
            values.iter().flat_map(|value| [0.0, *value, 0.0, 0.0, 0.0, 0.0]).collect::<Vec<_>>()
        };
        assert_eq!(bars(samples(&[0.0, 4.0, 8.0]).into_iter(), 10), "▁▄█");
        assert_eq!(bars([100.0; 18].into_iter(), 2), "▁▁", "the latest two");
        assert_eq!(bars([100.0, 101.0].repeat(3).into_iter(), 9), "▁");
        assert_eq!(bars([0.0; 6].into_iter(), 9), "▁");
        assert_eq!(bars([].into_iter(), 9), "");
    }

    #[test]
    fn tracks_are_bounded_and_drop_samples_before_a_gap() {
        let mut tracks = Tracks::default();
        let process = |pid| ProcessId { pid, start_time: Time::default() };
        for second in 0..1000 {
            tracks.add(process(1), sample(second));
        }
        assert_eq!(tracks.of(process(1)).map(VecDeque::len), Some(SAMPLES));
        tracks.add(process(1), sample(1100));
        assert_eq!(tracks.of(process(1)).map(VecDeque::len), Some(1));
        for pid in 2..1000 {
            tracks.add(process(pid), sample(1100 + i64::from(pid)));
        }
        assert_eq!(tracks.by_process.len(), FOLLOWED);
        assert!(tracks.of(process(1)).is_none() && tracks.of(process(999)).is_some());
    }
}
