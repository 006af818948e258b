//! The seccomp filter of a traced command: its memory calls stop for memtap, and all other calls
//! run normally.
//!
//! It is classic BPF, written by hand. Crates that generate such filters kill or reject 32-bit
//! callers, whose calls are counted here. A few calls stop that are not memory calls:
//! - execve, so that the peaks of the old image are read before it;
//! - prctl if it renames a thread;
//! - clone if the child would not be traced, and clone3 always, because its flags are in memory,
//!   which a filter cannot read.

use std::io;

use memtap_model::{CALLS, Call};
use nix::libc::{self, sock_filter, sock_fprog};

/// Offsets in `struct seccomp_data` (include/uapi/linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// Constants of include/uapi/linux/audit.h.
pub(super) const X86_64: u32 = 0xc000_003e;
pub(super) const I386: u32 = 0x4000_0003;
/// Bit in the numbers of x32 callers, who otherwise count as 64-bit callers
/// (arch/x86/include/uapi/asm/unistd.h).
pub(super) const X32: u32 = 0x4000_0000;

/// System call numbers of one kind of callers that are needed in addition to the call table.
pub(super) struct Numbers {
    pub(super) execve: u32,
    pub(super) execveat: u32,
    pub(super) prctl: u32,
    pub(super) clone: u32,
}

pub(super) const NUMBERS_X86_64: Numbers = Numbers { execve: 59, execveat: 322, prctl: 157, clone: 56 };
pub(super) const NUMBERS_I386: Numbers = Numbers { execve: 11, execveat: 358, prctl: 172, clone: 120 };
/// System call number of clone3, the same for all kinds of callers.
pub(super) const CLONE3: u32 = 435;
/// i386's ipc(), which combines many calls, and the ones among them that are followed
/// (ipc/syscall.c).
pub(super) const IPC_I386: u32 = 117;
pub(super) const IPC_SHMAT: u32 = 21;
pub(super) const IPC_SHMDT: u32 = 22;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUALS: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const HAS_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

const ALLOW: sock_filter = step(RETURN, libc::SECCOMP_RET_ALLOW);
const TRACE: sock_filter = step(RETURN, libc::SECCOMP_RET_TRACE);

/// A complete filter. It is built before the fork, because the child may not allocate.
pub(crate) struct Filter(Vec<sock_filter>);

impl Filter {
    pub(crate) fn new() -> Self {
        let mut steps = vec![step(LOAD, ARCHITECTURE)];
        let on_i386 = i386_steps();
        steps.push(unless(EQUALS, I386, on_i386.len()));
        steps.extend(on_i386);
        // Callers of a kind that this kernel does not support.
        steps.extend([unless(EQUALS, X86_64, 1), jump_over(1), ALLOW]);
        steps.extend([step(LOAD, NUMBER), step(AND, !X32)]);
        steps.extend(stops(CALLS.iter().map(|row| u32::from(row.number_x86_64)), &NUMBERS_X86_64));
        steps.push(ALLOW);
        Self(steps)
    }

    /// Installs the filter for the calling thread and all its children, permanently. Without
    /// privileges this requires `no_new_privs`. Set-user-ID programs then run with the rights of
    /// the user who starts them, as they do anyway under a tracer without privileges.
    pub(crate) fn install(&self) -> io::Result<()> {
        self.install_with(libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW)
            // Kernels before 4.17.
            .or_else(|_| self.install_with(0))
            .or_else(|_| {
                // SAFETY: the call takes only numbers.
                unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
                self.install_with(libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW)
            })
            .or_else(|_| self.install_with(0))
    }

