//! The kernel's words to and from a stopped thread. This file alone calls ptrace(2).
//!
//! A thread that was killed meanwhile answers every word with ESRCH; its end will be told by [`wait`], so nothing is lost by not minding.

use std::io;
use std::mem::{MaybeUninit, size_of};

use nix::libc::{self, c_int, c_long, pid_t, ptrace_syscall_info};

use crate::command::is_enough;

/// EXITKILL: when memtap is killed, a memory call of the command would find the filter without its tracer and be refused with ENOSYS, which
/// no program is made for; so the command dies with it.
const OPTIONS: c_int = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT
    | libc::PTRACE_O_EXITKILL;
/// include/uapi/linux/ptrace.h; not in all versions of the C library.
const EVENT_STOP: c_int = 128;

/// Why a thread stands still, or stands no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is about to make one of the calls that the filter holds back.
    Call,
    /// Its call has come back.
    Answer,
    /// It has just been born; or, if it is an old one, nothing of note (SIGCONT came).
    Born,
    /// All its process stands still, by a signal as it should.
    Halted(c_int),
    /// It has a new image.
    Exec,
    /// It is about to end, its memory still there.
    Exiting,
    /// It has borne another.
    Parent,
    /// A signal is about to reach it.
    Signal(c_int),
    /// It is gone, and this was its status.
    Gone(c_int),
}

impl Stop {
    /// What a status of wait(2) says.
    pub(super) fn of(status: c_int) -> Self {
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            return Self::Gone(status);
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            libc::PTRACE_EVENT_SECCOMP => Self::Call,
            libc::PTRACE_EVENT_EXEC => Self::Exec,
            libc::PTRACE_EVENT_EXIT => Self::Exiting,
            EVENT_STOP if signal == libc::SIGTRAP => Self::Born,
            EVENT_STOP => Self::Halted(signal),
            0 if signal == libc::SIGTRAP | 0x80 => Self::Answer,
            0 => Self::Signal(signal),
            _ => Self::Parent,
        }
    }
}

