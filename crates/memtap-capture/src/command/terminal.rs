//! The command has the terminal; memtap stands beside it.
//!
//! Both are of one process group, so what is typed reaches both: ^C and ^\ are the command's, and memtap waits for what it makes of them.
//! A signal that another process sends to memtap, to end it or of a user's own, is passed on. When the terminal halts the command (^Z), memtap halts itself
//! afterwards, so that the shell takes over as it would without memtap. Once the command has ended and others of its tree go on, such a
//! signal means that nobody wants to wait for them.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::libc::{self, c_int, c_void, pid_t, siginfo_t};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use nix::unistd::{Pid, getpgid, getpgrp};

/// Whom signals are passed on to.
static COMMAND: AtomicI32 = AtomicI32::new(0);
/// Nobody wants to wait any more.
static ENOUGH: AtomicBool = AtomicBool::new(false);

const PASSED_ON: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];
/// The terminal's own ways to halt a process group.
const HALTING: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

/// From here on. The child was made before, and has the signals as memtap found them.
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

/// The command has ended; others that descend from it may go on.
pub(crate) fn has_ended() {
    // Without SA_RESTART: whoever waits is woken.
    let end = SigAction::new(SigHandler::Handler(enough), SaFlags::empty(), SigSet::empty());
    for signal in PASSED_ON {
        set(signal, &end);
    }
    set(Signal::SIGALRM, &end);
    COMMAND.store(0, Ordering::Relaxed);
}

/// Whether a signal came after that.
pub(crate) fn is_enough() -> bool {
    ENOUGH.load(Ordering::Relaxed)
}

/// A signal that is ignored (by nohup) stays so.
fn set(signal: Signal, action: &SigAction) {
    // SAFETY: the handlers only touch atomics and call kill(2), which a handler may.
    if let Ok(before) = unsafe { sigaction(signal, action) }
        && matches!(before.handler(), SigHandler::SigIgn)
    {
        // SAFETY: as it was.
        let _ = unsafe { sigaction(signal, &before) };
    }
}

extern "C" fn pass_on(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel gives the handler a whole siginfo. What the kernel itself sends (SI_KERNEL), the terminal has sent to all.
    let by_a_process = !info.is_null() && unsafe { (*info).si_code } <= 0;
    let command = COMMAND.load(Ordering::Relaxed);
    if by_a_process && command > 0 {
        // SAFETY: a number and a signal.
        unsafe { libc::kill(command, signal) };
    }
}

extern "C" fn enough(_signal: c_int) {
    ENOUGH.store(true, Ordering::Relaxed);
    // Again in a second: this one may have come just before memtap began to wait.
    // SAFETY: a handler may call alarm(2).
    unsafe { libc::alarm(1) };
}

/// The command was halted by a signal. If that was for the terminal, memtap halts too; it comes back when the shell lets both go on.
pub(crate) fn halt_with_it(pid: pid_t, number: c_int) {
    let Some(signal) = HALTING.into_iter().find(|signal| *signal as c_int == number) else { return };
    if getpgid(Some(Pid::from_raw(pid))) != Ok(getpgrp()) {
        return;
    }
    let halt = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default action runs no code of ours; it is put back as it was. In a process group that no shell watches, the kernel
    // lets nobody be halted so.
    unsafe {
        let Ok(before) = sigaction(signal, &halt) else { return };
        let _ = raise(signal);
        let _ = sigaction(signal, &before);
    }
}
