//! Plans by which requests can be seen, chosen by the kernel's release. Pure.

use std::time::Duration;

use crate::CaptureError;

/// Place at which requests are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// The exit of every system call, with a filter. All other calls have the overhead of the
    /// filter.
    Exit,
    /// The exit of the functions of memory calls. Other calls have no overhead. Some kernels do not
    /// allow it, and attaching or detaching each hook waits until the kernel is quiescent.
    Functions,
}

/// Plan for seeing requests and the changes that they make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Place at which requests are seen.
    pub hook: Hook,
    /// Hooks the lock of the address space, so that each change is booked at once by the thread
    /// that made it. Otherwise, changes since the last return are booked to the call that returns.
    /// Growth of stacks and changes in flight are then found at every reading.
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

    /// Name in the API and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.hook, self.locks) {
            (Hook::Functions, true) => "functions+locks",
            (Hook::Exit, true) => "exit+locks",
            (Hook::Functions, false) => "functions",
            (Hook::Exit, false) => "exit",
        }
    }

    /// Description of the plan and of its cost for other processes, for people. The figures are
    /// from BENCHMARKS.md.
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

    /// Returns whether the plan works on a kernel release.
    ///
    /// # Errors
    /// Fails if the kernel is too old. Attaching would not fail there: the tracepoints of older
    /// kernels have one more argument, so our programs would read the wrong one.
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

/// First kernel on which the lock's tracepoints are cheap. Older kernels resolve a cgroup's path at
/// each of them (include/linux/mmap_lock.h), and up to 6.3 every page fault takes the lock.
const CHEAP_LOCKS: (u32, u32) = (6, 14);

fn locks_are_cheap(release: &str) -> bool {
    version(release).is_some_and(|version| version >= CHEAP_LOCKS)
}

/// Maximum time to attach and detach one hook on a function. There are about forty, so start and
/// end take at most a second. A hook takes a few milliseconds on an ordinary machine, and hundreds
/// under emulation.
const QUICK_HOOK: Duration = Duration::from_millis(25);

/// Returns whether hooks on functions are fast enough to be used by default. `hook` is the time
/// that one hook took; `None` if the kernel does not allow any.
#[must_use]
pub fn hooks_are_quick(hook: Option<Duration>) -> bool {
    hook.is_some_and(|took| took <= QUICK_HOOK)
}

/// Returns the plans to try on a kernel of this release, the best first.
#[must_use]
pub(crate) fn plans(release: &str, hook: Option<Duration>) -> Vec<Plan> {
    let is_default =
        |plan: &Plan| (plan.hook == Hook::Exit || hooks_are_quick(hook)) && plan.possible(release).is_ok();
    Plan::ALL.into_iter().filter(is_default).collect()
}

/// Parses `6.18.44-fc` as (6, 18).
pub(crate) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_hooked_where_that_is_cheap() {
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
    fn functions_are_hooked_by_default_where_that_is_fast() {
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
