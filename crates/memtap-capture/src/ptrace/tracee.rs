//! Access to a stopped thread. Only this file calls ptrace(2).
//!
//! For a thread that has been killed in the meantime, every request fails with ESRCH. [`wait`]
//! reports its end later, so such errors can be ignored.

use std::io;
use std::mem::{MaybeUninit, size_of};

use nix::libc::{self, c_int, c_long, pid_t, ptrace_syscall_info};

use crate::command::user_gave_up;

/// Options for tracing. EXITKILL: if memtap is killed, the command's memory calls would meet the
/// filter without its tracer and fail with ENOSYS, which no program expects. The command is
/// therefore killed as well.
const OPTIONS: c_int = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT
    | libc::PTRACE_O_EXITKILL;
/// Constant of include/uapi/linux/ptrace.h, which is missing in some versions of the C library.
const EVENT_STOP: c_int = 128;

/// Reason for the stop of a thread, or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is about to make a call that the filter stops.
    Call,
    /// Its call has returned.
    Return,
    /// It has just been created. For an old thread: nothing important (SIGCONT arrived).
    Born,
    /// Its whole process was stopped by a signal.
    Halted(c_int),
    /// It has a new image.
    Exec,
    /// It is about to end; its memory still exists.
    Exiting,
    /// It has created another thread or process.
    Parent,
    /// A signal is about to be delivered.
    Signal(c_int),
    /// It has ended with this status.
    Ended(c_int),
}

impl Stop {
    /// Decodes a status of wait(2).
    pub(super) fn from_status(status: c_int) -> Self {
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            return Self::Ended(status);
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            libc::PTRACE_EVENT_SECCOMP => Self::Call,
            libc::PTRACE_EVENT_EXEC => Self::Exec,
            libc::PTRACE_EVENT_EXIT => Self::Exiting,
            EVENT_STOP if signal == libc::SIGTRAP => Self::Born,
            EVENT_STOP => Self::Halted(signal),
            0 if signal == libc::SIGTRAP | 0x80 => Self::Return,
            0 => Self::Signal(signal),
            _ => Self::Parent,
        }
    }
}

