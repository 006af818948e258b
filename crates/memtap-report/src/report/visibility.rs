//! Visibility of requests. A source that only reads /proc (`procfs`) reports sizes but no requests,
//! so its zeros mean nothing.

use memtap_history::HostRun;

use super::{At, NotVisible, Span};
use crate::evidence::saw_requests;

/// Spans closer than this are merged, because memtap was only restarted.
const GAP_S: f64 = 60.0;

/// Visibility of requests during the runs of a range.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Visibility {
    /// True if some run saw requests. Imports have no run in the range, and consist of requests.
    pub(super) requests: bool,
    /// Spans in which a run saw no requests, oldest first.
    pub(super) gaps: Vec<NotVisible>,
}

pub(super) fn visibility(runs: &[HostRun], within: Span) -> Visibility {
    let mut gaps: Vec<NotVisible> = Vec::new();
    let mut blind: Vec<&HostRun> = runs.iter().filter(|run| !saw_requests(run)).collect();
    blind.sort_by(|a, b| (&a.hostname, a.began).cmp(&(&b.hostname, b.began)));
    for run in blind {
        let span = Span { from: At(run.began).max(within.from), to: At(run.last).min(within.to) };
        match gaps.last_mut().filter(|last| last.host == run.hostname) {
            Some(last) if last.span.to.seconds_to(span.from) < GAP_S => {
                last.span.to = last.span.to.max(span.to);
            }
            _ => gaps.push(NotVisible { host: run.hostname.clone(), span }),
        }
    }
    Visibility { requests: runs.is_empty() || runs.iter().any(saw_requests), gaps }
}

#[cfg(test)]
mod tests {
    use memtap_model::WallClock;

    use super::*;

    fn at(second: i64) -> At {
        At(WallClock(second * 1_000_000_000))
    }

    fn run(from: i64, to: i64, requests: u64) -> HostRun {
        let (began, last) = (at(from).0, at(to).0);
        HostRun { hostname: "box".into(), kernel: String::new(), began, last, requests, refused: 0, lost: 0 }
    }

    #[test]
    fn a_run_without_requests_could_not_see_them() {
        let within = Span { from: at(100), to: at(1000) };
        let gap = |from, to| NotVisible { host: "box".into(), span: Span { from: at(from), to: at(to) } };
        let seen =
            visibility(&[run(900, 1200, 0), run(300, 800, 7), run(210, 290, 0), run(0, 200, 0)], within);
        assert_eq!(seen, Visibility { requests: true, gaps: vec![gap(100, 290), gap(900, 1000)] });
        assert!(!visibility(&[run(0, 2000, 0)], within).requests);
        let lost = HostRun { lost: 3, ..run(0, 2000, 0) };
        assert!(visibility(&[lost], within).requests, "what was lost was seen by the kernel");
        assert!(visibility(&[], within).requests, "an import");
    }
}
