//! From the kernel's release to the plans by which requests may be seen. Pure.

use std::time::Duration;

use crate::CaptureError;

/// Where requests are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// At the exit of every system call, filtered: each other call pays for the look.
    Exit,
    /// At the exit of the memory calls' own functions: no other call pays. Kernels may forbid it, and each hook waits for the kernel to be
    /// at rest when it comes and when it goes.
    Functions,
}

/// How requests, and what they change, are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Where requests are seen.
    pub hook: Hook,
    /// Whether the lock of the address space is watched, so that each change is booked by the thread that made it, in the moment it makes
    /// it. Without, what has changed since the last call came back is booked to the call; stacks that grew, and what is in flight, are
    /// found at every reading.
    pub locks: bool,
}

impl Plan {
    /// All plans, in the order in which they are tried.
    pub const ALL: [Self; 4] = [
        Self { hook: Hook::Functions, locks: true },
        Self { hook: Hook::Exit, locks: true },
        Self { hook: Hook::Functions, locks: false },
        Self { hook: Hook::Exit, locks: false },
    ];

    /// Its name in the API and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.hook, self.locks) {
            (Hook::Functions, true) => "functions+locks",
            (Hook::Exit, true) => "exit+locks",
            (Hook::Functions, false) => "functions",
            (Hook::Exit, false) => "exit",
        }
    }

    /// What it does and what it costs others, for people. The figures are those of BENCHMARKS.md.
    #[must_use]
    pub fn about(self) -> String {
        let (others, seen) = match self.hook {
            Hook::Functions => ("nothing to other system calls", "hooks only the memory calls"),
            Hook::Exit => ("about 0.1 µs to other system calls", "hooks the exit of every system call"),
        };
        let (cost, books) = match self.locks {
            true => ("0.5 to 0.7", "assigns each change to the thread that made it"),
            false => (
                "0.3 to 0.5",
                "sums are exact, but when threads of one process change its memory in the same instant, a change may be assigned to another thread",
            ),
        };
        format!("{seen}; {books}; adds about {cost} µs to a memory call and {others}")
    }

    /// # Errors
    /// When the kernel is none for it. To attach would not fail there: the tracepoints of older kernels have one argument more, which our
    /// programs would take for another.
    pub(crate) fn possible(self, release: &str) -> Result<(), CaptureError> {
        if self.locks && !locks_are_cheap(release) {
            let reason = format!("Linux {release} is older than 6.14; use --plan exit");
            return Err(CaptureError::Unsupported { step: format!("plan {}", self.name()), reason });
        }
        Ok(())
    }
}

impl std::str::FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|plan| plan.name() == text)
            .ok_or_else(|| format!("unknown plan '{text}'; expected {}", names()))
    }
}

/// From here on the lock's tracepoints are cheap: before, each resolves a cgroup's path (include/linux/mmap_lock.h), and every page
/// fault takes the lock up to 6.3.
const CHEAP_LOCKS: (u32, u32) = (6, 14);

fn locks_are_cheap(release: &str) -> bool {
    version(release).is_some_and(|version| version >= CHEAP_LOCKS)
}

/// What one hook on a function may take to come and to go. There are about forty: the start and the end then take a second at the most.
/// It is some milliseconds on a machine of its own, and hundreds in an emulated one.
const QUICK_HOOK: Duration = Duration::from_millis(25);

/// Whether hooks on functions come and go quickly enough to be used unasked; `hook` is what one took, `None` where the kernel allows none.
#[must_use]
pub fn hooks_are_quick(hook: Option<Duration>) -> bool {
    hook.is_some_and(|took| took <= QUICK_HOOK)
}

/// The plans to try on a kernel of this release, the best first.
#[must_use]
pub(crate) fn plans(release: &str, hook: Option<Duration>) -> Vec<Plan> {
    let by_itself =
        |plan: &Plan| (plan.hook == Hook::Exit || hooks_are_quick(hook)) && plan.possible(release).is_ok();
    Plan::ALL.into_iter().filter(by_itself).collect()
}

/// `6.18.44-fc` as (6, 18).
pub(crate) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locks_are_watched_where_that_is_cheap() {
        for (release, locks) in
            [("6.18.44-fc", true), ("6.14.0", true), ("6.12.95", false), ("7.2", true), ("?", false)]
        {
            let plans = plans(release, None);
            assert_eq!((plans[0].hook, plans[0].locks), (Hook::Exit, locks), "{release}");
            assert_eq!(plans.last().map(|plan| plan.name()), Some("exit"), "{release}");
        }
        for plan in Plan::ALL {
            assert_eq!(plan.name().parse(), Ok(plan));
        }
        assert!("magic".parse::<Plan>().is_err());
    }

    #[test]
    fn functions_are_hooked_unasked_where_that_is_quick() {
        let names = |release: &str, hook: Option<u64>| {
            let plans = plans(release, hook.map(Duration::from_millis));
            plans.into_iter().map(Plan::name).collect::<Vec<_>>()
        };
        assert_eq!(names("6.18.1", Some(5)), ["functions+locks", "exit+locks", "functions", "exit"]);
        assert_eq!(names("6.1.0", Some(5)), ["functions", "exit"]);
        assert_eq!(names("6.1.0", Some(200)), ["exit"], "too slow");
        assert_eq!(names("6.1.0", None), ["exit"], "not allowed");
    }
}