/// Waits until a child or another descendant stops or ends. Returns `None` if none is left, or if
/// the user has stopped waiting.
pub(super) fn wait() -> io::Result<Option<(pid_t, Stop)>> {
    loop {
        // A signal may have arrived while memtap was busy.
        if user_gave_up() {
            return Ok(None);
        }
        let mut status = 0;
        // SAFETY: the status is a local variable.
        let tid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
        if tid > 0 {
            return Ok(Some((tid, Stop::from_status(status))));
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
    request(libc::PTRACE_SEIZE, tid, 0, OPTIONS as usize).map(drop)
}

/// Continues a thread and delivers a signal to it (0: none).
pub(super) fn resume(tid: pid_t, signal: c_int) {
    let _ = request(libc::PTRACE_CONT, tid, 0, signal as usize);
}

/// Continues a thread until its call returns.
pub(super) fn resume_until_return(tid: pid_t) {
    let _ = request(libc::PTRACE_SYSCALL, tid, 0, 0);
}

/// Leaves a thread stopped with its process until SIGCONT.
pub(super) fn stay_halted(tid: pid_t) {
    let _ = request(libc::PTRACE_LISTEN, tid, 0, 0);
}

/// Returns the call that a thread is about to make: architecture (`AUDIT_ARCH_...`), number and
/// arguments.
pub(super) fn call(tid: pid_t) -> Option<(u32, u64, [u64; 6])> {
    let info = syscall_info(tid)?;
    // SAFETY: `op` selects the field of the union, and any bits are valid for each field.
    let call = (info.op == libc::PTRACE_SYSCALL_INFO_SECCOMP).then_some(unsafe { info.u.seccomp })?;
    Some((info.arch, call.nr, call.args))
}

/// Returns the return value of the call.
pub(super) fn return_value(tid: pid_t) -> Option<i64> {
    let info = syscall_info(tid)?;
    // SAFETY: `op` selects the field of the union, and any bits are valid for each field.
    (info.op == libc::PTRACE_SYSCALL_INFO_EXIT).then_some(unsafe { info.u.exit.sval })
}

/// Returns the architecture that defines the numbers of the thread's calls.
pub(super) fn architecture(tid: pid_t) -> Option<u32> {
    syscall_info(tid).map(|info| info.arch)
}

fn syscall_info(tid: pid_t) -> Option<ptrace_syscall_info> {
    let mut info = MaybeUninit::<ptrace_syscall_info>::zeroed();
    request(libc::PTRACE_GET_SYSCALL_INFO, tid, size_of::<ptrace_syscall_info>(), info.as_mut_ptr() as usize)
        .ok()?;
    // SAFETY: the kernel has written the struct, and zeros are valid for what it did not write.
    Some(unsafe { info.assume_init() })
}

/// Returns the child of a thread that stopped as a parent.
pub(super) fn child(tid: pid_t) -> Option<pid_t> {
    let mut child = 0 as libc::c_ulong;
    request(libc::PTRACE_GETEVENTMSG, tid, 0, (&raw mut child) as usize).ok()?;
    pid_t::try_from(child).ok()
}

/// Returns a stopped thread's registers, in the 64-bit form for all kinds of callers.
pub(super) fn registers(tid: pid_t) -> Option<libc::user_regs_struct> {
    let mut registers = MaybeUninit::<libc::user_regs_struct>::zeroed();
    request(libc::PTRACE_GETREGS, tid, 0, registers.as_mut_ptr() as usize).ok()?;
    // SAFETY: the kernel has written the complete struct.
    Some(unsafe { registers.assume_init() })
}

pub(super) fn set_registers(tid: pid_t, registers: &libc::user_regs_struct) {
    let _ = request(libc::PTRACE_SETREGS, tid, 0, std::ptr::from_ref(registers) as usize);
}

/// Reads eight bytes of a stopped thread's memory.
pub(super) fn word(tid: pid_t, address: u64) -> Option<u64> {
    // The kernel's own calling convention, which writes the word to the address in `data`.
    let mut word = 0_u64;
    // SAFETY: the kernel writes one word to a local variable.
    let done = unsafe {
        libc::syscall(libc::SYS_ptrace, c_long::from(libc::PTRACE_PEEKDATA), tid, address, &raw mut word)
    };
    (done == 0).then_some(word)
}

/// Writes eight bytes of a stopped thread's memory.
pub(super) fn set_word(tid: pid_t, address: u64, word: u64) {
    let _ = request(libc::PTRACE_POKEDATA, tid, address as usize, word as usize);
}

fn request(kind: libc::c_uint, tid: pid_t, address: usize, data: usize) -> io::Result<c_long> {
    // SAFETY: if `data` is a pointer, every caller above passes one to memory of the size that the
    // request uses.
    let answer = unsafe { libc::ptrace(kind as _, tid, address, data) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_decoded() {
        let stopped = |signal: c_int, event: c_int| Stop::from_status(event << 16 | signal << 8 | 0x7f);
        for (stop, expected) in [
            (stopped(libc::SIGTRAP, 7), Stop::Call),
            (stopped(libc::SIGTRAP | 0x80, 0), Stop::Return),
            (stopped(libc::SIGTRAP, 128), Stop::Born),
            (stopped(libc::SIGTSTP, 128), Stop::Halted(libc::SIGTSTP)),
            (stopped(libc::SIGTRAP, 4), Stop::Exec),
            (stopped(libc::SIGTRAP, 6), Stop::Exiting),
            (stopped(libc::SIGTRAP, 2), Stop::Parent),
            (stopped(libc::SIGTRAP, 0), Stop::Signal(libc::SIGTRAP)),
            (stopped(libc::SIGSEGV, 0), Stop::Signal(libc::SIGSEGV)),
            (Stop::from_status(3 << 8), Stop::Ended(3 << 8)),
            (Stop::from_status(libc::SIGKILL), Stop::Ended(libc::SIGKILL)),
        ] {
            assert_eq!(stop, expected);
        }
    }
}
