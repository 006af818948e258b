//! Cost for processes that do not request memory.

use std::collections::HashSet;

use aya::programs::{ProgramInfo, loaded_programs};
use aya::sys::{Stats, enable_stats};

use super::*;

/// Returns the loaded programs. Programs that are unloaded in the meantime are skipped.
fn programs() -> impl Iterator<Item = ProgramInfo> {
    loaded_programs().filter_map(Result::ok)
}

/// Returns the number of runs of programs that were loaded after `others`. The kernel counts runs
/// while statistics are enabled.
fn runs_beside(others: &HashSet<u32>) -> u64 {
    programs().filter(|program| !others.contains(&program.id())).map(|program| program.run_count()).sum()
}

#[test]
fn an_unrelated_call_runs_one_program_and_none_where_functions_are_hooked() {
    const CALLS: u64 = 20_000;
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let _counting = enable_stats(Stats::RunTime).unwrap();
    for plan in all_plans() {
        let others: HashSet<u32> = programs().map(|program| program.id()).collect();
        let _source = bpf(&with_plan(plan));
        let before = runs_beside(&others);
        for _ in 0..CALLS {
            // SAFETY: the call has no arguments and cannot fail.
            unsafe { libc::syscall(libc::SYS_getppid) };
        }
        let runs = runs_beside(&others) - before;
        eprintln!("{}: {runs} runs for {CALLS} calls of getppid", plan.name());
        // Other processes on this machine cause additional runs.
        match plan.hook {
            Hook::Exit => assert!(runs >= CALLS, "{runs}"),
            Hook::Functions => assert!(runs < CALLS / 10, "{runs}"),
        }
    }
}