/// Waits until a child, or whatever descends from it, stops or ends; `None` when there is none left, or nobody wants to wait any more.
pub(super) fn wait() -> io::Result<Option<(pid_t, Stop)>> {
    loop {
        // A signal may have come while memtap was busy.
        if is_enough() {
            return Ok(None);
        }
        let mut status = 0;
        // SAFETY: the status is ours.
        let tid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
        if tid > 0 {
            return Ok(Some((tid, Stop::of(status))));
        }
        match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}

/// Becomes the tracer of a running child.
pub(super) fn seize(tid: pid_t) -> io::Result<()> {
    ask(libc::PTRACE_SEIZE, tid, 0, OPTIONS as usize).map(drop)
}

/// Lets a thread run, with a signal that reaches it (0: none).
pub(super) fn go_on(tid: pid_t, signal: c_int) {
    let _ = ask(libc::PTRACE_CONT, tid, 0, signal as usize);
}

/// Lets a thread run until its call comes back.
pub(super) fn go_to_answer(tid: pid_t) {
    let _ = ask(libc::PTRACE_SYSCALL, tid, 0, 0);
}

/// Leaves a thread halted with its process, until SIGCONT.
pub(super) fn stay_halted(tid: pid_t) {
    let _ = ask(libc::PTRACE_LISTEN, tid, 0, 0);
}

/// The call that a thread is about to make: whose numbers it has (`AUDIT_ARCH_...`), the number, the arguments.
pub(super) fn call(tid: pid_t) -> Option<(u32, u64, [u64; 6])> {
    let info = syscall_info(tid)?;
    // SAFETY: `op` says which of the union it is, and any bits are valid for each.
    let call = (info.op == libc::PTRACE_SYSCALL_INFO_SECCOMP).then_some(unsafe { info.u.seccomp })?;
    Some((info.arch, call.nr, call.args))
}

/// What the call came back with.
pub(super) fn answer(tid: pid_t) -> Option<i64> {
    let info = syscall_info(tid)?;
    // SAFETY: `op` says which of the union it is, and any bits are valid for each.
    (info.op == libc::PTRACE_SYSCALL_INFO_EXIT).then_some(unsafe { info.u.exit.sval })
}

/// Whose numbers the call has that a thread is in.
pub(super) fn architecture(tid: pid_t) -> Option<u32> {
    syscall_info(tid).map(|info| info.arch)
}

fn syscall_info(tid: pid_t) -> Option<ptrace_syscall_info> {
    let mut info = MaybeUninit::<ptrace_syscall_info>::zeroed();
    ask(libc::PTRACE_GET_SYSCALL_INFO, tid, size_of::<ptrace_syscall_info>(), info.as_mut_ptr() as usize)
        .ok()?;
    // SAFETY: the kernel has written it, and noughts are valid for what it did not write.
    Some(unsafe { info.assume_init() })
}

/// Whom a thread that stopped as a parent has borne.
pub(super) fn child(tid: pid_t) -> Option<pid_t> {
    let mut child = 0 as libc::c_ulong;
    ask(libc::PTRACE_GETEVENTMSG, tid, 0, (&raw mut child) as usize).ok()?;
    pid_t::try_from(child).ok()
}

/// A stopped thread's registers, in the 64-bit form whoever it is.
pub(super) fn registers(tid: pid_t) -> Option<libc::user_regs_struct> {
    let mut registers = MaybeUninit::<libc::user_regs_struct>::zeroed();
    ask(libc::PTRACE_GETREGS, tid, 0, registers.as_mut_ptr() as usize).ok()?;
    // SAFETY: the kernel has written all of it.
    Some(unsafe { registers.assume_init() })
}

pub(super) fn set_registers(tid: pid_t, registers: &libc::user_regs_struct) {
    let _ = ask(libc::PTRACE_SETREGS, tid, 0, std::ptr::from_ref(registers) as usize);
}

/// Eight bytes of a stopped thread's memory.
pub(super) fn word(tid: pid_t, address: u64) -> Option<u64> {
    // The kernel's own form: it writes the word to where `data` points.
    let mut word = 0_u64;
    // SAFETY: the kernel writes one word to an address of ours.
    let done = unsafe {
        libc::syscall(libc::SYS_ptrace, c_long::from(libc::PTRACE_PEEKDATA), tid, address, &raw mut word)
    };
    (done == 0).then_some(word)
}

/// Writes eight bytes of a stopped thread's memory.
pub(super) fn set_word(tid: pid_t, address: u64, word: u64) {
    let _ = ask(libc::PTRACE_POKEDATA, tid, address as usize, word as usize);
}

fn ask(request: libc::c_uint, tid: pid_t, address: usize, data: usize) -> io::Result<c_long> {
    // SAFETY: what `data` points to, where it does, is as large as the request writes or reads, in every caller above.
    let answer = unsafe { libc::ptrace(request as _, tid, address, data) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_why() {
        let stopped = |signal: c_int, event: c_int| Stop::of(event << 16 | signal << 8 | 0x7f);
        for (stop, expected) in [
            (stopped(libc::SIGTRAP, 7), Stop::Call),
            (stopped(libc::SIGTRAP | 0x80, 0), Stop::Answer),
            (stopped(libc::SIGTRAP, 128), Stop::Born),
            (stopped(libc::SIGTSTP, 128), Stop::Halted(libc::SIGTSTP)),
            (stopped(libc::SIGTRAP, 4), Stop::Exec),
            (stopped(libc::SIGTRAP, 6), Stop::Exiting),
            (stopped(libc::SIGTRAP, 2), Stop::Parent),
            (stopped(libc::SIGTRAP, 0), Stop::Signal(libc::SIGTRAP)),
            (stopped(libc::SIGSEGV, 0), Stop::Signal(libc::SIGSEGV)),
            (Stop::of(3 << 8), Stop::Gone(3 << 8)),
            (Stop::of(libc::SIGKILL), Stop::Gone(libc::SIGKILL)),
        ] {
            assert_eq!(stop, expected);
        }
    }
}