    fn install_with(&self, flags: libc::c_ulong) -> io::Result<()> {
        let program = sock_fprog { len: self.0.len() as u16, filter: self.0.as_ptr().cast_mut() };
        // SAFETY: the program is complete, and the kernel copies it.
        let done = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

fn i386_steps() -> Vec<sock_filter> {
    let mut steps = vec![step(LOAD, NUMBER)];
    let numbers = CALLS.iter().flat_map(|row| row.numbers_i386).map(|number| u32::from(*number));
    steps.extend(stops(numbers, &NUMBERS_I386));
    debug_assert!(!Call::Shmat.row().numbers_i386.is_empty());
    steps.extend([unless(EQUALS, IPC_I386, 6), step(LOAD, FIRST_ARGUMENT), step(AND, 0xffff)]);
    steps.extend([unless(EQUALS, IPC_SHMAT, 1), TRACE, unless(EQUALS, IPC_SHMDT, 1), TRACE]);
    steps.push(ALLOW);
    steps
}

/// Returns the steps that stop the given calls, and the other calls that stop.
fn stops(calls: impl Iterator<Item = u32>, numbers: &Numbers) -> Vec<sock_filter> {
    let always = calls.chain([numbers.execve, numbers.execveat, CLONE3]);
    let mut steps: Vec<_> = always.flat_map(|number| [unless(EQUALS, number, 1), TRACE]).collect();
    let name = [step(LOAD, FIRST_ARGUMENT), unless(EQUALS, libc::PR_SET_NAME as u32, 1), TRACE, ALLOW];
    let escape = [step(LOAD, FIRST_ARGUMENT), unless(HAS_BITS, libc::CLONE_UNTRACED as u32, 1), TRACE, ALLOW];
    for (number, then) in [(numbers.prctl, name), (numbers.clone, escape)] {
        steps.push(unless(EQUALS, number, then.len()));
        steps.extend(then);
    }
    steps
}

const fn step(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// Continues if the test is true, and otherwise skips `over` steps.
const fn unless(test: u32, k: u32, over: usize) -> sock_filter {
    assert!(over <= 255, "a conditional jump is short");
    sock_filter { code: test as u16, jt: 0, jf: over as u8, k }
}

const fn jump_over(steps: u32) -> sock_filter {
    step(libc::BPF_JMP | libc::BPF_JA, steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the decision of the kernel about such a call.
    fn decide(architecture: u32, number: u32, first: u32) -> u32 {
        let Filter(steps) = Filter::new();
        let (mut at, mut value) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = steps[at];
            at += 1;
            let jump = |test: bool| usize::from(if test { jt } else { jf });
            match u32::from(code) {
                LOAD => {
                    value = match k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        FIRST_ARGUMENT => first,
                        other => panic!("loads {other}"),
                    }
                }
                AND => value &= k,
                EQUALS => at += jump(value == k),
                HAS_BITS => at += jump(value & k != 0),
                RETURN => return k,
                code if code == libc::BPF_JMP | libc::BPF_JA => at += k as usize,
                other => panic!("code {other}"),
            }
        }
    }

    fn stops(architecture: u32, number: u32, first: u32) -> bool {
        match decide(architecture, number, first) {
            libc::SECCOMP_RET_TRACE => true,
            libc::SECCOMP_RET_ALLOW => false,
            other => panic!("{other:#x}"),
        }
    }

    #[test]
    fn only_calls_of_the_table_stop() {
        let mut numbers_64: Vec<u32> = CALLS.iter().map(|row| row.number_x86_64.into()).collect();
        numbers_64.extend([59, 322, 435]);
        let mut numbers_32: Vec<u32> =
            CALLS.iter().flat_map(|row| row.numbers_i386).map(|n| (*n).into()).collect();
        numbers_32.extend([11, 358, 435]);
        for number in 0..600 {
            assert_eq!(stops(X86_64, number, 0), numbers_64.contains(&number), "64-bit {number}");
            assert_eq!(stops(X86_64, number | X32, 0), numbers_64.contains(&number), "x32 {number}");
            assert_eq!(stops(I386, number, 0), numbers_32.contains(&number), "32-bit {number}");
        }
    }

    #[test]
    fn prctl_clone_and_ipc_stop_by_their_arguments() {
        for (architecture, number, first, expected) in [
            (X86_64, 157, 15, true),
            (X86_64, 157, 16, false),
            (I386, 172, 15, true),
            (X86_64, 56, 0x0080_0011, true),
            (X86_64, 56, 0x11, false),
            (I386, 117, 0x0001_0015, true),
            (I386, 117, 22, true),
            (I386, 117, 1, false),
            (X86_64, 117, 21, false),
            (0xdead, 9, 0, false),
        ] {
            assert_eq!(stops(architecture, number, first), expected, "{architecture:#x} {number} {first:#x}");
        }
    }
}
