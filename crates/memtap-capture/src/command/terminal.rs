//! Signals while a command runs: the command controls the terminal, and memtap stays in the
//! background.
//!
//! Both are in one process group, so signals typed at the terminal reach both. ^C and ^\ are meant
//! for the command, and memtap waits for its reaction. A signal that another process sends to
//! memtap (to end it, or SIGUSR1 and SIGUSR2) is passed on to the command. When the terminal stops
//! the command (^Z), memtap stops itself afterwards, so that the shell takes over as it would
//! without memtap. After the command has ended while its descendants still run, such a signal means
//! that the user no longer wants to wait for them.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::libc::{self, c_int, c_void, pid_t, siginfo_t};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use nix::unistd::{Pid, getpgid, getpgrp};

/// Pid of the command, to which signals are passed on.
static COMMAND: AtomicI32 = AtomicI32::new(0);
/// True if the user no longer wants to wait.
static GAVE_UP: AtomicBool = AtomicBool::new(false);

const PASSED_ON: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];
/// Signals by which the terminal stops a process group.
const HALTING: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

/// Begins to pass on signals. The child was created before and has the original signal actions.
pub(super) fn pass_signals_to(child: Pid) {
    COMMAND.store(child.as_raw(), Ordering::Relaxed);
    let pass = SigAction::new(SigHandler::SigAction(pass_on), SaFlags::SA_RESTART, SigSet::empty());
    for signal in PASSED_ON {
        set(signal, &pass);
    }
    for signal in HALTING {
        set(signal, &SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty()));
    }
}

/// Ends the passing on of signals: the command has ended, but its descendants may still run.
pub(crate) fn command_ended() {
    // Without SA_RESTART, a signal interrupts a blocking wait.
    let end = SigAction::new(SigHandler::Handler(give_up), SaFlags::empty(), SigSet::empty());
    for signal in PASSED_ON {
        set(signal, &end);
    }
    set(Signal::SIGALRM, &end);
    COMMAND.store(0, Ordering::Relaxed);
}

/// Returns whether a signal arrived after the command ended.
pub(crate) fn user_gave_up() -> bool {
    GAVE_UP.load(Ordering::Relaxed)
}

/// Sets the action of a signal. A signal that is ignored (by nohup) stays ignored.
fn set(signal: Signal, action: &SigAction) {
    // SAFETY: the handlers only access atomics and call kill(2) and alarm(2), which handlers may.
    if let Ok(before) = unsafe { sigaction(signal, action) }
        && matches!(before.handler(), SigHandler::SigIgn)
    {
        // SAFETY: restores the previous action.
        let _ = unsafe { sigaction(signal, &before) };
    }
}

extern "C" fn pass_on(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel passes a complete siginfo. A signal from the kernel (SI_KERNEL) was sent
    // by the terminal to the whole group.
    let by_a_process = !info.is_null() && unsafe { (*info).si_code } <= 0;
    let command = COMMAND.load(Ordering::Relaxed);
    if by_a_process && command > 0 {
        // SAFETY: takes a pid and a signal.
        unsafe { libc::kill(command, signal) };
    }
}

extern "C" fn give_up(_signal: c_int) {
    GAVE_UP.store(true, Ordering::Relaxed);
    // Repeat in a second: this signal may have arrived just before memtap began to wait.
    // SAFETY: a handler may call alarm(2).
    unsafe { libc::alarm(1) };
}

/// Stops memtap if the terminal stopped the command. It continues when the shell continues both.
pub(crate) fn halt_with_command(pid: pid_t, number: c_int) {
    let Some(signal) = HALTING.into_iter().find(|signal| *signal as c_int == number) else { return };
    if getpgid(Some(Pid::from_raw(pid))) != Ok(getpgrp()) {
        return;
    }
    let halt = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default action runs no code of this program, and the previous action is restored.
    // If no shell controls the process group, the kernel ignores the signal.
    unsafe {
        let Ok(before) = sigaction(signal, &halt) else { return };
        let _ = raise(signal);
        let _ = sigaction(signal, &before);
    }
}
