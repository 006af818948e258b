//! Steps of the wall clock, as the log and the API report them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use memtap_model::{Notice, WallClock};

/// Maximum number and maximum age of the steps that are kept.
const KEPT: (usize, Duration) = (4, Duration::from_secs(86_400));

/// The latest steps of the wall clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClockSteps(Arc<Mutex<VecDeque<(Instant, Notice)>>>);

impl ClockSteps {
    /// Logs and keeps a step. `before` and `now` are the same moment on the old and the new clock.
    pub(crate) fn note(&self, before: WallClock, now: WallClock, has_history: bool) {
        let notice = notice(before, now, has_history);
        tracing::warn!("{}; {}", notice.what, notice.fix);
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.len() == KEPT.0 {
            steps.pop_front();
        }
        steps.push_back((Instant::now(), notice));
    }

    /// Steps of the last day, oldest first.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = steps.iter().filter(|(noted, _)| noted.elapsed() < KEPT.1);
        recent.map(|(_, notice)| notice.clone()).collect()
    }
}

fn notice(before: WallClock, now: WallClock, has_history: bool) -> Notice {
    const TENTH: i64 = 100_000_000;
    let change = now.0.saturating_sub(before.0);
    let length = SignedDuration::from_millis((change.saturating_abs() + TENTH / 2) / TENTH * 100);
    let direction = if change < 0 { "back" } else { "forward" };
    let what = format!("the clock was set {direction} by {length:#}: {} became {}", text(before), text(now));
    let done = match has_history {
        true => {
            "memtap started a new run in the history. The step deletes nothing, because ages follow the monotonic clock"
        }
        false => "times before and after the step are not comparable",
    };
    Notice { what, fix: format!("{done}. If the step was not intended, check the clock: timedatectl") }
}

fn text(time: WallClock) -> String {
    Timestamp::from_second(time.0.div_euclid(1_000_000_000))
        .map_or_else(|_| time.0.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_notice_has_the_time_the_length_and_the_consequence() {
        let noon = WallClock(1_800_014_400 * SECOND);
        let ahead = notice(noon, WallClock(noon.0 + 3600 * SECOND + 1_234_567), true);
        assert_eq!(
            ahead.what,
            "the clock was set forward by 1h: 2027-01-15T12:00:00Z became 2027-01-15T13:00:00Z"
        );
        assert!(ahead.fix.contains("new run") && ahead.fix.contains("timedatectl"), "{}", ahead.fix);
        let back = notice(noon, WallClock(noon.0 - 8 * 86_400 * SECOND - 1_500 * 1_000_000), false);
        assert!(back.what.starts_with("the clock was set back by 192h 1s 500ms:"), "{}", back.what);
        assert!(!back.fix.contains("history"), "{}", back.fix);
    }

    #[test]
    fn the_latest_are_kept() {
        let steps = ClockSteps::default();
        for day in 0..10 {
            steps.note(WallClock(0), WallClock(day * 86_400 * SECOND), true);
        }
        let notices = steps.notices();
        assert_eq!(notices.len(), KEPT.0);
        assert!(notices[3].what.ends_with("1970-01-10T00:00:00Z"), "{:?}", notices[3]);
    }
}
